"""How a table is written: CSV (every number), Markdown and LaTeX (what is printed)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, groupby
from pathlib import Path

from evaluation.base.files import atomic_path, write_text
from evaluation.base.text import markdown, markdown_table, tex
from evaluation.results.tables.table import Printed, Table, printed

COLUMN_POINTS, PAGE_POINTS = 253.0, 517.0  # widths of the paper: one column, both
CHARACTER_POINTS, GAP_POINTS = 4.5, 8.0  # at most, of \footnotesize; between columns
ROWS_OF_A_PAGE = 48


def write(table: Table, path: Path, title: str) -> None:
    """Write `path` (.csv) and the same name with .md and .tex, each atomically. `title` marks the profile."""
    cells = printed(table)
    caption = f"{cells.caption} {title}".strip()
    with atomic_path(path) as part:
        table.data.to_csv(part, index=False)
    write_text(path.with_suffix(".md"), f"{markdown(caption)}\n\n{as_markdown(cells)}\n")
    write_text(path.with_suffix(".tex"), latex(cells, caption))


def as_markdown(cells: Printed) -> str:
    """A Markdown table; labels mean themselves, whatever characters they have."""
    rows = [[*map(markdown, row[: cells.labels]), *row[cells.labels :]] for row in cells.rows]
    return markdown_table(list(map(markdown, cells.columns)), rows)


def latex(cells: Printed, caption: str) -> str:
    """LaTeX tables for booktabs: one column of the paper wide where that is enough, otherwise both.

    The label of a data set stands once, above its columns. What is too wide or too long for a page is split into
    several tables; each repeats the first column.
    """
    parts = [
        Printed("", [cells.heads[i] for i in chosen], [[row[i] for i in chosen] for row in rows], 1)
        for chosen in _fitting(cells)
        for rows in _pages(cells.rows)
    ]
    marks = [f" (part {number} of {len(parts)})" if len(parts) > 1 else "" for number in range(1, len(parts) + 1)]
    return "\n".join(_float(part, caption + mark) for part, mark in zip(parts, marks, strict=True))


def _pages(rows: Sequence[Sequence[str]]) -> list[Sequence[Sequence[str]]]:
    return [rows[first : first + ROWS_OF_A_PAGE] for first in range(0, max(1, len(rows)), ROWS_OF_A_PAGE)]


def _groups(heads: Sequence[tuple[str, str]]) -> list[tuple[str, int]]:
    """Neighbouring columns of the same data set: its label, and how many there are."""
    return [(label, len(list(some))) for label, some in groupby(heads, key=lambda head: head[0])]


def _width(heads: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> float:
    """Estimated width of a table in points; the label of a data set stands once, above its columns."""
    longest = [max(len(line[i]) for line in ([name for _, name in heads], *rows)) for i in range(len(heads))]
    widths = [CHARACTER_POINTS * characters + GAP_POINTS for characters in longest]
    total, first = 0.0, 0
    for label, count in _groups(heads):
        total += max(sum(widths[first : first + count]), CHARACTER_POINTS * len(label) + GAP_POINTS)
        first += count
    return total


def _fitting(cells: Printed) -> list[list[int]]:
    """Indices of the columns of each table, so that none is wider than a page."""
    parts = [[0]]
    for index in range(1, len(cells.heads)):
        wider = [*parts[-1], index]
        width = _width([cells.heads[i] for i in wider], [[row[i] for i in wider] for row in cells.rows])
        if len(wider) > 2 and width > PAGE_POINTS:
            parts.append([0, index])
        else:
            parts[-1] = wider
    return parts


def _float(cells: Printed, caption: str) -> str:
    import pandas as pd

    grouped = any(group for group, _ in cells.heads)
    heads = [(tex(group), tex(name)) for group, name in cells.heads]
    columns = pd.MultiIndex.from_tuples(heads) if grouped else [name for _, name in heads]
    frame = pd.DataFrame([[tex(cell) for cell in row] for row in cells.rows], columns=columns, dtype=object)
    kind = "table" if _width(cells.heads, cells.rows) <= COLUMN_POINTS else "table*"
    # The styler wants unique heads; they are, within a data set.
    text = frame.style.hide(axis="index").to_latex(
        column_format="l" + "r" * (len(heads) - 1), hrules=True, multicol_align="c", environment=kind,
        position_float="centering", caption=tex(caption),
    )  # fmt: skip
    size = f"\\footnotesize\n\\setlength{{\\tabcolsep}}{{{GAP_POINTS / 2:g}pt}}\n\\begin{{tabular}}"
    text = text.replace(r"\begin{tabular}", size, 1)
    return _with_rules(text, cells.heads) if grouped else text


def _with_rules(text: str, heads: Sequence[tuple[str, str]]) -> str:
    """Thin rules below the data sets, which pandas does not draw."""
    ends = list(accumulate(count for _, count in _groups(heads)))
    spans = zip(_groups(heads), ends, strict=True)
    rules = " ".join(rf"\cmidrule(lr){{{end - count + 1}-{end}}}" for (label, count), end in spans if label)
    head, newline, rest = text.partition("\\toprule\n")
    first, line_end, others = rest.partition("\\\\\n")
    return head + newline + first + line_end + rules + "\n" + others
