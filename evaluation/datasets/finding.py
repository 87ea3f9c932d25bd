"""Which data sets are available, checked in seconds and before anything is computed. Nothing is fetched or written.

Local directories are searched for the files themselves. A mirror is asked for the first bytes of a file, the
distribution's package archive whether it has the package.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from evaluation.base.errors import DataError
from evaluation.datasets.catalogue import DataFile, DatasetSpec
from evaluation.datasets.contents import data_root, specification, unusable
from evaluation.datasets.download import SourceError
from evaluation.datasets.sources import DebianPackage, DirectoryCopy, Mirror, Source, put_there, sources_of

T = TypeVar("T")

PATIENCE = 6.0  # seconds for all mirrors together; a name server that does not answer takes longer


@dataclass(frozen=True)
class Finding:
    """where: the place that has the data set, None for nowhere; reasons: why each other place does not give it."""

    name: str
    where: str | None
    reasons: tuple[str, ...] = ()


def find(names: Iterable[str], root: str | Path | None = None) -> dict[str, Finding]:
    """Where each data set is available: the same places as in `ensure`, all data sets at the same time."""
    specs = [specification(name, root) for name in names]
    found = _at_once([partial(_find, spec, data_root(root) / spec.name) for spec in specs])
    return {spec.name: finding for spec, finding in zip(specs, found, strict=True) if finding is not None}


def require(names: Iterable[str], root: str | Path | None = None) -> None:
    """Refuse data sets that are not available.

    Raises:
        DataError: some cannot; for each, what to put where.
    """
    missing = [finding for finding in find(names, root).values() if finding.where is None]
    if missing:
        specs = [specification(finding.name, root) for finding in missing]
        head = f"not available, but needed by this profile: {', '.join(spec.label for spec in specs)}"
        tail = "Only `make quick` replaces missing data by embedded data."
        parts = [put_there(spec, data_root(root) / spec.name, spec.files) for spec in specs]
        raise DataError("\n".join([head, *parts, tail]))


def _find(spec: DatasetSpec, directory: Path) -> Finding:
    if spec.embedded:
        return Finding(spec.name, spec.origin)
    missing = list(unusable(spec, directory))
    if not missing:
        return Finding(spec.name, str(directory))
    if not _writable(directory):
        return Finding(spec.name, None, (f"{directory} lacks files of it and cannot be written",))
    reasons = [f"{directory} lacks files of it"]
    for kind, patience in ((DirectoryCopy, None), (Mirror, PATIENCE), (DebianPackage, None)):
        some = [source for source in sources_of(spec) if isinstance(source, kind)]
        refusals = _at_once([partial(_refusal, source, missing) for source in some], patience)
        for source, refusal in zip(some, refusals, strict=True):
            if refusal == "":
                return Finding(spec.name, source.label)
            reasons.append(f"{source.label}: {refusal or 'no answer'}")
    return Finding(spec.name, None, tuple(reasons))


def _refusal(source: Source, files: Sequence[DataFile]) -> str:
    """Why a source does not give the files, empty if it does."""
    try:
        source.offer(files)
    except SourceError as error:
        return str(error) or type(error).__name__
    return ""


def _writable(directory: Path) -> bool:
    """Whether a directory can be written, or made."""
    nearest = next(place for place in (directory, *directory.absolute().parents) if place.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def _at_once(tasks: Sequence[Callable[[], T]], patience: float | None = None) -> list[T | None]:
    """What each task returns, None for one that takes longer than `patience` seconds: it is left to itself."""
    results: dict[int, T] = {}

    def note(number: int, task: Callable[[], T]) -> None:
        results[number] = task()

    threads = [threading.Thread(target=note, args=pair, daemon=True) for pair in enumerate(tasks)]
    for thread in threads:
        thread.start()
    end = None if patience is None else time.monotonic() + patience
    for thread in threads:
        thread.join(None if end is None else max(0.0, end - time.monotonic()))
    return [results.get(number) for number in range(len(tasks))]
