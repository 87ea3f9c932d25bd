"""Einsum networks: one training step of 100 images, and sampling 100 images, against the textbook form and the FLOPs.

    python -m benchmarks.einsum_step                     # all configurations, two threads
    python -m benchmarks.einsum_step --only "RAT K 10" --threads 1 --json step.json --markdown step.md

A step is forward, backward and online EM on 28×28 counts, with parameters after some steps of training. The opponents
(benchmarks/textbook_einsum.py) compute the same log-likelihoods, checked first, and take turns in one process. "one
product" is the time of one large square matrix product, divided by its FLOPs, times the FLOPs of the step.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import torch

from baselines.einsum import PdSpn, RatSpn
from baselines.einsum.cost import graph_cost
from baselines.einsum.training import accumulate, em_update
from benchmarks.measure import alternate, report, seconds
from benchmarks.speed.cases import images
from benchmarks.textbook_einsum import TextbookEinsum

BATCH = 100
STEP = 0.1
CONFIGURATIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "RAT K 10": (RatSpn, {"sums": 10, "depth": 4, "repetitions": 10}),
    "RAT K 20": (RatSpn, {"sums": 20, "depth": 4, "repetitions": 10}),
    "RAT K 40": (RatSpn, {"sums": 40, "depth": 4, "repetitions": 10}),
    "PD K 10": (PdSpn, {"sums": 10, "delta": 7}),
    "PD K 40": (PdSpn, {"sums": 40, "delta": 7}),
}


def train_step(model: Any, x: torch.Tensor) -> None:
    """What `fit` does with one batch."""
    weights = model.circuit.weights(requires_grad=True)
    accumulate(model.circuit, weights, x)
    em_update(model.circuit, weights, STEP)


def check_opponent(model: Any, opponent: TextbookEinsum, x: torch.Tensor) -> None:
    ours, theirs = model.circuit(x)[:, 0], opponent.log_likelihood(x)
    if not torch.allclose(ours, theirs, rtol=1e-4):
        sys.exit(f"the rivals disagree: {ours[:3].tolist()} and {theirs[:3].tolist()}")


def product_seconds(flops: float, n: int = 1500) -> float:
    """Time that this many FLOPs take in one n×n×n matrix product."""
    a = torch.rand(n, n)
    times = sorted(seconds(lambda: a @ a) for _ in range(5))
    return times[2] * flops / (2 * n**3)


def measure(name: str, turns: int) -> dict[str, Any]:
    """One row of the table: milliseconds."""
    make, params = CONFIGURATIONS[name]
    model = make((28, 28, 1), seed=0, **params)
    x = model._variables(images(20 * BATCH)).split(BATCH)
    for batch in x:
        train_step(model, batch)
    rivals = {"textbook": TextbookEinsum(model.circuit), "our leaves": TextbookEinsum(model.circuit, our_leaves=True)}
    for opponent in rivals.values():
        check_opponent(model, opponent, x[0])
    calls = {key: (lambda o=opponent: o.step(x[0], STEP)) for key, opponent in rivals.items()}
    times = alternate({"ours": lambda: train_step(model, x[0]), **calls}, turns, {"ours": 5})
    cost = graph_cost(model.graph, params["sums"])
    product = product_seconds(cost.step_flops * BATCH)
    generator = torch.Generator().manual_seed(0)
    sampling = alternate({"draw": lambda: model.sample(BATCH, seed=int(torch.randint(99, (), generator=generator)))}, 3)
    return {
        "model": name,
        "step ms": 1e3 * times["ours"],
        "textbook ms": 1e3 * times["textbook"],
        "ratio": times["textbook"] / times["ours"],
        "textbook, our leaves ms": 1e3 * times["our leaves"],
        "ratio, our leaves": times["our leaves"] / times["ours"],
        "one product ms": 1e3 * product,
        "step / product": times["ours"] / product,
        "sample 100, ms": 1e3 * sampling["draw"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(CONFIGURATIONS), action="append")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--json")
    parser.add_argument("--markdown")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows = [measure(name, arguments.turns) for name in arguments.only or CONFIGURATIONS]
    notes = [f"torch {torch.__version__}, {arguments.threads} threads, batches of {BATCH}, binomial leaves"]
    report(rows, notes=notes, json_path=arguments.json, markdown_path=arguments.markdown)


if __name__ == "__main__":
    main()
