"""One training step of DCGMM, instances A to G, shared and independent, batch 100, on a CPU or a GPU.

    python -m benchmarks.speed.train_step                              # on a CPU, beside what bytes and FLOPs allow
    python -m benchmarks.speed.train_step --naive                      # against the straightforward form (TensorFlow)
    python -m benchmarks.speed.train_step --against ../old --threads 1 # against another checkout, such as ac64f8d
    python -m benchmarks.speed.train_step --device gpu --models 1 10 50

Needs JAX, NumPy and safetensors, nothing else (the rivals need TensorFlow). "initial": parameters as training starts,
sigma wide. "trained": parameters after a step of hard EM, sigma 0.01, so that responsibilities underflow as those of a
trained model do. Rivals get the same images and parameters, are processes of their own that are bound to the first
`--threads` cores, and take turns. Times are medians over the turns of a window of steps, in milliseconds a step.

"bound" is the time that the bytes and the operations of a step (`cases.needs`) take at the rates of the machine, the
larger of the two; the rates are measured in the same run: copying 1 GiB (CPU: 256 MiB), and a product of two float32
matrices at full precision.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import report
from benchmarks.speed.cases import SHARINGS, STATES, Case, needs
from benchmarks.speed.worker import jax_step, timed

CHECKOUT = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("worker.py")
STEPS = {"cpu": 10, "gpu": 100}  # in a window; training has 100


def rates(device: str) -> tuple[float, float]:
    """Bytes a second (read and written) and float32 operations a second that the device reaches, measured."""
    import jax
    import jax.numpy as jnp

    from dcgmm import devices

    where, large = devices.resolve(device), device == "gpu"
    side, values = (8192, 2**28) if large else (2048, 2**26)
    a = jax.device_put(np.random.default_rng(0).random((side, side), np.float32), where)
    x = jax.device_put(np.zeros(values, np.float32), where)
    copy, multiply = jax.jit(lambda x: x + 1.0), jax.jit(lambda a: jnp.matmul(a, a, precision="highest"))

    def seconds(run: Callable[[], Any]) -> float:
        jax.block_until_ready(run())
        return min(timed(lambda: jax.block_until_ready(run()), 1)[0] for _ in range(5))

    return 8.0 * values / seconds(lambda: copy(x)), 2.0 * side**3 / seconds(lambda: multiply(a))


def alone(
    cases: Sequence[Case], device: str, models: Sequence[int], turns: int, bandwidth: float, operations_rate: float
) -> Iterator[dict[str, Any]]:
    """Rows of this checkout by itself, in this process, beside the rates of the device."""
    steps = STEPS[device]
    for case in cases:
        arrays = case.arrays()
        moved, operations = needs(case)
        for count in models:
            run = jax_step(arrays, steps, count, device)
            run()
            wall = statistics.median(timed(run, steps)[0] for _ in range(turns))
            yield {
                **row_head(case),
                "models": count,
                "ms": 1000 * wall,
                "ms a model": 1000 * wall / count,
                "bound (ms)": 1000 * count * max(moved / bandwidth, operations / operations_rate),
                "bandwidth (%)": 100 * count * moved / wall / bandwidth,
                "float32 (%)": 100 * count * operations / wall / operations_rate,
            }


def row_head(case: Case) -> dict[str, Any]:
    return {"instance": case.name, "sharing": case.sharing, "parameters": case.state}


@contextmanager
def rival(kind: str, checkout: Path, case: Path, threads: int) -> Iterator[Callable[[], tuple[float, float]]]:
    """A rival's process: a function that has it take a turn and gives seconds by the clock and CPU seconds a step."""
    cores = sorted(os.sched_getaffinity(0))[:threads]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, str(WORKER), kind, str(case), str(STEPS["cpu"])]
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            ["taskset", "-c", ",".join(map(str, cores)), *command],
            cwd=checkout,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        answers, questions = process.stdout, process.stdin

        def answer() -> str:
            line = answers.readline()
            if not line:
                errors.seek(0)
                raise SystemExit(f"the rival {kind!r} of {checkout} has stopped:\n{errors.read()[-3000:]}")
            return line

        def turn() -> tuple[float, float]:
            questions.write("\n")
            questions.flush()
            wall, cpu = map(float, answer().split())
            return wall, cpu

        while answer() != "ready\n":
            pass
        yield turn
        questions.close()


def kind_of(checkout: Path) -> str:
    """Which of the worker's kinds a checkout's library is."""
    return "jax" if (checkout / "dcgmm" / "programs.py").is_file() else "tensorflow"


