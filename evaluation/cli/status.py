"""`bench status`: the progress of a run."""

from __future__ import annotations

import argparse

HELP = "show the progress of a run: jobs done per stage, current trainings, time left"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--profile",
        help="the run: its name, its folder of results, or a configuration (default: that of --configfile, or quick)",
    )
    parser.add_argument("--configfile", metavar="FILE", help="a configuration in place of the run's own")
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="jobs at a time, for the time left (default: those of the last run, else 2)",
    )


def run(args: argparse.Namespace) -> int:
    from evaluation.base.errors import UserError
    from evaluation.cost.estimate import Estimate
    from evaluation.cost.prices import prices_before
    from evaluation.plan.resolve import resolve
    from evaluation.results.status import lines, status

    if args.jobs is not None and args.jobs < 1:
        raise UserError(f"--jobs {args.jobs}: at least one job at a time is needed")
    found = resolve(args.profile or args.configfile or "quick", args.configfile)
    state = status(Estimate(found.plan, prices_before(found.folder)), found.folder, args.jobs)
    print(f"{found.plan.title}: {state.word} ({found.folder})")
    print("\n".join(lines(state)))
    return 0
