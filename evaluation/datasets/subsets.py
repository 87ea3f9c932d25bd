"""Subsets of classes by name: "all", "notC" (without class C), "onlyC" (class C alone)."""

from __future__ import annotations

import re

from evaluation.base.errors import UserError

_NAMED = re.compile(r"(not|only)(0|[1-9]\d*)")


def read_subset(name: str) -> tuple[str, int | None]:
    """("all", None), ("not", C) or ("only", C).

    Raises:
        UserError: another form.
    """
    if name == "all":
        return "all", None
    match = _NAMED.fullmatch(name)
    if match is None:
        raise UserError(f"unknown subset {name!r}; expected all, notC or onlyC with a class number C, such as not0")
    return match[1], int(match[2])


def subset_class(name: str | None) -> int | None:
    """The class C of the subset "onlyC", else None."""
    if name is None:
        return None
    kind, label = read_subset(name)
    return label if kind == "only" else None


def left_out_class(name: str) -> int:
    """The class C that is left out of "notC".

    Raises:
        UserError: another subset.
    """
    kind, label = read_subset(name)
    if kind != "not" or label is None:
        raise UserError(f"subset {name!r} leaves no class out; outlier detection needs notC, for example not0")
    return label
