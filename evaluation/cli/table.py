"""`bench table`: one table as CSV, Markdown and LaTeX."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "make a table from metrics"
FROM_METRICS = ("table_1", "outlier_classes", "table_2", "paired", "grid", "table_3", "table_4", "table_inpainting")
GENERATED = ("table_5", "table_6", "table_7", "table_8")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", choices=[*FROM_METRICS, *GENERATED], help="which one")
    parser.add_argument("--metrics", nargs="*", default=[], metavar="FILE", help="tidy metrics (parquet)")
    parser.add_argument("--row", action="append", default=[], metavar="MODEL=LABEL", help="a row (may be repeated)")
    parser.add_argument(
        "--rival", action="append", default=[], metavar="MODEL=LABEL", help="paired: whom the rows are compared with"
    )
    parser.add_argument(
        "--left-out", action="append", default=[], metavar="JSON", help="grid: a point that is not run, and the reason"
    )
    parser.add_argument("--title", default="", help="what marks the table, for example the profile")
    parser.add_argument("--out", required=True, metavar="FILE.csv", help="written with .md and .tex beside it")


def run(args: argparse.Namespace) -> int:
    from evaluation.base.errors import UserError
    from evaluation.plan.config import load_text
    from evaluation.plan.grid_cost import LeftOut
    from evaluation.results.contents import Entry, make
    from evaluation.results.tables.writing import read_metrics, write

    if args.table in FROM_METRICS and not args.metrics:
        raise UserError(f"{args.table} is made from metrics; give --metrics FILE …")
    rows, rivals = (dict(word.partition("=")[::2] for word in words) for words in (args.row, args.rival))
    if args.table == "paired" and not (rows and rivals):
        raise UserError("paired compares DCGMMs with rivals; give --row MODEL=LABEL and --rival MODEL=LABEL")
    left_out = [LeftOut(**load_text(word)) for word in args.left_out]
    table = make(Entry(args.table, rows, rivals, left_out), read_metrics(map(Path, args.metrics)))
    write(table, Path(args.out), args.title)
    return 0
