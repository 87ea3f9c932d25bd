"""Which panels the figures of samples, completions and centroids have (Figs. 5 to 9, 11 to 14), from a plan.

A panel is a label and the trainings that it shows. Each figure shows the first seed of its experiment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.base.errors import UserError
from evaluation.datasets.subsets import subset_class
from evaluation.plan.experiments import PAPERS_DATASETS
from evaluation.results.formatting import in_protocol
from evaluation.results.labels import dataset_label

if TYPE_CHECKING:
    from evaluation.plan.key import TrainingKey
    from evaluation.plan.plan import Plan

SETTINGS = {"grid_plain": "no sharpening", "grid_sharpened": "sharpening"}
FIGURES = {"pooled": ("fig_5", "fig_9"), "shown": ("fig_6", "fig_11"), "instances": ("fig_12", "fig_13")}
FIG_8_MASK, FIG_8_VARIANT = "right", "paper"


@dataclass(frozen=True)
class Panel:
    """label; dataset; stage: whose jobs make what is shown ("train": the models themselves); keys: the trainings,
    several for a model of each class."""

    label: str
    dataset: str
    stage: str
    keys: tuple[TrainingKey, ...]


def _panel(plan: Plan, experiment: str, dataset: str, name: str, label: str, stage: str) -> Panel:
    return Panel(label, dataset, stage, tuple(plan.first_keys(experiment, dataset, name)))


def numbered(datasets: Sequence[str], figures: Sequence[str]) -> dict[str, str]:
    """Which of the figures shows which data set: those of the paper their own, any other one the first that is free.

    Args:
        datasets: of an experiment, in the order of the config.
        figures: the paper's, of MNIST and of Fashion-MNIST.

    Returns:
        Figure → data set, in the paper's order; data sets for which no figure is left are not shown.
    """
    found = {figure: dataset for figure, dataset in zip(figures, PAPERS_DATASETS, strict=True) if dataset in datasets}
    free = [figure for figure in figures if figure not in found]
    found |= zip(free, (dataset for dataset in datasets if dataset not in PAPERS_DATASETS), strict=False)
    return {figure: found[figure] for figure in figures if figure in found}


def _sampling(plan: Plan) -> Iterator[tuple[str, list[Panel]]]:
    settings = plan.profile.experiments.sampling
    if settings is None:
        return
    label = {name: plan.catalogue.model(name).label for name in settings.named()}
    for figure, dataset in numbered(settings.datasets, FIGURES["pooled"]).items():
        yield (
            figure,
            [
                _panel(plan, "sampling", dataset, name, f"{label[name]} ({words})", stage)
                for name in settings.pooled
                for stage, words in SETTINGS.items()
            ],
        )
    for figure, dataset in numbered(settings.datasets, FIGURES["instances"]).items():
        yield figure, [_panel(plan, "sampling", dataset, n, label[n], "grid_plain") for n in settings.models]
    if settings.alphabet:
        name = settings.alphabet
        yield "fig_14", [_panel(plan, "sampling", d, name, dataset_label(d), "train") for d in settings.datasets]


def _judged(plan: Plan, key: str) -> Iterator[tuple[str, list[Panel]]]:
    """What the judge sees of each class. "shown": Figs. 6 and 11, a DCGMM and its rivals, in Fig. 11 rivals only;
    "instances": Figs. 12 and 13, several DCGMMs.

    A model that is trained in two protocols has a panel for each.
    """
    settings = plan.profile.experiments.judge
    if settings is None:
        return
    for figure, dataset in numbered(settings.datasets, FIGURES[key]).items():
        panels = []
        for model in map(plan.catalogue.model, getattr(settings, key)):
            if figure == "fig_11" and model.family == "dcgmm":
                continue
            first = plan.first_keys("judge", dataset, model.name)
            for variant in plan.catalogue.variants(model.name):
                keys = tuple(one for one in first if one.variant == variant.name)
                if not keys:
                    raise UserError(f"experiments.judge.{key}: {model.name} is not judged; add it to `models` there")
                panels.append(Panel(in_protocol(model.label, variant.protocol), dataset, "sample", keys))
        yield figure, panels


def pictures(plan: Plan) -> Mapping[str, list[Panel]]:
    """Figure → its panels; a figure without panels is left out."""
    found = dict(_sampling(plan))
    for dataset in plan.datasets("svhn")[:1]:
        models = plan.rows("svhn")
        found["fig_7"] = [_panel(plan, "svhn", dataset, model.name, model.label, "grid_plain") for model in models]
    found |= dict(_judged(plan, "shown"))
    for figure, panels in _judged(plan, "instances"):
        found[figure] = panels + found.get(figure, [])
    inpainting = plan.profile.experiments.inpainting
    # The paper's figure is of MNIST.
    for dataset in sorted(plan.datasets("inpainting"), key=lambda name: name != PAPERS_DATASETS[0])[:1]:
        shown = (inpainting.shown or inpainting.models) if inpainting else []
        found["fig_8"] = [
            _panel(plan, "inpainting", dataset, name, plan.catalogue.model(name).label, "inpaint") for name in shown
        ]
    return {figure: panels for figure, panels in found.items() if panels}


def shown_datasets(plan: Plan, figure: str) -> list[str]:
    """The data sets that a figure shows."""
    return list(dict.fromkeys(panel.dataset for panel in pictures(plan)[figure]))


def real_classes(plan: Plan) -> list[int]:
    """The classes of the real images of Fig. 7: those that its models were trained on, none for all of them."""
    subsets = {key.subset for key in plan.keys("svhn")}
    classes = {label for label in map(subset_class, subsets) if label is not None}
    return [] if "all" in subsets else sorted(classes)
