"""The variables of a Keras model in one safetensors file: no pickle, and never written half."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file


def save_variables(path: Path, groups: dict[str, list[Any]], note: dict[str, Any]) -> None:
    """Write lists of Keras variables (by group name, in order) and a JSON note into one file, atomically."""
    tensors = {
        f"{group}/{index:03d}": np.array(variable.numpy(), order="C")
        for group, variables in groups.items()
        for index, variable in enumerate(variables)
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp{os.getpid()}")
    save_file(tensors, temporary, metadata={"note": json.dumps(note)})
    temporary.replace(path)


def load_variables(path: Path, groups: dict[str, list[Any]]) -> dict[str, Any]:
    """Assign what `save_variables` wrote to variables of the same groups, order and shapes; returns the note.

    Raises ValueError when the file holds other variables.
    """
    with safe_open(path, framework="numpy") as file:
        stored = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        note = json.loads(file.metadata()["note"])
    wanted = {f"{group}/{i:03d}": v for group, variables in groups.items() for i, v in enumerate(variables)}
    if stored.keys() != wanted.keys() or any(stored[k].shape != tuple(v.shape) for k, v in wanted.items()):
        raise ValueError(f"{path} was written by a model of another shape: build it with the parameters of that run.")
    for key, variable in wanted.items():
        variable.assign(stored[key])
    return note


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp{os.getpid()}")
    temporary.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    temporary.replace(path)
