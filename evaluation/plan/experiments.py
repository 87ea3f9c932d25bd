"""Which trainings each experiment needs, and what is made from them.

An experiment is a function of its settings (its section of the profile) and the models of the run, giving (data set,
subset of classes, variant). A new experiment is one more function here and its settings in evaluation/plan/profile.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from evaluation.base.errors import ConfigError
from evaluation.datasets.contents import specification
from evaluation.plan.catalogue import Catalogue, Variant
from evaluation.plan.profile import Dynamics, Judge, Outliers, Sampling, Settings, Svhn

Need = tuple[str, str, Variant]
DCGMM = "dcgmm"  # the family of the paper's models
PAPERS_DATASETS = ("mnist", "fashion_mnist")  # whose samples the paper shows, one figure each


def classes_of(dataset: str) -> range:
    """The classes of a data set."""
    return range(len(specification(dataset).class_names))


def outliers(settings: Outliers, catalogue: Catalogue) -> Iterator[Need]:
    """Tables I and II, Fig. 10: train without one class, which is then the outlier."""
    for dataset in settings.datasets:
        for name in settings.models:
            for variant in catalogue.variants(name, grid=settings.grid):
                for outlier in outlier_classes(settings, name, dataset):
                    yield dataset, f"not{outlier}", variant


def outlier_classes(settings: Outliers, model: str, dataset: str) -> Sequence[int]:
    """The classes that are left out for a model, each once: those of the profile, or all."""
    return classes_of(dataset) if model in settings.all_classes else settings.outlier_classes


def all_classes(settings: Settings, catalogue: Catalogue) -> Iterator[Need]:
    """Figs. 4 and 8, Table IV: train on all classes. Figs. 5, 9, 12, 13, 14: whatever is named."""
    names = settings.named() if isinstance(settings, Sampling) else settings.models
    for dataset in settings.datasets:
        for name in names:
            for variant in catalogue.variants(name):
                yield dataset, "all", variant


def judge(settings: Judge, catalogue: Catalogue) -> Iterator[Need]:
    """Table III: a model for each class, whose samples a classifier judges."""
    for dataset in settings.datasets:
        for name in settings.models:
            for variant in catalogue.variants(name):
                for label in classes_of(dataset):
                    yield dataset, f"only{label}", variant


def svhn(settings: Svhn, catalogue: Catalogue) -> Iterator[Need]:
    """Fig. 7: DCGMMs of each class; other models of all classes together."""
    for dataset in settings.datasets:
        for name in settings.models:
            for variant in catalogue.variants(name):
                if variant.model.family == DCGMM:
                    for label in classes_of(dataset) if settings.classes is None else settings.classes:
                        yield dataset, f"only{label}", variant
                else:
                    yield dataset, "all", variant


EXPERIMENTS: dict[str, Callable[[Any, Catalogue], Iterator[Need]]] = {
    "outliers": outliers,
    "dynamics": all_classes,
    "judge": judge,
    "sampling": all_classes,
    "inpainting": all_classes,
    "classification": all_classes,
    "svhn": svhn,
}
MEASURED = ("outliers", "dynamics", "judge", "inpainting", "classification")  # experiments with metrics
STAGES = ("score", "sample", "inpaint", "grid_plain", "grid_sharpened")  # what is made from trained models


def check_classes(experiment: str, settings: Settings, where: str) -> None:
    """Refuse classes that a data set does not have, or not the images of that the experiment needs.

    Raises:
        ConfigError: names it.
    """
    named = {
        "outlier_classes": getattr(settings, "outlier_classes", None),
        "classes": getattr(settings, "classes", None),
    }
    for key, classes in named.items():
        for dataset in settings.datasets if classes else ():
            for label in classes or ():
                if label not in classes_of(dataset):
                    last = classes_of(dataset)[-1]
                    raise ConfigError(
                        f"{where}: experiments.{experiment}.{key}: {dataset} has no class {label}; it has 0 to {last}"
                    )
    for dataset in settings.datasets:
        place = f"{where}: experiments.{experiment}: {dataset}"
        if experiment == "outliers" and len(classes_of(dataset)) < 2:
            raise ConfigError(f"{place} has one class; two are needed, one of them the outlier")
        for split, label in specification(dataset).lacking if experiment in ("judge", "svhn") else ():
            if split != "test" and label in (named["classes"] or classes_of(dataset)):
                raise ConfigError(
                    f"{place} has no {split} image of class {label}, of which a model is to be trained; add some "
                    "(docs/data.md)"
                )


def check_shown(experiment: str, settings: Settings, catalogue: Catalogue, where: str) -> None:
    """Refuse models of a figure that the experiment does not train, or that the figure is not made of, or none at all;
    models whose curves would not be those of test images; data sets whose models would be trained and not shown.

    Raises:
        ConfigError: names it.
    """
    place = f"{where}: experiments.{experiment}"
    for key in ("instances", "shown", "all_classes"):
        for name in getattr(settings, key, ()):
            if name not in settings.models:
                done = {"judge": "judged", "outliers": "trained"}.get(experiment, "completed")
                raise ConfigError(f"{place}.{key}: {name} is not {done}; add it to experiments.{experiment}.models")
    if not settings.named():
        raise ConfigError(f"{place} names no model; name some, or leave the experiment out")
    for model in map(catalogue.model, settings.models if isinstance(settings, Dynamics) else ()):
        if model.monitor != "test":
            raise ConfigError(
                f"{place}: {model.name} has monitor: {model.monitor}, and the figure is one of test images; write "
                f"`monitor: test` into models.{model.name}"
            )
    alphabet = getattr(settings, "alphabet", None)
    if alphabet and catalogue.model(alphabet).family != DCGMM:
        raise ConfigError(f"{place}.alphabet: {alphabet!r} is no DCGMM, whose centroids the figure shows; name one")
    if unseen := [name for name in settings.datasets if name not in _with_figures(settings)]:
        raise ConfigError(
            f"{place}.datasets: no figure is left for {', '.join(unseen)}, whose models would be trained and not "
            "shown; run that in a profile of its own"
        )


def _with_figures(settings: Settings) -> list[str]:
    """The data sets of an experiment whose results are seen: all, unless it makes figures of images alone."""
    if isinstance(settings, Sampling) and (settings.pooled or settings.models):
        return shown_datasets(settings.datasets)
    return settings.datasets[:1] if isinstance(settings, Svhn) else settings.datasets


def shown_datasets(datasets: Sequence[str]) -> list[str]:
    """The data sets whose samples are shown, one figure each: the paper's two; others where one of them is not run."""
    papers = [name for name in PAPERS_DATASETS if name in datasets]
    others = [name for name in datasets if name not in PAPERS_DATASETS]
    return (papers + others)[: len(PAPERS_DATASETS)]
