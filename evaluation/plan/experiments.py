"""Which trainings each experiment of the config needs.

An experiment is a function of its settings (its section of the config) and the catalogue of the run, giving
(dataset, subset of classes, variant of a model). A new experiment is one more function here, its settings in
workflow/schemas/config.schema.yaml, and a rules file that asks the plan for its packs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluation.plan.config import Catalogue, Variant

Need = tuple[str, str, "Variant"]


def outliers(settings: Mapping[str, Any], catalogue: Catalogue) -> Iterator[Need]:
    """Tables I and II, Fig. 10: train without one class, which is then the outlier."""
    for dataset in settings["datasets"]:
        for name in settings["models"]:
            for variant in catalogue.variants(name, grid=settings.get("grid", True)):
                for outlier in outlier_classes(settings, name):
                    yield dataset, f"not{outlier}", variant


def outlier_classes(settings: Mapping[str, Any], model: str) -> list[int]:
    """The classes that are left out for a model, each once: those of the config, or all ten."""
    return list(range(10)) if model in settings.get("all_classes", []) else settings.get("outlier_classes", [0])


def dynamics(settings: Mapping[str, Any], catalogue: Catalogue) -> Iterator[Need]:
    """Fig. 4: train on all classes, with the test log-likelihood of every layer over time."""
    for dataset in settings["datasets"]:
        for name in settings["models"]:
            for variant in catalogue.variants(name):
                yield dataset, "all", variant


def judge(settings: Mapping[str, Any], catalogue: Catalogue) -> Iterator[Need]:
    """Table III: a model for each class, whose samples a classifier judges."""
    for dataset in settings["datasets"]:
        for name in settings["models"]:
            for variant in catalogue.variants(name):
                for label in range(10):
                    yield dataset, f"only{label}", variant


def sampling(settings: Mapping[str, Any], catalogue: Catalogue) -> Iterator[Need]:
    """Figs. 5, 9, 14 and, after models of each class, 12, 13: models of all classes; `pooled` also with sharpening."""
    names = [*settings.get("models", []), *settings.get("pooled", []), *filter(None, [settings.get("alphabet")])]
    for dataset in settings["datasets"]:
        for name in dict.fromkeys(names):
            for variant in catalogue.variants(name):
                yield dataset, "all", variant


def svhn(settings: Mapping[str, Any], catalogue: Catalogue) -> Iterator[Need]:
    """Fig. 7: DCGMMs of each class; other models of all classes together."""
    for dataset in settings["datasets"]:
        for name in settings["models"]:
            for variant in catalogue.variants(name):
                if variant.model.family == "dcgmm":
                    for label in settings.get("classes", range(10)):
                        yield dataset, f"only{label}", variant
                else:
                    yield dataset, "all", variant


EXPERIMENTS: dict[str, Callable[[Mapping[str, Any], Any], Iterator[Need]]] = {
    "outliers": outliers,
    "dynamics": dynamics,
    "judge": judge,
    "sampling": sampling,
    "inpainting": dynamics,  # Fig. 8: models of all classes complete test images
    "classification": dynamics,  # Table IV: models with a classifier, trained on all classes
    "svhn": svhn,
}
# What is made from trained models → the experiments that ask for it.
ASKING: dict[str, tuple[str, ...]] = {
    "score": ("outliers",),
    "sample": ("judge",),
    "inpaint": ("inpainting",),
    "grid_plain": ("sampling", "svhn"),
    "grid_sharpened": ("sampling", "svhn"),
}
MODEL_KEYS = ("models", "all_classes", "pooled", "shown", "instances")  # settings that hold names of models
