"""What gives Table IV on Fashion-MNIST? A classifier on DCGMM-B, one thing changed at a time: docs/findings.md.

    python -m benchmarks.studies.table_4 train --seeds 2
    python -m benchmarks.studies.table_4 report

The paper prints 89.6 ± 0.2 % and no instance that has a classifier. A training that is in the table is not repeated.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.studies.rows import Rows, panels, parser_of, published_band, show
from dcgmm import DCGMM
from evaluation.datasets import load_dataset
from evaluation.datasets.catalogue import CATALOGUE as DATASETS
from evaluation.plan.catalogue import Catalogue
from evaluation.results.figures.style import plotting, save
from evaluation.results.published import published_number

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


def train(dataset: str, seeds: int, variants: list[str], table: Rows) -> None:
    """Train what is missing, one seed of every variant after another, and append a row for each training."""
    for seed, variant in product(range(seeds), variants):
        about = {"dataset": dataset, "variant": variant, "seed": seed}
        if not table.find(**about):
            table.add(**about, **accuracies(dataset, seed, **VARIANTS[variant]))


def report(table: Rows) -> str:
    """Mean and standard deviation over seeds, in percent, as a Markdown table."""
    groups = pd.DataFrame(table.rows).groupby(["dataset", "variant"], sort=False)[["train", "test"]]
    found = groups.agg(["mean", "std"]).round(2)
    found.columns = [" ".join(names) for names in found.columns]
    return found.assign(seeds=groups.size()).reset_index().to_markdown(index=False)


def picture(table: Rows, path: Path) -> None:
    """A dot for each training, a line for each variant, what the paper prints as a band; a panel for each data set."""
    _, sns = plotting()
    rows = pd.DataFrame(table.rows)
    datasets = sorted(set(rows.dataset), reverse=True)
    figure, axes = panels([[DATASETS[dataset].label for dataset in datasets]], len(VARIANTS), width=5.0)
    for dataset, axis in zip(datasets, axes.flat, strict=True):
        published_band(axis, published_number("table_4", "accuracy", dataset, "DCGMM-B"))
        own = rows[rows.dataset == dataset]
        sns.stripplot(own, x="test", y="variant", order=list(VARIANTS), ax=axis, size=4, jitter=False, alpha=0.7)
        axis.set(xlabel="accuracy on the test images (%)", ylabel="")
    save(figure, path, "A dot is one seed. Band: the paper, mean ± standard deviation.")


def main() -> None:
    parser = parser_of(__doc__, "train", "table_4.csv")
    parser.add_argument("--dataset", default="fashion_mnist")
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    table = Rows(options.table)
    if options.what == "train":
        train(options.dataset, options.seeds, options.variants, table)
    else:
        show(table, report, picture)


if __name__ == "__main__":
    main()
