"""Einsum networks: one training step of 100 images, and sampling 100 images, against the textbook form and the FLOPs.

    python -m benchmarks.speed.einsum_step                     # all configurations, two threads
    python -m benchmarks.speed.einsum_step --only "RAT K 10" --threads 1 --json step.json --markdown step.md
    python -m benchmarks.speed.einsum_step --device gpu        # one circuit, and several seeds as one plan

Before anything is timed, log-likelihoods are compared with those of float64 (same parameters), and with the opponents'.
A step is forward, backward and online EM on 28×28 images, with parameters after some steps of training. The opponents
(benchmarks/speed/textbook_einsum.py, binomial leaves only) take turns in one process. "one product" is the time of one
large square matrix product, divided by its FLOPs, times the FLOPs of the step. Needs torch, NumPy and safetensors only.
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from baselines.einsum import PdSpn, RatSpn
from baselines.einsum.cost import graph_cost
from baselines.einsum.joint import Joint, epoch_steps
from baselines.einsum.training import e_step, m_step
from benchmarks.measure import alternate, report, seconds
from benchmarks.speed.textbook_einsum import TextbookEinsum

BATCH = 100
STEP = 0.1
SEEDS = 10  # circuits of one plan, on a GPU
CONFIGURATIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "RAT K 10": (RatSpn, {"sums": 10, "depth": 4, "repetitions": 10}),
    "RAT K 20": (RatSpn, {"sums": 20, "depth": 4, "repetitions": 10}),
    "RAT K 40": (RatSpn, {"sums": 40, "depth": 4, "repetitions": 10}),
    "RAT K 40 D 5 R 25": (RatSpn, {"sums": 40, "depth": 5, "repetitions": 25}),
    "PD K 10": (PdSpn, {"sums": 10, "delta": 7}),
    "PD K 40": (PdSpn, {"sums": 40, "delta": 7}),
}
ON_CPU = [name for name in CONFIGURATIONS if name != "RAT K 40 D 5 R 25"]


def pictures(n: int) -> np.ndarray:
    """(n, 28, 28, 1) float32 in [0, 1]: bright rectangles on black with some noise."""
    rng = np.random.default_rng(0)
    x = np.zeros((n, 28, 28, 1), np.float32)
    for image in x:
        top, left, height, width = rng.integers(2, 12, 4)
        image[top : top + height, left : left + width] = rng.uniform(0.3, 1.0)
    return np.where(x > 0, np.clip(x + 0.1 * rng.standard_normal(x.shape), 0, 1), x).astype(np.float32)


def train_step(model: Any, x: torch.Tensor) -> None:
    """What `fit` does with one batch on a CPU."""
    m_step(model.circuit, e_step(model.circuit, x)[1], STEP)


def check(model: Any, x: torch.Tensor) -> float:
    """Largest difference from float64 in nats; ends the program where it is above 0.05."""
    worst = float((model.circuit(x) - copy.deepcopy(model.circuit).double()(x.double())).abs().max())
    if not worst < 0.05:
        sys.exit(f"log-likelihoods differ by {worst} nats from those of float64")
    return worst


def check_opponent(model: Any, opponent: TextbookEinsum, x: torch.Tensor) -> None:
    ours, theirs = model.circuit(x)[:, 0], opponent.log_likelihood(x).double()
    if not torch.allclose(ours, theirs, rtol=1e-4):
        sys.exit(f"the rivals disagree: {ours[:3].tolist()} and {theirs[:3].tolist()}")


def product_seconds(flops: float, device: torch.device) -> float:
    """Time that this many FLOPs take in one n×n×n matrix product."""
    n = 8192 if device.type == "cuda" else 1500
    a = torch.rand(n, n, device=device)

    def product() -> None:
        a @ a
        _wait(device)

    product()
    return sorted(seconds(product) for _ in range(5))[2] * flops / (2 * n**3)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def prepared(name: str, leaf: str, device: str, seed: int = 0) -> tuple[Any, torch.Tensor]:
    """A model after twenty steps of training, and a batch."""
    make, params = CONFIGURATIONS[name]
    model = make((28, 28, 1), seed=seed, leaf=leaf, device=device, **params)
    data = model._variables(pictures(20 * BATCH))
    model.circuit.set_centre(data)
    for batch in data.split(BATCH):
        train_step(model, batch)
    return model, data


def on_cpu(name: str, leaf: str, turns: int) -> dict[str, Any]:
    """One row of the table: milliseconds."""
    model, data = prepared(name, leaf, "cpu")
    x = data[:BATCH]
    worst = check(model, data)
    rivals = {}
    if leaf == "binomial":
        rivals = {
            "textbook": TextbookEinsum(model.circuit),
            "textbook, our leaves": TextbookEinsum(model.circuit, our_leaves=True),
        }
    for opponent in rivals.values():
        check_opponent(model, opponent, x)
    calls: dict[str, Callable[[], Any]] = {"ours": lambda: train_step(model, x)}
    calls |= {key: (lambda o=opponent: o.step(x, STEP)) for key, opponent in rivals.items()}  # type: ignore[misc]
    times = alternate(calls, turns, {"ours": 5})
    flops = graph_cost(model.graph, model.params["sums"], leaf=leaf).step_flops * BATCH
    product = product_seconds(flops, x.device)
    number = iter(range(10**6))
    sampling = alternate({"draw": lambda: model.sample(BATCH, seed=next(number))}, 3)
    row = {"model": name, "leaf": leaf, "step ms": 1e3 * times["ours"]}
    for key in rivals:
        row |= {f"{key} ms": 1e3 * times[key], f"ratio, {key}": times[key] / times["ours"]}
    row |= {"one product ms": 1e3 * product, "step / product": times["ours"] / product}
    return row | {"sample 100, ms": 1e3 * sampling["draw"], "float64, nats": worst}


def on_gpu(name: str, leaf: str, turns: int) -> dict[str, Any]:
    """One row: milliseconds of a step of one circuit, kernel by kernel and as a CUDA graph, and of SEEDS circuits."""
    models = [prepared(name, leaf, "gpu", seed)[0] for seed in range(SEEDS)]
    model, data = prepared(name, leaf, "gpu")
    worst = check(model, data)
    device = model.circuit.device

    def steps(count: int, compiled: bool) -> float:
        joint = Joint([m.circuit for m in models[:count]], data, BATCH, 1, 0, compiled)
        epoch = epoch_steps([np.arange(len(data))] * count, BATCH, 1, STEP, device)

        def run() -> None:
            joint.run(epoch, lambda number: None)
            _wait(device)

        return alternate({"step": run}, turns)["step"] / len(epoch.images)

    alone, one, many = steps(1, False), steps(1, True), steps(SEEDS, True)
    flops = graph_cost(model.graph, model.params["sums"], leaf=leaf).step_flops * BATCH
    product = product_seconds(flops, device)
    number = iter(range(10**6))
    sampling = alternate({"draw": lambda: model.sample(BATCH, seed=next(number))}, 3)
    return {
        "model": name,
        "leaf": leaf,
        "kernel by kernel ms": 1e3 * alone,
        "CUDA graph ms": 1e3 * one,
        f"{SEEDS} seeds, each ms": 1e3 * many / SEEDS,
        "one product ms": 1e3 * product,
        "graph / product": one / product,
        "sample 100, ms": 1e3 * sampling["draw"],
        "float64, nats": worst,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(CONFIGURATIONS), action="append")
    parser.add_argument("--leaf", choices=["binomial", "normal"], action="append", help="default: both")
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--json")
    parser.add_argument("--markdown")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    measure, names = (on_cpu, ON_CPU) if arguments.device == "cpu" else (on_gpu, list(CONFIGURATIONS))
    for leaf in arguments.leaf or ["binomial", "normal"]:
        rows = [measure(name, leaf, arguments.turns) for name in arguments.only or names]
        notes = [f"torch {torch.__version__}, batches of {BATCH}, {leaf} leaves"]
        if arguments.device == "cpu":
            notes.append(f"{arguments.threads} threads")
        else:
            notes.append(torch.cuda.get_device_name())
        paths = [path and path.replace(".", f"-{leaf}.", 1) for path in (arguments.json, arguments.markdown)]
        report(rows, notes=notes, json_path=paths[0], markdown_path=paths[1])


if __name__ == "__main__":
    main()
