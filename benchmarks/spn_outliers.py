"""Outlier detection with RAT-SPN and PD-SPN, leaf by leaf and protocol by protocol: the runs of docs/spn-outliers.md.

    python -m benchmarks.spn_outliers train --out results/spn_outliers      # resumable; several may run side by side
    python -m benchmarks.spn_outliers early --out results/spn_outliers      # the first epoch, update by update
    python -m benchmarks.spn_outliers report --out results/spn_outliers --docs docs

Every run trains on classes 1-9 of the training split (50,000 images before the choice of classes) with one thread,
and scores the whole test set after every epoch; class 0 is the outlier. One directory per run: epochs.json
(log-likelihoods in nats, both areas in percent, after every epoch), scores.npz (test scores before and after
training, labels) and the model.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import islice, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from filelock import FileLock, Timeout

from baselines.einsum import PdSpn, RatSpn
from baselines.einsum.training import accumulate, em_update
from evaluation.atomic import atomic_path, write_text
from evaluation.datasets import load_dataset, select
from evaluation.metrics import auroc, auroc_100_thresholds

MODELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "rat": (RatSpn, {"sums": 10, "depth": 4, "repetitions": 10}),
    "pd": (PdSpn, {"sums": 10, "delta": 7}),
}
VARIANTS: dict[str, dict[str, Any]] = {
    "binomial-unit": {"leaf": "binomial", "pixels": "unit"},
    "binomial-counts": {"leaf": "binomial", "pixels": "counts"},
    "normal": {"leaf": "normal"},
}
DATASETS = ("fashion_mnist", "mnist")
EARLY = (0, 5, 10, 20, 40, 80, 160, 320)  # updates after which `early` scores the test set


class Run(NamedTuple):
    """One training: names of data set, model and variant, and the seed."""

    dataset: str
    model: str
    variant: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.dataset}-{self.model}-{self.variant}-seed{self.seed}"


def runs(seeds: int, pattern: str = "*") -> list[Run]:
    """All runs whose name fits the pattern, first all of seed 0, then all of seed 1, …"""
    found = [Run(d, m, v, s) for s, d, m, v in product(range(seeds), DATASETS, MODELS, VARIANTS)]
    return [run for run in found if fnmatchcase(run.name, pattern)]


def areas(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Exact area and the one of the authors' script, percent; class 0 is the outlier."""
    inliers, outliers = scores[labels != 0], scores[labels == 0]
    return {"auroc": auroc(inliers, outliers), "auroc_100": auroc_100_thresholds(inliers, outliers)}


def train(run: Run, out: Path, epochs: int) -> None:
    """Train epoch by epoch, from the checkpoint where there is one."""
    directory = out / run.name
    data = load_dataset(run.dataset)
    x, _ = select(*data.split("train"), "not0")
    validation, _ = select(*data.split("validation"), "not0")
    test, labels = data.split("test")
    make, structure = MODELS[run.model]

    def model(epochs: int) -> Any:
        return make(data.image_shape, **structure, **VARIANTS[run.variant], seed=run.seed, epochs=epochs)

    log_path = directory / "epochs.json"
    log = json.loads(log_path.read_text()) if log_path.exists() else []
    before = model(0).score_samples(test)
    for epoch in range(len(log) + 1, epochs + 1):
        current = model(epoch)
        history = current.fit(x, progress=False, checkpoint=directory / "state")
        scores = current.score_samples(test)
        inliers = scores[labels != 0]
        row = {"epoch": epoch, "train": history[-1].log_likelihood, "test": float(inliers.mean())}
        row["validation"] = float(current.score_samples(validation).mean())
        log.append({**row, **areas(scores, labels)})
        write_text(log_path, json.dumps(log, indent=1))
        with atomic_path(directory / "scores.npz") as path:
            np.savez_compressed(path, before=before, after=scores, labels=labels)
    final = model(epochs)
    final.fit(x[:1], progress=False, checkpoint=directory / "state")  # nothing left to train: takes up the state
    final.save(directory / "model")


def early(run: Run, out: Path) -> None:
    """The first epoch again, with the areas after a few online EM updates each: early.json."""
    path = out / run.name / "early.json"
    data = load_dataset(run.dataset)
    x, _ = select(*data.split("train"), "not0")
    test, labels = data.split("test")
    make, structure = MODELS[run.model]
    model = make(data.image_shape, **structure, **VARIANTS[run.variant], seed=run.seed)
    size, log = model.params["batch_size"], []
    order = np.random.default_rng([run.seed, 0]).permutation(len(x))  # as `fit` shuffles its first epoch
    for update in range(EARLY[-1] + 1):
        if update in EARLY:
            log.append({"update": update, **areas(model.score_samples(test), labels)})
        values = model._variables(x[order[update * size : (update + 1) * size]])
        weights = model.circuit.weights(requires_grad=True)
        accumulate(model.circuit, weights, values)
        em_update(model.circuit, weights, model.params["step_size"])
    write_text(path, json.dumps(log, indent=1))


def claimed(out: Path, epochs: int, wanted: list[Run]) -> Iterator[Run]:
    """Runs that are not done and that no other process has; the system releases the lock of a killed process."""
    out.mkdir(parents=True, exist_ok=True)
    for run in wanted:
        if (out / run.name / "model" / "model.json").exists() and done(out, run) >= epochs:
            continue
        try:
            with FileLock(out / f"{run.name}.lock", timeout=0):
                yield run
        except Timeout:
            continue


def done(out: Path, run: Run) -> int:
    """Epochs already trained."""
    path = out / run.name / "epochs.json"
    return len(json.loads(path.read_text())) if path.exists() else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["train", "early", "report"])
    parser.add_argument("--out", type=Path, default=Path("results/spn_outliers"))
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="*", metavar="PATTERN", help="runs of these names, as 'mnist-rat-*'")
    parser.add_argument("--limit", type=int, help="stop after this many runs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    wanted = runs(arguments.seeds, arguments.only)
    if arguments.command == "train":
        for run in islice(claimed(arguments.out, arguments.epochs, wanted), arguments.limit):
            train(run, arguments.out, arguments.epochs)
            print(run.name, json.loads((arguments.out / run.name / "epochs.json").read_text())[-1], flush=True)
    elif arguments.command == "early":
        for run in wanted:
            if not (arguments.out / run.name / "early.json").exists():
                early(run, arguments.out)
                print(run.name, flush=True)
    else:
        from benchmarks.spn_outliers_report import report

        report(arguments.out, arguments.docs)


if __name__ == "__main__":
    main()
