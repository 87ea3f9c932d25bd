"""`bench measure`: the metrics of an experiment of a run, from what its jobs have made."""

from __future__ import annotations

import argparse

from evaluation.base.process import prepare
from evaluation.cli.arguments import add_run
from evaluation.cli.outputs import add_overwrite, check_free, named

HELP = "measure an experiment of a run on a data set: tidy metrics"
EXPERIMENTS = ("outliers", "dynamics", "judge", "inpainting", "classification")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", choices=EXPERIMENTS, help="which one")
    parser.add_argument("dataset", help="on which data set")
    parser.add_argument("--out", metavar="FILE.parquet", help="where the metrics go (default: the run's metrics/)")
    parser.add_argument(
        "--so-far", action="store_true", help="of a run that goes on: only what is finished; `bench collect` takes it"
    )
    add_overwrite(parser)
    add_run(parser)


def run(args: argparse.Namespace) -> int:
    prepare(args.threads, args.device)
    from evaluation.base.errors import UserError
    from evaluation.jobs.basis import basis
    from evaluation.jobs.measure import finished_keys, measured
    from evaluation.measures.tidy import write_metrics
    from evaluation.plan.resolve import resolve

    if not args.profile:
        raise UserError("say of which run: --profile RUN")
    args.in_a_run = True
    found = resolve(args.profile)
    if args.dataset not in found.plan.datasets(args.experiment):
        there = ", ".join(found.plan.datasets(args.experiment)) or "no data set"
        raise UserError(f"{found.plan.title} runs {args.experiment} on {there}, not on {args.dataset}")
    paths = found.plan.paths(found.folder)
    own = paths.metrics(args.experiment, args.dataset)
    out = named(args.out, "--out", ".parquet") if args.out else own
    check_free([out], args.overwrite, own=[own])
    what = args.experiment, args.dataset
    every = found.plan.keys(args.experiment, dataset=args.dataset)
    keys = finished_keys(found.plan, paths, *what) if args.so_far else every
    if not keys:
        raise UserError(f"{found.folder} has no finished {args.experiment} on {args.dataset} yet; start the run first")
    write_metrics(out, measured(found.plan, paths, *what, keys), basis(found.plan, *what, keys))
    print(f"{out}: measured" + (f", {len(keys)} of {len(every)} trainings" if args.so_far else ""), flush=True)
    return 0
