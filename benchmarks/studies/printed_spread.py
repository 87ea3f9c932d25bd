"""Which repetition gives the small ± of Table I? Trainings that differ in one thing only: docs/findings.md.

    python -m benchmarks.studies.printed_spread train --instance A --dataset mnist --seeds 5
    python -m benchmarks.studies.printed_spread report

The paper prints 0.1 to 0.5 points for five runs. Kinds of repetition:

    both            another initialisation and another order of the images (what a seed changes here)
    order           the same initial parameters, another order of the images
    initialisation  the same order, other initial parameters
    evaluation      one model, scored on five random halves of the test images

Classes 1 to 9 train, class 0 of the test images is the outlier. A training that is in the table is not repeated.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.speed.cases import EPOCHS
from dcgmm import DCGMM
from evaluation.base.files import write_text
from evaluation.datasets import load_dataset, select
from evaluation.measures.roc import auroc, auroc_100_thresholds

TABLE = Path("docs/reference/studies/printed_spread.csv")
KINDS = {"both": ("order", "initial"), "order": ("order",), "initialisation": ("initial",)}
KEYS = ["instance", "sharing", "dataset", "kind", "repetition"]


def trained(instance: str, sharing: str, x: np.ndarray, order: int, initial: int) -> DCGMM:
    """A model that starts from the parameters of seed `initial` and sees the images in the order of seed `order`."""
    model = DCGMM.instance(instance, sharing=sharing, seed=order, epochs=EPOCHS[instance], measurements=0)
    model.set_parameters(DCGMM.instance(instance, sharing=sharing, seed=initial).get_parameters())
    model.fit(x, warm_start=True, progress=False)
    return model


def areas(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Both areas in percent of the scores (n,) of test images, class 0 being the outlier."""
    inliers, outliers = scores[labels != 0], scores[labels == 0]
    return {"auroc": auroc(inliers, outliers), "auroc_100_thresholds": auroc_100_thresholds(inliers, outliers)}


def train(instance: str, sharing: str, dataset: str, seeds: int, table: Path) -> None:
    """Train what is missing and append a row for each training."""
    ds = load_dataset(dataset)
    x, _ = select(*ds.split("train"), "not0")
    x_test, y_test = ds.split("test")
    rows = pd.read_csv(table) if table.is_file() else pd.DataFrame(columns=KEYS)
    about = {"instance": instance, "sharing": sharing, "dataset": dataset}

    def add(kind: str, repetition: int, measured: dict[str, float]) -> None:
        nonlocal rows
        row = {**about, "kind": kind, "repetition": repetition, **measured}
        rows = pd.concat([rows, pd.DataFrame([row])] if len(rows) else [pd.DataFrame([row])], ignore_index=True)
        table.parent.mkdir(parents=True, exist_ok=True)
        write_text(table, rows.to_csv(index=False))
        print(row, flush=True)

    for kind, changes in KINDS.items():
        for repetition in range(seeds):
            known = rows[(rows[["instance", "sharing", "dataset"]] == list(about.values())).all(axis=1)]
            if ((known.kind == kind) & (known.repetition == repetition)).any():
                continue
            first = known[(known.kind == "both") & (known.repetition == 0)]
            if repetition == 0 and len(first):  # seeds 0 and 0, whatever the kind
                add(kind, 0, {name: first.iloc[0][name] for name in ("auroc", "auroc_100_thresholds")})
                continue
            seed = {name: repetition if name in changes else 0 for name in ("order", "initial")}
            model = trained(instance, sharing, x, **seed)
            scores = model.score_samples(x_test)
            add(kind, repetition, areas(scores, y_test))
            if kind == "both" and repetition == 0:
                rng = np.random.default_rng(0)
                for half in range(5):
                    some = rng.permutation(len(x_test))[: len(x_test) // 2]
                    add("evaluation", half, areas(scores[some], y_test[some]))


def report(table: Path) -> str:
    """Mean ± standard deviation over repetitions, and the standard error, as a Markdown table."""
    groups = pd.read_csv(table).groupby(["dataset", "instance", "sharing", "kind"]).auroc
    found = groups.agg(["count", "mean", "std"]).reset_index()
    found["standard_error"] = found["std"] / np.sqrt(found["count"])
    return found.round(2).to_markdown(index=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "report"])
    parser.add_argument("--instance", choices=sorted(EPOCHS), nargs="+", default=["A"])
    parser.add_argument("--sharing", choices=["shared", "independent"], default="shared")
    parser.add_argument("--dataset", nargs="+", default=["mnist", "fashion_mnist"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--table", type=Path, default=TABLE)
    options = parser.parse_args()
    if options.what == "report":
        print(report(options.table))
        return
    for instance in options.instance:
        for dataset in options.dataset:
            train(instance, options.sharing, dataset, options.seeds, options.table)


if __name__ == "__main__":
    main()
