"""Tables I and II: outlier detection, and every class left out in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.measures.statistics import with_coverage
from evaluation.plan.experiments import classes_of
from evaluation.results.changes import printed_beside
from evaluation.results.formatting import as_printed, in_protocol, with_interval
from evaluation.results.labels import dataset_label, dataset_labels
from evaluation.results.published import NOT_PRINTED
from evaluation.results.reported_class import PAPERS_CLASS
from evaluation.results.results import STATISTICS, Results, Value
from evaluation.results.selection import choosing, lines, reported, unfinished_grid, unfinished_grids
from evaluation.results.tables.table import STATISTICS_WORDS, Column, Record, Table, statistics_frame

COLUMNS = ["model", "label", "protocol", "dataset", "metric", "published", "published_std", *STATISTICS, "point"]


def measured(record: Record) -> str:
    """The statistics of a record: "95.4 ± 0.2 [95.2, 95.6]"."""
    return with_interval(record["mean"], record["std"], record["low"], record["high"])


def name(record: Record) -> str:
    """The label of a line: the model's, and the protocol where it matters."""
    return in_protocol(record["label"], record["protocol"])


def published_cell(record: Record) -> str:
    return as_printed(record["published"], record["published_std"])


def outlier_table_dcgmm(results: Results, rows: Mapping[str, str]) -> Table:
    """Table I: exact AUROC and the scripts' 100-threshold area beside the published value, which is of class 0; `rows`:
    model → label."""
    return _outlier_table(results, rows, "table_1", {"auroc": "AUROC", "auroc_100_thresholds": "100 thresholds"})


def outlier_table_models(results: Results, rows: Mapping[str, str]) -> Table:
    """Table II: models with two protocols, or with a grid, have a line for each protocol."""
    return _outlier_table(results, rows, "table_2", {"auroc": "AUROC"})


def _outlier_table(results: Results, rows: Mapping[str, str], table: str, heads: Mapping[str, str]) -> Table:
    found, outlier = [], results.outlier_class
    for model, label, protocol in lines(results, rows):
        values = reported(results, choosing(results.plan, protocol), outlier)
        for dataset in dataset_labels(results.datasets("outliers")):
            printed = printed_beside(results.plan, model, label, table, "auroc", dataset)
            printed = printed if outlier == PAPERS_CLASS else NOT_PRINTED
            for metric in heads:
                value = values.get((dataset, model, metric))
                found.append(
                    {
                        "model": model, "label": label, "protocol": protocol, "dataset": dataset, "metric": metric,
                        "published": printed.mean, "published_std": printed.std,
                        **_statistics(value), **({} if value is None else {"point": value.point}),
                        "annealing": results.annealing("outliers", dataset, model, outlier_class=outlier),
                    }
                )  # fmt: skip
    columns = [Column("published", published_cell, {"metric": "auroc"}, source="", keeps=True)]
    columns += [Column(head, measured, {"metric": metric}) for metric, head in heads.items()]
    counts = sorted({row["n"] for row in found if "n" in row}) or [0]
    seeds = f"{counts[0]} to {counts[-1]} seeds" if len(counts) > 1 else f"{counts[0]} seed{'s' * (counts[0] != 1)}"
    caption = f"Outlier detection, class {outlier} left out: area under the ROC curve in percent, {STATISTICS_WORDS}"
    caption += f"; {seeds}."
    caption = f"{caption} {unfinished_grids(results, rows)}".strip()
    frame = statistics_frame(found, [*COLUMNS, "annealing"])
    return Table(with_coverage(caption, counts), frame, ["model", "protocol"], {"model": name}, columns, "dataset")


def _statistics(value: Value | None) -> dict[str, Any]:
    """What a record holds of a value: its statistics and where it comes from; nothing of none."""
    return {} if value is None else {**value.statistics(*STATISTICS), "_source": value.source}


def outlier_class_table(results: Results, rows: Mapping[str, str]) -> Table:
    """Models for which every class was the outlier once: AUROC of each ("comparable", says Sec. V-B)."""
    classes, protocol = _classes(results), choosing(results.plan)
    by_class = {outlier: reported(results, protocol, outlier) for outlier in classes}
    found: list[dict[str, Any]] = []
    unfinished: list[str] = []
    for model, label in rows.items():
        for dataset in dataset_labels(results.datasets("outliers")):
            there = {
                o: values[dataset, model, "auroc"]
                for o, values in by_class.items()
                if (dataset, model, "auroc") in values
            }
            if len(there) < 2:
                continue
            for outlier, value in there.items():
                annealing = results.annealing("outliers", dataset, model, outlier_class=outlier)
                place = {"model": model, "label": label, "dataset": dataset, "annealing": annealing}
                found.append({**place, "outlier_class": outlier, **_statistics(value)})
            grids = {outlier: unfinished_grid(results, dataset, model, protocol, outlier) for outlier in there}
            unfinished += [f"{label} on {dataset_label(dataset)} {words}" for words in _together(grids)]
    caption = f"Outlier detection with each class left out in turn: exact AUROC in percent, {STATISTICS_WORDS}."
    caption += f" Not finished: {'; '.join(unfinished)}." if unfinished else ""
    frame = statistics_frame(found, ["model", "label", "dataset", "outlier_class", *STATISTICS, "annealing"])
    columns = [Column(f"class {outlier}", measured, {"outlier_class": outlier}) for outlier in classes]
    index = {"model": lambda row: str(row["label"]), "data set": lambda row: dataset_label(row["dataset"])}
    return Table(with_coverage(caption, _counts(found)), frame, ["model", "dataset"], index, columns)


def _together(grids: Mapping[int, str]) -> list[str]:
    """What is said of each class, with those that it is said of where it is not all of them."""
    found: dict[str, list[str]] = {}
    for outlier, words in grids.items():
        found.setdefault(words, []).append(str(outlier))
    several = len(found) > 1
    return [
        f"{words} (class{'es' if len(some) > 1 else ''} {', '.join(some)})" if several else words
        for words, some in found.items()
        if words
    ]


def _classes(results: Results) -> list[int]:
    """The classes of the data sets that there are results of."""
    there = [name for name in results.plan.datasets("outliers") if name in results.datasets("outliers")]
    return sorted({*results.outlier_classes, *(label for name in there for label in classes_of(name))})


def _counts(found: Sequence[Record]) -> list[int]:
    return [int(row["n"]) for row in found if "n" in row]
