"""Filling the data directory: from a system package's copy, the official mirrors, or a Debian package."""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.parse
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from evaluation.base.errors import DataError, UserError
from evaluation.base.files import atomic_path
from evaluation.base.locks import locked
from evaluation.datasets.catalogue import DataFile, DatasetSpec
from evaluation.datasets.contents import data_root, read_verified, specification, unusable
from evaluation.datasets.debian import find_package, unpack_package
from evaluation.datasets.download import Progress, SourceError, download, first_bytes

Say = Callable[[str], None]
ProgressFor = Callable[[str], Progress]
PRESENT = "already there"
GZIP = b"\x1f\x8b"


class Source(ABC):
    """A place that may hold the files of a data set."""

    label: str

    @abstractmethod
    def offer(self, files: Sequence[DataFile]) -> None:
        """Raise SourceError if the source would not give the files, as far as can be found out without fetching."""

    @abstractmethod
    def fetch(self, files: Sequence[DataFile], directory: Path, progress_for: ProgressFor) -> Iterator[DataFile]:
        """Put the files into `directory`, checked and whole, and yield each; SourceError at the first that fails."""


class DirectoryCopy(Source):
    """Another directory of this machine."""

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self.label = str(directory)

    def offer(self, files: Sequence[DataFile]) -> None:
        for file in files:
            self._check(file)

    def fetch(self, files: Sequence[DataFile], directory: Path, progress_for: ProgressFor) -> Iterator[DataFile]:
        for file in files:
            self._check(file)
            with atomic_path(directory / file.name) as temporary:
                temporary.write_bytes((self.directory / file.name).read_bytes())
            yield file

    def _check(self, file: DataFile) -> None:
        try:
            read_verified(self.directory / file.name, file)
        except FileNotFoundError as error:
            raise SourceError(f"{file.name} is not there") from error
        except OSError as error:
            raise SourceError(f"{file.name} cannot be read ({error.strerror or error})") from error
        except DataError as error:
            raise SourceError(str(error)) from error


class Mirror(Source):
    """An address to which a file's name is appended."""

    def __init__(self, address: str) -> None:
        parts = urllib.parse.urlsplit(address)
        if parts.scheme not in ("http", "https", "ftp", "file") or not (parts.netloc or parts.path.strip("/")):
            raise UserError(f"mirror {address!r} is no address; expected is one such as https://example.org/mnist/")
        self.address = address if address.endswith("/") else f"{address}/"
        self.label = self.address

    def offer(self, files: Sequence[DataFile]) -> None:
        beginning = first_bytes(f"{self.address}{files[0].name}")
        if files[0].name.endswith(".gz") and not beginning.startswith(GZIP):
            raise SourceError("the server gives something else")  # a login page, for example

    def fetch(self, files: Sequence[DataFile], directory: Path, progress_for: ProgressFor) -> Iterator[DataFile]:
        for file in files:
            self._fetch_one(file, directory, progress_for(file.name))
            yield file

    def _fetch_one(self, file: DataFile, directory: Path, progress: Progress) -> None:
        url = f"{self.address}{file.name}"
        # Another mirror may have compressed the same content otherwise: each has its own unfinished file.
        part = directory / f".{file.name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part"
        if part.exists() and not os.access(part, os.W_OK):
            part.unlink()  # another user of the directory left it
        resumed = part.exists()
        download(url, part, progress)
        try:
            read_verified(part, file)
        except DataError as error:
            part.unlink()
            if resumed:  # the beginning may have been of another version of the file
                return self._fetch_one(file, directory, progress)
            raise SourceError(f"{file.name} has the wrong checksum") from error
        part.replace(directory / file.name)
        for abandoned in directory.glob(f".{file.name}.*.part"):
            abandoned.unlink(missing_ok=True)


