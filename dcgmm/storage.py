"""Safe files: tensors as safetensors with a JSON description inside, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save


class DamagedFileError(ValueError):
    """A stored file that is truncated or altered; the message names it and says what to do."""


def _digest(tensors: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()


def write_tensors(path: Path, tensors: dict[str, np.ndarray], description: dict[str, Any]) -> None:
    """Write arrays and a JSON-able description to one file, by atomic rename."""
    tensors = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    metadata = {"description": json.dumps(description), "sha256": _digest(tensors)}
    write_bytes(path, save(tensors, metadata))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it is never seen half-written, not even on a full disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `write_tensors` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedFileError: the file is truncated, altered or something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise DamagedFileError(f"{path} is damaged ({error}): delete it and run again") from None
    if metadata.get("sha256") != _digest(tensors):
        raise DamagedFileError(f"{path} was altered after it was written: delete it and run again")
    return tensors, json.loads(metadata["description"])
