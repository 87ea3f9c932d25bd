"""What a table is: a frame of numbers, and how its lines and cells are printed from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evaluation.base.text import NOTHING
from evaluation.results.formatting import Number, missing
from evaluation.results.labels import dataset_label, dataset_labels

if TYPE_CHECKING:
    import pandas as pd

Record = Mapping[str, Any]
SOURCE = "_source"  # columns of a frame that hold a `TidySource`, by which pages link a cell to its rows
LEFT_OUT = "Left out, still annealing when training ended"
STATISTICS_WORDS = "mean ± std over seeds [95 % bootstrap interval of the mean]"


@dataclass(frozen=True)
class Column:
    """A printed column.

    head: above it; text: of the record that it shows; where: which of a line's records that is; source: the column of
    the frame with the `TidySource` of the cell, "" for what is not ours; keeps: whether the cell is printed for a model
    that is left out (what the paper says of it, for example).
    """

    head: str
    text: Callable[[Record], str]
    where: Mapping[str, Any] = field(default_factory=dict)
    source: str = SOURCE
    keeps: bool = False


@dataclass(frozen=True)
class Table:
    """A table of a run.

    caption: one sentence; frame: a row for each number, which is the CSV but for the columns whose names start with
    "_"; line: the columns of the frame that tell printed lines apart; index: head → text of a record, what names a
    line; columns: of each line; spread: a column of the frame ("dataset") each of whose values has all the columns, ""
    for none. A record whose `annealing` says something is of a model that is left out.
    """

    caption: str
    frame: pd.DataFrame
    line: Sequence[str]
    index: Mapping[str, Callable[[Record], str]]
    columns: Sequence[Column]
    spread: str = ""

    @property
    def data(self) -> pd.DataFrame:
        """What the CSV holds: rows with a number of ours, of the paper, or with the reason why there is none."""
        values = [name for name in ("n", "published", "left_out") if name in self.frame]
        frame = self.frame.dropna(subset=values, how="all") if values else self.frame
        return frame.drop(columns=[name for name in map(str, frame) if name.startswith("_")])


@dataclass(frozen=True)
class Printed:
    """A table's cells. heads: (group, name) of each column, the group "" where there is none; rows: as many cells each,
    the first `labels` of which are words and the others numbers."""

    caption: str
    heads: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[str]]
    labels: int

    @property
    def columns(self) -> list[str]:
        """Heads in one line: "MNIST AUROC"."""
        return [f"{group} {name}".strip() for group, name in self.heads]


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as dictionaries; what is missing in a nullable column is NaN."""
    rows = ({str(key): value for key, value in row.items()} for row in frame.to_dict("records"))
    return [{k: float("nan") if _is_na(v) else v for k, v in row.items()} for row in rows]


def _is_na(value: Any) -> bool:
    return value is None or type(value).__name__ == "NAType"


def printed(table: Table) -> Printed:
    """The cells of a table; lines of which every model is left out are not there, and the caption names them."""
    lines: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for record in records(table.frame):
        lines.setdefault(tuple(record[name] for name in table.line), []).append(record)
    values = {str(row[table.spread]) for rows in lines.values() for row in rows} if table.spread else set()
    groups = dataset_labels(values) if table.spread else {"": ""}
    heads = [("", head) for head in table.index]
    heads += [(label, column.head) for label in groups.values() for column in table.columns]
    body = [
        [
            *(text(rows[0]) for text in table.index.values()),
            *(_cell(column, rows, table.spread, value) for value in groups for column in table.columns),
        ]
        for rows in lines.values()
        if not all(left_out(row) for row in rows)
    ]
    caption = " ".join(filter(None, [table.caption, left_out_words(table)]))
    return Printed(caption, heads, body, len(table.index))


def _cell(column: Column, rows: Sequence[Record], spread: str, value: str) -> str:
    wanted = {**column.where, **({spread: value} if spread else {})}
    record = next((row for row in rows if all(row.get(key) == want for key, want in wanted.items())), None)
    if record is None or (left_out(record) and not column.keeps):
        return NOTHING
    source = record.get(column.source)
    sources = (source if isinstance(source[0], tuple) else (source,)) if isinstance(source, tuple) else ()
    return Number(column.text(record), *sources)


def left_out(record: Record) -> str:
    """Why a record's model is left out; empty if it is not."""
    words = record.get("annealing", "")
    return words if isinstance(words, str) else ""


def left_out_words(table: Table) -> str:
    """The sentence that names what is left out."""
    found = {
        f"{record.get('_label') or record['label']} on {dataset_label(record['dataset'])}{_class_of(record)} "
        f"({left_out(record)})": None
        for record in records(table.frame)
        if left_out(record)
    }
    return f"{LEFT_OUT}: {', '.join(found)}." if found else ""


def _class_of(record: Record) -> str:
    """Which class was left out, in a table of several."""
    return f", class {record['outlier_class']}" if "outlier_class" in record else ""


def statistics_frame(rows: Sequence[Record], columns: Sequence[str]) -> pd.DataFrame:
    """Rows as a frame with these columns and the hidden ones ("_source" …); counts stay whole numbers."""
    import pandas as pd

    frame = pd.DataFrame(list(rows), columns=[*columns, *sorted({k for r in rows for k in r if k.startswith("_")})])
    counts = [name for name in ("n", "judges", "wins") if name in frame]
    return frame.astype(dict.fromkeys(counts, "Int64"))


def known(value: Any) -> bool:
    """Whether there is a number."""
    return not missing(value)
