"""The grids of Table II as heat maps: every point, and which one each protocol chose."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from evaluation.base.errors import UserError
from evaluation.measures.tidy import canonical_params
from evaluation.results.figures.style import plotting, width_of
from evaluation.results.labels import dataset_labels
from evaluation.results.reported_class import PAPERS_CLASS
from evaluation.results.selection import CHOSEN_BY, Point, protocols_of
from evaluation.results.tables.grid import grid_points

if TYPE_CHECKING:
    from evaluation.results.material import Material
    from evaluation.results.outputs import Item
    from evaluation.results.results import Results

SPLITS = {"auroc": "test", "auroc_validation": "validation"}
Place = Mapping[str, Any]  # parameter → value
Found = Sequence[tuple[Place, Point, str]]  # the parameters of a point, it, and the protocols that chose it


def heat_map(material: Material, item: Item) -> tuple[Any, str]:
    """The heat maps of the item's model."""
    assert item.model is not None
    return draw_heat_map(material.results, item.model.name, item.model.label), ""


def draw_heat_map(results: Results, model: str, label: str) -> Any:
    """AUROC of every grid point of a model, mean over seeds in percent, in the measure by which each protocol chooses.

    A row of panels for each data set and protocol; in a panel the last two parameters, beside each other the values of
    the others. The chosen point is framed.

    Raises:
        UserError: the model has no grid here.
    """
    points = [(json.loads(p.point), p, by) for p, by, _ in grid_points(results) if p.model == model]
    names = sorted({name for place, _, _ in points for name in place})
    if not names:
        raise UserError(f"{model} has no grid in these metrics: every run has the same parameters")
    values = {name: sorted({p[name] for p, _, _ in points if name in p}, key=_order) for name in names}
    outer, inner = names[:-2], names[-2:]
    columns = [dict(zip(outer, some, strict=True)) for some in product(*(values[name] for name in outer))]
    panel_rows = list(
        product(dataset_labels({point.dataset for _, point, _ in points}).items(), protocols_of(results.plan))
    )
    plt, sns = plotting()
    height = 0.55 + 0.28 * (len(values[inner[0]]) if len(inner) > 1 else 1)
    size = (width_of(len(columns)), height * len(panel_rows) + 0.2)
    figure, axes = plt.subplots(len(panel_rows), len(columns), figsize=size, squeeze=False, layout="constrained")
    for ((dataset, data_label), protocol), row_of_axes in zip(panel_rows, axes, strict=True):
        found = [f for f in points if f[1].dataset == dataset and f[1].protocol in (protocol, "both")]
        for axis, fixed in zip(row_of_axes, columns, strict=True):
            _panel(sns, axis, found, protocol, fixed, {name: values[name] for name in inner}, points)
            head = ", ".join(f"{key} {value}" for key, value in fixed.items())
            where = f"{data_label}, {protocol} ({SPLITS[CHOSEN_BY[protocol]]})"
            axis.set_title(f"{where}, {head}" if head else where, fontsize=6)
    of = "" if results.outlier_class == PAPERS_CLASS else f", class {results.outlier_class} left out"
    figure.suptitle(f"{label}: AUROC in percent{of}", fontsize=7)
    return figure


def _order(value: Any) -> Any:
    """Numbers by size, anything else by its text."""
    return (0, value, "") if isinstance(value, (int, float)) else (1, 0, canonical_params({"": value}))


def _panel(
    sns: Any, axis: Any, found: Found, protocol: str, fixed: Place, inner: Mapping[str, list[Any]], points: Found
) -> None:
    """One heat map: the last parameter from left to right, the one before it downwards."""
    import numpy as np

    metric = CHOSEN_BY[protocol]
    *down, across = inner
    lines = inner[down[0]] if down else [None]
    means = np.full((len(lines), len(inner[across])), np.nan)
    for i, j in np.ndindex(means.shape):
        wanted = {**fixed, across: inner[across][j], **({down[0]: lines[i]} if down else {})}
        for place, point, chosen_by in found:
            if place == wanted and metric in point.values:
                means[i, j] = point.values[metric].mean
                if protocol in chosen_by.split():
                    axis.add_patch(_frame(j, i))
    every = [point.values[metric].mean for _, point, _ in points if metric in point.values]
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
