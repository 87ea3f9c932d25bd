"""`bench resume`: resume a run whose Snakemake was killed."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from evaluation.cli.arguments import seconds

HELP = "resume a killed run: cancel its leftover jobs, then start it again"
DESCRIPTION = (
    "Cancel the jobs that a killed run left in the scheduler's queue, wait until they have ended, release Snakemake's "
    "lock, and start Snakemake again with the same profile and configuration. Finished work is kept, and trainings "
    "resume from their checkpoints. Further options of Snakemake come after `--`."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--configfile", required=True, metavar="FILE", help="the run's configuration")
    parser.add_argument("--workflow-profile", metavar="DIR", help="the run's Snakemake profile (default: this machine)")
    parser.add_argument(
        "--results", metavar="DIR", help="the run's folder of results, where it is not the configuration's"
    )
    parser.add_argument(
        "--timeout", type=seconds, default=600.0, metavar="S", help="how long to wait for cancelled jobs"
    )
    parser.add_argument("options", nargs="*", metavar="-- OPTION", help="further options of Snakemake")


def run(args: argparse.Namespace) -> int:
    from evaluation.base.files import CHECKOUT
    from evaluation.jobs.lock import held
    from evaluation.jobs.resume import end_leftovers, queue_of, read_profile, snakemake_command, unlock
    from evaluation.plan.plan import load_plan

    results = args.results or load_plan(args.configfile).root
    profile = Path(args.workflow_profile) if args.workflow_profile else None
    queue = queue_of(read_profile(profile), profile)
    options = ["--configfile", args.configfile, "--rerun-incomplete", *args.options]
    if not Path("Snakefile").is_file() and "--snakefile" not in args.options:  # outside of the checkout
        options += ["--snakefile", str(CHECKOUT / "Snakefile")]
    options += ["--workflow-profile", args.workflow_profile] if args.workflow_profile else ["--cores", "all"]
    options += ["--config", f"results={args.results}"] if args.results else []
    with held(results):
        cancelled = end_leftovers(results, queue, args.timeout) if queue else []
        print(f"cancelled: {' '.join(cancelled) or 'nothing was left'}", flush=True)
        if unlock(options):
            print("Snakemake's lock is released", flush=True)
    command = snakemake_command(*options)
    os.execv(command[0], command)
