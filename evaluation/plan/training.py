"""A training: everything that a trained model depends on, and what it is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from evaluation.base.words import digest
from evaluation.datasets.contents import images_of
from evaluation.datasets.own import set_name
from evaluation.plan.key import TrainingKey


@dataclass(frozen=True)
class Training:
    """One model on one subset of one data set with one seed.

    name: of the variant, in paths; model, protocol, point: what the variant is (evaluation/plan/catalogue.py);
    monitor: the split whose log-likelihood is followed; train_images: at most so many, None for all;
    course: whether the area of the left-out class is recorded during training. It changes nothing in the model.
    """

    name: str
    model: str
    factory: str
    params: Mapping[str, Any]
    dataset: str
    subset: str
    seed: int
    protocol: str = "both"
    point: Mapping[str, Any] = field(default_factory=dict)
    monitor: str = "validation"
    train_images: int | None = None
    course: bool = False

    @property
    def key(self) -> TrainingKey:
        return TrainingKey(set_name(self.dataset), self.subset, self.name, self.seed)

    @cached_property
    def spec(self) -> str:
        """Hash of everything that the trained model depends on; the images too, where they are a user's own."""
        keys = ("factory", "params", "subset", "seed", "train_images", "monitor")
        return digest({**{key: getattr(self, key) for key in keys}, "dataset": set_name(self.dataset), **self._images})

    @cached_property
    def _images(self) -> dict[str, str]:
        return images_of(self.dataset)

    @property
    def configuration(self) -> str:
        """Hash of what trainings have in common that differ in seed and images only: `fit_many` takes them together."""
        return digest([self.factory, self.params, self.dataset, self.monitor, self.course])

    def record(self) -> dict[str, Any]:
        """What bench.json says about it."""
        own = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        if self.dataset.endswith(".npz"):  # absolute, so that the model can be used from any working directory
            own["dataset"] = str(Path(self.dataset).expanduser().resolve())
        return {**own, "params": dict(self.params), "point": dict(self.point), "spec": self.spec, **self._images}
