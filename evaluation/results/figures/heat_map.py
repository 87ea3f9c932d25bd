"""The grids of Table II as heat maps: every point, and which one each protocol chose."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

from evaluation.base.errors import UserError
from evaluation.measures.metrics import canonical_params
from evaluation.results.figures.style import plotting, save, width_of
from evaluation.results.selection import CHOSEN_BY, PROTOCOLS
from evaluation.results.tables.outliers import grid_points_of
from evaluation.results.tables.writing import DATASET_LABELS

SPLITS = {"auroc": "test", "auroc_validation": "validation"}


def draw_heat_map(metrics: Any, model: str, label: str, path: Path, title: str) -> None:
    """AUROC of every grid point of a model, mean over seeds in percent, in the measure by which each protocol chooses.

    A row of panels for each data set and protocol; in a panel the last two parameters, beside each other the values of
    the others. The chosen point is framed. `metrics`: tidy.

    Raises:
        UserError: the model has no grid here.
    """
    points = [{**row, "point": json.loads(row["point"])} for row in grid_points_of(metrics[metrics["model"] == model])]
    names = sorted({name for row in points for name in row["point"]})
    if not names:
        raise UserError(f"{model} has no grid in these metrics: every run has the same parameters")
    values = {
        name: sorted({row["point"][name] for row in points if name in row["point"]}, key=_order) for name in names
    }
    outer, inner = names[:-2], names[-2:]
    columns = [dict(zip(outer, some, strict=True)) for some in product(*(values[name] for name in outer))]
    datasets = [d for d in DATASET_LABELS if any(row["dataset"] == d for row in points)]
    panel_rows = list(product(datasets, PROTOCOLS))
    plt, sns = plotting()
    width = width_of(len(columns))
    height = 0.55 + 0.28 * (len(values[inner[0]]) if len(inner) > 1 else 1)
    figure, axes = plt.subplots(
        len(panel_rows), len(columns), figsize=(width, height * len(panel_rows) + 0.2), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for (dataset, protocol), row_of_axes in zip(panel_rows, axes, strict=True):
        found = [row for row in points if row["dataset"] == dataset and row["protocol"] in (protocol, "both")]
        for axis, fixed in zip(row_of_axes, columns, strict=True):
            _panel(sns, axis, found, protocol, fixed, {name: values[name] for name in inner}, points)
            head = ", ".join(f"{key} {value}" for key, value in fixed.items())
            where = f"{DATASET_LABELS[dataset]}, {protocol} ({SPLITS[CHOSEN_BY[protocol]]})"
            axis.set_title(f"{where}, {head}" if head else where, fontsize=6)
    figure.suptitle(f"{label}: AUROC in percent", fontsize=7)
    save(figure, path, title)


def _order(value: Any) -> Any:
    """Numbers by size, anything else by its text."""
    return (0, value, "") if isinstance(value, (int, float)) else (1, 0, canonical_params({"": value}))


def _panel(
    sns: Any, axis: Any, found: list[dict[str, Any]], protocol: str, fixed: dict[str, Any], inner: dict[str, list[Any]],
    points: list[dict[str, Any]],
) -> None:  # fmt: skip
    """One heat map: the last parameter from left to right, the one before it downwards."""
    import numpy as np

    metric = CHOSEN_BY[protocol]
    *down, across = inner
    lines = inner[down[0]] if down else [None]
    means = np.full((len(lines), len(inner[across])), np.nan)
    for i, j in np.ndindex(means.shape):
        place = {**fixed, across: inner[across][j], **({down[0]: lines[i]} if down else {})}
        for row in found:
            if row["point"] == place and metric in row:
                means[i, j] = row[metric]["mean"]
                if protocol in row["chosen_by"].split():
                    axis.add_patch(_frame(j, i))
    every = [row[metric]["mean"] for row in points if metric in row]
    sns.heatmap(
        means, ax=axis, annot=True, fmt=".1f", annot_kws={"size": 6}, cmap="viridis", cbar=False, mask=np.isnan(means),
        vmin=min(every), vmax=max(every), xticklabels=inner[across], yticklabels=lines if down else False,
    )  # fmt: skip
    axis.tick_params(labelsize=6, pad=0)
    axis.set_xlabel(across, fontsize=6)
    axis.set_ylabel(down[0] if down else "", fontsize=6)


def _frame(left: int, top: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((left + 0.04, top + 0.04), 0.92, 0.92, fill=False, edgecolor="red", linewidth=1.5, zorder=3)