class DebianPackage(Source):
    """A package of the distribution, downloaded and unpacked without installing it."""

    def __init__(self, package: str, system_directory: str) -> None:
        self.package = package
        self.system_directory = system_directory
        self.label = f"apt-get download {package}"

    def offer(self, files: Sequence[DataFile]) -> None:
        with tempfile.TemporaryDirectory(prefix="bench-apt-") as temporary:
            find_package(self.package, Path(temporary))

    def fetch(self, files: Sequence[DataFile], directory: Path, progress_for: ProgressFor) -> Iterator[DataFile]:
        with tempfile.TemporaryDirectory(prefix="bench-apt-") as temporary:
            tree = unpack_package(self.package, Path(temporary))
            unpacked = DirectoryCopy(tree / self.system_directory.lstrip("/"))
            yield from unpacked.fetch(files, directory, progress_for)


def sources_of(spec: DatasetSpec, mirrors: Sequence[str] = ()) -> list[Source]:
    """Where to look for a data set, in this order; `mirrors` are tried before the official ones."""
    sources: list[Source] = []
    if spec.system_directory:
        sources.append(DirectoryCopy(spec.system_directory))
    sources.extend(Mirror(address) for address in (*mirrors, *spec.mirrors))
    if spec.debian_package and spec.system_directory:
        sources.append(DebianPackage(spec.debian_package, spec.system_directory))
    return sources


def ensure(
    name: str,
    root: str | Path | None = None,
    *,
    mirrors: Sequence[str] = (),
    say: Say = lambda message: None,
    progress_for: ProgressFor = lambda label: lambda done, total: None,
) -> dict[str, str]:
    """Make sure that every file of data set `name` is under `root` and is what it should be.

    A directory that already holds everything is only read. Otherwise one process at a time fills it; others wait and
    then find the files there. Returns, for each file's name, where it came from.

    root: see `load_dataset`. mirrors: further addresses, tried before the official ones. say: told about waiting,
    altered files and failing sources. progress_for: given a file's name, what to tell about its transfer.
    Raises DataError when no source gives a file, naming each and what to put where.
    """
    spec = specification(name, root)
    if spec.embedded:
        return {}
    directory = data_root(root) / spec.name
    origin = {file.name: PRESENT for file in spec.files}
    if not unusable(spec, directory):
        return origin
    with _one_at_a_time(directory, say):
        missing = unusable(spec, directory)  # somebody else may have filled it while we waited
        for file in missing:
            if (directory / file.name).exists():
                say(f"{missing[file]}; fetching it again")
        failures: list[str] = []
        for source in sources_of(spec, mirrors) if missing else ():
            try:
                for file in source.fetch(list(missing), directory, progress_for):
                    origin[file.name] = source.label
                    del missing[file]
            except SourceError as error:
                failures.append(f"{source.label}: {error}")
                say(f"{source.label} does not give {name}: {error}")
            if not missing:
                break
    if missing:
        raise DataError(_nothing_works(spec, directory, missing, failures))
    return origin


@contextmanager
def _one_at_a_time(directory: Path, say: Say) -> Iterator[None]:
    """Hold the lock of `directory`, which is created; it may be shared with other users."""
    busy = partial(say, f"waiting for another process that is filling {directory}")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = locked(directory / ".lock", busy, patience=0.5, shared=True)
    except OSError as error:
        raise DataError(
            f"data are missing from {directory} and it cannot be written ({error.strerror or error}): "
            "put them there, or name another directory with --root or BENCH_DATA"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _nothing_works(spec: DatasetSpec, directory: Path, missing: dict[DataFile, str], failures: Sequence[str]) -> str:
    lines = [f"no source gives {spec.name}:"]
    lines += [f"  {reason}" for reason in missing.values()]
    lines += ["tried:", *(f"  {failure}" for failure in failures)]
    lines += [put_there(spec, directory, list(missing))]
    if spec.name == "svhn":
        lines += ["Or use embedded photographs instead: `experiments.svhn.datasets: [photos]` in the profile."]
    lines += ["Without any data, `make quick PROFILE=smoke` runs everything on embedded images."]
    return "\n".join(lines)


def put_there(spec: DatasetSpec, directory: Path, files: Sequence[DataFile]) -> str:
    """What to put where, so that these files of a data set are there."""
    gzipped = " (any gzip of the same content will do)" if files and files[0].name.endswith(".gz") else ""
    lines = [f"Put these files of {spec.label} into {directory}{gzipped}, or set BENCH_DATA:"]
    return "\n".join([*lines, *(f"  {file.name}  (SHA-256 of the content {file.sha256})" for file in files)])
