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
from evaluation.results.reported_class import PAPERS_CLASS
from evaluation.results.tables.table import LEFT_OUT, Record, known, left_out, records
from evaluation.results.verdicts import over_judges

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.results.results import Results

# What tells the numbers of a table apart, beside the table: those of these columns that it has.
IDENTITY = ("model", "protocol", "dataset", "metric", "outlier_class", "mask", "variant", "point")
TABLES = ("table_1", "outlier_classes", "table_2", "table_3", "table_4", "table_inpainting")  # of means over seeds
UNSAID = {"point"}  # a grid point that only one of the runs chose is no other cell


@dataclass(frozen=True)
class Cell:
    """A number of both runs: mean, standard deviation and number of seeds of each; NaN and 0 where one has none.

    judges: of judged samples, `over_judges` of both runs.
    """

    table: str
    label: str
    what: str
    dataset: str
    first: tuple[float, float, int]
    second: tuple[float, float, int]
    judges: tuple[tuple[float, int], ...] = ()

    @property
    def difference(self) -> float:
        """The second run minus the first."""
        return self.second[0] - self.first[0]

    @property
    def interval(self) -> Interval:
        """95 %, Welch, as of verdicts; NaN where a run has a single seed."""
        return welch_interval(self.second, self.first, self.judges)

    @property
    def differs(self) -> bool:
        """Whether the interval leaves out 0."""
        return bool(self.interval) and not self.interval.low <= 0 <= self.interval.high


def against(first: Results, second: Results) -> list[Cell]:
    """The cells of both runs' tables, in the order of the paper, each once; those that neither has are left out."""
    found: dict[tuple[Any, ...], tuple[str, list[Record | None]]] = {}
    for name in TABLES:
        output = OUTPUTS[name]
        for side, results in enumerate((first, second)):
            for record in _records(results, name):
                key = (output.experiment, *(record.get(column) for column in IDENTITY if column not in UNSAID))
                _, rows = found.setdefault(key, (output.title, [None, None]))
                rows[side] = rows[side] or record  # Tables I and II have the DCGMMs' areas both
    cells = []
    for title, rows in found.values():
        either = next(row for row in rows if row is not None)
        a, b = (_statistics(row) for row in rows)
        judges = tuple(spread for row in rows for spread in _judges(row))
        cells.append(Cell(title, _label(either), _what(either), str(either["dataset"]), a, b, judges))
    return cells


def _records(results: Results, name: str) -> Iterator[Record]:
    """The records of a table that have a number; not of models that were still annealing, nor, of the left-out class
    that Tables I and II have, those of the table of classes."""
    reported = results.outlier_class
    for record in _every_record(results, name):
        if not left_out(record) and record.get("outlier_class") != reported:
            of_another = name in ("table_1", "table_2") and reported != PAPERS_CLASS
            yield {**record, "outlier_class": reported} if of_another else record


def _every_record(results: Results, name: str) -> Iterator[Record]:
    output = OUTPUTS[name]
    wanted = any(item.output.name == name for item in items(results.plan, TABLE).values())
    if wanted and results.has(str(output.experiment)):
        for record in records(make_table(output, results).frame):
            if record["n"] > 0 and not str(record.get("metric", "")).startswith("judge_accuracy_class"):
                yield record


def unfinished(first: Results, second: Results) -> str:
    """The sentence that names what is left out, as below tables; empty for nothing."""
    found = {
        f"{_label(record)} on {dataset_label(record['dataset'])} ({side}, {left_out(record)})": None
        for side, results in (("first", first), ("second", second))
        for name in TABLES
        for record in _every_record(results, name)
        if left_out(record)
    }
    return f"{LEFT_OUT}: {', '.join(found)}." if found else ""


def _statistics(row: Record | None) -> tuple[float, float, int]:
    return (math.nan, math.nan, 0) if row is None else (float(row["mean"]), float(row["std"]), int(row["n"]))


def _judges(row: Record | None) -> tuple[tuple[float, int], ...]:
    if row is None or not known(row.get("judges")):
        return ()
    return over_judges(float(row["std_judges"]), int(row["judges"]))


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


def against_page(cells: list[Cell], names: tuple[str, str], note: str = "") -> str:
    """The page as Markdown. names: of the first and the second run; note: what is left out."""
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
    words = (
        "Difference: the second run minus the first, with its 95 % interval (Welch; of judged samples from the spread "
        "over trainings and over judges), * where that leaves out 0."
    )
    words = "\n".join(filter(None, [f"{summary(cells)}.", words, markdown(note)]))
    return f"# {first} (first) and {second} (second)\n\n{words}\n\n{markdown_table(heads, lines)}\n"


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
