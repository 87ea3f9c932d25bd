"""`bench score`: log-likelihoods of the validation and test images under trained models."""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluation.base.process import prepare
from evaluation.cli import trained

HELP = "score the validation and test images with trained models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    trained.add_arguments(parser, "score")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="scores go to DIR/dataset/subset/name/seedN.parquet"
    )


def run(args: argparse.Namespace) -> int:
    prepare(args.threads, args.device)
    return trained.make_all(args, trained.models(args, "score"), lambda model: _score(model, Path(args.out)))


def _score(directory: Path, out: Path) -> Path:
    from evaluation.datasets import load_dataset
    from evaluation.jobs.sample import place
    from evaluation.jobs.score import score_frame, scored_model, write_scores
    from evaluation.jobs.train import forget_frameworks
    from evaluation.models.registry import load_model, read_spec

    record = read_spec(directory)
    path = out / f"{place(record)}.parquet"
    if scored_model(path) == record:  # the very training, to the second it was finished
        print(f"{path}: was there already", flush=True)
        return path
    write_scores(path, score_frame(load_model(directory), load_dataset(record["dataset"])), record)
    print(f"{path}: scored", flush=True)
    forget_frameworks()
    return path
