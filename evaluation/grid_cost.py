"""What a grid point costs, estimated before it is started, and which points a profile leaves out for that.

A family of the catalogue names its cost model (`cost: package.module:function`): a function of the image shape and the
model's parameters whose result has `step_flops` (of one training step, per image), `peak_bytes` and
`training_seconds(images, epochs, flops_per_second)`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from evaluation import registry
from evaluation.schema import canonical

if TYPE_CHECKING:
    from evaluation.config import Variant

CORE_FLOPS = 2e10  # sustained on one core by products of K = 20 and more
TRAINING_IMAGES = 50_000
PROCESS_MB = 700  # Python, the framework, the images
LIMITS = {"gflop_per_image": "GFLOP per image", "memory_mb": "MB"}


@dataclass(frozen=True)
class Estimate:
    """gflop_per_image: of one training step; memory_mb: peak of a training's tensors; minutes: of a training on one
    core."""

    gflop_per_image: float
    memory_mb: float
    minutes: float

    def excess(self, limits: Mapping[str, float]) -> str:
        """What exceeds the limits, in words; empty if nothing does."""
        values = {key: getattr(self, key) for key in LIMITS}
        return ", ".join(
            f"{values[key]:.4g} {unit} (limit {limits[key]:g})"
            for key, unit in LIMITS.items()
            if key in limits and values[key] > limits[key]
        )


@dataclass(frozen=True)
class LeftOut:
    """A grid point (canonical JSON) of a model that is not trained on a data set, and why."""

    model: str
    dataset: str
    point: str
    reason: str


def estimate(variant: Variant, dataset: str) -> Estimate | None:
    """The cost of training a variant on a data set; None for a family without a cost model."""
    family = registry.families().get(variant.model.family or "", {})
    return _estimate(family["cost"], dataset, canonical(variant.params)) if "cost" in family else None


@cache
def _estimate(path: str, dataset: str, params: str) -> Estimate:
    from evaluation.datasets.catalogue import CATALOGUE

    given = json.loads(params)
    cost = registry.import_factory(path)(CATALOGUE[dataset].image_shape, **given)
    seconds = cost.training_seconds(TRAINING_IMAGES, given.get("epochs", 1), CORE_FLOPS)
    return Estimate(cost.step_flops / 1e9, cost.peak_bytes / 1e6, seconds / 60)


def left_out(variant: Variant, dataset: str, limits: Mapping[str, float]) -> LeftOut | None:
    """The variant as one that is left out, if it is a grid point above the limits."""
    found = estimate(variant, dataset) if limits and variant.point else None
    reason = found.excess(limits) if found else ""
    return LeftOut(variant.model.name, dataset, canonical(dict(variant.point)), reason) if reason else None
