"""Tables for people, on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

WIDTH = 110  # of what is no terminal


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> None:
    """Print a table; the first `left` columns stand left, the others right."""
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:  # a machine that only trains
        print(title)
        for cells in (columns, *rows):
            print("  ".join(cells))
        return
    table = Table(title=title)
    for number, name in enumerate(columns):
        table.add_column(name, justify="left" if number < left else "right")
    for cells in rows:
        table.add_row(*cells)
    asked = os.environ.get("COLUMNS", "")
    width = None if sys.stdout.isatty() else int(asked) if asked.isdecimal() and int(asked) > 0 else WIDTH
    Console(width=width).print(table)
