"""Which panels the figures of samples, completions and centroids have (Figs. 5 to 9, 11 to 14), from a plan.

A panel is a label and the results it is drawn from. Each figure shows the first seed of its experiment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.base.errors import UserError
from evaluation.jobs.sample import subset_class
from evaluation.results.formatting import in_protocol
from evaluation.results.labels import dataset_label

if TYPE_CHECKING:
    from evaluation.plan.config import Plan

Training = tuple[str, str, str, int]  # data set, subset, variant, seed
SETTINGS = {"plain": "no sharpening", "sharpened": "sharpening"}
PAPERS_DATASETS = ("mnist", "fashion_mnist")
FIGURES = {"pooled": ("fig_5", "fig_9"), "shown": ("fig_6", "fig_11"), "instances": ("fig_12", "fig_13")}
FIG_8_MASK, FIG_8_VARIANT = "right", "paper"


@dataclass(frozen=True)
class Panel:
    """label; dataset; files below the results' folder, several for a model of each class; stamps of the jobs that make
    them; runs: the trainings behind them, in the order of the files."""

    label: str
    dataset: str
    files: tuple[str, ...]
    stamps: tuple[str, ...]
    runs: tuple[Training, ...]


def _runs(plan: Plan, experiment: str, dataset: str, name: str) -> list[Training]:
    """The trainings of a model with the first seed: one, or one for each class."""
    of_model = [r for r in plan.runs(experiment) if r[0] == dataset and plan.variants[r[2]].model.name == name]
    return [run for run in of_model if run[3] == of_model[0][3]]


def _panel(
    plan: Plan, experiment: str, dataset: str, name: str, label: str, folder: str, stage: str, end: str
) -> Panel:
    runs = _runs(plan, experiment, dataset, name)
    files = tuple(f"{folder}/{d}/{subset}/{variant}/seed{seed}{end}" for d, subset, variant, seed in runs)
    stamps = tuple(plan.stamps(stage, experiment, dataset=dataset, model=name, seed=runs[0][3]))
    return Panel(label, dataset, files, stamps, tuple(runs))


def _sampled(plan: Plan, experiment: str, dataset: str, name: str, setting: str, label: str) -> Panel:
    return _panel(plan, experiment, dataset, name, label, f"grids/{setting}", f"grid_{setting}", ".npz")


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
    settings = plan.experiments.get("sampling", {})
    label = {name: plan.catalogue.model(name).label for key in ("models", "pooled") for name in settings.get(key, [])}
    for figure, dataset in numbered(settings.get("datasets", []), FIGURES["pooled"]).items():
        yield (
            figure,
            [
                _sampled(plan, "sampling", dataset, name, setting, f"{label[name]} ({words})")
                for name in settings.get("pooled", [])
                for setting, words in SETTINGS.items()
            ],
        )
    for figure, dataset in numbered(settings.get("datasets", []), FIGURES["instances"]).items():
        yield figure, [_sampled(plan, "sampling", dataset, n, "plain", label[n]) for n in settings.get("models", [])]
    if "alphabet" in settings:
        yield (
            "fig_14",
            [
                _panel(plan, "sampling", d, settings["alphabet"], dataset_label(d), "models", "train", "")
                for d in settings["datasets"]
            ],
        )


def _judged(plan: Plan, key: str) -> Iterator[tuple[str, list[Panel]]]:
    """What the judge sees of each class. "shown": Figs. 6 and 11, a DCGMM and its rivals, in Fig. 11 rivals only;
    "instances": Figs. 12 and 13, several DCGMMs.

    A model that is trained in two protocols has a panel for each.
    """
    settings = plan.experiments.get("judge", {})
    shown = [plan.catalogue.model(name) for name in settings.get(key, [])]
    for figure, dataset in numbered(settings.get("datasets", []), FIGURES[key]).items():
        panels = []
        for model in shown:
            if figure == "fig_11" and model.family == "dcgmm":
                continue
            for variant in plan.catalogue.variants(model.name):
                runs = [run for run in _runs(plan, "judge", dataset, model.name) if run[2] == variant.name]
                if not runs:
                    raise UserError(f"experiments.judge.{key}: {model.name} is not judged; add it to `models` there")
                label = in_protocol(model.label, variant.protocol)
                files = tuple(f"samples/{d}/{subset}/{name}/seed{seed}.npz" for d, subset, name, seed in runs)
                stamps = plan.stamps("sample", "judge", dataset=dataset, model=model.name, seed=runs[0][3])
                panels.append(Panel(label, dataset, files, tuple(stamps), tuple(runs)))
        yield figure, panels


def pictures(plan: Plan) -> Mapping[str, list[Panel]]:
    """Figure → its panels; a figure without panels is left out."""
    found = dict(_sampling(plan))
    for dataset in plan.experiments.get("svhn", {}).get("datasets", [])[:1]:
        models = plan.rows("svhn")
        found["fig_7"] = [_sampled(plan, "svhn", dataset, model.name, "plain", model.label) for model in models]
    found |= dict(_judged(plan, "shown"))
    for figure, panels in _judged(plan, "instances"):
        found[figure] = panels + found.get(figure, [])
    inpainting = plan.experiments.get("inpainting", {})
    # The paper's figure is of MNIST.
    for dataset in sorted(inpainting.get("datasets", []), key=lambda name: name != PAPERS_DATASETS[0])[:1]:
        end = f"/{FIG_8_MASK}_{FIG_8_VARIANT}.npz"
        found["fig_8"] = [
            _panel(plan, "inpainting", dataset, name, plan.catalogue.model(name).label, "completions", "inpaint", end)
            for name in inpainting.get("shown", inpainting["models"])
        ]
    return {figure: panels for figure, panels in found.items() if panels}


def shown_datasets(plan: Plan, figure: str) -> list[str]:
    """The data sets that a figure shows."""
    return list(dict.fromkeys(panel.dataset for panel in pictures(plan)[figure]))


def real_classes(plan: Plan) -> list[int]:
    """The classes of the real images of Fig. 7: those that its models were trained on, none for all of them."""
    subsets = {subset for _, subset, _, _ in plan.runs("svhn")}
    classes = {label for label in map(subset_class, subsets) if label is not None}
    return [] if "all" in subsets else sorted(classes)


def sampling_options(plan: Plan, variant: str, setting: str = "plain") -> str:
    """The part of a `bench sample` command that says how a model is sampled, quoted for the shell."""
    import json
    import shlex

    model = plan.variants[variant].model
    options = dict(model.sampling)
    if setting == "sharpened":
        options |= {"sharpen": True, **model.sharpening}
    words = []
    for key, value in options.items():
        words += ["--option", f"{key}={json.dumps(value)}"]
    return shlex.join(words)


def picture_inputs(plan: Plan, figure: str) -> list[str]:
    """The files that the figure waits for."""
    return list(dict.fromkeys(stamp for panel in pictures(plan)[figure] for stamp in panel.stamps))
