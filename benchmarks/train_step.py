"""One training step of the instances A to G, batch 100: `dcgmm` against the straightforward implementation.

    python -m benchmarks.train_step                      # A to G, initial and trained-like parameters, peak memory of E
    python -m benchmarks.train_step --instances E --no-memory --json step.json --markdown step.md

Both rivals get the same images and the same parameters, and take turns in one process. "initial": parameters as
training starts, sigma wide. "trained": each centroid the mean of the inputs nearest to a random input, inverse
standard deviations from the same inputs (bounded by sqrt(20)), sigma 0.01: responsibilities underflow as those of a
trained model do, and many would be denormal. The opponent (benchmarks/naive_dcgmm.py) runs as one tf.function too.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from typing import Any

import numpy as np

from benchmarks import naive_dcgmm as naive
from benchmarks.measure import alternate, report

INSTANCES = {
    "A": "F(28,1)-G(49)",
    "B": "F(8,2)-G(49)-F(11,1)-G(49)",
    "C": "F(8,1)-G(49)-P(2,2,valid)-F(10,1)-G(49)",
    "D": "F(3,1)-G(25)-P(2,2)-F(4,1)-G(25)-P(2,2)-F(5,5)-G(49)",
    "E": "F(3,1)-G(25)-F(4,2)-G(25)-F(12,1)-G(49)",
    "F": "F(3,1)-G(25)-F(4,2)-G(25)-F(4,2)-G(25)-F(5,1)-G(49)",
    "G": "F(3,1)-G(25)-P(2,2)-F(3,1)-G(25)-P(2,2)-F(3,1)-G(25)-P(2,2)-F(2,1)-G(49)",
}
SHAPE = (28, 28, 1)
BATCH = 100
STEPS = 10  # of the library in one turn: its loop runs many steps in one call, as in training


def images(n: int, seed: int = 0) -> np.ndarray:
    """(n, 28, 28, 1) float32 in [0, 1]: scikit-learn's digits, enlarged, drawn with replacement."""
    from sklearn.datasets import load_digits

    digits = load_digits().images.astype(np.float32) / 16.0
    enlarged = np.pad(digits.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2)))
    chosen = np.random.default_rng(seed).integers(0, len(enlarged), n)
    return enlarged[chosen][..., None]


