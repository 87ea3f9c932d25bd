"""What studies share: the rows that they add to, one training after another, their command line, their figure."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from evaluation.base.files import write_text
from evaluation.results.figures.style import PAGE_WIDTH, plotting
from evaluation.results.published import PublishedNumber

FOLDER = Path("docs/reference/studies")


class Rows:
    """A CSV file of rows, read at the start and written whole after each new row: a killed study goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = pd.read_csv(path).to_dict("records") if path.is_file() else []

    def find(self, **wanted: Any) -> list[dict[str, Any]]:
        """The rows that have all these values."""
        return [row for row in self.rows if all(row[name] == value for name, value in wanted.items())]

    def add(self, **row: Any) -> None:
        """Append a row, write the file and print the row."""
        self.rows.append(row)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, pd.DataFrame(self.rows).to_csv(index=False))
        print(row, flush=True)


def parser_of(description: str | None, verb: str, file: str) -> argparse.ArgumentParser:
    """The command line of a study: `verb` adds rows to `file` in FOLDER, `report` shows them; options are to follow."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[verb, "report"])
    parser.add_argument("--table", type=Path, default=FOLDER / file)
    return parser


def show(table: Rows, report: Callable[[Rows], str], picture: Callable[[Rows, Path], None]) -> None:
    """Print the table of the rows and draw the figure beside them."""
    print(report(table))
    picture(table, table.path.with_suffix(".png"))


def panels(titles: list[list[str]], labels: int, width: float = PAGE_WIDTH) -> tuple[Any, Any]:
    """A figure with an axis for each title, rows and columns as given, and room for `labels` lines in each."""
    plt, _ = plotting()
    size = (width, len(titles) * (0.7 + 0.16 * labels))
    figure, axes = plt.subplots(
        len(titles), len(titles[0]), figsize=size, sharey=True, squeeze=False, layout="constrained"
    )
    for axis, title in zip(axes.flat, [title for row in titles for title in row], strict=True):
        axis.set_title(title)
    return figure, axes


def published_band(axis: Any, number: PublishedNumber) -> None:
    """What the paper prints, mean ± standard deviation, as a vertical band."""
    axis.axvspan(number.mean - number.std, number.mean + number.std, color="0.8", zorder=0)
    axis.axvline(number.mean, color="0.3", linewidth=0.8, zorder=1)
