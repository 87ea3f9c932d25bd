"""Outlier detection from scores: the class that was left out against the others (Sec. V-B)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from evaluation.datasets.subsets import left_out_class
from evaluation.measures.roc import auroc, auroc_100_thresholds
from evaluation.measures.tidy import tidy_row

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

EXPERIMENT = "outliers"
COURSE = "course"  # experiment of rows that follow the areas during training


def inliers_and_outliers(
    frame: pd.DataFrame, split: str, subset: str, column: str = "score"
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of one split's images of the classes trained on, and of the class left out: (n,), (m,) in nats."""
    part = frame[frame["split"] == split]
    is_outlier = (part["label"] == left_out_class(subset)).to_numpy()
    scores = part[column].to_numpy()
    return scores[~is_outlier], scores[is_outlier]


def course_row(record: Mapping[str, Any], step: int, layer: int, area: float) -> dict[str, Any]:
    """The area of a layer after some steps of training, in percent: experiment "course", the step among the params."""
    common = {key: record[key] for key in ("protocol", "dataset", "model", "seed")}
    params = {"outlier_class": left_out_class(record["subset"]), "step": step, **record["point"]}
    return tidy_row(experiment=COURSE, params=params, metric=f"auroc_layer_{layer}", value=area, **common)


def outlier_rows(frame: pd.DataFrame, record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Tidy rows of one model's scores. `record` is the model's bench.json.

    Metrics: auroc (exact), auroc_100_thresholds (as the authors' scripts), each also with _layer_0 …, auroc_validation
    (for choosing grid points), all in percent; log_likelihood of the test inliers in nats; parameters; seconds of a
    training that was not resumed; of a DCGMM, sigma_layer_0 …, where the annealing of each layer was when it ended.
    """
    subset = record["subset"]
    common = {key: record[key] for key in ("protocol", "dataset", "model", "seed")}
    params = {"outlier_class": left_out_class(subset), **record["point"]}
    values: dict[str, float] = {}
    layers = [column for column in map(str, frame.columns) if column.startswith("layer_")]
    for suffix, column in [("", "score"), *((f"_{layer}", layer) for layer in layers)]:
        inliers, outliers = inliers_and_outliers(frame, "test", subset, column)
        values[f"auroc{suffix}"] = auroc(inliers, outliers)
        values[f"auroc_100_thresholds{suffix}"] = auroc_100_thresholds(inliers, outliers)
        values[f"log_likelihood{suffix}"] = float(inliers.mean())
    values["auroc_validation"] = auroc(*inliers_and_outliers(frame, "validation", subset))
    values |= {name: record[name] for name in ("parameters", "seconds") if record[name] is not None}
    values |= {f"sigma_layer_{layer}": sigma for layer, sigma in enumerate(record.get("sigmas", []))}
    for metric, value in values.items():
        yield tidy_row(experiment=EXPERIMENT, params=params, metric=metric, value=value, **common)
