"""What a file of metrics is made from: written into the file, so that it is not taken for that of other trainings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from evaluation.base.words import canonical

if TYPE_CHECKING:
    from evaluation.plan.key import TrainingKey
    from evaluation.plan.plan import Plan

STAGE = {"judge": "sample", "inpainting": "inpaint"}  # of which number and options of images matter


def basis(plan: Plan, experiment: str, dataset: str, keys: Iterable[TrainingKey] | None = None) -> dict[str, Any]:
    """What the metrics of an experiment on a data set are made from, as the plan has it.

    trainings: path → spec, of all that it needs, or of `keys`; settings: of `settings`.
    """
    every = plan.keys(experiment, dataset=dataset) if keys is None else keys
    trainings = {key.path: plan.spec(key) for key in every}
    return {"trainings": trainings, "settings": settings(plan, experiment, dataset)}


def settings(plan: Plan, experiment: str, dataset: str) -> dict[str, Any]:
    """What the metrics depend on beside the trainings: how many images of each variant, with which options, and how
    the judges are trained."""
    stage = STAGE.get(experiment)
    if stage is None:
        return {}
    variants = dict.fromkeys(key.variant for key in plan.keys(experiment, dataset=dataset))
    found: dict[str, Any] = {"images": {variant: plan.sampled(stage, variant) for variant in variants}}
    if experiment == "judge":
        found["judges"] = {**judges(plan), "seeds": plan.judge_seeds()}
    plain: dict[str, Any] = json.loads(canonical(found))  # as it is read from a file
    return plain


def same(said: Mapping[str, Any], ours: Mapping[str, Any]) -> bool:
    """Whether two `settings` agree in the judges and in every variant that both have."""
    before, now = said.get("images", {}), ours.get("images", {})
    return said.get("judges") == ours.get("judges") and all(before.get(name, how) == how for name, how in now.items())


def completed(plan: Plan, key: TrainingKey) -> dict[str, Any]:
    """What the measures of a training's completions are made from, as the plan has it."""
    plain: dict[str, Any] = json.loads(canonical({"spec": plan.spec(key), **plan.sampled("inpaint", key.variant)}))
    return plain


def of_judge(record: Mapping[str, Any]) -> dict[str, Any]:
    """How the judge of a judge.json was trained, to be compared with `judges`."""
    from evaluation.jobs.judges import settings

    return settings({"params": {}, "limit": None, **record})


def judges(plan: Plan) -> dict[str, Any]:
    """How the plan's judges are trained: as `evaluation.jobs.judges.settings` says it of a trained one."""
    from evaluation.jobs import judges

    given = plan.judges.model_dump(exclude={"seeds", "train_images"}, exclude_none=True)
    return judges.settings({"params": given, "limit": plan.judges.train_images})
