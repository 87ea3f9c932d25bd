"""`bench provenance`: versions, commit, machines and configuration of a run."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "write down where a run's numbers come from"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--configfile", required=True, metavar="FILE", help="the run's configuration")
    parser.add_argument("--results", required=True, metavar="DIR", help="the run's results")
    parser.add_argument("--out", required=True, metavar="FILE", help="JSON file to write")


def run(args: argparse.Namespace) -> int:
    from evaluation.jobs.provenance import write_provenance
    from evaluation.plan.config import load

    write_provenance(Path(args.out), load(args.configfile), Path(args.results, "models"), Path(args.results, "stamps"))
    return 0
