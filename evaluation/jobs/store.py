"""The directory of a trained model: how it appears, whose it is, and what lies beside it while it is made.

A trained model appears by one rename. Beside it, hidden, lie its lock and, while it is being trained, its checkpoint;
the checkpoint's name carries the hash of the specification, so another training is never resumed.
"""

from __future__ import annotations

import csv
import glob
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcgmm.storage import write_json
from evaluation.base.errors import UserError
from evaluation.base.files import why_not_writable
from evaluation.base.locks import locked
from evaluation.base.words import digest
from evaluation.models import registry
from evaluation.models.calling import parameters
from evaluation.plan.training import Training

if TYPE_CHECKING:
    import pandas as pd

HISTORY_FILE = "history.parquet"
HISTORY_TEXT = "history.csv"  # in its place, where there is no pyarrow
AREA = "area"  # the split of rows that are areas of the left-out class, in percent
COURSE_FILE = "course.csv"
COURSE_COLUMNS = ("step", "layer", AREA)
OF_A_MODEL = re.compile(
    r"(bench|model|graph)\.json|history\.(parquet|csv)|course\.csv|.*\.(safetensors|npz)"
)  # without a list
HISTORY_COLUMNS = ("step", "layer", "split", "log_likelihood")


def is_complete(training: Training, directory: Path) -> bool:
    """Whether `directory` holds this very training, finished."""
    try:
        return bool(registry.read_spec(directory).get("spec") == training.spec)
    except UserError:
        return False


def refuse_other_content(directory: Path, spec: str | None = None) -> None:
    """Refuse a place for a model that holds something else, before anything is trained.

    Args:
        spec: of the model that will be written; a model of another specification is refused too. None: any model may
            be replaced.

    Raises:
        UserError: a file, a directory that is no model of ours and not empty, or a model of other settings.
    """
    if directory.resolve() == Path.cwd():
        raise UserError(f"{directory} is the working directory; give a directory of the model's own")
    if why := why_not_writable(directory):
        raise UserError(f"{directory} cannot be made, since {why}; give a directory in another place")
    if not directory.exists():
        if directory.is_symlink():
            raise UserError(f"{directory} is a link to nothing ({directory.readlink()}); remove it, or make its target")
        return
    if not directory.is_dir():
        raise UserError(f"{directory} is a file; give a directory of the model's own")
    if not any(directory.iterdir()):
        return
    if not registry.is_model(directory):
        raise UserError(f"{directory} holds something else than a trained model; give a directory of the model's own")
    there = registry.read_record(directory).get("spec")
    if spec is not None and there != spec:
        raise UserError(
            f"{directory} holds a model of other settings; give --again to train over it, or --out for another place"
        )


def checkpoint_of(trainings: Sequence[Training], directory: Path) -> Path:
    """Beside the first of trainings that are done together. Another grouping, or one that follows other numbers, does
    not resume it: the model would refuse."""
    first = trainings[0]
    alone = len(trainings) == 1 and not first.course
    own = first.spec if alone else digest([(training.spec, training.course) for training in trainings])
    return directory.parent / f".{directory.name}.{own}.checkpoint"


def lock_of(directory: Path) -> Path:
    """Held locked while the model is trained."""
    return directory.parent / f".{directory.name}.lock"


def clear_leftovers(directory: Path, keep: Path | None = None) -> None:
    """Remove what killed trainings of this very directory left beside it: other specifications' checkpoints, parts."""
    own = re.compile(rf"\.{re.escape(directory.name)}\.([0-9a-f]{{12}}\.checkpoint|\d+\.(part|old))")
    for stale in directory.parent.glob(f".{glob.escape(directory.name)}.*"):
        if stale.is_dir() and stale != keep and own.fullmatch(stale.name):
            shutil.rmtree(stale)


def put_back(directory: Path) -> None:
    """Give a model its place again that was put aside for another one, which then never came."""
    if not directory.exists():
        for aside in directory.parent.glob(f".{glob.escape(directory.name)}.*.old"):
            if re.fullmatch(rf"\.{re.escape(directory.name)}\.\d+\.old", aside.name):
                aside.rename(directory)
                return


def _say_busy(directory: Path) -> None:
    print(f"bench: another process is training {directory}; waiting for it", file=sys.stderr, flush=True)


@contextmanager
def held(directories: Sequence[Path]) -> Iterator[None]:
    """Hold the locks of some models, with a word to the user when one has to be waited for."""
    with ExitStack() as stack:
        for directory in sorted(directories):  # in one order everywhere, so that nobody waits in a circle
            directory.parent.mkdir(parents=True, exist_ok=True)
            stack.callback(locked(lock_of(directory), partial(_say_busy, directory)).release)
        yield


