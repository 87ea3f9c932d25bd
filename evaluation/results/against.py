"""Two runs side by side: every number of their tables, and the difference with its interval."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evaluation.base.text import NOTHING, markdown, markdown_table
from evaluation.measures.statistics import Interval, welch_interval
from evaluation.results.formatting import Number, in_protocol, with_std
from evaluation.results.labels import dataset_label
from evaluation.results.make import make_table
from evaluation.results.outputs import OUTPUTS, TABLE, items
from evaluation.results.tables.table import Record, records

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.results.results import Results

# What tells the numbers of a table apart, beside the table: those of these columns that it has.
IDENTITY = ("model", "protocol", "dataset", "metric", "outlier_class", "mask", "variant", "point")
TABLES = ("table_1", "outlier_classes", "table_2", "table_3", "table_4", "table_inpainting")  # of means over seeds
UNSAID = {"point"}  # a grid point that only one of the runs chose is no other cell


@dataclass(frozen=True)
class Cell:
    """A number of both runs: mean, standard deviation and number of seeds of each; NaN and 0 where one has none."""

    table: str
    label: str
    what: str
    dataset: str
    first: tuple[float, float, int]
    second: tuple[float, float, int]

    @property
    def difference(self) -> float:
        """The second run minus the first."""
        return self.second[0] - self.first[0]

    @property
    def interval(self) -> Interval:
        """95 %, Welch; NaN where a run has a single seed."""
        return welch_interval(self.second, self.first)

    @property
    def differs(self) -> bool:
        """Whether the interval leaves out 0."""
        return bool(self.interval) and not self.interval.low <= 0 <= self.interval.high


def against(first: Results, second: Results) -> list[Cell]:
    """The cells of both runs' tables, in the order of the paper; those that neither has are left out."""
    found: list[Cell] = []
    for name in TABLES:
        sides = [dict(_cells(results, name)) for results in (first, second)]
        for key in dict.fromkeys([*sides[0], *sides[1]]):
            rows = [side.get(key) for side in sides]
            either = next(row for row in rows if row is not None)
            title = OUTPUTS[name].title
            a, b = (_statistics(row) for row in rows)
            found.append(Cell(title, _label(either), _what(either), str(either["dataset"]), a, b))
    return found


def _cells(results: Results, name: str) -> Iterator[tuple[tuple[Any, ...], Record]]:
    """What tells a number of a table apart → its record, of those that have a number."""
    output = OUTPUTS[name]
    wanted = any(item.output.name == name for item in items(results.plan, TABLE).values())
    if wanted and results.has(str(output.experiment)):
        for record in records(make_table(output, results).frame):
            if record["n"] > 0 and not str(record.get("metric", "")).startswith("judge_accuracy_class"):
                yield tuple(record.get(key) for key in IDENTITY if key not in UNSAID), record


def _statistics(row: Record | None) -> tuple[float, float, int]:
    return (math.nan, math.nan, 0) if row is None else (float(row["mean"]), float(row["std"]), int(row["n"]))


def _label(row: Record) -> str:
    return in_protocol(str(row["label"]), str(row.get("protocol", "both")))


def _what(row: Record) -> str:
    """ "auroc", "class 3", "mse, right, paper"."""
    words = [row.get("metric"), row.get("mask"), row.get("variant")]
    words += [f"class {row['outlier_class']}"] if "outlier_class" in row else []
    return ", ".join(str(word) for word in words if word) or "accuracy"


def against_frame(cells: list[Cell]) -> pd.DataFrame:
    """Every cell, as numbers."""
    import pandas as pd

    return pd.DataFrame([_record(cell) for cell in cells])


def _record(cell: Cell) -> Mapping[str, Any]:
    place = {"table": cell.table, "model": cell.label, "what": cell.what, "dataset": cell.dataset}
    for side, (mean, std, n) in (("first", cell.first), ("second", cell.second)):
        place |= {side: mean, f"{side}_std": std, f"{side}_n": n}  # type: ignore[dict-item]
    bounds = cell.interval
    return {**place, "difference": cell.difference, "low": bounds.low, "high": bounds.high, "differs": cell.differs}


def summary(cells: list[Cell]) -> str:
    """How many numbers there are, and how many differ."""
    both = [cell for cell in cells if not math.isnan(cell.difference)]
    known = [cell for cell in both if cell.interval]
    return (
        f"{len(cells)} numbers, {len(both)} of them in both runs; of {len(known)} with several seeds in both, "
        f"{sum(cell.differs for cell in known)} differ (95 % interval without 0)"
    )


def against_page(cells: list[Cell], names: tuple[str, str]) -> str:
    """The page as Markdown. names: of the first and the second run."""
    first, second = (markdown(name) for name in names)
    lines = [
        [
            markdown(cell.table),
            markdown(cell.label),
            dataset_label(cell.dataset),
            markdown(cell.what),
            _number(cell.first, cell.what),
            _number(cell.second, cell.what),
            _difference(cell),
        ]
        for cell in cells
    ]
    heads = ["table", "model", "data set", "what", "first", "second", "difference"]
    note = "Difference: the second run minus the first, with its 95 % interval (Welch), * where that leaves out 0."
    return f"# {first} (first) and {second} (second)\n\n{summary(cells)}.\n{note}\n\n{markdown_table(heads, lines)}\n"


def _digits(what: str) -> int:
    return 3 if what.startswith(("mse", "ssim")) else 1


def _number(value: tuple[float, float, int], what: str) -> str:
    mean, std, n = value
    return NOTHING if n == 0 else Number(f"{with_std(mean, std, _digits(what))} (n {n})")


def _difference(cell: Cell) -> str:
    if math.isnan(cell.difference):
        return NOTHING
    digits, bounds = _digits(cell.what), cell.interval
    words = f"{cell.difference:+.{digits}f}"
    if bounds:
        words += f" [{bounds.low:+.{digits}f}, {bounds.high:+.{digits}f}]"
    return words + " *" * cell.differs
