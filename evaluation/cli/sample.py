"""`bench sample`: draw images from trained models."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from evaluation.cli import trained
from evaluation.process import prepare

HELP = "draw images from trained models"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    trained.add_arguments(parser, "sample from")
    parser.add_argument("--n", type=int, default=1000, help="images per model (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the sampling (default: 0)")
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="option of the model's sample method"
    )
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="samples go to DIR/dataset/subset/name/seedN.npz; or FILE.npz"
    )
    parser.add_argument("--grid", metavar="FILE.png", help="a picture of the first 100 images (of one model)")


def run(args: argparse.Namespace) -> int:
    prepare(args.threads)
    from evaluation.errors import UserError

    models = trained.models(args, "sample from")
    if len(models) > 1 and (args.out.endswith(".npz") or args.grid):
        raise UserError(f"--out FILE.npz and --grid are for one model, but {len(models)} are given; use --out DIR")
    options = dict(_option(text) for text in args.option)
    return trained.make_all(args, models, lambda model: _sample(model, args, options))


def _option(text: str) -> tuple[str, Any]:
    from evaluation.errors import UserError

    key, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--option {text!r} is not KEY=VALUE")
    try:
        content = json.loads(value)
    except json.JSONDecodeError:
        return key, value  # a word needs no quotes
    if isinstance(content, dict):  # keys of a JSON object are words, numbers of layers are not
        content = {int(k) if k.lstrip("-").isdigit() else k: v for k, v in content.items()}
    return key, content


def _sample(directory: Path, args: argparse.Namespace, options: dict[str, Any]) -> Path:
    from evaluation.registry import load_model, read_spec
    from evaluation.sampling import write_samples
    from evaluation.training import forget_frameworks

    record = read_spec(directory)
    path = Path(args.out)
    if path.suffix != ".npz":
        path = path / record["dataset"] / record["subset"] / record["name"] / f"seed{record['seed']}.npz"
    images = load_model(directory).sample(args.n, seed=args.seed, **options)
    write_samples(path, images, record, {"seed": args.seed, **options})
    if args.grid:
        from evaluation.figures.grid import write_grid

        write_grid(Path(args.grid), images[:100])
    print(f"{path}: {len(images)} samples", flush=True)
    forget_frameworks()
    return path
