"""`bench outliers`: areas under the ROC curve from scores."""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluation.plan.runs import add_run_arguments

HELP = "measure outlier detection from scores"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument("--scores", required=True, metavar="DIR", help="where `bench score` wrote")
    parser.add_argument("--out", required=True, metavar="FILE", help="tidy metrics (parquet)")


def run(args: argparse.Namespace) -> int:
    from evaluation.base.files import atomic_path
    from evaluation.jobs.score import read_scores
    from evaluation.measures.outliers import outlier_rows
    from evaluation.measures.tidy import tidy_frame
    from evaluation.plan.runs import read_runs

    rows: list[dict[str, object]] = []
    for variant, subset, seed in read_runs(args.runs):
        frame, record = read_scores(Path(args.scores, args.dataset, subset, variant, f"seed{seed}.parquet"))
        rows.extend(outlier_rows(frame, record))
    with atomic_path(args.out) as part:
        tidy_frame(rows).to_parquet(part, index=False)
    return 0
