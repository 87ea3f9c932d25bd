"""What gives Table IV on Fashion-MNIST? A classifier on DCGMM-B, one thing changed at a time: docs/findings.md.

    python -m benchmarks.studies.table_4 train --seeds 2
    python -m benchmarks.studies.table_4 report

The paper prints 89.6 ± 0.2 % and no instance that has a classifier. A training that is in the table is not repeated.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dcgmm import DCGMM
from evaluation.base.files import write_text
from evaluation.datasets import load_dataset
from evaluation.plan.catalogue import Catalogue

TABLE = Path("docs/reference/studies/table_4.csv")
CATALOGUE: dict[str, Any] = dict(Catalogue().model("dcgmm-b-classifier").params)
PRINTED = "F(8,2)-G(49)-F(11,1)-G(49)-C(10,2)"
VARIANTS: dict[str, dict[str, Any]] = {
    "as in the catalogue": {},
    "shared lower layer": {"config": CATALOGUE["config"].replace(",independent", "")},
    "B of Table V": {"config": PRINTED},
    "B of Table V, independent": {"config": PRINTED.replace("G(49)", "G(49,independent)", 1)},
    "B of Table V, 40 epochs": {"config": PRINTED, "epochs": 40},
    "40 epochs": {"epochs": 40},
    "60,000 training images": {"images": 60000},
    "annealing windows of 300": {"window": 300},
    "factor of the weights 0.2": {"rate_w": 0.2},
    "classifier's rate 0.5": {"classifier_rate": 0.5},
}


def accuracies(dataset: str, seed: int, images: int = 50000, **params: Any) -> dict[str, float]:
    """Accuracies in percent of one training, on its first 10,000 training images and on the test images."""
    ds = load_dataset(dataset)
    splits = [ds.split("train"), ds.split("validation")]
    x, y = (np.concatenate([part[i] for part in splits])[:images] for i in (0, 1))
    model = DCGMM(seed=seed, measurements=0, **CATALOGUE | params)
    model.fit(x, labels=y, progress=False)
    of = {"train": (x[:10000], y[:10000]), "test": ds.split("test")}
    return {name: 100.0 * float(np.mean(model.predict(images) == truth)) for name, (images, truth) in of.items()}


def train(dataset: str, seeds: int, variants: list[str], table: Path) -> None:
    """Train what is missing, one seed of every variant after another, and append a row for each training."""
    rows = pd.read_csv(table).to_dict("records") if table.is_file() else []
    done = {(row["dataset"], row["variant"], row["seed"]) for row in rows}
    table.parent.mkdir(parents=True, exist_ok=True)
    for seed in range(seeds):
        for variant in variants:
            if (dataset, variant, seed) not in done:
                found = accuracies(dataset, seed, **VARIANTS[variant])
                rows.append({"dataset": dataset, "variant": variant, "seed": seed, **found})
                write_text(table, pd.DataFrame(rows).to_csv(index=False))
                print(rows[-1], flush=True)


def report(table: Path) -> str:
    """Mean and standard deviation over seeds, in percent, as a Markdown table."""
    rows = pd.read_csv(table)
    groups = rows.groupby(["dataset", "variant"], sort=False)[["train", "test"]]
    found = groups.agg(["mean", "std"]).round(2).assign(seeds=groups.size())
    found.columns = [" ".join(filter(None, names)) for names in found.columns]
    return found.reset_index().to_markdown(index=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "report"])
    parser.add_argument("--dataset", default="fashion_mnist")
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--table", type=Path, default=TABLE)
    options = parser.parse_args()
    if options.what == "report":
        print(report(options.table))
    else:
        train(options.dataset, options.seeds, options.variants, options.table)


if __name__ == "__main__":
    main()
