"""`bench resources`: what the jobs of a run took, beside what they asked for."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "compare the time and memory that jobs used with what they requested"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", metavar="DIR", help="folder of results of a run, for example results/quick")
    parser.add_argument("--by-variant", action="store_true", help="one line for each rule and variant of a model")


def run(args: argparse.Namespace) -> int:
    from evaluation.cost.resources import read_jobs, summary

    print("{:<44}{:>6}{:>10}{:>10}{:>10}{:>10}{:>7}".format("", "jobs", "minutes", "of", "MB", "of", "share"))
    for use in summary(read_jobs(Path(args.results)), by_variant=args.by_variant):
        print(
            f"{use.name:<44}{use.jobs:>6}{use.minutes:>10.2f}{use.requested_minutes:>10.0f}"
            f"{use.memory_mb:>10.0f}{use.requested_mb:>10.0f}{use.memory_share:>7.0%}"
        )
    return 0
