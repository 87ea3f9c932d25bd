"""Which left-out class the tables and figures of outlier detection report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.plan.experiments import outlier_classes

if TYPE_CHECKING:
    from evaluation.plan.plan import Plan

PAPERS_CLASS = 0  # which the paper leaves out; the comparison and the claims are about it


def reported_class(plan: Plan) -> int:
    """The paper's where every model is trained without it, else the first of the profile's `outlier_classes`."""
    settings = plan.profile.experiments.outliers
    if settings is None:
        return PAPERS_CLASS
    of_models = (outlier_classes(settings, model, data) for model in settings.models for data in settings.datasets)
    return PAPERS_CLASS if all(PAPERS_CLASS in some for some in of_models) else settings.outlier_classes[0]
