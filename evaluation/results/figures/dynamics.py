"""Fig. 4: log-likelihood of every layer on test images, during training."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any

from evaluation.base.errors import UserError
from evaluation.results.changes import changes, is_known
from evaluation.results.figures.style import PAGE_WIDTH, empty, left_out_words, plotting
from evaluation.results.formatting import told_apart, variant_words
from evaluation.results.labels import dataset_label, dataset_labels
from evaluation.results.results import NO_POINT

if TYPE_CHECKING:
    from evaluation.results.material import Material
    from evaluation.results.outputs import Item
    from evaluation.results.results import Results

PREFIX = "log_likelihood_layer_"
PANEL_HEIGHT = 1.55  # inches
LETTERS = 36  # of a line beside a panel


def dynamics(material: Material, item: Item) -> tuple[Any, str]:
    """A row of panels for each model, as it was trained, and data set; see `draw_dynamics`."""
    return draw_dynamics(material.results)


def draw_dynamics(results: Results) -> tuple[Any, str]:
    """A small panel for each layer: its test log-likelihood in nats against training steps, mean over seeds.

    A row for each model, protocol, grid point and data set, layers from bottom to top; each panel has an axis of its
    own, since layers differ by orders of magnitude. A grey band goes from the lowest to the highest seed. A model that
    was still annealing at its end is left out, unless it is the catalogue's and trained as there: the paper's own
    training is this short.

    Returns:
        The figure, and the sentences that name what is left out, and what was still annealing.

    Raises:
        UserError: no test measurements in the metrics.
    """
    rows = results.of("dynamics")
    rows = rows[(rows["split"] == "test") & rows["metric"].str.startswith(PREFIX)]
    if rows.empty:
        raise UserError(
            "no log-likelihoods of test images over time; train with `monitor: test`, and run `bench measure dynamics`"
        )
    rows = rows.assign(layer=rows["metric"].str.removeprefix(PREFIX).astype(int), step=rows["step"].astype(int))
    order = dataset_labels(results.datasets("dynamics"))
    lines, left_out, published = [], [], []
    groups = {tuple(map(str, key)): curves for key, curves in rows.groupby(["dataset", "model", "protocol", "point"])}
    groups = dict(sorted(groups.items(), key=lambda group: list(order).index(group[0][0])))
    names = told_apart(
        (f"{_label(results, model)} on {dataset_label(dataset)}", variant_words(*of)) for dataset, model, *of in groups
    )
    for name, ((dataset, model, protocol, point), curves) in zip(names, groups.items(), strict=True):
        sigma = results.annealing("dynamics", dataset, model, protocol, point)
        if sigma and not _as_papers(results, model, protocol, point):
            left_out.append(f"{name} ({sigma})")
            continue
        lines.append((name, curves))
        if sigma:
            published.append(f"{name} ({sigma})")
    short = f"Still annealing at the end, as the paper's training: {', '.join(published)}." if published else ""
    words = " ".join(filter(None, [left_out_words(left_out), short]))
    if not lines:
        return empty(words), words
    return _panels(lines), words


def _as_papers(results: Results, model: str, protocol: str, point: str) -> bool:
    """Whether the training is the paper's, as the catalogue has it."""
    changed = changes(results.plan, model, protocol=protocol, grid=False)
    return is_known(model) and point == NO_POINT and not changed


def _label(results: Results, model: str) -> str:
    return str(results.plan.catalogue.model(model).label)


def _panels(lines: list[tuple[str, Any]]) -> Any:
    plt, _ = plotting()
    columns = max(curves["layer"].nunique() for _, curves in lines)
    figure, axes = plt.subplots(
        len(lines), columns, figsize=(PAGE_WIDTH, PANEL_HEIGHT * len(lines) + 0.3), squeeze=False, layout="constrained"
    )
    for row, (name, curves) in zip(axes, lines, strict=True):
        for axis in row[curves["layer"].nunique() :]:
            axis.set_axis_off()
        for axis, (layer, curve) in zip(row, curves.groupby("layer"), strict=False):
            by_step = curve.groupby("step")["value"]
            mean = by_step.mean()
            axis.fill_between(mean.index, by_step.min(), by_step.max(), color="0.85", linewidth=0)
            axis.plot(mean.index, mean, marker=".", markersize=3)
            axis.set_title(f"{name}, layer {layer}" if columns == 1 else f"layer {layer}", fontsize="small")
            axis.tick_params(labelsize="x-small", pad=0)
            axis.set_xlabel("training step", fontsize="x-small")
        beside = f"{fill(name, LETTERS, break_on_hyphens=False)}\nnats" if columns > 1 else "nats"
        row[0].set_ylabel(beside, fontsize="x-small")
    return figure
