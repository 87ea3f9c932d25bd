"""`bench classify`: accuracy of trained models with a classifier on the test images."""

from __future__ import annotations

import argparse

from evaluation.base.process import add_process_arguments, prepare
from evaluation.cli import trained

HELP = "measure the accuracy of trained classifiers on the test images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="*", metavar="DIR", help="directories of trained models")
    parser.add_argument("--trained", nargs="*", default=[], metavar="FILE", help="stamps of `bench train` jobs")
    trained.add_run_argument(parser)
    parser.add_argument("--out", metavar="FILE.parquet", help="tidy metrics, in place of printed lines")
    add_process_arguments(parser)


def run(args: argparse.Namespace) -> int:
    prepare(args.threads, args.device)
    from evaluation.base.errors import UserError
    from evaluation.base.files import atomic_path
    from evaluation.datasets import load_dataset
    from evaluation.measures.tidy import tidy_frame, tidy_row
    from evaluation.models.registry import load_model, read_spec

    rows = []
    for directory in trained.models(args, "measure"):
        record = read_spec(directory)
        model = load_model(directory)
        if not hasattr(model, "predict"):
            raise UserError(
                f"the model in {directory} ({record['factory']}) has no predict method: it is no classifier"
            )
        identity = {key: record[key] for key in ("protocol", "dataset", "model", "seed")}
        for split in ("validation", "test"):
            x, y = load_dataset(record["dataset"]).split(split)
            accuracy = 100.0 * float((model.predict(x) == y).mean())
            metric = "accuracy" if split == "test" else f"accuracy_{split}"
            rows.append(
                tidy_row(experiment="classification", metric=metric, value=accuracy, params=record["point"], **identity)
            )
            if not args.out:
                print(f"{directory}: {split} accuracy {accuracy:.2f} %", flush=True)
    if args.out:
        with atomic_path(args.out) as part:
            tidy_frame(rows).to_parquet(part, index=False)
    return 0
