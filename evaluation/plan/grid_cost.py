"""What a grid point costs, estimated before it is started, and which points a profile leaves out for that.

A family of the catalogue names its cost model (`cost: package.module:function`): a function of the image shape and the
model's parameters whose result has `step_flops` (of one training step, per image), `peak_bytes` and `parameters`. What
a job asks for rests on it too, by way of evaluation/cost/planning.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from evaluation.base.schema import canonical
from evaluation.models import registry

if TYPE_CHECKING:
    from evaluation.plan.config import Variant

LIMITS = {"gflop_per_image": "GFLOP per image", "memory_mb": "MB"}


@dataclass(frozen=True)
class Estimate:
    """gflop_per_image: of one training step; memory_mb: peak of a training's tensors."""

    gflop_per_image: float
    memory_mb: float

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
    from evaluation.datasets.catalogue import CATALOGUE

    found = cost(variant.model.family, CATALOGUE[dataset].image_shape, variant.params)
    if found is None:
        return None
    return Estimate(found.step_flops / 1e9, found.peak_bytes / 1e6)


def cost(family: str | None, image_shape: tuple[int, ...], params: Mapping[str, Any]) -> Any:
    """What the cost model of a family says of these parameters; None for a family without one."""
    path = registry.families().get(family or "", {}).get("cost")
    return _cost(path, image_shape, canonical(params)) if path else None


@cache
def _cost(path: str, image_shape: tuple[int, ...], params: str) -> Any:
    return registry.import_factory(path)(image_shape, **json.loads(params))


def left_out(variant: Variant, dataset: str, limits: Mapping[str, float]) -> LeftOut | None:
    """The variant as one that is left out, if it is a grid point above the limits."""
    found = estimate(variant, dataset) if limits and variant.point else None
    reason = found.excess(limits) if found else ""
    return LeftOut(variant.model.name, dataset, canonical(dict(variant.point)), reason) if reason else None
