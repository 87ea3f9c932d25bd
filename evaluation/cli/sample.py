"""`bench sample`: draw images from trained models."""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluation.base.process import prepare
from evaluation.cli.arguments import (
    add_models,
    add_options,
    directories,
    natural,
    positive,
    read_options,
    refuse_by_hand,
    work,
)
from evaluation.cli.outputs import add_overwrite, check_free, named, one_each

HELP = "draw images from trained models"
STAGES = ("sample", "grid_plain", "grid_sharpened")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_models(parser, "sample from")
    parser.add_argument(
        "--stage",
        choices=STAGES,
        default="sample",
        help="with --profile: for the judge, or for figures (default: sample)",
    )
    parser.add_argument("--n", type=positive, default=1000, help="images per model (default: 1000); not with --profile")
    parser.add_argument("--seed", type=natural, default=0, help="of the sampling (default: 0); not with --profile")
    add_options(parser, "sample")
    parser.add_argument(
        "--out", metavar="DIR", help="DIR/dataset/subset/name/seedN.npz; or FILE.npz; not with --profile"
    )
    parser.add_argument("--grid", metavar="FILE.png", help="a picture of the first 100 images, of one model")
    add_overwrite(parser)


def run(args: argparse.Namespace) -> int:
    prepare(args.threads, args.device)
    if args.profile:
        _of_run(args)
        return 0
    from evaluation.base.errors import UserError
    from evaluation.jobs.sample import place, sample
    from evaluation.models.registry import read_record

    if args.stage != "sample":
        raise UserError(
            f"--stage {args.stage} is of a run; give --profile, or by hand --option sharpen=true and the like"
        )
    if not args.out:
        raise UserError("say where the samples go: --out DIR, or --out FILE.npz for one model")
    grid = named(args.grid, "--grid", ".png") if args.grid else None
    options = read_options(args.option)
    models = directories(args, "sample from")
    one = args.out.endswith(".npz")
    if len(models) > 1 and (one or args.grid):
        raise UserError(f"--out FILE.npz and --grid are for one model, but {len(models)} are given; use --out DIR")
    paths = one_each(
        models,
        lambda m: named(args.out, "--out", ".npz") if one else Path(args.out, f"{place(read_record(m))}.npz"),
        "samples",
    )
    check_free([*paths, *([grid] if grid else [])], args.overwrite)
    for path, model in paths.items():
        images = sample(model, path, args.n, seed=args.seed, options=options)
        if grid:
            from evaluation.results.figures.grid import write_grid

            write_grid(grid, images[:100])
    return 0


def _of_run(args: argparse.Namespace) -> None:
    from evaluation.jobs.sample import sample
    from evaluation.jobs.stamps import write_stamp
    from evaluation.jobs.unable import note_unable

    refuse_by_hand(args, n=1000, seed=0, option=[], out=None, grid=None)
    doing = work(args, args.what)
    for job in doing.chosen:
        how = doing.plan.sampled(args.stage, job.variant)
        paths = []
        for key in doing.keys(args.stage, job):
            path = doing.paths.samples(key, args.stage)
            try:
                sample(doing.paths.model(key), path, how["images"], options=how["options"])
            except NotImplementedError as error:
                note_unable(path, str(error))
            else:
                paths.append(path)
        write_stamp(doing.paths.stamp(args.stage, job.name), paths)
