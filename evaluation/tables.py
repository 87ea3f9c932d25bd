"""What a table is, and how it is written: CSV (every number), Markdown and LaTeX (what is printed)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.atomic import atomic_path, write_text

if TYPE_CHECKING:
    import pandas as pd

DATASET_LABELS = {
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "svhn": "SVHN",
    "digits": "Digits",
    "photos": "Photos",
}
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

    from evaluation.metrics import tidy_frame

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

    What is too wide or too long for a page is split into several tables; each repeats the first column.
    """
    parts = [
        (columns_of_part, rows[first : first + ROWS_OF_A_PAGE])
        for columns_of_part in _fitting(columns, rows)
        for first in range(0, max(1, len(rows)), ROWS_OF_A_PAGE)
    ]
    marks = [f" (part {number} of {len(parts)})" if len(parts) > 1 else "" for number in range(1, len(parts) + 1)]
    floats = [
        _float([columns[i] for i in chosen], [[row[i] for i in chosen] for row in some], caption + mark)
        for (chosen, some), mark in zip(parts, marks, strict=True)
    ]
    return "\n".join(floats)


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[float]:
    """Estimated width of every column in points."""
    longest = (max(len(row[i]) for row in (columns, *rows)) for i in range(len(columns)))
    return [CHARACTER_POINTS * characters + GAP_POINTS for characters in longest]


def _fitting(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[int]]:
    """Indices of the columns of each table, so that none is wider than a page."""
    first, *widths = _widths(columns, rows)
    parts, used = [[0]], first
    for index, width in enumerate(widths, start=1):
        if used + width > PAGE_POINTS and len(parts[-1]) > 1:
            parts, used = [*parts, [0]], first
        parts[-1].append(index)
        used += width
    return parts


def _float(columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    kind = "table" if sum(_widths(columns, rows)) <= COLUMN_POINTS else "table*"
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
            line(map(_tex, columns)) + r" \\",
            r"\midrule",
            *(line(map(_tex, row)) + r" \\" for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            rf"\end{{{kind}}}",
            "",
        ]
    )


_TEX = {"\\": r"\textbackslash{}", "±": r"$\pm$", "×": r"$\times$", "–": "--", "≤": r"$\leq$"}
_TEX |= {"é": r"\'e", "−": "$-$", "[": "{[}", "]": "{]}", "<": "$<$", ">": "$>$"}  # \\[ would start an option
_TEX |= {character: f"\\{character}" for character in "&%$#_{}"}


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)
