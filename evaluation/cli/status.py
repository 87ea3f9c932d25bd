"""`bench status`: how far a run is."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "say how far a run is: jobs done per stage, what is training, time left"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", default="quick", help="name of the run (default: quick)")
    parser.add_argument(
        "--configfile", metavar="FILE", help="its configuration (default: what the run was started with)"
    )
    parser.add_argument("--jobs", type=int, default=1, help="trainings that run side by side, for the time left")


def run(args: argparse.Namespace) -> int:
    from evaluation.config import ROOT, ConfigError, load_plan
    from evaluation.status import lines, status

    own = Path("results", args.profile, "profile.json")
    choices = [Path(args.configfile)] if args.configfile else [own, ROOT / "config" / f"{args.profile}.yaml"]
    configfile = next((path for path in choices if path.is_file()), None)
    if configfile is None:
        raise ConfigError(f"there is no run {args.profile!r}: neither {' nor '.join(map(str, choices))} exists")
    plan = load_plan(configfile)
    folder = Path(plan.root)
    state = status(plan, folder)
    begun = any(stage.done for stage in state.stages)
    print(f"{plan.title}: {'running' if state.alive else 'stopped' if begun else 'not begun'} ({folder})")
    print("\n".join(lines(state, args.jobs)))
    return 0
