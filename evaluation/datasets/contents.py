"""Files on disk and the check that they are what they should be."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluation.base.errors import DataError, UserError
from evaluation.base.files import CHECKOUT
from evaluation.datasets.catalogue import CATALOGUE, DataFile, DatasetSpec
from evaluation.datasets.own import content_of, own_specification


def data_root(root: str | Path | None = None) -> Path:
    """The directory of all data sets: `root`, else $BENCH_DATA, else `data` in the checkout.

    Raises UserError for the home of a user that there is not.
    """
    chosen = root or os.environ.get("BENCH_DATA")
    if chosen:
        try:
            return Path(chosen).expanduser()
        except RuntimeError as error:
            raise UserError(f"{chosen} cannot be the directory of all data sets: {error}") from error
    return (CHECKOUT if (CHECKOUT / "pyproject.toml").exists() else Path.cwd()) / "data"


def specification(name: str, root: str | Path | None = None) -> DatasetSpec:
    """The data set `name`: of the catalogue, or a user's own, `name.npz` below `root`; or the .npz file of that path.

    Raises UserError for an unknown name, and for a path without .npz; DataError for a file that does not hold what it
    should.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    if name.endswith(".npz"):
        return own_specification(name)
    if name != Path(name).name:  # models are put below a folder of this name
        raise UserError(
            f"{name!r} is no name of a data set; expected a name, such as mnist, or a file, such as {Path(name)}.npz"
        )
    own = data_root(root) / f"{name}.npz"
    if not own.is_file():
        known = ", ".join([*CATALOGUE, *sorted({path.stem for path in own.parent.glob("*.npz")} - {*CATALOGUE})])
        raise UserError(f"unknown data set {name!r}; there are {known}; your own would be {own}")
    return own_specification(own)


def images_of(name: str) -> dict[str, str]:
    """{"images": SHA-256} of a data set of a user's own; of one of the catalogue, whose name says as much, nothing."""
    own = specification(name).archive
    return {} if own is None else {"images": content_of(own)}


def other_images(record: Mapping[str, Any]) -> bool:
    """Whether the data set of a record holds others than the images that it names; of what it does not say nothing is
    asked."""
    return "images" in record and images_of(record["dataset"]) != {"images": record["images"]}


def refuse_other_images(record: Mapping[str, Any], directory: Path) -> None:
    """Refuse a data set of a user's own that holds others than the images a model was trained on.

    Args:
        record: bench.json of the model in `directory`, or judge.json of a judge.

    Raises:
        DataError: other images.
    """
    if other_images(record):
        raise DataError(
            f"{record['dataset']} holds other images than those that {directory} was trained on; train it again, "
            "or give the old images back"
        )


def find_file(directory: Path, file: DataFile) -> Path | None:
    """The file in `directory`, compressed or not, or None."""
    names = (file.name, file.name.removesuffix(".gz"))
    return next((path for path in (directory / name for name in names) if path.is_file()), None)


def read_verified(path: Path, file: DataFile) -> bytes:
    """The decompressed content of `path`, which must be that of `file`.

    Checking costs a tenth of decompressing, so every reading is checked and no note of an earlier check is kept.
    Raises DataError, naming the path, for a truncated or altered file.
    """
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{path} is truncated or altered: {error}; remove it") from error
    if len(content) != file.size:
        kind = "truncated" if len(content) < file.size else "altered"
        raise DataError(f"{path} is {kind}: {len(content)} bytes of content, expected {file.size}; remove it")
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise DataError(f"{path} is altered: its content has SHA-256 {found}, expected {file.sha256}; remove it")
    return content


def problem(directory: Path, file: DataFile) -> str | None:
    """Why `file` cannot be used from `directory`, or None if it can."""
    path = find_file(directory, file)
    if path is None:
        return f"{directory / file.name} is missing"
    try:
        read_verified(path, file)
    except (DataError, OSError) as error:
        return str(error)
    return None


def unusable(spec: DatasetSpec, directory: Path) -> dict[DataFile, str]:
    """The files of a data set that cannot be used from `directory`, each with the reason."""
    problems = ((file, problem(directory, file)) for file in spec.files)
    return {file: reason for file, reason in problems if reason is not None}


def read_files(spec: DatasetSpec, root: Path, files: tuple[DataFile, ...]) -> list[bytes]:
    """The checked contents of some of a data set's files.

    Raises DataError, with the command that puts it right, when one is missing, truncated or altered.
    """
    directory = root / spec.name
    contents = []
    for file in files:
        path = find_file(directory, file)
        if path is None:
            raise DataError(
                f"{directory / file.name} is missing: run `bench data {spec.name} --root {root}`, "
                "or set BENCH_DATA to the directory that holds it"
            )
        try:
            contents.append(read_verified(path, file))
        except DataError as error:
            raise DataError(f"{error} and run `bench data {spec.name} --root {root}`") from error
    return contents
