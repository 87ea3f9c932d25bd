"""Samples per second: the compiled library against plain Python loops.

    python -m benchmarks.speed.sampling                                       # F without, C with sharpening
    python -m benchmarks.speed.sampling --instances F C --images 1000 --json sampling.json --markdown sampling.md

Two opponents. Sampling: for each image and position, NumPy draws a component and a patch, and `fold_backward` of
benchmarks/naive_dcgmm.py averages. Sharpening: a Python loop over the iterations, each run operation by operation
(TensorFlow without compilation). An opponent gets fewer images, or iterations, and its time is scaled up; as the table
says. Parameters are trained-like (see benchmarks/speed/cases.py). Compilation is measured by itself, in a first call.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np

from benchmarks import naive_dcgmm as naive
from benchmarks.measure import report, seconds
from benchmarks.speed.cases import CONFIGS, SHAPE, images, trained_like

OPTIONS = {"top_s": 2, "divisor": 20.0}


def plain_sample(
    config: str, parameters: Sequence[dict[str, np.ndarray]], n: int, *, seed: int, top_s: int, divisor: float
) -> np.ndarray:
    """(n, 28, 28, 1): backwards through the stack, position by position (parameters shared over positions)."""
    rng = np.random.default_rng(seed)
    shapes, shape = [], SHAPE
    for kind, arguments in naive.parse(config):
        shapes.append(shape)
        if kind == "G":
            shape = (*shape[:2], int(arguments[0]))
        else:
            f, stride = int(arguments[0]), int(arguments[1])
            probe = np.zeros((1, *shape))
            shape = (
                naive.fold(probe, f, stride) if kind == "F" else naive.pool(probe, f, stride, "valid" in arguments)
            )[0].shape
    results = []
    for _ in range(n):
        control, left = None, list(parameters)
        for (kind, arguments), below in reversed(list(zip(naive.parse(config), shapes, strict=True))):
            if kind == "G":
                control = _patches(left.pop(), control, below, rng, top_s, divisor)
            elif kind == "F":
                control = naive.fold_backward(control[None], below, int(arguments[0]), int(arguments[1]))[0]
            else:
                stride = int(arguments[1])
                rows = np.minimum(np.arange(below[0]) // stride, control.shape[0] - 1)
                columns = np.minimum(np.arange(below[1]) // stride, control.shape[1] - 1)
                control = control[rows][:, columns]
        results.append(control)
    return np.stack(results)


def _patches(
    own: dict[str, np.ndarray],
    control: np.ndarray | None,
    shape: tuple[int, ...],
    rng: np.random.Generator,
    top_s: int,
    divisor: float,
) -> np.ndarray:
    mu, s = own["mu"][0], own["s"][0]
    patches = np.zeros(shape)
    for i, j in np.ndindex(*shape[:2]):
        p = np.ones(len(mu)) if control is None else np.maximum(control[i, j], 0.0)
        if control is not None:
            p[np.argsort(p)[:-top_s]] = 0.0
        p = p / p.sum() if p.sum() > 0 else np.full(len(mu), 1.0 / len(mu))
        k = rng.choice(len(mu), p=p)
        deviation = np.where(s[k] < naive.S_MAX * (1 - 1e-6), 1.0 / (s[k] * divisor), 0.0)
        patches[i, j] = mu[k] + deviation * rng.normal(size=mu.shape[1])
    return patches


def plain_sharpening_seconds(model: object, n: int, iterations: int, step: float = 1.0) -> float:
    """Seconds for `iterations` of a Python loop at every folding layer, `n` images at once, operations uncompiled."""
    from dcgmm.sharpening import target_loss

    chain, parameters = model._chain, model._parameters  # type: ignore[attr-defined]
    taken = 0.0
    for index, stage in enumerate(chain):
        shape = stage.patches.input_shape
        signal = np.random.default_rng(0).uniform(size=(n, *shape)).astype(np.float32)
        start = time.perf_counter()
        for _ in range(iterations):
            _, gradient = target_loss(
                chain[index : index + 1], parameters[index : index + 1], signal, len(stage.transforms)
            )
            signal = signal + step / 100 * np.asarray(gradient)
        taken += time.perf_counter() - start
    return taken


def measure(name: str, n: int, sharpened: bool, iterations: int) -> dict[str, object]:
    """One row of the table."""
    from dcgmm import DCGMM

    model = DCGMM.instance(name)
    model.set_parameters(trained_like(CONFIGS[name], images(300)))
    options = {**OPTIONS, "sharpen": sharpened, "sharpen_iterations": iterations}
    compiling = seconds(lambda: model.sample(n, seed=0, **options))
    ours = seconds(lambda: model.sample(n, seed=1, **options))
    few = 2
    theirs = seconds(lambda: plain_sample(CONFIGS[name], model.get_parameters(), few, seed=0, **OPTIONS)) / few * n
    if sharpened:
        batch, some = 100, 3
        theirs += plain_sharpening_seconds(model, batch, some) * iterations / some * n / batch
    return {
        "instance": name,
        "sharpening": f"{iterations} iterations" if sharpened else "none",
        "images": n,
        "dcgmm s": ours,
        "first call s": compiling,
        "dcgmm images/s": n / ours,
        "Python loops s (scaled up)": theirs,
        "ratio": theirs / ours,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", nargs="+", default=["F", "C"], choices=list(CONFIGS))
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--sharpen", nargs="*", default=["C"], help="instances that are sharpened")
    parser.add_argument("--json")
    parser.add_argument("--markdown")
    args = parser.parse_args()
    rows = [measure(name, args.images, name in args.sharpen, args.iterations) for name in args.instances]
    notes = ["top_s 2, divisor 20, trained-like parameters; mini-batches of 100."]
    report(rows, notes=notes, json_path=args.json, markdown_path=args.markdown)


if __name__ == "__main__":
    main()
