"""`bench status`: how far a run is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.plan.config import Plan

HELP = "say how far a run is: jobs done per stage, what is training, time left"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", default="quick", help="name of the run (default: quick)")
    parser.add_argument(
        "--configfile", metavar="FILE", help="its configuration (default: what the run was started with)"
    )
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="jobs at a time, for the time left (default: those of the last run, else 2)",
    )


def run(args: argparse.Namespace) -> int:
    from evaluation.base.errors import UserError
    from evaluation.cost.planning import Estimate, prices_before
    from evaluation.results.status import lines, status

    if args.jobs is not None and args.jobs < 1:
        raise UserError(f"--jobs {args.jobs}: at least one job at a time is needed")
    plan = plan_of(args)
    folder = Path(plan.root)
    state = status(Estimate(plan, prices_before(folder)), folder, args.jobs)
    begun = any(stage.done for stage in state.stages)
    print(f"{plan.title}: {'running' if state.alive else 'stopped' if begun else 'not begun'} ({folder})")
    print("\n".join(lines(state)))
    return 0


def plan_of(args: argparse.Namespace) -> Plan:
    """The plan of the run named by --profile: by --configfile, as the run was started, or as it is in the checkout.

    Raises:
        ConfigError: there is none of these.
    """
    from evaluation.plan.config import ROOT, ConfigError, load_plan

    own = Path("results", args.profile, "profile.json")
    choices = [Path(args.configfile)] if args.configfile else [own, ROOT / "config" / f"{args.profile}.yaml"]
    configfile = next((path for path in choices if path.is_file()), None)
    if configfile is None:
        raise ConfigError(f"there is no run {args.profile!r}: neither {' nor '.join(map(str, choices))} exists")
    return load_plan(configfile)
