"""`bench score`: log-likelihoods of the validation and test images under trained models."""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluation.threads import limit_threads

HELP = "score the validation and test images with trained models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="*", metavar="DIR", help="directories of trained models")
    parser.add_argument("--trained", metavar="FILE", help="stamp of a `bench train` job: score what it trained")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="scores go to DIR/dataset/subset/name/seedN.parquet"
    )
    parser.add_argument("--stamp", metavar="FILE", help="write the list of the files made")
    parser.add_argument("--threads", type=int, metavar="N", help="cores to use (default: as the libraries like)")


def run(args: argparse.Namespace) -> int:
    limit_threads(args.threads)
    from evaluation.errors import UserError
    from evaluation.stamps import read_stamp, write_stamp

    models = [Path(model) for model in args.models] + (read_stamp(Path(args.trained)) if args.trained else [])
    if not models:
        raise UserError("nothing to score; give directories of trained models, or --trained FILE")
    made = [_score(model, Path(args.out)) for model in models]
    if args.stamp:
        write_stamp(Path(args.stamp), made)
    return 0


def _score(directory: Path, out: Path) -> Path:
    from evaluation.datasets import load_dataset
    from evaluation.registry import load_model, read_spec
    from evaluation.scoring import score_frame, scored_model, write_scores
    from evaluation.training import forget_frameworks

    record = read_spec(directory)
    path = out / record["dataset"] / record["subset"] / record["name"] / f"seed{record['seed']}.parquet"
    if scored_model(path) == record:  # the very training, to the second it was finished
        print(f"{path}: was there already", flush=True)
        return path
    write_scores(path, score_frame(load_model(directory), load_dataset(record["dataset"])), record)
    print(f"{path}: scored", flush=True)
    forget_frameworks()
    return path
