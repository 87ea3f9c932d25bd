"""A trained Einsum network as a directory: model.json, graph.json, weights.safetensors, each with its checksum."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch

from baselines.einsum.region_graph import RegionGraph
from dcgmm.storage import DamagedFileError, read_json, read_tensors, write_json, write_tensors

if TYPE_CHECKING:
    from baselines.einsum.spn import EinsumSpn

Model = TypeVar("Model", bound="EinsumSpn")


def save(model: EinsumSpn, path: str | os.PathLike[str]) -> None:
    """Write the directory `path`, each file whole or not at all."""
    directory = Path(path)
    tensors = {name: t.cpu().numpy() for name, t in model.circuit.state_dict().items()}
    write_tensors(directory / "weights.safetensors", tensors, {})
    # Random trees could not be drawn again: NumPy promises no stream of permutations across versions.
    write_json(directory / "graph.json", json.loads(model.graph.to_json()))
    description = {
        "class": type(model).__name__,
        "image_shape": model.image_shape,
        "params": model.params,
        "history": list(model.history),
    }
    write_json(directory / "model.json", description)


def load(cls: type[Model], path: str | os.PathLike[str], device: str) -> Model:
    """The model in this directory; see `EinsumSpn.load`."""
    from baselines.einsum.spn import EinsumSpn

    directory = Path(path)
    description = read_json(directory / "model.json")
    if description.get("class") != cls.__name__:
        raise ValueError(f"{path} holds a {description.get('class')}, not a {cls.__name__}: load it with that class.")
    params = {**description["params"], "device": device}
    structure = {name: params.pop(name) for name in cls.structure}
    graph = RegionGraph.from_json(json.dumps(read_json(directory / "graph.json")))
    model = cls.__new__(cls)
    EinsumSpn.__init__(model, description["image_shape"], graph, structure, **params)
    weights = directory / "weights.safetensors"
    tensors, _ = read_tensors(weights)
    try:
        model.circuit.load_state_dict({name: torch.from_numpy(t) for name, t in tensors.items()})
    except RuntimeError as error:
        raise DamagedFileError(f"{weights} is of another model than model.json beside it ({error})") from None
    for row in description["history"]:
        model.history.add(*row)
    return model
