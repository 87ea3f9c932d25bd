"""Whether the models behind a page are those that the plan asks for: what differs is named, and nothing is reported."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.base.errors import UserError
from evaluation.base.reading import read_json
from evaluation.jobs.train import Training, is_complete
from evaluation.models.registry import SPEC_FILE

if TYPE_CHECKING:
    from evaluation.plan.config import Plan

Key = tuple[str, str, str, int]  # data set, subset, variant, seed
NAMED = 3  # models that a message names
DAMAGED = "train the model again: delete its directory and start the run again"
# What bench.json says of a training that a reader of a message knows.
FACTS = ("factory", "params", "dataset", "subset", "seed", "train_images", "point")


def training(plan: Plan, dataset: str, subset: str, name: str, seed: int) -> Training:
    """The training of a plan, as `bench train` describes it."""
    variant = plan.variants[name]
    model = variant.model
    return Training(
        name=variant.name,
        model=model.name,
        factory=model.factory,
        params=variant.params_of(subset),
        dataset=dataset,
        subset=subset,
        seed=seed,
        protocol=variant.protocol,
        point=dict(variant.point),
        monitor=model.monitor,
        train_images=model.train_images or plan.config.get("train_images"),
    )


def keys_of(plan: Plan, experiments: Iterable[str] | None = None) -> list[Key]:
    """The trainings of some experiments (of all without them), each once."""
    wanted = plan.experiments if experiments is None else experiments
    chosen = [name for name in wanted if name in plan.experiments]
    return list(dict.fromkeys(run for name in chosen for run in plan.runs(name)))


def directory(plan: Plan, folder: Path, key: Key) -> Path:
    """Where the model of a training is."""
    return training(plan, *key).directory(folder / "models")


def record_of(plan: Plan, folder: Path, key: Key) -> Mapping[str, Any] | None:
    """bench.json of the model of a training; None where there is none.

    Raises:
        UserError: it is damaged.
    """
    path = directory(plan, folder, key) / SPEC_FILE
    return read_json(path, DAMAGED, "spec") if path.is_file() else None


def finished(plan: Plan, folder: Path, key: Key) -> bool:
    """Whether the model is there, as the plan wants it."""
    return is_complete(training(plan, *key), directory(plan, folder, key))


def check_models(plan: Plan, folder: Path, keys: Iterable[Key]) -> None:
    """Refuse to make a page of models that are there and are not the plan's: with another width, on other images …

    Models that are not there are not looked at: the metrics may have come without them.

    Raises:
        UserError: the first of them, with what differs, and the cure.
    """
    wrong = []
    for key in keys:
        record, wanted = record_of(plan, folder, key), training(plan, *key)
        if record is not None and record["spec"] != wanted.spec:
            wrong.append(f"{'/'.join(map(str, key))} ({differences(record, wanted)})")
    refuse(wrong, folder)


def check_record(plan: Plan, key: Key, record: Mapping[str, Any], path: Path) -> None:
    """The same for the record (bench.json) that a file of samples or scores holds. Raises UserError."""
    wanted = training(plan, *key)
    if record.get("spec", wanted.spec) != wanted.spec:
        refuse([f"{path.name} of {'/'.join(map(str, key))} ({differences(record, wanted)})"], path.parent)


def refuse(wrong: list[str], folder: Path) -> None:
    """Raise the error that names what is not the plan's; nothing for nothing."""
    if wrong:
        more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        raise UserError(
            f"{folder.resolve()} holds results of other settings than the profile's: {'; '.join(wrong[:NAMED])}{more}; "
            "start the run again (only these are trained), or give the configuration that they were made with"
        )


def differences(record: Mapping[str, Any], wanted: Training) -> str:
    """What differs, in words: "width 1, the profile says 7"."""
    there: dict[str, Any] = {}
    asked: dict[str, Any] = {}
    for facts, found in ((record, there), ({name: getattr(wanted, name, None) for name in FACTS}, asked)):
        for name in FACTS:
            value = facts.get(name)
            found.update({str(k): v for k, v in value.items()} if isinstance(value, Mapping) else {name: value})
    words = [
        f"{name} {_word(there.get(name))}, the profile says {_word(asked.get(name))}"
        for name in dict.fromkeys([*asked, *there])
        if there.get(name) != asked.get(name)
    ]
    return "; ".join(words) or "of an earlier program or data set"


def _word(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, default=str)


def log_of(plan: Plan, key: Key) -> str:
    """The log of the job that trains a model, below the folder of results."""
    return f"logs/train/{plan._packs[key].path}.log"
