"""Printed numbers that know the tidy rows they were computed from."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

NOTHING = "–"


class Source(NamedTuple):
    """Some tidy rows: those with these values, all seeds, and any of `params` (canonical JSON)."""

    experiment: str
    dataset: str
    model: str
    protocol: str
    metric: str
    params: tuple[str, ...]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Source:
        """The rows behind one row of `evaluation.measures.metrics.over_seeds`."""
        return cls._make([*(row[name] for name in cls._fields[:-1]), (row["params"],)])

    @property
    def anchor(self) -> str:
        """A name for links within a page: letters, digits, dashes, dots and underscores."""
        words = [*self[:-1], *self.params]
        return "rows-" + "-".join(re.sub(r"[^A-Za-z0-9_.]+", "-", word).strip("-") for word in words)

    def rows(self, metrics: pd.DataFrame) -> pd.DataFrame:
        """The tidy rows themselves."""
        wanted = metrics["params"].isin(self.params)
        for name in self._fields[:-1]:
            wanted &= metrics[name] == getattr(self, name)
        return metrics[wanted]

    def by_seed(self, metrics: pd.DataFrame) -> dict[int, float]:
        """Seed → value."""
        rows = self.rows(metrics)
        return dict(zip(map(int, rows["seed"]), map(float, rows["value"]), strict=True))


class Number(str):
    """The text of a table's cell, with the tidy rows that it comes from."""

    sources: tuple[Source, ...]

    def __new__(cls, text: str, *sources: Source) -> Number:
        number = super().__new__(cls, text)
        number.sources = sources
        return number


def with_std(mean: float | None, std: float | None, digits: int = 1) -> str:
    """ "95.4 ± 0.2"; the mean alone for one seed; a dash for nothing."""
    if mean is None or math.isnan(mean):
        return NOTHING
    number = f"{mean:.{digits}f}"
    return number if std is None or math.isnan(std) else f"{number} ± {std:.{digits}f}"


def as_printed(mean: float, std: float | None) -> str:
    """A published value with as many decimals as the paper prints: "98.7 ± 0.05", "98.19"."""
    numbers = [mean] if std is None or math.isnan(std) else [mean, std]
    return " ± ".join(f"{number:.{max(1, len(f'{number:g}'.partition('.')[2]))}f}" for number in numbers)


def interval(low: float, high: float, digits: int = 1, sign: str = "") -> str:
    """ "[95.2, 95.6]", nothing where there is none; `sign` "+" writes the sign of positive bounds too."""
    return "" if math.isnan(low) or math.isnan(high) else f"[{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def with_interval(mean: float, std: float, low: float, high: float, digits: int = 1) -> str:
    """ "95.4 ± 0.2 [95.2, 95.6]"; what is not known is left out; a dash for nothing."""
    return f"{with_std(mean, std, digits)} {interval(low, high, digits)}".strip()


def measured(row: Any) -> str:
    """The statistics of a row of `over_seeds`, with its source; a dash for None."""
    if row is None:
        return NOTHING
    return Number(with_interval(row["mean"], row["std"], row["low"], row["high"]), Source.of(row))


def in_protocol(label: str, protocol: str) -> str:
    """ "RAT-SPN (clean)"; the label alone of what is the same in both protocols."""
    return label if protocol == "both" else f"{label} ({protocol})"
