"""What a table is, and how it is written: CSV (every number), Markdown and LaTeX (what is printed)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.base.files import atomic_path, write_text
from evaluation.datasets.catalogue import CATALOGUE

if TYPE_CHECKING:
    import pandas as pd

DATASET_LABELS = {name: spec.label for name, spec in CATALOGUE.items()}
STATISTICS = "mean ± std over seeds [95 % bootstrap interval of the mean]"


@dataclass(frozen=True)
class Table:
    """caption: one sentence; columns and rows: the printed cells; data: the same and more, as numbers, for the CSV."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    data: pd.DataFrame


def read_metrics(paths: Iterable[Path]) -> pd.DataFrame:
    """Tidy metrics of several files, one below the other.

    Raises:
        FileNotFoundError: a file is missing.
    """
    import pandas as pd

    from evaluation.measures.metrics import tidy_frame

    frames = [pd.read_parquet(path) for path in paths]
    return pd.concat(frames, ignore_index=True) if frames else tidy_frame([])


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as dictionaries."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def write(table: Table, path: Path, title: str) -> None:
    """Write `path` (.csv) and the same name with .md and .tex, each atomically. `title` marks the profile."""
    with atomic_path(path) as part:
        table.data.to_csv(part, index=False)
    caption = f"{table.caption} {title}".strip()
    write_text(path.with_suffix(".md"), f"{caption}\n\n{markdown(table.columns, table.rows)}\n")
    write_text(path.with_suffix(".tex"), latex(table.columns, table.rows, caption))


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = True) -> str:
    """A Markdown table: first column left, the others right where they hold numbers."""
    line = "| {} |".format
    body = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    rule = " | ".join(["---", *["---:" if numbers else "---"] * (len(columns) - 1)])
    return "\n".join(map(line, [" | ".join(columns), rule, *body]))


# --- LaTeX -----------------------------------------------------------------------------------------------------------

COLUMN_POINTS, PAGE_POINTS = 253.0, 517.0  # widths of the paper: one column, both
CHARACTER_POINTS, GAP_POINTS = 4.5, 8.0  # at most, of \footnotesize; between columns
ROWS_OF_A_PAGE = 48


def latex(columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """LaTeX tables for booktabs: one column of the paper wide where that is enough, otherwise both.

    Columns of a data set ("MNIST published") have its label once, above them. What is too wide or too long for a page
    is split into several tables; each repeats the first column.
    """
    parts = [
        (columns_of_part, rows[first : first + ROWS_OF_A_PAGE])
        for columns_of_part in _fitting(columns, rows)
        for first in range(0, max(1, len(rows)), ROWS_OF_A_PAGE)
    ]
    marks = [f" (part {number} of {len(parts)})" if len(parts) > 1 else "" for number in range(1, len(parts) + 1)]
    floats = [
        _float(*_chosen(columns, some, chosen), caption + mark)
        for (chosen, some), mark in zip(parts, marks, strict=True)
    ]
    return "\n".join(floats)


def _split(column: str) -> tuple[str, str]:
    """The data set that a column's name starts with, and the rest; no data set where there is none."""
    longest_first = sorted(DATASET_LABELS.values(), key=len, reverse=True)  # one may start with another
    label = next((label for label in longest_first if column.startswith(f"{label} ")), "")
    return label, column.removeprefix(f"{label} ") if label else column


def _groups(columns: Sequence[str]) -> list[tuple[str, int]]:
    """Neighbouring columns of the same data set: its label, and how many there are."""
    return [(label, len(list(some))) for label, some in groupby(columns, key=lambda column: _split(column)[0])]


def _width(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> float:
    """Estimated width of a table in points; the label of a data set stands once, above its columns."""
    longest = [max(len(row[i]) for row in ([_split(c)[1] for c in columns], *rows)) for i in range(len(columns))]
    widths = [CHARACTER_POINTS * characters + GAP_POINTS for characters in longest]
    total, first = 0.0, 0
    for label, count in _groups(columns):
        total += max(sum(widths[first : first + count]), CHARACTER_POINTS * len(label) + GAP_POINTS)
        first += count
    return total


def _fitting(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[int]]:
    """Indices of the columns of each table, so that none is wider than a page."""
    parts = [[0]]
    for index in range(1, len(columns)):
        wider = [*parts[-1], index]
        if len(wider) > 2 and _width(*_chosen(columns, rows, wider)) > PAGE_POINTS:
            parts.append([0, index])
        else:
            parts[-1] = wider
    return parts


def _chosen(
    columns: Sequence[str], rows: Sequence[Sequence[str]], indices: Sequence[int]
) -> tuple[list[str], list[list[str]]]:
    return [columns[i] for i in indices], [[row[i] for i in indices] for row in rows]


def _float(columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    kind = "table" if _width(columns, rows) <= COLUMN_POINTS else "table*"
    line = " & ".join
    return "\n".join(
        [
            rf"\begin{{{kind}}}",
            r"\centering",
            rf"\caption{{{_tex(caption)}}}",
            r"\footnotesize",
            rf"\setlength{{\tabcolsep}}{{{GAP_POINTS / 2:g}pt}}",
            rf"\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}",
            r"\toprule",
            *_head(columns),
            r"\midrule",
            *(line(map(_tex, row)) + r" \\" for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            rf"\end{{{kind}}}",
            "",
        ]
    )


def _head(columns: Sequence[str]) -> list[str]:
    """The lines of the head: data sets above their columns, if there are some, and the names of the columns."""
    names = " & ".join(_tex(_split(column)[1]) for column in columns) + r" \\"
    groups = _groups(columns)
    if not any(label for label, _ in groups):
        return [names]
    cells = [
        rf"\multicolumn{{{count}}}{{c}}{{{_tex(label)}}}" if label else " & " * (count - 1) for label, count in groups
    ]
    ends = list(accumulate(count for _, count in groups))
    spans = zip(groups, ends, strict=True)
    rules = [rf"\cmidrule(lr){{{end - count + 1}-{end}}}" for (label, count), end in spans if label]
    return [" & ".join(cells) + r" \\", " ".join(rules), names]


_TEX = {"\\": r"\textbackslash{}", "±": r"$\pm$", "×": r"$\times$", "–": "--", "≤": r"$\leq$"}
_TEX |= {"é": r"\'e", "−": "$-$", "[": "{[}", "]": "{]}", "<": "$<$", ">": "$>$"}  # \\[ would start an option
_TEX |= {character: f"\\{character}" for character in "&%$#_{}"}


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)
