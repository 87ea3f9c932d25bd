"""The area of the left-out class during training: how far a verdict depends on when training ends."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from evaluation.base.errors import UserError
from evaluation.plan.experiments import DCGMM
from evaluation.results.figures.sharing import INDEPENDENT, SHARED, instance, is_independent
from evaluation.results.figures.style import PAGE_WIDTH, plotting
from evaluation.results.formatting import told_apart, variant_words
from evaluation.results.labels import dataset_label, dataset_labels
from evaluation.results.reported_class import PAPERS_CLASS

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.plan.plan import Plan
    from evaluation.results.material import Material
    from evaluation.results.outputs import Item
    from evaluation.results.results import Results

PREFIX = "auroc_layer_"
PANEL_HEIGHT = 2.6  # inches


class Place(NamedTuple):
    """What a line is of; point: canonical JSON of a grid point."""

    dataset: str
    model: str
    protocol: str
    point: str


def course(material: Material, item: Item) -> tuple[Any, str]:
    """A panel for each data set and sharing; see `draw_course`."""
    return draw_course(material.results)


def draw_course(results: Results) -> tuple[Any, str]:
    """AUROC in percent of the top layer against the part of the training that is done, in percent.

    A row of panels for each data set: models with shared layers, models with independent ones. A line is the mean over
    seeds of a model, in one protocol and at one grid point; its band goes from the lowest to the highest seed. An
    instance has one colour in all panels.

    Returns:
        The figure, and what it does not show: which class is left out, if not class 0, and the trainings whose areas
        were not followed.

    Raises:
        UserError: no areas were followed.
    """
    rows, outlier = results.of("course"), results.outlier_class
    rows = rows[(rows["outlier_class"] == outlier) & rows["metric"].str.startswith(PREFIX)]
    if rows.empty:
        raise UserError(f"no areas were followed in training; {_cure(results.plan)}")
    plt, _ = plotting()
    rows = rows.assign(layer=rows["metric"].str.removeprefix(PREFIX).astype(int), step=rows["step"].astype(int))
    datasets = [name for name in dataset_labels(results.datasets("course")) if name in set(rows["dataset"])]
    followed, scored = _by_place(rows), _scored(results)
    names = _names(results, {**scored, **followed})
    kinds = sorted({_independent(results, place) for place in followed})
    figure, axes = plt.subplots(
        len(datasets), len(kinds), figsize=(PAGE_WIDTH, PANEL_HEIGHT * len(datasets)), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    colours = _Colours(results)
    for line, dataset in zip(axes, datasets, strict=True):
        for axis, kind in zip(line, kinds, strict=True):
            here = [place for place in followed if place.dataset == dataset and _independent(results, place) == kind]
            for place, colour in zip(here, colours.of(here), strict=True):
                _draw(axis, followed[place], names[place], colour)
            axis.set_title(f"{dataset_label(dataset)}, {INDEPENDENT if kind else SHARED} layers", fontsize="small")
            axis.set_xlabel("part of the training (%)", fontsize="x-small")
            axis.set_ylabel("AUROC (%)", fontsize="x-small")
            axis.tick_params(labelsize="x-small")
            if here:
                axis.legend(fontsize="xx-small")
    of = "" if outlier == PAPERS_CLASS else f"Class {outlier} left out."
    return figure, f"{of} {_not_followed(scored, followed, names)}".strip()


def _by_place(rows: pd.DataFrame) -> dict[Place, pd.DataFrame]:
    return {Place(*map(str, key)): here for key, here in rows.groupby(list(Place._fields))}


def _scored(results: Results) -> dict[Place, pd.DataFrame]:
    """The rows of DCGMMs that were scored without the reported class."""
    rows = results.of("outliers")
    found = _by_place(rows[rows["outlier_class"] == results.outlier_class])
    return {p: here for p, here in found.items() if results.plan.catalogue.model(p.model).family == "dcgmm"}


def _names(results: Results, places: Collection[Place]) -> dict[Place, str]:
    """The label of each line; of several of a model on a data set, with its protocol and grid point."""
    found: dict[Place, str] = {}
    for dataset in dict.fromkeys(place.dataset for place in places):
        here = [place for place in places if place.dataset == dataset]
        labels = [str(results.plan.catalogue.model(place.model).label) for place in here]
        words = [variant_words(place.protocol, place.point) for place in here]
        found |= zip(here, told_apart(zip(labels, words, strict=True)), strict=True)
    return found


def _cure(plan: Plan) -> str:
    """What to do where no areas were followed."""
    outliers = plan.profile.experiments.outliers
    if outliers is None or not outliers.course:
        return "set experiments.outliers.course: true, and train"
    keys = plan.keys("outliers")
    first = next((key for key in keys if plan.variants[key.variant].model.family == DCGMM), keys[0])
    return (
        "experiments.outliers.course: true came after it, and retrains nothing; train with "
        f"`bench train --profile {plan.name} --again {first.word}`, and so on, and run `bench measure outliers "
        f"{first.dataset} --profile {plan.name}`"
    )


def _not_followed(
    scored: Mapping[Place, pd.DataFrame], followed: Mapping[Place, pd.DataFrame], names: Mapping[Place, str]
) -> str:
    """DCGMMs that were scored and have no course: `course: true` came after their training, and retrains nothing."""
    words = []
    for place, here in scored.items():
        there = set(followed[place]["seed"]) if place in followed else set()
        if left := sorted(set(here["seed"]) - there):
            seeds = f"seed{'s' if len(left) > 1 else ''} {', '.join(map(str, left))}"
            words.append(f"{names[place]} on {dataset_label(place.dataset)}, {seeds}")
    return f"Not followed in training: {'; '.join(words)}." if words else ""


class _Colours:
    """A colour for each instance, in one protocol and at one grid point: the same in both forms, where a panel has one
    of them."""

    def __init__(self, results: Results) -> None:
        self._plan, self._numbers = results.plan, dict[tuple[str, ...], int]()

    def of(self, places: Collection[Place]) -> list[str]:
        """The colours of the lines of a panel, each another one."""
        taken: dict[tuple[str, ...], Place] = {}
        for place in sorted(places, key=lambda place: instance(self._plan, place.model) != place.model):
            key: tuple[str, ...] = (instance(self._plan, place.model), *place[2:])
            taken[(place.model, *key) if key in taken else key] = place
        found = {place: f"C{self._numbers.setdefault(key, len(self._numbers))}" for key, place in taken.items()}
        return [found[place] for place in places]


def _draw(axis: Any, curves: pd.DataFrame, label: str, colour: str) -> None:
    top = curves[curves["layer"] == curves["layer"].max()]
    by_step = top.groupby("step")["value"]
    mean = by_step.mean()
    done = 100.0 * mean.index / mean.index.max()
    axis.plot(done, mean, marker=".", markersize=3, label=label, color=colour)
    axis.fill_between(done, by_step.min(), by_step.max(), color=colour, alpha=0.15, linewidth=0)


def _independent(results: Results, place: Place) -> bool:
    model = results.plan.catalogue.model(place.model)
    params = {**model.params, **model.protocol_params(place.protocol), **json.loads(place.point)}
    return is_independent(params)
