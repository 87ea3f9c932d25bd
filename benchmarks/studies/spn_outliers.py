"""Outlier detection with RAT-SPN and PD-SPN, leaf by leaf and protocol by protocol: docs/spn-outliers.md.

    snakemake results/cpu/metrics/outliers_{mnist,fashion_mnist}.parquet --cores 2 --configfile config/cpu.yaml
    python -m benchmarks.studies.spn_outliers course --out results/spn_outliers --seeds 0 --updates 9000
    python -m benchmarks.studies.spn_outliers course --out results/spn_outliers --seeds 1 2 3 4 --updates 320
    python -m benchmarks.studies.spn_outliers report --results results/cpu --out results/spn_outliers --docs docs

The trainings are those of a profile (classes 1-9 of the training split; class 0 of the test set is the outlier).
`course` follows the areas while such a training goes on, which the profile does not record: one directory per run with
course.json, areas in percent after so many updates. `report` puts both into the page.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from baselines.einsum.training import e_step, m_step, online_step
from benchmarks.studies.spn_report import report
from benchmarks.studies.spn_runs import EARLY, MODELS, VARIANTS, Run, areas, read_course, runs
from evaluation.base.files import write_text
from evaluation.base.locks import locked
from evaluation.datasets import load_dataset, select


def measured(updates: int, per_epoch: int) -> set[int]:
    """The updates after which the test set is scored."""
    return {updates, *(n for n in (*EARLY, *range(per_epoch, updates, per_epoch)) if n < updates)}


def course(run: Run, updates: int) -> list[dict[str, float]]:
    """Train as `fit` does, and score the test set on the way: {"update", "auroc", "auroc_100"}."""
    data = load_dataset(run.dataset)
    x, _ = select(*data.split("train"), "not0")
    test, labels = data.split("test")
    make, structure = MODELS[run.model]
    model = make(data.image_shape, **structure, **VARIANTS[run.variant], seed=run.seed, epochs=0)
    model.fit(x, progress=False)  # what is taken from the images before the first update
    size, log = model.params["batch_size"], []
    per_epoch = math.ceil(len(x) / size)
    for update in range(updates + 1):
        if update in measured(updates, per_epoch):
            log.append({"update": update, **areas(model.score_samples(test), labels)})
        epoch, batch = divmod(update, per_epoch)
        if batch == 0:
            order = np.random.default_rng([run.seed, epoch]).permutation(len(x))  # as `fit` shuffles
        values = model._variables(x[order[batch * size : (batch + 1) * size]])
        statistics = e_step(model.circuit, values)[1]
        m_step(model.circuit, statistics, online_step(model.params["step_size"], len(values), size))
    return log


def claimed(out: Path, updates: int, wanted: list[Run]) -> Iterator[Run]:
    """Runs that are not done and that no other process has; the system releases the lock of a killed process."""
    out.mkdir(parents=True, exist_ok=True)
    for run in wanted:
        log = read_course(out, run)
        if log and log[-1]["update"] >= updates:
            continue
        try:
            lock = locked(out / f"{run.name}.lock", _taken)
        except BlockingIOError:
            continue
        try:
            yield run
        finally:
            lock.release()


def _taken() -> None:
    raise BlockingIOError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["course", "report"])
    parser.add_argument("--results", type=Path, default=Path("results/cpu"), help="a run of a profile")
    parser.add_argument("--out", type=Path, default=Path("results/spn_outliers"))
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    parser.add_argument("--updates", type=int, default=320)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--only", default="*", metavar="PATTERN", help="runs of these names, as 'mnist-rat-*'")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.command == "course":
        for run in claimed(arguments.out, arguments.updates, runs(arguments.seeds, arguments.only)):
            log = course(run, arguments.updates)
            write_text(arguments.out / run.name / "course.json", json.dumps(log, indent=1))
            print(run.name, log[-1], flush=True)
    else:
        report(arguments.results, arguments.out, arguments.docs, arguments.seeds)


if __name__ == "__main__":
    main()
