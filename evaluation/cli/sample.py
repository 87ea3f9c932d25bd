"""`bench sample`: draw images from trained models."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from evaluation.base.process import prepare
from evaluation.cli import trained
from evaluation.cli.options import add_arguments as add_options
from evaluation.cli.options import check_count, check_options, check_picture, read_options, refusals

HELP = "draw images from trained models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    trained.add_arguments(parser, "sample from")
    parser.add_argument("--n", type=int, default=1000, help="images per model (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the sampling (default: 0)")
    add_options(parser, "sample")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="samples go to DIR/dataset/subset/name/seedN.npz; or FILE.npz"
    )
    parser.add_argument("--grid", metavar="FILE.png", help="a picture of the first 100 images (of one model)")


def run(args: argparse.Namespace) -> int:
    prepare(args.threads, args.device)
    from evaluation.base.errors import UserError

    check_count("--n", args.n)
    check_picture(args.grid)
    options = read_options(args.option)
    models = trained.models(args, "sample from")
    if len(models) > 1 and (args.out.endswith(".npz") or args.grid):
        raise UserError(f"--out FILE.npz and --grid are for one model, but {len(models)} are given; use --out DIR")
    paths: dict[Path, Path] = {}
    for model in models:
        other = paths.setdefault(_path(model, args), model)
        if other != model:
            raise UserError(f"the samples of {other} and {model} would be one file; sample from one at a time")
    return trained.make_all(args, models, lambda model: _sample(model, args, options))


def _path(directory: Path, args: argparse.Namespace) -> Path:
    from evaluation.jobs.sample import place
    from evaluation.models.registry import read_record

    return Path(args.out) if args.out.endswith(".npz") else Path(args.out) / f"{place(read_record(directory))}.npz"


def _sample(directory: Path, args: argparse.Namespace, options: dict[str, Any]) -> Path:
    from evaluation.jobs.sample import write_samples
    from evaluation.jobs.train import forget_frameworks
    from evaluation.models.registry import load_model, read_record

    path = _path(directory, args)
    model = load_model(directory)
    check_options(model.sample, options, ("n", "seed"))
    with refusals():
        images = model.sample(args.n, seed=args.seed, **options)
    write_samples(path, images, read_record(directory), {"seed": args.seed, **options})
    if args.grid:
        from evaluation.results.figures.grid import write_grid

        write_grid(Path(args.grid), images[:100])
    print(f"{path}: {len(images)} samples", flush=True)
    forget_frameworks()
    return path
