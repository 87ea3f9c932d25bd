"""The classifiers that judge samples (Sec. V-F): their trainings.

A judge's directory holds what `Cnn.save` wrote and judge.json: data set, seed asked for and seed used, diverged
attempts, test accuracy in percent, minutes; and the hash of the images, where they are a user's own.
"""

from __future__ import annotations

import inspect
import re
import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dcgmm.storage import write_json
from evaluation.base.errors import UserError
from evaluation.base.files import why_not_writable
from evaluation.base.reading import read_json
from evaluation.base.words import digest
from evaluation.datasets import load_dataset
from evaluation.datasets.contents import images_of
from evaluation.datasets.own import set_name
from evaluation.jobs.store import held
from evaluation.models.calling import refusals

if TYPE_CHECKING:
    from baselines.cnn import Cnn

JUDGE_FILE = "judge.json"
ATTEMPTS = 5
SEED_STEP = 100  # the next seed after a divergence: no other run's own
STATE = re.compile(r"state-[0-9a-f]{12}")  # the checkpoint of a training
OURS = {"learning_rate": 0.001}  # where nobody says another: at the printed 0.01 judges are weak (docs/judging.md)
MONITORED = 2_000  # validation images looked at after each epoch


def train_judge(
    dataset: str,
    directory: str | Path,
    *,
    seed: int = 0,
    params: Mapping[str, Any] | None = None,
    limit: int | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Train a judge on the training images of `dataset` and write it to `directory`; returns what judge.json holds.

    A training that diverges (Adam at 0.01 may) is repeated with seed + 100, + 200, ..., at most four times; each
    divergence is recorded. An interrupted training of the same settings goes on where it was, and a finished one is
    left as it is. `limit` takes the first images only. Raises UserError when all attempts diverge.
    """
    root, training = Path(directory), {**printed(), **OURS, **(params or {})}
    wanted = {"dataset": set_name(dataset), "seed": seed, "params": training, "limit": limit, **images_of(dataset)}
    if (found := _finished(root, wanted)) is not None:
        return found
    _refuse_other_content(root)
    with held([root]):
        return _finished(root, wanted) or _trained(dataset, root, wanted, progress)


def _finished(root: Path, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """What judge.json holds if it is that of the judge that is wanted."""
    found = finished(root)
    return found if found is not None and _identity(found) == _identity(wanted) else None


def _trained(dataset: str, root: Path, wanted: dict[str, Any], progress: bool) -> dict[str, Any]:
    """`train_judge`, while nobody else trains there. wanted: what judge.json is to hold, but for the result."""
    from baselines.cnn import Cnn, DivergedError

    data, seed, limit = load_dataset(dataset), wanted["seed"], wanted["limit"]
    x, y = (part[:limit] for part in data.split("train"))
    images, labels = data.split("validation")
    validation = images[:MONITORED], labels[:MONITORED]
    states = {used: root / _state_name(wanted, used) for used in range(seed, seed + ATTEMPTS * SEED_STEP, SEED_STEP)}
    _remove_states(root, but=states.values())
    diverged: list[str] = []
    for used, state in states.items():
        with refusals("the judge"):
            judge = Cnn(data.image_shape, seed=used, classes=len(data.classes), **wanted["params"])
        resumed, started = state.exists(), time.perf_counter()
        try:
            judge.fit(x, labels=y, validation=validation, progress=progress, checkpoint=state)
        except DivergedError as error:
            diverged.append(str(error))
            continue
        minutes = None if resumed else round((time.perf_counter() - started) / 60, 2)
        result = {"seed_used": used, "diverged": diverged, "minutes": minutes, "accuracy": _test_accuracy(judge, data)}
        (root / JUDGE_FILE).unlink(missing_ok=True)  # a kill leaves no network under the record of another
        judge.save(root)
        write_json(root / JUDGE_FILE, {**wanted, **result})
        _remove_states(root)
        return {**wanted, **result}
    raise UserError(f"{ATTEMPTS} trainings of a judge of {dataset} diverged ({diverged[-1]}); lower its learning rate")


def settings(record: Mapping[str, Any]) -> dict[str, Any]:
    """How the judge of judge.json was trained: the parameters of `Cnn`, and `train_images` (None: all)."""
    return {**printed(), **OURS, **record["params"], "train_images": record["limit"]}


def printed() -> dict[str, Any]:
    """How the paper trains its judge: the defaults of `Cnn` are those of Table VII."""
    from baselines.cnn import Cnn

    defaults = {name: p.default for name, p in inspect.signature(Cnn).parameters.items() if p.default is not p.empty}
    return {name: value for name, value in defaults.items() if name not in ("seed", "classes")}


def _identity(record: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that a judge depends on; the images too, where they are a user's own."""
    return {**{name: record.get(name) for name in ("dataset", "images", "seed")}, **settings(record)}


def _refuse_other_content(root: Path) -> None:
    """Refuse a directory that holds something else than a judge, or than the trainings of one.

    Raises:
        UserError: a model, a file, anybody's folder.
    """
    if root.exists() and not root.is_dir():
        raise UserError(f"{root} is a file; give --judges another directory")
    if wrong := why_not_writable(root / JUDGE_FILE):
        raise UserError(f"{wrong}; give --judges another directory")
    others = {path.name for path in root.glob("[!.]*") if not STATE.fullmatch(path.name)}
    if others <= {"model.json", "network.safetensors"} and '"baselines.cnn:Cnn"' in _text(root / "model.json"):
        return  # killed before it wrote the record
    if others and JUDGE_FILE not in others:
        raise UserError(f"{root} holds something else than a judge ({min(others)}); give --judges another directory")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _state_name(record: Mapping[str, Any], seed: int) -> str:
    """Folder of the checkpoint of an attempt: another training, a shorter one too, is never resumed."""
    return f"state-{digest({**_identity(record), 'seed': seed})}"


def _remove_states(root: Path, but: Iterable[Path] = ()) -> None:
    """Remove the checkpoints of other trainings, of all when a judge is finished."""
    kept = set(but)
    for state in root.glob("state-*"):
        if state not in kept and STATE.fullmatch(state.name):
            shutil.rmtree(state, ignore_errors=True)


def _test_accuracy(judge: Cnn, data: Any) -> float:
    """Accuracy on the test images in percent."""
    x, y = data.split("test")
    return round(100.0 * float(np.mean(judge.predict(x) == y)), 3)


def finished(directory: str | Path) -> dict[str, Any] | None:
    """What judge.json of a trained judge holds, None where there is none."""
    path = Path(directory) / JUDGE_FILE
    return read_json(path, "train the judge again", "seed", "accuracy", "diverged") if path.is_file() else None
