"""`bench dynamics`: log-likelihood of every layer over training time, from the histories of trained models."""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluation.runs import add_run_arguments

HELP = "collect the log-likelihood of every layer over training time"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument("--models", required=True, metavar="DIR", help="where `bench train` wrote")
    parser.add_argument("--out", required=True, metavar="FILE", help="tidy metrics (parquet)")


def run(args: argparse.Namespace) -> int:
    import pandas as pd

    from evaluation.atomic import atomic_path
    from evaluation.metrics import tidy_frame, tidy_row
    from evaluation.registry import read_spec
    from evaluation.runs import read_runs
    from evaluation.training import HISTORY_FILE

    rows = []
    for variant, subset, seed in read_runs(args.runs):
        directory = Path(args.models, args.dataset, subset, variant, f"seed{seed}")
        record = read_spec(directory)
        common = {key: record[key] for key in ("protocol", "dataset", "model", "seed")}
        for step, layer, split, value in pd.read_parquet(directory / HISTORY_FILE).itertuples(index=False):
            params = {"step": int(step), "split": split, **record["point"]}
            metric = f"log_likelihood_layer_{layer}"
            rows.append(tidy_row(experiment="dynamics", params=params, metric=metric, value=value, **common))
    with atomic_path(args.out) as part:
        tidy_frame(rows).to_parquet(part, index=False)
    return 0
