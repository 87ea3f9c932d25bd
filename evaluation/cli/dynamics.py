"""`bench dynamics`: log-likelihood of every layer over training time, from the histories of trained models."""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluation.plan.runs import add_run_arguments

HELP = "collect the log-likelihood of every layer over training time"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument("--models", required=True, metavar="DIR", help="where `bench train` wrote")
    parser.add_argument("--out", required=True, metavar="FILE", help="tidy metrics (parquet)")


def run(args: argparse.Namespace) -> int:
    from evaluation.base.files import atomic_path
    from evaluation.jobs.dynamics import dynamics_rows
    from evaluation.measures.tidy import tidy_frame
    from evaluation.models.registry import read_spec
    from evaluation.plan.runs import read_runs

    rows: list[dict[str, object]] = []
    for variant, subset, seed in read_runs(args.runs):
        directory = Path(args.models, args.dataset, subset, variant, f"seed{seed}")
        rows.extend(dynamics_rows(directory, read_spec(directory)))
    with atomic_path(args.out) as part:
        tidy_frame(rows).to_parquet(part, index=False)
    return 0
