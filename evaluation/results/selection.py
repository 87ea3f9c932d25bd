"""From tidy outlier metrics to one result per model: the choice of grid points, and statistics over seeds.

Protocol "paper": the point with the best mean AUROC over seeds on the *test* images, as the paper did. Protocol
"clean": the best on the validation images. A model trained in the same way in both protocols (protocol "both") takes
part in both choices. Points with fewer seeds than others of the model have not finished, and take no part: the best of
few seeds is chosen for its luck.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from evaluation.measures.metrics import canonical_params, over_seeds

if TYPE_CHECKING:
    import pandas as pd

PROTOCOLS = ("paper", "clean")
CHOSEN_BY = {"paper": "auroc", "clean": "auroc_validation"}
REPORTED = ("auroc", "auroc_100_thresholds")
KEYS = ["dataset", "model"]


def grid_results(metrics: pd.DataFrame, outlier: int = 0) -> pd.DataFrame:
    """Every grid point: one row for each protocol it was run in, data set, model, point and metric.

    Columns: those of `over_seeds` (n, mean, std, low, high) and `point`, the parameters without the outlier class.
    """
    rows = metrics[metrics["experiment"] == "outliers"]
    params = rows["params"].map(json.loads)
    rows = rows[[p.get("outlier_class") == outlier for p in params]]
    summary = over_seeds(rows)
    points = [{k: v for k, v in json.loads(p).items() if k != "outlier_class"} for p in summary["params"]]
    return summary.assign(point=[canonical_params(point) for point in points])


def has_grid(rows: pd.DataFrame) -> bool:
    """Whether tidy rows of outlier detection hold several grid points."""
    points = ({**json.loads(params), "outlier_class": None} for params in rows["params"].unique())
    return len({canonical_params(point) for point in points}) > 1


def selected_results(metrics: pd.DataFrame, protocol: str, outlier: int = 0) -> pd.DataFrame:
    """The chosen point of every model on every data set: its rows of `grid_results`, in this protocol.

    Only points with the largest number of seeds take part. Of points that are equally good the first in the order of
    the metrics is taken, which is the order of the grid.
    """
    results = grid_results(metrics, outlier)
    results = results[results["protocol"].isin([protocol, "both"])]
    by = results[results["metric"] == CHOSEN_BY[protocol]]
    by = by[by["n"] == by.groupby(KEYS, sort=False)["n"].transform("max")]
    best = by.loc[by.groupby(KEYS, sort=False)["mean"].idxmax(), [*KEYS, "point"]]
    return results.merge(best, on=[*KEYS, "point"])


def reported_values(metrics: pd.DataFrame, protocol: str, outlier: int = 0) -> dict[tuple[str, str, str], pd.Series]:
    """(data set, model, metric) → n, mean, std, low, high, point: of the chosen points."""
    chosen = selected_results(metrics, protocol, outlier)
    return {(row["dataset"], row["model"], row["metric"]): row for _, row in chosen.iterrows()}
