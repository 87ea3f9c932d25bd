"""Grid points that are estimated to cost more than a profile allows, and are left out before anything is started."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation.base.words import canonical
from evaluation.datasets.contents import specification
from evaluation.models.catalogue import cost
from evaluation.plan.catalogue import Variant
from evaluation.plan.profile import GridLimits


@dataclass(frozen=True)
class LeftOut:
    """A grid point (canonical JSON) of a model that is not trained on a data set, and why."""

    model: str
    dataset: str
    point: str
    reason: str


def left_out(variant: Variant, dataset: str, limits: GridLimits) -> LeftOut | None:
    """The variant as one that is left out, if it is a grid point above the limits."""
    if not (limits.model_fields_set and variant.point):
        return None
    found = cost(variant.model.family, specification(dataset).image_shape, variant.params)
    if found is None:
        return None
    measured = (
        (found.step_flops / 1e9, "GFLOP per image", limits.gflop_per_image),
        (found.peak_bytes / 1e6, "MB", limits.memory_mb),
    )
    reason = ", ".join(
        f"{value:.4g} {unit} (limit {limit:g})"
        for value, unit, limit in measured
        if limit is not None and value > limit
    )
    return LeftOut(variant.model.name, dataset, canonical(dict(variant.point)), reason) if reason else None
