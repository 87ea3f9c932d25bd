"""A trained Einsum network as a directory: model.json, graph.json, weights.safetensors, each with its checksum."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from baselines.einsum.region_graph import RegionGraph
from dcgmm.storage import DamagedFileError, read_json, read_tensors, write_json, write_tensors

WEIGHTS = "weights.safetensors"


class Stored(NamedTuple):
    """What the directory holds.

    description: class (package.module:Class), image_shape, params and history of the model; tensors: of its circuit, by
    name.
    """

    description: Mapping[str, Any]
    graph: RegionGraph
    tensors: Mapping[str, Tensor]


def save(path: str | os.PathLike[str], stored: Stored) -> None:
    """Write the directory `path`, each file whole or not at all."""
    directory = Path(path)
    write_tensors(directory / WEIGHTS, {name: t.cpu().numpy() for name, t in stored.tensors.items()}, {})
    # Random trees could not be drawn again: NumPy promises no stream of permutations across versions.
    write_json(directory / "graph.json", json.loads(stored.graph.to_json()))
    write_json(directory / "model.json", dict(stored.description))


def load(path: str | os.PathLike[str], expected: str) -> Stored:
    """What `save` wrote for the class of this import path (or name alone, as earlier versions wrote it).

    Raises:
        ValueError: the model is of another class.
        DamagedFileError: an altered file, by name.
    """
    directory = Path(path)
    description = read_json(directory / "model.json")
    kind = str(description.get("class"))
    wanted = expected if ":" in kind else expected.rpartition(":")[2]
    if kind != wanted:
        raise ValueError(f"{path} holds a {kind}, not a {wanted}: load it with that class.")
    graph = RegionGraph.from_json(json.dumps(read_json(directory / "graph.json")))
    tensors, _ = read_tensors(directory / WEIGHTS)
    return Stored(description, graph, {name: torch.from_numpy(t) for name, t in tensors.items()})


def other_model(path: str | os.PathLike[str], error: Exception) -> DamagedFileError:
    """The error for tensors that do not fit the description beside them."""
    return DamagedFileError(f"{Path(path) / WEIGHTS} is of another model than model.json beside it ({error})")
