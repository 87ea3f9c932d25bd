"""Models by name and by import path: the catalogue, the schema of each model's parameters, building and loading.

`models.yaml` describes each family of models once (parameters with types, ranges, defaults, values of the paper) and
lists the known models. The JSON schema of the config and the page docs/models.md are made from it.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from evaluation.base.errors import UserError
from evaluation.base.schema import canonical, check

CATALOGUE = Path(__file__).with_name("models.yaml")
SPEC_FILE = "bench.json"  # beside what a model's own `save` wrote
MODEL_FILE = "model.json"  # which that `save` may have written: it names the class


@cache
def catalogue() -> dict[str, Any]:
    """The content of models.yaml: `families` and `models`, both by name."""
    return yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))


def families() -> dict[str, Any]:
    return catalogue()["families"]


def known_models() -> dict[str, Any]:
    return catalogue()["models"]


def params_schema(family: str) -> dict[str, Any]:
    """JSON schema of a family's `params`: what the config may set, and nothing else."""
    described = families()[family]["parameters"]
    ours = {"paper", "default", "parse"}  # what is no JSON schema keyword, or none that restricts
    properties = {name: {k: v for k, v in entry.items() if k not in ours} for name, entry in described.items()}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def check_params(family: str | None, params: Mapping[str, Any], where: str) -> None:
    """Refuse parameters that the family does not describe (a model without a family checks its own).

    Raises:
        UserError: names `where`, the key and the nearest one that exists.
    """
    if family is None:
        return
    check(dict(params), params_schema(family), where)
    for name, value in params.items():
        parser = families()[family]["parameters"][name].get("parse")
        if parser is not None:
            try:
                import_factory(parser)(value)
            except ValueError as error:
                raise UserError(f"{where}.{name}: {error}") from error


def import_factory(factory: str) -> Any:
    """The class named by "package.module:Class"; the working directory is searched too, for a user's own model.

    Raises:
        UserError: malformed path, module or class that does not exist.
    """
    module_name, colon, class_name = factory.partition(":")
    if not (module_name and colon and class_name):
        raise UserError(f"factory {factory!r} is not an import path; write it as package.module:Class")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(error.name + ".")):
            raise UserError(f"factory {factory!r}: there is no module {error.name!r}") from error
        raise
    if not hasattr(module, class_name):
        raise UserError(f"factory {factory!r}: module {module_name!r} has no {class_name!r}")
    return getattr(module, class_name)


def build(factory: str, params: Mapping[str, Any], image_shape: Sequence[int], seed: int) -> Any:
    """A new model: the class behind `factory`, given the image shape (H, W, C), the seed and its parameters."""
    model = import_factory(factory)
    names = inspect.signature(model).parameters
    shape = "image_shape" if "image_shape" in names else "input_shape"
    return model(**{shape: tuple(image_shape)}, seed=seed, **params)


def load_model(directory: str | Path) -> Any:
    """The model that `bench train`, or a model's own `save`, wrote to `directory`.

    Raises:
        UserError: the directory holds no trained model.
    """
    return import_factory(read_record(directory)["factory"]).load(Path(directory))


def read_spec(directory: str | Path) -> dict[str, Any]:
    """bench.json of a trained model: factory, params, dataset, subset, seed, spec (hash), seconds, versions."""
    path = Path(directory) / SPEC_FILE
    if not path.is_file():
        raise UserError(f"{directory} holds no trained model (no {SPEC_FILE}); train it with `bench train` first")
    return json.loads(path.read_text(encoding="utf-8"))


def read_record(directory: str | Path) -> dict[str, Any]:
    """bench.json of a trained model; of one that only its own `save` has written, what its model.json says.

    Then `dataset` and `subset` are None: nobody has noted what it was trained on.

    Raises:
        UserError: there is neither file, or model.json does not name the model's class.
    """
    directory = Path(directory)
    path = directory / MODEL_FILE
    if (directory / SPEC_FILE).is_file() or not path.is_file():
        return read_spec(directory)
    described = json.loads(path.read_text(encoding="utf-8"))
    factory = _factory_of(described.get("class"))
    if factory is None:
        raise UserError(f"{path} does not name an import path package.module:Class; train it with `bench train`")
    name = directory.resolve().name
    unknown: dict[str, Any] = {"dataset": None, "subset": None, "params": {}, "point": {}, "protocol": "both"}
    return {"factory": factory, "name": name, "model": name, "seed": int(described.get("seed", 0)), **unknown}


def _factory_of(name: Any) -> str | None:
    """The import path of the class that a model.json names; a class of the catalogue may stand there without module."""
    if not isinstance(name, str) or ":" in name:
        return name if isinstance(name, str) else None
    factories = [family["factory"] for family in families().values() if "factory" in family]
    return next((factory for factory in factories if factory.partition(":")[2] == name), None)


def spec_hash(spec: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits of what determines a training's result."""
    return hashlib.sha256(canonical(spec).encode()).hexdigest()[:12]
