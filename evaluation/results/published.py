"""The numbers that the paper prints, for the side-by-side."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

PUBLISHED = Path(__file__).with_name("published.yaml")
ANY_DATASET = "any"  # for what does not depend on the data set


@dataclass(frozen=True)
class PublishedNumber:
    """One printed number.

    table: "table_1" to "table_5", "appendix"; metric: as in our own results; unit: "percent" or "count"; dataset:
    `ANY_DATASET` where it does not matter; std: NaN where none is printed; runs: behind mean and std, 0 where not said;
    literature: whether the paper only quotes it; note: why to read it with care; explanation: what is known about a
    difference to our results; at_least: whether it is a lower bound, of which nothing above is a difference.
    """

    table: str
    metric: str
    unit: str
    dataset: str
    model: str
    mean: float
    std: float
    runs: int
    literature: bool
    note: str
    explanation: str
    at_least: bool


NOT_PRINTED = PublishedNumber("", "", "", "", "", math.nan, math.nan, 0, False, "", "", False)


@cache
def published() -> tuple[PublishedNumber, ...]:
    """Every printed number, in the paper's order."""
    tables = yaml.safe_load(PUBLISHED.read_text(encoding="utf-8"))["tables"]
    return tuple(number for table in tables for number in _numbers(table))


def published_number(table: str, metric: str, dataset: str, model: str) -> PublishedNumber:
    """The number of a cell; `NOT_PRINTED`, whose mean is NaN, where the paper has none."""
    return next(
        (p for p in published() if (p.table, p.metric, p.dataset, p.model) == (table, metric, dataset, model)),
        NOT_PRINTED,
    )


def _numbers(table: dict[str, Any]) -> list[PublishedNumber]:
    notes, explanations = (table.get(key, {}) for key in ("notes", "explanations"))
    literature, at_least = (table.get(key, []) for key in ("literature", "at_least"))
    return [
        PublishedNumber(
            table=table["table"],
            metric=table["metric"],
            unit=table["unit"],
            dataset=dataset,
            model=model,
            mean=float(mean),
            std=math.nan if std is None else float(std),
            runs=table.get("runs", 0),
            literature=model in literature,
            note=notes.get(f"{dataset}/{model}", ""),
            explanation=explanations.get(f"{dataset}/{model}", ""),
            at_least=f"{dataset}/{model}" in at_least,
        )
        for dataset, models in table["values"].items()
        for model, (mean, std) in models.items()
    ]
