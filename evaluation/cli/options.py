"""Options of a model's method on the command line: `--option KEY=VALUE` of `bench sample` and `bench inpaint`."""

from __future__ import annotations

import argparse
import inspect
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WORDS = {"True": True, "False": False, "None": None}  # as Python writes them; JSON's own are true, false, null


def add_arguments(parser: argparse.ArgumentParser, method: str) -> None:
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"option of the model's {method} method, for example top_s=1 or sharpen=true (may be repeated)",
    )


def read_options(words: Sequence[str]) -> dict[str, Any]:
    """Key → value; values are JSON, words need no quotes.

    Raises:
        UserError: a word of another form, or one key twice.
    """
    from evaluation.base.errors import UserError

    options: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise UserError(f"--option {word!r} is not KEY=VALUE, for example top_s=1")
        if key in options:
            raise UserError(f"--option {key} is given twice; give it once")
        options[key] = _value(value)
    return options


def _value(text: str) -> Any:
    if text in WORDS:
        return WORDS[text]
    try:
        content = json.loads(text)
    except json.JSONDecodeError:
        return text
    if isinstance(content, dict):  # keys of a JSON object are words, numbers of layers are not
        content = {int(k) if re.fullmatch(r"-?\d+", k) else k: v for k, v in content.items()}
    return content


def check_options(method: Callable[..., Any], options: Mapping[str, Any], flags: Collection[str]) -> None:
    """Refuse options that the method does not have, and those that have flags of their own on the command line.

    Raises:
        UserError: such an option, by name.
    """
    from evaluation.base.errors import UserError

    parameters = inspect.signature(method).parameters.values()
    known = [p.name for p in parameters if p.kind == p.KEYWORD_ONLY and p.name not in flags]
    for name in options:
        if name in flags:
            raise UserError(f"--option {name} has a flag of its own; give --{name}")
        if name not in known and all(p.kind != p.VAR_KEYWORD for p in parameters):
            choice = f"choose from {', '.join(known)}" if known else "it has none"
            owner = getattr(method, "__self__", None)  # whose class may have the method from another one
            whose = method.__qualname__ if owner is None else f"{type(owner).__name__}.{method.__name__}"
            raise UserError(f"{whose} has no option {name!r}; {choice}")


@contextmanager
def refusals() -> Iterator[None]:
    """Make a sentence of the TypeError of an option's value; models document them, and other ones are defects."""
    from evaluation.base.errors import UserError
    from evaluation.cli import _is_ours

    try:
        yield
    except TypeError as error:
        if not _is_ours(error):
            raise
        raise UserError(str(error)) from error


def check_picture(name: str | None) -> None:
    """Refuse a file name of a grid that is not a PNG's.

    Raises:
        UserError: another suffix.
    """
    from evaluation.base.errors import UserError

    if name and Path(name).suffix.lower() != ".png":
        raise UserError(f"--grid {name} is not a PNG file; give a name that ends in .png")


def check_count(flag: str, value: int) -> None:
    """Refuse numbers of images below 1.

    Raises:
        UserError: such a number.
    """
    from evaluation.base.errors import UserError

    if value < 1:
        raise UserError(f"{flag} {value} is no number of images; give at least 1")
