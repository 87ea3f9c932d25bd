"""`bench status`: how far a run is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.config import Plan

HELP = "say how far a run is: jobs done per stage, what is training, time left"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", default="quick", help="name of the run (default: quick)")
    parser.add_argument(
        "--configfile", metavar="FILE", help="its configuration (default: what the run was started with)"
    )
    parser.add_argument("--jobs", type=int, default=1, help="trainings that run side by side, for the time left")


def run(args: argparse.Namespace) -> int:
    from evaluation.status import lines, status

    plan = plan_of(args)
    folder = Path(plan.root)
    state = status(plan, folder)
    begun = any(stage.done for stage in state.stages)
    print(f"{plan.title}: {'running' if state.alive else 'stopped' if begun else 'not begun'} ({folder})")
    print("\n".join(lines(state, args.jobs)))
    return 0


def plan_of(args: argparse.Namespace) -> Plan:
    """The plan of the run named by --profile: by --configfile, as the run was started, or as it is in the checkout.

    Raises:
        ConfigError: there is none of these.
    """
    from evaluation.config import ROOT, ConfigError, load_plan

    own = Path("results", args.profile, "profile.json")
    choices = [Path(args.configfile)] if args.configfile else [own, ROOT / "config" / f"{args.profile}.yaml"]
    configfile = next((path for path in choices if path.is_file()), None)
    if configfile is None:
        raise ConfigError(f"there is no run {args.profile!r}: neither {' nor '.join(map(str, choices))} exists")
    return load_plan(configfile)
