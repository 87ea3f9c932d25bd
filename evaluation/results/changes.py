"""What a profile changes in the models, relative to the catalogue, which has the paper's settings."""

from __future__ import annotations

from evaluation.jobs.judge import settings
from evaluation.models.registry import families
from evaluation.plan.config import Catalogue, Plan

JUDGE = "CNN"  # the judge itself, as the paper and our metrics call it
RECORDING = {"measurements", "measured_images"}  # parameters that change what is written down, not the model
# Parameters on which the number of a model's parameters depends.
SIZE_PARAMETERS = {
    "config", "components", "sums", "depth", "repetitions", "leaf", "delta", "axes", "products", "leaves", "latent",
    "width",
}  # fmt: skip


def changes(plan: Plan, model: str, *, sizes: bool = False, one_class: bool = False) -> str:
    """What the profile changes in a model of the catalogue, as in "epochs 3 instead of 25".

    sizes: only what changes the number of its parameters; one_class: in its models of one class.
    """
    if model == JUDGE:
        return _changes_of_judges(plan)
    catalogue = Catalogue({}, "catalogue")
    if model not in catalogue.names():
        return ""
    ours, papers = plan.catalogue.model(model), catalogue.model(model)
    described = families()[papers.family]["parameters"] if papers.family else {}
    defaults = {key: entry["default"] for key, entry in described.items() if "default" in entry}
    before = {**defaults, **papers.params, **(papers.one_class if one_class else {})}
    now = {**ours.params, **(ours.one_class if one_class else {})}
    ignored = {*RECORDING, *(["epochs"] if "iterations" in now else [])}
    words = [
        f"{key} {value}" + (f" instead of {before[key]}" if key in before else "")
        for key, value in now.items()
        if value != before.get(key) and key not in ignored and (key in SIZE_PARAMETERS or not sizes)
    ]
    images = ours.train_images or plan.config.get("train_images")
    if images and not sizes:
        words.append(f"trained on {images:,} images")
    return ", ".join(words)


def _changes_of_judges(plan: Plan) -> str:
    """The same for the trainings of the judges."""
    papers = settings({"params": {}, "limit": None})
    ours = {**papers, **plan.experiments.get("judge", {}).get("judges", {})}
    keys = [key for key in ("epochs", "learning_rate") if ours[key] != papers[key]]
    words = [f"{key} {ours[key]} instead of {papers[key]}" for key in keys]
    words += [f"trained on {ours['train_images']:,} images"] if ours["train_images"] else []
    return ", ".join(words)
