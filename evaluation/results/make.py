"""Tables and figures made from what a run has, by the registry of outputs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.results.outputs import Item, Output, rows_of

if TYPE_CHECKING:
    from evaluation.plan.plan import Plan
    from evaluation.results.material import Material
    from evaluation.results.results import Results
    from evaluation.results.tables.table import Table


def make_table(output: Output, results: Results | None, rows: Mapping[str, str] | None = None) -> Table:
    """A table. results: of the run, None for tables that need none; rows: model → label (default: the plan's)."""
    make = output.load()
    if output.experiment is None or results is None:
        return make()
    return make(results, rows_of(results.plan, output) if rows is None else rows)


def chosen_rows(plan: Plan, output: Output, words: list[str]) -> dict[str, str]:
    """The rows that a command line asks for, "MODEL" or "MODEL=LABEL"; all of the plan's without any.

    Raises:
        UserError: a model that is not among them.
    """
    from evaluation.base.errors import UserError
    from evaluation.base.words import nearest

    known = rows_of(plan, output)
    chosen = {}
    for word in words:
        model, _, label = word.partition("=")
        if model not in known:
            raise UserError(f"--row {word}: {plan.title} has no such row in {output.name}; {nearest(model, known)}")
        chosen[model] = label or known[model]
    return chosen or known


def draw_figure(item: Item, material: Material, path: Path, title: str | None = None) -> None:
    """Draw a figure and save it as `path` (.png), with a .pdf beside it. `title` marks it (default: the plan's)."""
    from evaluation.results.figures.style import save

    figure, note = item.output.load()(material, item)
    save(figure, path, material.plan.title if title is None else title, note)
