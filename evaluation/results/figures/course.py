"""The area of the left-out class during training: how far a verdict depends on when training ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evaluation.base.errors import UserError
from evaluation.results.figures.style import PAGE_WIDTH, plotting
from evaluation.results.labels import dataset_label, dataset_labels

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.results.material import Material
    from evaluation.results.outputs import Item
    from evaluation.results.results import Results

PREFIX = "auroc_layer_"
PANEL_HEIGHT = 2.6  # inches
INDEPENDENT = "independent"  # in the notation of a model whose lower layers are not shared


def course(material: Material, item: Item) -> tuple[Any, str]:
    """A panel for each data set and sharing; see `draw_course`."""
    return draw_course(material.results)


def draw_course(results: Results) -> tuple[Any, str]:
    """AUROC in percent (top layer, class 0 left out) against the part of the training that is done, in percent.

    A row of panels for each data set: models with shared layers, models with independent ones. A line is the mean over
    seeds, its band goes from the lowest to the highest seed.

    Returns:
        The figure, and a sentence that names the trainings whose areas were not followed.

    Raises:
        UserError: no areas were followed.
    """
    rows = results.of("course")
    rows = rows[(rows["outlier_class"] == 0) & rows["metric"].str.startswith(PREFIX)]
    if rows.empty:
        raise UserError("no areas were followed in training; set experiments.outliers.course: true, and train")
    plt, _ = plotting()
    rows = rows.assign(layer=rows["metric"].str.removeprefix(PREFIX).astype(int), step=rows["step"].astype(int))
    datasets = [name for name in dataset_labels(results.datasets("course")) if name in set(rows["dataset"])]
    rows["independent"] = rows["model"].map(lambda model: _independent(results, str(model)))
    kinds = sorted(rows["independent"].unique())
    figure, axes = plt.subplots(
        len(datasets), len(kinds), figsize=(PAGE_WIDTH, PANEL_HEIGHT * len(datasets)), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for line, dataset in zip(axes, datasets, strict=True):
        for axis, kind in zip(line, kinds, strict=True):
            here = rows[(rows["dataset"] == dataset) & (rows["independent"] == kind)]
            for model, curves in here.groupby("model"):
                _draw(axis, curves, str(results.plan.catalogue.model(str(model)).label))
            axis.set_title(f"{dataset_label(dataset)}, {INDEPENDENT if kind else 'shared'} layers", fontsize="small")
            axis.set_xlabel("part of the training (%)", fontsize="x-small")
            axis.set_ylabel("AUROC (%)", fontsize="x-small")
            axis.tick_params(labelsize="x-small")
            if not here.empty:
                axis.legend(fontsize="xx-small")
    return figure, _not_followed(results, rows)


def _not_followed(results: Results, rows: pd.DataFrame) -> str:
    """DCGMMs that were scored and have no course: `course: true` came after their training, and retrains nothing."""
    scored = results.of("outliers")
    followed = {place: set(here["seed"]) for place, here in rows.groupby(["dataset", "model"])}
    words = []
    for place, here in scored[scored["outlier_class"] == 0].groupby(["dataset", "model"]):
        dataset, model = map(str, place)
        entry = results.plan.catalogue.model(model)
        if entry.family == "dcgmm" and (left := sorted(set(here["seed"]) - followed.get((dataset, model), set()))):
            seeds = f"seed{'s' if len(left) > 1 else ''} {', '.join(map(str, left))}"
            words.append(f"{entry.label} on {dataset_label(dataset)}, {seeds}")
    return f"Not followed in training: {'; '.join(words)}." if words else ""


def _draw(axis: Any, curves: pd.DataFrame, label: str) -> None:
    top = curves[curves["layer"] == curves["layer"].max()]
    by_step = top.groupby("step")["value"]
    mean = by_step.mean()
    done = 100.0 * mean.index / mean.index.max()
    (line,) = axis.plot(done, mean, marker=".", markersize=3, label=label)
    axis.fill_between(done, by_step.min(), by_step.max(), color=line.get_color(), alpha=0.15, linewidth=0)


def _independent(results: Results, model: str) -> bool:
    return INDEPENDENT in str(results.plan.catalogue.model(model).params.get("config", ""))