def log_densities(x: np.ndarray, mu: np.ndarray, s: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The plain form of the oracle, for shared parameters and all positions at once (it is only needed once here)."""
    out = [
        np.log(s[0, k]).sum()
        - 0.5 * ((s[0, k] * (x - mu[0, k])) ** 2).sum(-1)
        - 0.5 * x.shape[-1] * math.log(2 * math.pi)
        for k in range(mu.shape[1])
    ]
    return np.stack(out, axis=-1) + naive.log_weights(w[0])


def trained_like(config: str, x: np.ndarray, seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Parameters (shared, contract layout) after one hard-EM iteration from random inputs, layer by layer."""
    rng, a, parameters = np.random.default_rng(seed), x.astype(np.float32), []
    for kind, arguments in naive.parse(config):
        if kind == "F":
            a = naive.fold(a, int(arguments[0]), int(arguments[1]))
        elif kind == "P":
            a = naive.pool(a, int(arguments[0]), int(arguments[1]), "valid" in arguments)
        elif kind == "G":
            k, rows = int(arguments[0]), a.reshape(-1, a.shape[-1])
            rows = rows[rng.permutation(len(rows))[:20000]]
            layer = {
                "mu": rows[None, :k].copy(),
                "s": np.full((1, k, rows.shape[1]), naive.S_MAX, np.float32),
                "w": np.zeros((1, k), np.float32),
            }
            winner = log_densities(rows, **layer).argmax(-1)
            for component in range(k):
                mine = rows[winner == component]
                if len(mine):
                    layer["mu"][0, component] = mine.mean(0)
                    layer["s"][0, component] = np.minimum(1 / np.maximum(mine.std(0), 1e-6), naive.S_MAX)
            parameters.append(layer)
            a = naive.responsibilities(log_densities(a, **layer)).astype(np.float32)
    return parameters


def smoothing_widths(config: str, state: str) -> list[float]:
    """Sigma of each cGMM layer: as training starts, or at its floor."""
    sizes = [int(arguments[0]) for kind, arguments in naive.parse(config) if kind == "G"]
    return [0.25 * math.sqrt(2 * k) if state == "initial" else naive.SIGMA_END for k in sizes]


def naive_step(config: str, start: list[dict[str, np.ndarray]] | None, sigmas: list[float], x: np.ndarray) -> Any:
    """The opponent's step as a function without arguments, and the parameters that it starts from."""
    model = naive.NaiveDCGMM(config, SHAPE)
    if start is not None:
        model.set_parameters(start)
    for layer, sigma in zip(model.cgmms, sigmas, strict=True):
        layer["annealing"].sigma = sigma
    return (lambda: model.train_step(x)), model.get_parameters()


def library_step(config: str, start: list[dict[str, np.ndarray]], sigmas: list[float], x: np.ndarray) -> Any:
    """`STEPS` steps of the library's compiled training loop as a function without arguments."""
    import jax.numpy as jnp

    from dcgmm.layers.parameters import Parameters, packed
    from dcgmm.network import stages
    from dcgmm.notation import place
    from dcgmm.programs import Program, compiled

    chain = stages(place(config, SHAPE))
    annealed = all(sigma <= naive.SIGMA_END for sigma in sigmas)
    window = compiled(Program(chain, (1.0, 0.1, 0.0), len(chain), annealed))
    smoothings = tuple(
        np.float32(naive.smoothing_matrix(stage.components, sigma)) for stage, sigma in zip(chain, sigmas, strict=True)
    )
    rates = np.full(len(chain), 0.011, np.float32)
    data, labels = jnp.asarray(x), jnp.zeros(1, jnp.int32)
    indices = np.tile(np.arange(len(x), dtype=np.int32), (STEPS, 1))
    parameters = tuple(packed(Parameters(**{n: jnp.asarray(v) for n, v in layer.items()})) for layer in start)

    def run() -> None:
        nonlocal parameters
        count = np.int32(STEPS)
        parameters, _, losses = window(data, labels, indices, count, parameters, (), smoothings, rates)
        if not np.isfinite(losses).all():
            raise ArithmeticError(f"{config}: the loss is not a number")

    return run


def measure(name: str, state: str, turns: int) -> dict[str, Any]:
    """One row: milliseconds per step of both rivals, and their ratio."""
    config, x = INSTANCES[name], images(BATCH)
    sigmas = smoothing_widths(config, state)
    opponent, start = naive_step(config, trained_like(config, x) if state == "trained" else None, sigmas, x)
    taken = alternate({"naive": opponent, "dcgmm": library_step(config, start, sigmas, x)}, turns)
    ours = taken["dcgmm"] / STEPS
    return {
        "instance": name,
        "parameters": state,
        "naive (ms)": 1000 * taken["naive"],
        "dcgmm (ms)": 1000 * ours,
        "ratio": taken["naive"] / ours,
    }


def peak_memory(name: str, count: int, steps: int) -> float:
    """Peak resident megabytes of a process that trains an instance on `count` images by `DCGMM.fit`."""
    code = (
        "import resource\nfrom benchmarks.train_step import INSTANCES, SHAPE, images\nfrom dcgmm import DCGMM\n"
        f"model = DCGMM(INSTANCES[{name!r}], input_shape=SHAPE, seed=0)\n"
        f"model.fit(images({count}), iterations={steps}, batch_size={BATCH}, progress=False)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", default="ABCDEFG", help="letters of the instances (default: all)")
    parser.add_argument("--parameters", nargs="+", default=["initial", "trained"], choices=["initial", "trained"])
    parser.add_argument("--turns", type=int, default=5, help="turns of each rival (default: 5)")
    parser.add_argument("--no-memory", action="store_true", help="leave out the peak memory of training E")
    parser.add_argument("--json", help="write the table to this file")
    parser.add_argument("--markdown", help="write the table to this file")
    args = parser.parse_args(argv)
    # First: on Linux a process starts with the peak of the process that it was forked from.
    peak = None if args.no_memory else peak_memory("E", 50_000, 300)
    rows = [measure(name, state, args.turns) for name in args.instances for state in args.parameters]
    notes = [
        f"geometric mean of the ratios, {state}: "
        f"{math.exp(np.mean([math.log(row['ratio']) for row in rows if row['parameters'] == state])):.1f}"
        for state in args.parameters
    ]
    if peak is not None:
        notes.append(f"peak memory of training E on 50,000 images (157 MB): {peak:,.0f} MB")
    report(rows, notes=notes, json_path=args.json, markdown_path=args.markdown)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
