"""Table IV: test accuracy of models with a classifier, beside what the paper quotes from the literature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from evaluation.measures.metrics import over_seeds, with_coverage
from evaluation.results.numbers import NOTHING, as_printed, measured
from evaluation.results.published import published
from evaluation.results.tables.writing import DATASET_LABELS, STATISTICS, Table, records

if TYPE_CHECKING:
    import pandas as pd


def classification_table(metrics: pd.DataFrame, rows: Mapping[str, str]) -> Table:
    """`rows`: model → label. For each data set the published and our accuracy in percent, mean ± std over seeds; models
    that the paper quotes without running them have a row marked as literature."""
    import pandas as pd

    ours = metrics[(metrics["experiment"] == "classification") & (metrics["metric"] == "accuracy")]
    found = {(row["dataset"], row["model"]): row for row in records(over_seeds(ours))}
    printed = [row for row in records(published()) if row["table"] == "table_4"]
    papers = {(row["dataset"], row["model"]): row for row in printed}
    run = set(ours["dataset"])
    datasets = [d for d in DATASET_LABELS if d in run or any(row["dataset"] == d for row in printed)]
    literature = dict.fromkeys(row["model"] for row in printed if row["source"] == "literature")
    lines, data = [], []
    for model, label in [*rows.items(), *((None, label) for label in literature)]:
        cells = [label if model else f"{label} (literature)"]
        for dataset in datasets:
            paper = papers.get((dataset, label))
            cells.append(NOTHING if paper is None else as_printed(paper["mean"], paper["std"]))
            row = found.get((dataset, model or ""))
            cells.append(measured(row))
            data.append(
                {
                    "model": model or label,
                    "label": label,
                    "source": "run" if model else "literature",
                    "dataset": dataset,
                    "published": None if paper is None else paper["mean"],
                    "published_std": None if paper is None else paper["std"],
                    **{key: None if row is None else row[key] for key in ("n", "mean", "std", "low", "high")},
                }
            )
        lines.append(cells)
    columns = ["model", *(f"{DATASET_LABELS[d]} {head}" for d in datasets for head in ("published", "accuracy"))]
    caption = f"Classification accuracy on test images in percent, {STATISTICS}; literature: quoted, not run."
    caption = with_coverage(caption, (int(row["n"]) for row in found.values()))
    return Table(caption, columns, lines, pd.DataFrame(data))
