"""One rival in a process of its own: `python worker.py KIND CASE.npz STEPS` takes a turn for each line that it reads.

A turn prints seconds by the clock and CPU seconds of a step. Kinds: "jax", a checkout's `dcgmm` of today's form;
"tensorflow", the `dcgmm` of commit ac64f8d and before; "naive", the straightforward form, benchmarks/naive_dcgmm.py.
Which checkout is a matter of PYTHONPATH, so nothing of one is imported before the kind is known.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def layers_of(case: dict[str, Any]) -> list[dict[str, np.ndarray]]:
    """The parameters of each cGMM layer."""
    count = sum(name.startswith("mu_") for name in case)
    return [{name: case[f"{name}_{i}"] for name in ("mu", "s", "w")} for i in range(count)]


def jax_step(case: dict[str, Any], steps: int, models: int = 1, device: str = "cpu") -> Callable[[], None]:
    """A window of so many steps of so many models at once, as training runs it."""
    import jax

    from dcgmm import devices, training
    from dcgmm.layers.parameters import Parameters
    from dcgmm.network import stages
    from dcgmm.notation import place
    from dcgmm.programs import Program

    where, layers = devices.resolve(device), layers_of(case)
    chain = stages(place(str(case["config"]), (28, 28, 1)), devices.platform_of(where))
    program = Program(chain, (1.0, 0.1, 0.0), len(chain), False)
    states = [training.TrainingState([Parameters(**layer) for layer in layers], (), []) for _ in range(models)]
    runner: Any = training.Alone if models == 1 else training.Stacked
    held = runner.hold(states, where)
    data = jax.device_put(training.Data(case["x"], np.zeros(len(case["x"]), np.int32)), where)
    indices = np.tile(np.arange(len(case["x"]), dtype=np.int32), (models, steps, 1))
    smoothings = [[case[f"G_{i}"] for i in range(len(chain))]] * models
    rates = np.full((models, len(chain)), 0.011, np.float32)

    def run() -> None:
        nonlocal held
        held, losses = runner.run(program, data, held, indices, steps, smoothings, rates)
        if not np.isfinite(losses).all():
            raise ArithmeticError(f"{case['config']}: the loss is not a number")

    return run


def tensorflow_step(case: dict[str, Any], steps: int) -> Callable[[], None]:
    """The same by the benchmark of the other checkout itself."""
    from benchmarks import train_step  # type: ignore[attr-defined]

    train_step.STEPS = steps
    sigmas = [float(case[f"sigma_{i}"]) for i in range(len(layers_of(case)))]
    return train_step.library_step(str(case["config"]), layers_of(case), sigmas, case["x"])


def naive_step(case: dict[str, Any], steps: int) -> Callable[[], None]:
    """The straightforward form, one step at a time."""
    from benchmarks import naive_dcgmm as naive

    model = naive.NaiveDCGMM(str(case["config"]), (28, 28, 1))
    model.set_parameters(layers_of(case))
    for i, layer in enumerate(model.cgmms):
        layer["annealing"].sigma = float(case[f"sigma_{i}"])

    def run() -> None:
        for _ in range(steps):
            model.train_step(case["x"])

    return run


KINDS = {"jax": jax_step, "tensorflow": tensorflow_step, "naive": naive_step}


def timed(run: Callable[[], None], steps: int) -> tuple[float, float]:
    """Seconds by the clock and CPU seconds of a step."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return (time.perf_counter() - wall) / steps, (time.process_time() - cpu) / steps


def main() -> None:
    kind, path, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with np.load(path) as file:
        case = {name: file[name] for name in file.files}
    run = KINDS[kind](case, steps)
    run()  # which compiles
    print("ready", flush=True)
    for _ in sys.stdin:
        print(*timed(run, steps), flush=True)


if __name__ == "__main__":
    main()
