"""Where a command writes what somebody names: checked before anything is computed, and nothing replaced unasked."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.base.errors import UserError
from evaluation.base.files import why_not_writable


def add_overwrite(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there already")


def named(word: str, option: str, suffix: str) -> Path:
    """The file that an option names.

    Raises:
        UserError: its name does not end in `suffix`, so that it would not be what it is called.
    """
    path = Path(word)
    if path.suffix.lower() != suffix:
        raise UserError(f"{option} {word}: a file name that ends in {suffix} is expected")
    return path


def check_free(paths: Iterable[Path], overwrite: bool, own: Iterable[Path] = ()) -> None:
    """Refuse to write over what is there.

    Args:
        paths: files, or folders that will hold several.
        overwrite: whether files may be replaced.
        own: places of a run's own outputs, which the run replaces.

    Raises:
        UserError: a file (an empty one does not count), a folder in its place, or a place that cannot be made.
    """
    places = {path.resolve() for path in own}
    for path in paths:
        check_place(path)
        if path.is_dir() and path.suffix:
            raise UserError(f"{path} is a directory; name a file")
        there = any(path.iterdir()) if path.is_dir() else path.exists() and path.stat().st_size > 0
        if there and not overwrite and path.resolve() not in places:
            raise UserError(f"{path} is there already; give --overwrite to replace it, or another name")


def check_place(path: Path) -> None:
    """Refuse a file below what is no folder, or below one that may not be written. Raises UserError."""
    if why := why_not_writable(path):
        raise UserError(f"{path} cannot be written, since {why}; name another place")


def one_each(models: Sequence[Path], of: Callable[[Path], Any], what: str) -> Mapping[Any, Path]:
    """`of(model)` → model, where no two models have the same.

    Args:
        what: is made of models, for the message: "samples".

    Raises:
        UserError: the same model twice, or two whose results could not be told apart.
    """
    found: dict[Any, Path] = {}
    for model in models:
        other = found.setdefault(of(model), model)
        if other is not model:
            if other.resolve() == model.resolve():
                raise UserError(f"{model} is given twice; give it once")
            raise UserError(f"the {what} of {other} and {model} would be one file; make them one at a time")
    return found
