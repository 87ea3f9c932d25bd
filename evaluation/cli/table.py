"""`bench table`: one table as CSV, Markdown and LaTeX."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "make a table from metrics"
TABLES = ("table_1", "table_2", "outlier_classes", "grid", "table_3", "table_4", "table_5", "table_6")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", choices=TABLES, help="which one")
    parser.add_argument("--metrics", nargs="*", default=[], metavar="FILE", help="tidy metrics (parquet)")
    parser.add_argument("--row", action="append", default=[], metavar="MODEL=LABEL", help="a row (may be repeated)")
    parser.add_argument("--title", default="", help="what marks the table, for example the profile")
    parser.add_argument("--out", required=True, metavar="FILE.csv", help="written with .md and .tex beside it")


def run(args: argparse.Namespace) -> int:
    from evaluation import tables
    from evaluation.errors import UserError

    rows = dict(word.partition("=")[::2] for word in args.row)
    metric_tables = dict(tables.OUTLIER_TABLES)
    if args.table == "table_3":
        from evaluation.judge_table import judge_table

        metric_tables["table_3"] = judge_table
    if args.table == "table_4":
        from evaluation.classification_table import classification_table

        metric_tables["table_4"] = classification_table
    if args.table in metric_tables:
        if not args.metrics:
            raise UserError(f"{args.table} is made from metrics; give --metrics FILE …")
        table = metric_tables[args.table](tables.read_metrics(map(Path, args.metrics)), rows)
    else:
        table = tables.ARCHITECTURE_TABLES[args.table]()
    tables.write(table, Path(args.out), args.title)
    return 0
