"""`bench collect`: the results of a run so far, in a separate folder."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "collect what a run has made so far: metrics, tables, figures, comparison, report"
DESCRIPTION = (
    "Collect what a run has made so far, also if it was stopped. The run itself is not changed and can be resumed; "
    "missing results are listed as not run."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", required=True, help="the run: its name, its folder of results, or a configuration")
    parser.add_argument("--configfile", metavar="FILE", help="a configuration in place of the run's own")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write, for example docs/reference/cpu")
    parser.add_argument(
        "--add",
        action="store_true",
        help="keep results in DIR of trainings that this run lacks: a reference run in several sessions",
    )


def run(args: argparse.Namespace) -> int:
    from evaluation.plan.resolve import resolve
    from evaluation.results.collect import collect

    out = Path(args.out)
    print(f"{out.resolve()}: {collect(resolve(args.profile, args.configfile), out, add=args.add)}")
    return 0
