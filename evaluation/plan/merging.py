"""What stands above wins: parameters over parameters, entries of models over entries, profiles over profiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from evaluation.models.catalogue import family_of, known_entries

# Of an entry, merged key by key with the one that is changed or extended; other keys are replaced.
MERGED_KEYS = ("params", "resources", "packing", "sampling", "sharpening")

Merge = Callable[[Any, Any], Any]


def parameters_over(under: Mapping[str, Any], over: Mapping[str, Any], family: str | None) -> dict[str, Any]:
    """`over` over `under`. In a family that trains epochs or, instead, iterations, epochs above take the place of
    iterations below; in a class of somebody's own the two may be anything."""
    described = family_of(family)
    instead = described is not None and {"epochs", "iterations"} <= described.parameters.keys()
    dropped = {"iterations"} if instead and "epochs" in over else set()
    return {**{key: value for key, value in under.items() if key not in dropped}, **over}


def entry_over(under: Mapping[str, Any], over: Mapping[str, Any], family: str | None) -> dict[str, Any]:
    """An entry of `models` over another: `MERGED_KEYS` key by key, everything else replaced. family: of the model."""
    merges: dict[str, Merge] = {**dict.fromkeys(MERGED_KEYS, _over), "params": partial(parameters_over, family=family)}
    return _merged(under, over, lambda key: merges.get(key, _replaced))


def profile_over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A profile over the one that it extends: mappings key by key, entries of models by `entry_over`, everything else
    replaced."""
    return _merged(under, over, lambda key: _models_over if key == "models" else _over)


def _models_over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    places = (over, under, known_entries())
    return _merged(under, over, lambda name: partial(entry_over, family=family_named(name, *places)))


def family_named(name: str, *places: Mapping[str, Any]) -> str | None:
    """The family of a model, by way of those that it extends; None of a class of somebody's own.

    places: name → entry, what stands above first; not checked yet.
    """
    seen: set[Any] = set()
    while isinstance(name, str) and name not in seen:
        seen.add(name)
        entries = [entry for place in places if isinstance(entry := place.get(name), Mapping)]
        told = next((e for e in entries if {"factory", "family", "extends"} & e.keys()), {})
        if "extends" not in told:
            family = told.get("family")
            return family if isinstance(family, str) else None
        name = told["extends"]
    return None


def _over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings key by key, everything else replaced."""
    return _merged(under, over, lambda _: _over)


def _replaced(_under: Any, over: Any) -> Any:
    return over


def _merged(under: Mapping[str, Any], over: Mapping[str, Any], merge: Callable[[str], Merge]) -> dict[str, Any]:
    """`over` over `under`; merge: how the two of a key go together where both are mappings."""
    found = {**under, **over}
    for key in under.keys() & over.keys():
        if isinstance(under[key], Mapping) and isinstance(over[key], Mapping):
            found[key] = merge(key)(under[key], over[key])
    return found
