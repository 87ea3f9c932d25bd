"""Models by import path: building them, and the directories of trained ones.

A trained model is a directory with what its `save` wrote and bench.json, which says what it is and how it was trained.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.base.errors import UserError
from evaluation.base.reading import read_json
from evaluation.base.words import nearest
from evaluation.models.calling import refusals
from evaluation.models.importing import import_object
from evaluation.models.interface import Model

SPEC_FILE = "bench.json"  # beside what a model's own `save` wrote
MODEL_FILE = "model.json"  # which that `save` may have written: it names the class
GIVEN = {"seed", "image_shape", "input_shape"}  # arguments that are no parameters
RECORD = {  # what bench.json says, and is needed wherever a trained model is used
    "factory": str,
    "dataset": str,
    "subset": str,
    "name": str,
    "model": str,
    "seed": int,
    "params": dict,
    "point": dict,
    "protocol": str,
}
RETRAIN = "remove the directory and train the model again"


def build(factory: str, params: Mapping[str, Any], image_shape: Sequence[int], seed: int) -> Model:
    """A new model: the class behind `factory`, given the image shape (H, W, C), the seed and its parameters.

    Raises:
        UserError: no such class, a parameter that it does not have, or one that it refuses.
    """
    model = import_object(factory)
    try:
        signature = inspect.signature(model)
    except ValueError as error:  # of a built-in
        raise UserError(f"factory {factory!r} is no class with the model interface ({error})") from error
    _refuse_without_load(model, factory)
    if taken := sorted(GIVEN & params.keys()):
        raise UserError(f"{factory}: {taken[0]!r} is no parameter; the command or the run gives it")
    shape = "image_shape" if "image_shape" in signature.parameters else "input_shape"
    given = {shape: tuple(image_shape), "seed": seed, **params}
    try:
        signature.bind(**given)
    except TypeError as error:
        unknown = [name for name in params if name not in signature.parameters]
        hint = f"; {nearest(unknown[0], signature.parameters)}" if unknown else ""
        raise UserError(f"{factory}: {error}{hint}") from None  # no line of the model's own
    with refusals(factory, options=params):
        return model(**given)


def _refuse_without_load(model: Any, factory: str) -> None:
    if not callable(getattr(model, "load", None)):
        raise UserError(f"factory {factory!r} has no method load, as a class with the model interface has")


def load_model(directory: str | Path) -> Any:
    """The model that `bench train`, or a model's own `save`, wrote to `directory`.

    Raises:
        UserError: the directory holds no trained model, a damaged one, or one of what is no class.
    """
    directory = Path(directory)
    factory = read_spec(directory)["factory"] if _trained_here(directory) else _described(directory)[0]
    model = import_object(factory)
    _refuse_without_load(model, factory)
    with refusals(str(directory)):
        return model.load(directory)


def is_model(directory: str | Path) -> bool:
    """Whether a directory is one of a trained model."""
    return any((Path(directory) / name).is_file() for name in (SPEC_FILE, MODEL_FILE))


def read_spec(directory: str | Path) -> dict[str, Any]:
    """bench.json of a trained model: factory, params, dataset, subset, seed, spec (hash), seconds, versions.

    Raises:
        UserError: there is none, or it is damaged.
    """
    path = Path(directory) / SPEC_FILE
    if not path.is_file():
        raise UserError(f"{directory} holds no trained model (no {SPEC_FILE}); train it with `bench train` first")
    record = read_json(path, RETRAIN, "factory")
    for name, kind in RECORD.items():
        if not isinstance(record.get(name), kind):
            raise UserError(f"{path} is damaged: its {name} is {record.get(name)!r}; {RETRAIN}")
    if odd := [name for name in ("name", "subset") if "/" in record[name] or record[name] in (".", "..")]:
        raise UserError(f"{path} is damaged: its {odd[0]} {record[odd[0]]!r} is no name; {RETRAIN}")
    return record


def read_record(directory: str | Path) -> dict[str, Any]:
    """bench.json of a trained model; of one that only its own `save` has written, what its model.json says.

    Then `dataset` and `subset` are None: nobody has noted what it was trained on.

    Raises:
        UserError: there is neither file, or model.json does not name the model's class, or not its seed.
    """
    directory = Path(directory)
    if _trained_here(directory):
        return read_spec(directory)
    factory, described = _described(directory)
    name, seed = directory.resolve().name, _seed_of(described)
    if seed is None:
        raise UserError(
            f"{directory / MODEL_FILE} does not say with which seed the model was made; let its `save` write that as "
            '"seed", or train it with `bench train`'
        )
    unknown: dict[str, Any] = {"dataset": None, "subset": None, "params": {}, "point": {}, "protocol": "both"}
    return {"factory": factory, "name": name, "model": name, "seed": seed, **unknown}


def _trained_here(directory: Path) -> bool:
    """Whether bench.json describes the model: where there is none, model.json may."""
    return (directory / SPEC_FILE).is_file() or not (directory / MODEL_FILE).is_file()


def _described(directory: Path) -> tuple[str, Mapping[str, Any]]:
    """The factory of a model that only its own `save` has written, and all that its model.json says."""
    path = directory / MODEL_FILE
    described = read_json(path, RETRAIN, "class")
    factory = _factory_of(described.get("class"))
    if factory is None:
        raise UserError(
            f"{path} does not name an import path package.module:Class; save the model again, or train it with "
            "`bench train`"
        )
    return factory, described


def _seed_of(described: Mapping[str, Any]) -> int | None:
    """The seed in a model.json: beside the class or among the parameters, as the models of the catalogue write it."""
    params = described.get("params")
    seed = described.get("seed", params.get("seed") if isinstance(params, dict) else None)
    return seed if isinstance(seed, int) and not isinstance(seed, bool) else None


def _factory_of(name: Any) -> str | None:
    """The import path of the class that a model.json names; a class of the catalogue may stand there without module."""
    if not isinstance(name, str) or ":" in name:
        return name if isinstance(name, str) else None
    from evaluation.models.catalogue import families

    factories = [family.factory for family in families().values()]
    return next((factory for factory in factories if factory.partition(":")[2] == name), None)