def against(cases: Sequence[Case], rivals: dict[str, tuple[str, Path]], threads: int, turns: int) -> Iterator[dict]:
    """Rows of this checkout and its rivals, taking turns."""
    everyone = {"dcgmm": ("jax", CHECKOUT), **rivals}
    for case in cases:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            path = Path(folder, "case.npz")
            np.savez(path, **case.arrays())
            turn = {n: stack.enter_context(rival(k, c, path, threads)) for n, (k, c) in everyone.items()}
            taken = [{name: take() for name, take in turn.items()} for _ in range(turns)]
        row = row_head(case)
        for name in everyone:
            for what, unit in enumerate(("ms", "CPU ms")):
                row[f"{name} ({unit})"] = 1000 * statistics.median(times[name][what] for times in taken)
        row |= {f"{name} / dcgmm": row[f"{name} (CPU ms)"] / row["dcgmm (CPU ms)"] for name in rivals}
        print(rounded(row), file=sys.stderr)
        yield row


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    """The row as it is shown while the others are measured."""
    return {name: value if isinstance(value, str) else round(value, 3) for name, value in row.items()}


def means(rows: Sequence[dict[str, Any]], rivals: Sequence[str]) -> list[str]:
    """Notes: the geometric mean of the ratios against each rival."""
    return [
        f"geometric mean of {name} / dcgmm (CPU time), {sharing}, {state}: {math.exp(np.mean(logs)):.2f}"
        for name in rivals
        for sharing in SHARINGS
        for state in STATES
        if (
            logs := [
                math.log(row[f"{name} / dcgmm"])
                for row in rows
                if (row["sharing"], row["parameters"]) == (sharing, state)
            ]
        )
    ]


def peak_memory(name: str = "E", count: int = 50_000, steps: int = 300) -> float:
    """Peak resident megabytes of a process that trains an instance on `count` images by `DCGMM.fit`."""
    code = (
        "import resource\nfrom benchmarks.speed.cases import SHAPE, images\nfrom dcgmm import DCGMM\n"
        f"model = DCGMM.instance({name!r}, input_shape=SHAPE, seed=0)\n"
        f"model.fit(images({count}), iterations={steps}, batch_size=100, progress=False)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.split()[-1])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", default="ABCDEFG", help="letters of the instances (default: all)")
    parser.add_argument("--sharing", nargs="+", default=list(SHARINGS), choices=SHARINGS)
    parser.add_argument("--parameters", nargs="+", default=["trained"], choices=STATES)
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--models", nargs="+", type=int, default=[1], help="how many at once (default: 1)")
    parser.add_argument("--naive", action="store_true", help="against the straightforward form; shared parameters only")
    parser.add_argument("--against", nargs="+", default=[], type=Path, metavar="PATH", help="against other checkouts")
    parser.add_argument("--threads", type=int, default=1, help="cores of each rival (default: 1)")
    parser.add_argument("--turns", type=int, default=5, help="turns of each (default: 5)")
    parser.add_argument("--memory", action="store_true", help="also the peak memory of training E")
    parser.add_argument("--json", help="write the table to this file")
    parser.add_argument("--markdown", help="write the table to this file")
    args = parser.parse_args(argv)
    cases = [
        Case(name, sharing, state)
        for sharing in args.sharing
        for name in args.instances
        for state in args.parameters
        if sharing == "shared" or name != "A"  # which has one position
    ]
    # First: on Linux a process starts with the peak of the process that it was forked from.
    notes = (
        [f"peak memory of training E on 50,000 images: {peak_memory('E', 50_000, 300):,.0f} MB"] if args.memory else []
    )
    rivals: dict[str, tuple[str, Path]] = {"naive": ("naive", CHECKOUT)} if args.naive else {}
    for checkout in args.against:
        rivals[checkout.name] = (kind_of(checkout), checkout.resolve())
    if rivals:
        rows = list(against(cases, rivals, args.threads, args.turns))
        notes += means(rows, list(rivals))
    elif args.device == "gpu" and not has_gpu():
        print("GPU: not measured. JAX finds none here.")
        return 0
    else:
        measured = rates(args.device)
        rows = list(alone(cases, args.device, args.models, args.turns, *measured))
        notes.append(device_note(args.device, *measured))
    report(rows, notes=notes, json_path=args.json, markdown_path=args.markdown)
    return 0


def has_gpu() -> bool:
    """Whether JAX finds a graphics card."""
    import jax

    return jax.default_backend() == "gpu"


def device_note(device: str, bandwidth: float, operations_rate: float) -> str:
    """The device, JAX's version, and the rates that shares are of."""
    import jax

    from dcgmm import devices

    kind = devices.resolve(device).device_kind
    measured = f"{bandwidth / 1e9:,.0f} GB/s, {operations_rate / 1e12:,.2f} TFLOP/s measured"
    return f"{kind}, JAX {jax.__version__}: {measured}"


if __name__ == "__main__":
    raise SystemExit(main())
