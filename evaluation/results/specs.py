"""Whether the models behind a page are those that the plan asks for: what differs is named, and nothing is reported."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.base.errors import UserError
from evaluation.base.reading import read_json
from evaluation.jobs.basis import basis, same
from evaluation.jobs.store import is_complete
from evaluation.measures.tidy import CURE, read_made_from
from evaluation.models.registry import SPEC_FILE
from evaluation.plan.experiments import MEASURED

if TYPE_CHECKING:
    from evaluation.plan.jobs import Jobs
    from evaluation.plan.key import TrainingKey
    from evaluation.plan.plan import Plan
    from evaluation.plan.training import Training

RUN_FOLDERS = ("models", "stamps", "scores", "logs")  # folders that a run has and a collection has not
NAMED = 3  # models that a message names
DAMAGED = "train the model again: delete its directory and start the run again"
# What bench.json says of a training that a reader of a message knows.
FACTS = ("factory", "params", "dataset", "subset", "seed", "train_images", "point")


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a run, and not a collection."""
    return any((folder / name).is_dir() for name in RUN_FOLDERS)


def places(plan: Plan) -> dict[str, tuple[str, str]]:
    """File of metrics → its experiment and data set, of all that a run makes."""
    measured = [name for name in plan.experiments if name in MEASURED]
    return {plan.paths().metrics(e, d).name: (e, d) for e in measured for d in plan.datasets(e)}


def keys_of(plan: Plan, experiments: Iterable[str] | None = None) -> list[TrainingKey]:
    """The trainings of some experiments (of all without them), each once."""
    wanted = plan.experiments if experiments is None else experiments
    return list(dict.fromkeys(key for name in wanted for key in plan.keys(name)))


def record_of(plan: Plan, folder: Path, key: TrainingKey) -> Mapping[str, Any] | None:
    """bench.json of the model of a training; None where there is none.

    Raises:
        UserError: it is damaged.
    """
    path = plan.paths(folder).model(key) / SPEC_FILE
    return read_json(path, DAMAGED, "spec") if path.is_file() else None


def finished(plan: Plan, folder: Path, key: TrainingKey) -> bool:
    """Whether the model is there, as the plan wants it."""
    return is_complete(plan.training(key), plan.paths(folder).model(key))


def check_models(plan: Plan, folder: Path, keys: Iterable[TrainingKey]) -> None:
    """Refuse to make a page of models that are there and are not the plan's: with another width, on other images …

    Models that are not there are not looked at: the metrics may have come without them.

    Raises:
        UserError: the first of them, with what differs, and the cure.
    """
    wrong = []
    for key in keys:
        record, wanted = record_of(plan, folder, key), plan.training(key)
        if record is not None and record["spec"] != wanted.spec:
            wrong.append(f"{key.word} ({differences(record, wanted)})")
    refuse(wrong, folder)


def check_record(plan: Plan, key: TrainingKey, record: Mapping[str, Any], path: Path) -> None:
    """The same for the record (bench.json) that a file of samples or scores holds. Raises UserError."""
    wanted = plan.training(key)
    if record.get("spec", wanted.spec) != wanted.spec:
        refuse([f"{path.name} of {key.word} ({differences(record, wanted)})"], path.parent)


def check_metrics(plan: Plan, folder: Path, files: Iterable[Path]) -> None:
    """Refuse to make a page of metrics that were not made from the plan's trainings, with the plan's settings.

    A collection may have a part of them, and files of an earlier version, which do not say what they were made from:
    its provenance says it. Raises UserError.
    """
    there, of_run = places(plan), is_run(folder)
    for file in files:
        said = read_made_from(file)
        if said is None:
            why = "was written by an earlier version, which did not note the trainings behind it" if of_run else ""
        else:
            why = others(plan, said, there.get(file.name), whole=of_run)
        if why:
            raise UserError(f"{file} {why}; {CURE}")


def others(plan: Plan, said: Mapping[str, Any], place: tuple[str, str] | None, *, whole: bool = True) -> str:
    """What is not the plan's in metrics of an experiment on a data set that were made from `said`; "" for nothing.

    whole: all trainings are expected, and no others; else only those with other settings are named.
    """
    there: Mapping[str, str] = said.get("trainings", {})
    ours = basis(plan, *place) if place else {"trainings": {}, "settings": said.get("settings") or {}}
    wanted = ours["trainings"]
    other = [path for path, spec in there.items() if wanted.get(path, spec) != spec]
    if other:
        return f"holds metrics of other settings than the profile's ({_some(other)})"
    before = said.get("settings") or {}
    if not same(before, ours["settings"]) or (whole and before != ours["settings"]):
        return "holds metrics of other numbers or options of images, or other judges, than the profile's"
    if whole and (lacking := [path for path in wanted if path not in there]):
        return f"lacks trainings of the profile ({_some(lacking)})"
    if whole and (extra := [path for path in there if path not in wanted]):
        return f"holds metrics of trainings that the profile has not ({_some(extra)})"
    return ""


def _some(paths: list[str]) -> str:
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return f"{', '.join(paths[:NAMED])}{more}"


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


def log_of(plan: Plan, jobs: Jobs, key: TrainingKey) -> str:
    """The log of the job that trains a model, below the folder of results."""
    (job,) = jobs.of([key])
    return plan.paths("").log("train", job.name).as_posix()
