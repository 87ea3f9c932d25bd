"""Table III: what the judges say about each model's samples, and about real images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from evaluation.measures.statistics import with_coverage
from evaluation.results.changes import printed_beside
from evaluation.results.formatting import with_interval, with_std
from evaluation.results.labels import dataset_labels
from evaluation.results.results import Results, Value
from evaluation.results.tables.outliers import name, published_cell
from evaluation.results.tables.table import Column, Record, Table, statistics_frame

ACCURACY = "judge_accuracy"
HEADS = {
    ACCURACY: "accuracy",
    "frechet_distance": "Fréchet (squared)",
    "precision": "precision",
    "recall": "recall",
    "nearest_neighbour_distance": "nearest neighbour",
}
DISTANCES = ("frechet_distance", "nearest_neighbour_distance")
REAL = ("real test images", "real validation images")
COPIES, MANY = "copies", 1.0  # from so many percent on, a model's copies of training images are named
STATISTICS = ("n", "judges", "mean", "std", "low", "high", "std_judges")
COLUMNS = ["model", "label", "protocol", "dataset", "metric", *STATISTICS, "published", "published_std", "annealing"]


def judge_table(results: Results, rows: Mapping[str, str]) -> Table:
    """`rows`: model → label. One line for each model and protocol, then the real images; for each data set the
    published accuracy and ours, and the measures that the paper does not have. Where there are several trainings and
    several judges, the spread of the accuracy over the judges has a column of its own."""
    judged = results.judged
    found: list[dict[str, Any]] = []
    for model, label in [*rows.items(), *((real, real) for real in REAL)]:
        protocols = dict.fromkeys(protocol for _, which, protocol, _ in judged if which == model) or ["both"]
        for protocol in protocols:
            place = {"model": model, "label": label, "protocol": protocol}
            found += _lines(results, place)
    both = any(value.n > 1 and value.judges > 1 for value in judged.values())
    first, *others = [Column(head, _cell, {"metric": metric}) for metric, head in HEADS.items()]
    spread = [Column("± over judges", lambda row: with_std(row["std_judges"], None), {"metric": ACCURACY})]
    columns = [Column("published", published_cell, {"metric": ACCURACY}, source="", keeps=True), first]
    columns += [*(spread if both else []), *others]
    frame = statistics_frame(found, COLUMNS)
    caption = _caption(judged.values(), found) + _copied(results, rows)
    return Table(caption, frame, ["model", "protocol"], {"samples": name}, columns, "dataset")


def _lines(results: Results, place: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """Each metric, the accuracies of single classes too; of a model without results, that there are none."""
    for dataset in dataset_labels({dataset for dataset, _, _, _ in results.judged}):
        paper = printed_beside(results.plan, place["model"], place["label"], "table_3", ACCURACY, dataset)
        printed = {"published": paper.mean, "published_std": paper.std}
        annealing = results.annealing("judge", dataset, place["model"], place["protocol"])
        line = {**place, "dataset": dataset, "annealing": annealing}
        wanted = (dataset, place["model"], place["protocol"])
        values = {key[3]: value for key, value in results.judged.items() if key[:3] == wanted}
        for metric, value in values.items():
            yield {
                **line, "metric": metric, **value.statistics(*STATISTICS), "_source": value.source,
                **(printed if metric == ACCURACY else {}),
            }  # fmt: skip
        if ACCURACY not in values:
            yield {**line, "metric": ACCURACY, **printed}


def _caption(judged: Iterable[Value], found: Iterable[Record]) -> str:
    values = list(judged)
    caption = (
        "Samples of one model per class, judged by the CNN of Table VII (accuracy, precision and recall in percent; "
        "in its penultimate features the squared Fréchet distance, as FID, and the distance of nearest neighbours), "
        "mean ± std over trainings of the models [95 % bootstrap interval of the mean]."
    )
    several = [value for value in values if value.judges > 1]
    if several:
        caption += f" {max(value.judges for value in several)} judges, averaged for each training."
    if any(value.n == 1 for value in several):
        caption += " Where there is one training only, and for real images, ± is the spread over the judges."
    return with_coverage(caption, (int(row["n"]) for row in found if "n" in row))


def _copied(results: Results, rows: Mapping[str, str]) -> str:
    """A sentence that names the models whose samples are copies of images of the data set."""
    found = []
    for dataset, label in dataset_labels({dataset for dataset, *_ in results.judged}).items():
        for model, protocol in dict.fromkeys((m, p) for d, m, p, _ in results.judged if d == dataset and m in rows):
            value = results.value("judge", dataset, model, COPIES, protocol)
            if value is not None and value.mean >= MANY:
                found.append(f"{rows[model]}, {label}: {value.mean:.1f} %")
    what = "; ".join(found)
    return f" Copies of images of the data set, which no measure here counts against a model: {what}." if found else ""


def _cell(row: Record) -> str:
    """Mean ± std [interval]."""
    digits = 2 if row["metric"] in DISTANCES else 1
    return with_interval(row["mean"], row["std"], row["low"], row["high"], digits)
