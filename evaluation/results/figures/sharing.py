"""The two forms of a DCGMM, with shared and with independent lower layers, and which of them belong together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluation.plan.key import TrainingKey
    from evaluation.plan.plan import Plan

INDEPENDENT, SHARED = "independent", "shared"  # the first as in the notation of a model


def is_independent(params: Mapping[str, Any]) -> bool:
    """Whether the lower layers of a model with these parameters are not shared."""
    return INDEPENDENT in str(params.get("config", ""))


def instance(plan: Plan, model: str) -> str:
    """The model that a model extends in the end: the same of both forms."""
    while (base := plan.catalogue.model(model).extends) is not None:
        model = base
    return model


def with_form(plan: Plan, key: TrainingKey) -> str:
    """The label of an outlier detector: "DCGMM-E, shared" where the profile has it with independent layers too."""
    variant = plan.variant(key)
    model = variant.model
    there = {one.variant: plan.variant(one) for one in plan.keys("outliers", dataset=key.dataset)}.values()
    forms = {
        is_independent(one.params) for one in there if instance(plan, one.model.name) == instance(plan, model.name)
    }
    return f"{model.label}, {SHARED}" if len(forms) > 1 and not is_independent(variant.params) else str(model.label)