def keep(training: Training, model: Any, history: Any, seconds: float | None, directory: Path) -> None:
    """Write the model beside its place and rename it there: a directory with bench.json is whole.

    seconds: of the whole training; None of a resumed one, whose earlier part was not measured.

    Of a model that was there, its own files go; what somebody has put beside them stays.
    """
    directory = directory.resolve()  # a link stays one
    part = directory.parent / f".{directory.name}.{os.getpid()}.part"
    old = directory.parent / f".{directory.name}.{os.getpid()}.old"
    part.mkdir()
    try:
        model.save(part)
        write_history(part, history, training.monitor)
        own = sorted(path.relative_to(part).as_posix() for path in part.rglob("*") if path.is_file())
        record = {**_record(training, model, seconds), "files": [*own, registry.SPEC_FILE]}
        write_json(part / registry.SPEC_FILE, record)
        if directory.exists():  # another specification, or half a model of an older program
            _carry_over(directory, part)
            directory.rename(old)
        try:
            part.rename(directory)
        except OSError:
            if old.exists():
                old.rename(directory)
            raise
    finally:
        for leftover in (part, old):
            shutil.rmtree(leftover, ignore_errors=True)


def _carry_over(directory: Path, part: Path) -> None:
    """Give the new model what lies in the directory of an earlier one and is not of it; linked, so it is in both."""
    try:
        own = set(registry.read_spec(directory).get("files", ()))
    except UserError:
        own = set()
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory)
        of_model = name.as_posix() in own if own else len(name.parts) == 1 and bool(OF_A_MODEL.fullmatch(path.name))
        if path.is_dir() and not path.is_symlink():
            if any(path.iterdir()) and all(f"{name.as_posix()}/{file.name}" in own for file in path.iterdir()):
                continue  # a folder of the model
            (part / name).mkdir(exist_ok=True)
        elif not (of_model or (part / name).exists()):
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, part / name, follow_symlinks=False)
            except OSError:  # a file system without links
                shutil.copy2(path, part / name, follow_symlinks=False)


def _record(training: Training, model: Any, seconds: float | None) -> dict[str, Any]:
    from evaluation.jobs.provenance import stamp

    sigmas = {"sigmas": model.sigmas_} if hasattr(model, "sigmas_") else {}  # of a DCGMM: how far its annealing came
    took = None if seconds is None else round(seconds, 3)
    facts = {"parameters": parameters(model, training.factory), "seconds": took}
    return {**training.record(), **facts, **sigmas, **stamp()}


def write_history(directory: Path, history: Any, monitor: str) -> None:
    """The rows (step, layer, split, log_likelihood); what a model calls validation is the monitored split. Areas that
    were followed get a file of their own."""
    whole = list(history or [])
    areas = [(step, layer, value) for step, layer, split, value in whole if split == AREA]
    rows = [
        (step, layer, monitor if split == "validation" else split, value)
        for step, layer, split, value in whole
        if split != AREA
    ]
    if areas:
        _write_csv(directory / COURSE_FILE, COURSE_COLUMNS, areas)
    try:
        import pandas as pd
        import pyarrow  # noqa: F401
    except ImportError:  # a machine that only trains
        _write_csv(directory / HISTORY_TEXT, HISTORY_COLUMNS, rows)
        return
    frame = pd.DataFrame(rows, columns=list(HISTORY_COLUMNS))
    frame.assign(split=frame["split"].astype(str)).to_parquet(
        directory / HISTORY_FILE, index=False, write_page_checksum=True
    )


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([columns, *rows])


def read_course(directory: Path) -> list[tuple[int, int, float]]:
    """(step, layer, area in percent) of a training that was followed; nothing of one that was not.

    Raises:
        UserError: the file is damaged.
    """
    path = directory / COURSE_FILE
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            return [(int(r["step"]), int(r["layer"]), float(r[AREA])) for r in csv.DictReader(lines)]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}); {registry.RETRAIN}") from error


def read_history(directory: Path) -> pd.DataFrame:
    """The history of a trained model, with the columns of `HISTORY_COLUMNS`.

    Raises:
        UserError: there is none, or it is damaged.
    """
    import pandas as pd

    from evaluation.base.reading import read_parquet

    if not (directory / HISTORY_FILE).is_file() and (directory / HISTORY_TEXT).is_file():
        return pd.read_csv(directory / HISTORY_TEXT)
    return read_parquet(directory / HISTORY_FILE, registry.RETRAIN)
