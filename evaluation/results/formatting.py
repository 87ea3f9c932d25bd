"""Numbers as they are printed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from evaluation.base.text import NOTHING

if TYPE_CHECKING:
    from evaluation.results.results import TidySource


class Number(str):
    """The text of a table's cell, with the tidy rows that it comes from."""

    sources: tuple[TidySource, ...]

    def __new__(cls, text: str, *sources: TidySource) -> Number:
        number = super().__new__(cls, text)
        number.sources = sources
        return number


def missing(value: float | None) -> bool:
    """Whether there is no number: None, or NaN."""
    return value is None or math.isnan(value)


def with_std(mean: float | None, std: float | None, digits: int = 1) -> str:
    """ "95.4 ± 0.2"; the mean alone for one seed; a dash for nothing."""
    if mean is None or missing(mean):
        return NOTHING
    number = f"{mean:.{digits}f}"
    return number if std is None or missing(std) else f"{number} ± {std:.{digits}f}"


def as_printed(mean: float | None, std: float | None) -> str:
    """A published value with as many decimals as the paper prints: "98.7 ± 0.05", "98.19"; a dash for nothing."""
    if mean is None or missing(mean):
        return NOTHING
    numbers = [mean] if std is None or missing(std) else [mean, std]
    return " ± ".join(f"{number:.{max(1, len(f'{number:g}'.partition('.')[2]))}f}" for number in numbers)


def interval(low: float, high: float, digits: int = 1, sign: str = "") -> str:
    """ "[95.2, 95.6]", nothing where there is none; `sign` "+" writes the sign of positive bounds too."""
    return "" if missing(low) or missing(high) else f"[{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def with_interval(mean: float, std: float, low: float, high: float, digits: int = 1) -> str:
    """ "95.4 ± 0.2 [95.2, 95.6]"; what is not known is left out; a dash for nothing."""
    return f"{with_std(mean, std, digits)} {interval(low, high, digits)}".strip()


def in_protocol(label: str, protocol: str) -> str:
    """ "RAT-SPN (clean)"; the label alone of what is the same in both protocols."""
    return label if protocol == "both" else f"{label} ({protocol})"


def point_words(point: str) -> str:
    """A grid point in words: "depth 5, sums 20"; a dash for a model without a grid."""
    return ", ".join(f"{key} {value}" for key, value in json.loads(point).items()) or NOTHING


def variant_words(protocol: str, point: str) -> tuple[str, str]:
    """The protocol and the grid point of a model, as words for `told_apart`: empty where there is nothing to say."""
    words = point_words(point)
    return "" if protocol == "both" else protocol, "" if words == NOTHING else words


def told_apart(rows: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """A name for each row, of its label and words: "RAT-SPN (clean, depth 5)".

    A name has only the words in which rows of the same label differ; these rows have equally many words.
    """
    every = list(rows)
    of_label: dict[str, list[Sequence[str]]] = {}
    for label, words in every:
        of_label.setdefault(label, []).append(words)
    differ = {label: [len(set(some)) > 1 for some in zip(*those, strict=True)] for label, those in of_label.items()}
    found = []
    for label, words in every:
        said = [word for word, differs in zip(words, differ[label], strict=True) if word and differs]
        found.append(f"{label} ({', '.join(said)})" if said else label)
    return found
