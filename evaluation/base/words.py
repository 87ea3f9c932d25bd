"""Words: canonical JSON, the nearest known name, a value as a word of a path."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

PLAIN = re.compile(r"-?[A-Za-z0-9][A-Za-z0-9.-]*")  # a word that a path takes as it is


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=list)


def digest(value: Any, digits: int = 12) -> str:
    """So many hexadecimal digits of the SHA-256 of `canonical(value)`."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:digits]


def nearest(name: str, known: Iterable[str]) -> str:
    """ "did you mean 'x'?" for the closest known name, or the list of the known names."""
    names = sorted(map(str, known))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(names)}" if names else "none are allowed here"


LONGEST = 200  # characters of a name in a path; file systems take 255 bytes


def shortened(name: str) -> str:
    """A name that a file system takes: a longer one ends with twelve digits of its hash."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 13]}-{digest(name)}"


def path_word(value: Any) -> str:
    """`value` as a word for a path: letters, digits, dots, dashes. Other values give other words.

    A value with other characters, or a long one, ends with six hexadecimal digits that tell it from what looks alike.
    """
    text = value if isinstance(value, str) else canonical(value)
    if PLAIN.fullmatch(text) and len(text) <= 60:
        return text
    cleaned = re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")[:60]
    return f"{cleaned}-{digest(value, 6)}".strip("-")
