"""What stands above wins: parameters over parameters, entries of models over entries, profiles over profiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MODELS = "models"
PARAMETERS = ("params", "one_class")  # of an entry
# Merged key by key with the entry that is changed or extended; other keys are replaced.
MERGED_KEYS = ("params", "resources", "packing", "sampling", "sharpening")


def parameters_over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` over `under`; epochs above take the place of iterations below, which a DCGMM would train instead."""
    replaced = {"iterations"} if "epochs" in over and "iterations" not in over else set()
    return {**{key: value for key, value in under.items() if key not in replaced}, **over}


def entry_over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of `models` over another: `MERGED_KEYS` key by key, everything else replaced."""
    found = {**under, **over}
    for key in MERGED_KEYS:
        if isinstance(under.get(key), Mapping) and isinstance(over.get(key), Mapping):
            merge = parameters_over if key in PARAMETERS else _over
            found[key] = merge(under[key], over[key])
    return found


def profile_over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A profile over the one that it extends: mappings key by key, entries of models by `entry_over`, everything else
    replaced."""
    found = _over(under, over)
    if isinstance(under.get(MODELS), Mapping) and isinstance(over.get(MODELS), Mapping):
        found[MODELS] = {**under[MODELS], **over[MODELS]}
        for name in under[MODELS].keys() & over[MODELS].keys():
            both = under[MODELS][name], over[MODELS][name]
            if all(isinstance(entry, Mapping) for entry in both):
                found[MODELS][name] = entry_over(*both)
    return found


def _over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings key by key, everything else replaced."""
    found = dict(under)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = _over(found[key], value) if both else value
    return found
