"""`bench table`: one table as CSV, Markdown and LaTeX."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.cli.arguments import Several, refuse_beside
from evaluation.cli.outputs import add_overwrite, check_free, named

if TYPE_CHECKING:
    from evaluation.results.material import Material

HELP = "make a table of a run's results"
DESCRIPTION = (
    "Make a table of a run's results, or one that needs none (table_5 to table_8), as CSV with Markdown and LaTeX "
    "beside it. Without --out it is written where the run has it, below tables/."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", help=f"which one: its file (table_1_outliers_dcgmm) or its name: {names('table')}")
    add_run_arguments(parser)
    parser.add_argument("--row", action="append", default=[], metavar="MODEL", help="only this row (may be repeated)")
    parser.add_argument("--out", metavar="FILE.csv", help="written with .md and .tex beside it")
    add_overwrite(parser)


def names(kind: str) -> str:
    """The names of all tables or figures, for --help."""
    from evaluation.results.outputs import OUTPUTS

    return ", ".join(output.name for output in OUTPUTS.values() if output.kind == kind)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say which run; see `material`."""
    parser.add_argument(
        "--profile", help="a run: its name, its folder of results, the profile.json there, or a configuration"
    )
    parser.add_argument(
        "--metrics", nargs="+", action=Several, metavar="FILE", help="tidy metrics, in place of the run's own"
    )
    parser.add_argument("--configfile", metavar="FILE", help="a configuration, in place of the run's own")
    parser.add_argument("--title", help="what marks it (default: the run's title)")


def material(args: argparse.Namespace) -> Material:
    """What the run that the options name has made.

    Raises:
        ConfigError: they name none.
    """
    from evaluation.base.errors import ConfigError
    from evaluation.plan.resolve import KINDS, resolve
    from evaluation.results.material import Material

    word = args.profile or (args.configfile if args.metrics else None)
    if not word:
        raise ConfigError(f"say which run: --profile R ({KINDS}), or --metrics FILE … --configfile FILE")
    run = resolve(word, args.configfile, reference=not args.metrics and not Path(word).exists())
    return Material(run, args.metrics)


def run(args: argparse.Namespace) -> int:
    from evaluation.base.errors import UserError
    from evaluation.results.make import chosen_rows, make_table
    from evaluation.results.outputs import OUTPUTS, TABLE, find
    from evaluation.results.tables.writing import write

    out = named(args.out, "--out", ".csv") if args.out else None
    output = next((o for o in OUTPUTS.values() if o.kind == TABLE and args.table in (o.name, o.file)), None)
    if output is not None and output.experiment is None:
        unread = ("metrics",) if args.profile else ("metrics", "configfile")
        refuse_beside(args, f"{output.name}, which needs no results", **dict.fromkeys(unread))
    if output is not None and output.experiment is None and not args.profile:
        if args.row:
            raise UserError(f"--row {args.row[0]}: {output.name} is not about models; leave --row out")
        if not out:
            raise UserError(f"{output.name} belongs to no run here; say where to write it: --out FILE.csv")
        _check(out, args)
        write(make_table(output, None), out, args.title or "")
        return 0
    made = material(args)
    item = find(made.plan, TABLE, args.table)
    rows = chosen_rows(made.plan, item.output, args.row)
    results = None if item.output.experiment is None else made.only(item).results
    own = made.folder / "tables" / f"{item.file}.csv"
    path = out or own
    _check(path, args, own)
    write(make_table(item.output, results, rows), path, made.title if args.title is None else args.title)
    print(path)
    return 0


def _check(path: Path, args: argparse.Namespace, *own: Path) -> None:
    """Refuse to write the three files of a table over others; `own`: where the run has it."""
    ends = (".csv", ".md", ".tex")
    check_free(
        (path.with_suffix(end) for end in ends), args.overwrite, [p.with_suffix(end) for p in own for end in ends]
    )
