"""What stands above wins: parameters over parameters, entries of models over entries, profiles over profiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

# Of an entry, merged key by key with the one that is changed or extended; other keys are replaced.
MERGED_KEYS = ("params", "resources", "packing", "sampling", "sharpening")

Merge = Callable[[Any, Any], Any]


def parameters_over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` over `under`; epochs above take the place of iterations below, which a DCGMM would train instead."""
    replaced = {"iterations"} if "epochs" in over and "iterations" not in over else set()
    return {**{key: value for key, value in under.items() if key not in replaced}, **over}


def entry_over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of `models` over another: `MERGED_KEYS` key by key, everything else replaced."""
    merges: dict[str, Merge] = {**dict.fromkeys(MERGED_KEYS, _over), "params": parameters_over}
    return _merged(under, over, lambda key: merges.get(key, _replaced))


def profile_over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A profile over the one that it extends: mappings key by key, entries of models by `entry_over`, everything else
    replaced."""
    return _merged(under, over, lambda key: _models_over if key == "models" else _over)


def _models_over(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    return _merged(under, over, lambda _: entry_over)


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
