"""What a profile changes in the models, relative to the catalogue, which has the paper's settings."""

from __future__ import annotations

from evaluation.jobs.judges import settings
from evaluation.models.catalogue import family_of
from evaluation.plan.catalogue import Catalogue
from evaluation.plan.plan import Plan

JUDGE = "CNN"  # the judge itself, as the paper and our metrics call it
RECORDING = {"measurements", "measured_images"}  # parameters that change what is written down, not the model


def changes(plan: Plan, model: str, *, sizes: bool = False, one_class: bool = False) -> str:
    """What the profile changes in a model of the catalogue, as in "epochs 3 instead of 25".

    sizes: only what changes the number of its parameters; one_class: in its models of one class.
    """
    if model == JUDGE:
        return _changes_of_judges(plan)
    catalogue = Catalogue()
    if model not in catalogue.names():
        return ""
    ours, papers = plan.catalogue.model(model), catalogue.model(model)
    family = family_of(papers.family)
    described = family.parameters if family else {}
    defaults = {key: entry.default for key, entry in described.items() if entry.has_default}
    before = {**defaults, **papers.params, **(papers.one_class if one_class else {})}
    now = {**ours.params, **(ours.one_class if one_class else {})}
    ignored = {*RECORDING, *(["epochs"] if "iterations" in now else [])}
    words = [
        f"{key} {value}" + (f" instead of {before[key]}" if key in before else "")
        for key, value in now.items()
        if value != before.get(key) and key not in ignored and (not sizes or family is None or key in family.size)
    ]
    images = ours.train_images or plan.profile.train_images
    if images and not sizes:
        words.append(f"trained on {images:,} images")
    return ", ".join(words)


def _changes_of_judges(plan: Plan) -> str:
    """The same for the trainings of the judges."""
    papers = settings({"params": {}, "limit": None})
    ours = {**papers, **plan.judges.model_dump(exclude={"seeds"}, exclude_none=True)}
    keys = [key for key in ("epochs", "learning_rate") if ours[key] != papers[key]]
    words = [f"{key} {ours[key]} instead of {papers[key]}" for key in keys]
    words += [f"trained on {ours['train_images']:,} images"] if ours["train_images"] else []
    return ", ".join(words)
