"""Table IV: test accuracy of models with a classifier, beside what the paper quotes from the literature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.measures.statistics import with_coverage
from evaluation.results.changes import printed_beside
from evaluation.results.labels import dataset_labels
from evaluation.results.published import published
from evaluation.results.results import STATISTICS, Results
from evaluation.results.selection import lines
from evaluation.results.tables.outliers import measured, name, published_cell
from evaluation.results.tables.table import STATISTICS_WORDS, Column, Record, Table, statistics_frame

COLUMNS = ["model", "label", "protocol", "source", "dataset", "published", "published_std", *STATISTICS, "annealing"]


def classification_table(results: Results, rows: Mapping[str, str]) -> Table:
    """`rows`: model → label. For each data set the published and our accuracy in percent, mean ± std over seeds; models
    with two protocols have a line for each, and models that the paper quotes without running them one marked as
    literature."""
    printed = [number for number in published() if number.table == "table_4"]
    literature = dict.fromkeys(number.model for number in printed if number.literature)
    datasets = dataset_labels({*results.datasets("classification"), *(number.dataset for number in printed)})
    ours = [(model, label, protocol, "run") for model, label, protocol in lines(results, rows, "classification")]
    found: list[dict[str, Any]] = []
    for model, label, protocol, source in [*ours, *((label, label, "both", "literature") for label in literature)]:
        for dataset in datasets:
            paper = printed_beside(results.plan, model, label, "table_4", "accuracy", dataset)
            place: dict[str, Any] = {
                "model": model, "label": label, "protocol": protocol, "source": source, "dataset": dataset,
                "published": paper.mean, "published_std": paper.std,
            }  # fmt: skip
            run = source == "run"
            value = results.value("classification", dataset, model, "accuracy", protocol) if run else None
            if value is not None:
                annealing = results.annealing("classification", dataset, model, value.protocol)
                place |= {**value.statistics(*STATISTICS), "_source": value.source, "annealing": annealing}
            found.append(place)
    caption = f"Classification accuracy on test images in percent, {STATISTICS_WORDS}; literature: quoted, not run."
    caption = with_coverage(caption, (row["n"] for row in found if "n" in row))
    columns = [Column("published", published_cell, source="", keeps=True), Column("accuracy", measured)]
    line = ["model", "protocol", "source"]
    return Table(caption, statistics_frame(found, COLUMNS), line, {"model": _name}, columns, "dataset")


def _name(row: Record) -> str:
    return name(row) if row["source"] == "run" else f"{row['label']} (literature)"
