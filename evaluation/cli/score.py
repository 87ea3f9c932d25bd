"""`bench score`: log-likelihoods of the validation and test images under trained models."""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluation.base.process import prepare
from evaluation.cli.arguments import add_models, directories, refuse_by_hand, work
from evaluation.cli.outputs import add_overwrite, check_free, one_each

HELP = "score the validation and test images with trained models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_models(parser, "score")
    parser.add_argument(
        "--out", metavar="DIR", help="scores go to DIR/dataset/subset/name/seedN.parquet; not with --profile"
    )
    add_overwrite(parser)


def run(args: argparse.Namespace) -> int:
    prepare(args.threads, args.device)
    from evaluation.jobs.score import score, scored_model

    if args.profile:
        from evaluation.jobs.stamps import write_stamp

        refuse_by_hand(args, out=None)
        doing = work(args, args.what)
        for job in doing.chosen:
            keys = doing.keys("score", job)
            for key in keys:
                score(doing.paths.model(key), doing.paths.scores(key))
            write_stamp(doing.paths.stamp("score", job.name), [doing.paths.scores(key) for key in keys])
        return 0
    from evaluation.base.errors import UserError
    from evaluation.jobs.sample import place
    from evaluation.models.registry import read_spec

    if not args.out:
        raise UserError("say where the scores go: --out DIR")
    models = directories(args, "score")
    paths = one_each(models, lambda model: Path(args.out, f"{place(read_spec(model))}.parquet"), "scores")
    check_free((path for path, model in paths.items() if scored_model(path) != read_spec(model)), args.overwrite)
    for path, model in paths.items():
        score(model, path)
    return 0
