"""Safe files: tensors (safetensors) and JSON, each with a checksum, written whole or not at all, readable by others.

What these functions wrote is read again or refused by name: a truncated file, a changed bit, a file of another kind.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

CHECKSUM = "sha256"
CURE = "remove it and make it again"

Tensors = dict[str, npt.NDArray[Any]]


class DamagedFileError(ValueError):
    """A stored file that is truncated, altered or of another kind; the message names it and says what to do."""


def class_path(kind: type) -> str:
    """The import path of a class, "package.module:Class", as stored models and checkpoints have it."""
    return f"{kind.__module__}:{kind.__name__}"


# --- writing whole or not at all -----------------------------------------------------------------------------------


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary name beside `path`, renamed to `path` when the block ends well and removed when it does not.

    The directory is created. The temporary name keeps the suffix, since many writers choose their format by it. A file
    that the block creates in the usual way gets the permissions that the umask leaves.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    unique = f"{os.getpid()}-{secrets.token_hex(3)}"
    temporary = target.with_name(f".{target.stem}.{unique}.part{target.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())  # the content is on the disk before the name is
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file atomically: it is never seen half-written, not even on a full disk."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` (UTF-8) to `path` atomically."""
    write_bytes(path, text.encode())


# --- JSON ----------------------------------------------------------------------------------------------------------


def write_json(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object with the checksum of its content as one more key, "sha256", atomically.

    NumPy's numbers are written as Python's.
    """
    plain = json.loads(json.dumps(dict(content), default=_plain))
    write_text(path, json.dumps({**plain, CHECKSUM: json_digest(plain)}, indent=2) + "\n")


def read_json(path: str | Path, *, unchecked: bool = False) -> dict[str, Any]:
    """The content that `write_json` wrote, without the checksum.

    unchecked: take a file without a checksum, too, as version 0.1 wrote them.
    Raises FileNotFoundError, or DamagedFileError for a truncated or altered file.
    """
    path = _existing(path)
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise DamagedFileError(f"{path} is damaged, it is no JSON ({error}): {CURE}") from None
    if isinstance(content, dict) and unchecked and CHECKSUM not in content:
        return content
    if not isinstance(content, dict) or content.pop(CHECKSUM, None) != json_digest(content):
        raise DamagedFileError(f"{path} was altered after it was written, its checksum is another: {CURE}")
    return content


def json_digest(content: Any) -> str:
    """SHA-256 of JSON-able content, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be written as JSON")


# --- tensors -------------------------------------------------------------------------------------------------------


def write_tensors(path: str | Path, tensors: Mapping[str, Any], description: Mapping[str, Any]) -> None:
    """Write arrays by name and a JSON-able description, with the checksum of both, to one safetensors file."""
    arrays = {name: np.array(value, order="C", copy=None) for name, value in tensors.items()}
    text = json.dumps(dict(description), default=_plain)
    write_bytes(path, save(arrays, {"description": text, CHECKSUM: _digest(arrays, text)}))


def read_tensors(path: str | Path) -> tuple[Tensors, dict[str, Any]]:
    """The arrays and the description that `write_tensors` wrote.

    Raises FileNotFoundError, or DamagedFileError for a file that is truncated, altered or something else.
    """
    path = _existing(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:  # the last: an unknown type
        raise DamagedFileError(f"{path} is damaged ({error}): {CURE}") from None
    text = metadata.get("description", "")
    if metadata.get(CHECKSUM) not in (_digest(tensors, text), _digest_of_values(tensors)):
        raise DamagedFileError(f"{path} was altered after it was written, its checksum is another: {CURE}")
    return tensors, json.loads(text)


def tensors_digest(tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    """SHA-256 of arrays and their names."""
    return _digest(tensors, "")


def _digest(tensors: Mapping[str, npt.NDArray[Any]], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(f"{name} {array_digest(tensors[name])}".encode())
    return digest.hexdigest()


def _digest_of_values(tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    """The checksum of version 0.1, whose models are still read."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode() + np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()


def array_digest(array: npt.NDArray[Any]) -> str:
    """SHA-256 of an array's type, shape and values in row-major order."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.size else b"")
    return digest.hexdigest()


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    return path
