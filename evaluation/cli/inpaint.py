"""`bench inpaint`: erase parts of test images, let trained models complete them, and measure how well."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from evaluation.base.process import prepare
from evaluation.cli.arguments import (
    Several,
    add_models,
    add_options,
    directories,
    distinct,
    natural,
    positive,
    read_options,
    refuse_by_hand,
    work,
)
from evaluation.cli.outputs import add_overwrite, check_free, check_place, named, one_each

HELP = "complete test images with an erased part, and measure the error"
MASKS = ("right", "left", "random", "centre")  # evaluation.jobs.inpaint
VARIANTS = ("paper", "conditional")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_models(parser, "complete images with")
    by_hand = parser.add_argument_group("without --profile")
    by_hand.add_argument("--dataset", help="whose test images are completed (default: what the model was trained on)")
    by_hand.add_argument(
        "--mask", nargs="+", action=Several, choices=MASKS, default=list(MASKS), help="what is erased (default: all)"
    )
    by_hand.add_argument(
        "--variant",
        nargs="+",
        action=Several,
        choices=VARIANTS,
        default=list(VARIANTS),
        help="of a DCGMM (both)",
    )
    by_hand.add_argument("--images", type=positive, default=1000, help="test images, the first ones (default: 1000)")
    by_hand.add_argument("--seed", type=natural, default=0, help="of masks and completions (default: 0)")
    add_options(by_hand, "inpaint")
    by_hand.add_argument("--out", metavar="FILE.parquet", help="tidy metrics, in place of the table")
    by_hand.add_argument(
        "--completions",
        metavar="DIR",
        help="keep the first 100 completions in DIR/dataset/subset/name/seedN/MASK_VARIANT.npz",
    )
    by_hand.add_argument(
        "--grid",
        metavar="FILE.png",
        help="originals, erased images and completions of the first ten test images, below each other: a picture for "
        "each model, mask and variant, in FILE_dataset_subset_name_seedN_MASK_VARIANT.png",
    )
    add_overwrite(by_hand)


def run(args: argparse.Namespace) -> int:
    prepare(args.threads, args.device)
    if args.profile:
        _of_run(args)
        return 0
    from evaluation.jobs.inpaint import Inpainting, measure
    from evaluation.measures.tidy import write_metrics

    masks, variants = distinct(args.mask, "--mask"), distinct(args.variant, "--variant")
    how = Inpainting(args.images, args.seed, masks, variants, args.dataset, read_options(args.option))
    models = directories(args, "complete images with")
    one_each(models, _identity, "measures")
    out = named(args.out, "--out", ".parquet") if args.out else None
    kept = [Path(args.completions, _place(args, model)) for model in models] if args.completions else []
    grid = named(args.grid, "--grid", ".png") if args.grid else None
    if grid:
        check_place(grid)  # it gives its pictures their place and the beginning of their names, and is not written
    check_free([*([out] if out else []), *kept, *(_pictures(grid, args, models) if grid else [])], args.overwrite)
    rows = [row for directory in models for row in measure(directory, how, _keeping(args, directory))]
    if out:
        write_metrics(out, rows)
    else:
        _print(rows)
    return 0


def _of_run(args: argparse.Namespace) -> None:
    from evaluation.jobs.inpaint import Inpainting, inpaint
    from evaluation.jobs.stamps import write_stamp

    given = {"mask": list(MASKS), "variant": list(VARIANTS), "images": 1000, "seed": 0, "option": []}
    refuse_by_hand(args, **given, dataset=None, out=None, completions=None, grid=None)
    doing = work(args, args.what)
    for job in doing.chosen:
        how = Inpainting(**doing.plan.sampled("inpaint", job.variant))
        keys = doing.keys("inpaint", job)
        for key in keys:
            inpaint(doing.paths.model(key), doing.paths.completions(key), how)
        write_stamp(doing.paths.stamp("inpaint", job.name), [doing.paths.completions(key) for key in keys])


def _identity(model: Path) -> str:
    """What tells the measures of a model from those of others."""
    from evaluation.base.words import canonical
    from evaluation.models.registry import read_record

    record = read_record(model)
    return canonical([record[name] for name in ("protocol", "dataset", "subset", "model", "seed", "point")])


def _place(args: argparse.Namespace, directory: Path) -> Path:
    """dataset/subset/name/seedN of a model's completions."""
    from evaluation.jobs.sample import place
    from evaluation.models.registry import read_record

    record = read_record(directory)
    return place({**record, "dataset": args.dataset or record["dataset"]})


def _pictures(grid: Path, args: argparse.Namespace, models: list[Path]) -> list[Path]:
    """The pictures of earlier calls that this one would replace."""
    import glob

    names = ("_".join([glob.escape(grid.stem), *map(glob.escape, _place(args, model).parts)]) for model in models)
    return [path for name in names for path in grid.parent.glob(f"{name}_*.png")]


def _keeping(args: argparse.Namespace, directory: Path) -> Any:
    """Keeps the first completions, as arrays and as a picture, where asked for."""
    from evaluation.jobs.inpaint import keep_in

    own = _place(args, directory)
    arrays = keep_in(Path(args.completions, own)) if args.completions else None

    def keep(what: str, x: Any, known: Any, completed: Any) -> None:
        if arrays:
            arrays(what, x, known, completed)
        if args.grid:
            _picture(Path(args.grid), [*own.parts, what], x, known, completed)

    return keep


def _picture(path: Path, words: list[str], x: Any, known: Any, completed: Any) -> None:
    import numpy as np

    from evaluation.results.figures.grid import write_grid

    rows = np.stack([x[:10], np.where(known[:10, ..., None], x[:10], 0.5), completed[:10]])
    named = path.with_name("_".join([path.stem, *words]) + path.suffix)
    write_grid(named, rows.reshape(-1, *x.shape[1:]), columns=rows.shape[1])
    print(f"{named}: {rows.shape[1]} completions", flush=True)


def _print(rows: list[dict[str, Any]]) -> None:
    import json

    from evaluation.cli.printing import print_table

    cells: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        params = json.loads(row["params"])
        trained_on = (row["model"], row["dataset"], params.get("subset", "all"), str(row["seed"]))
        key = (*trained_on, params["mask"], params.get("variant", ""))
        cells.setdefault(key, []).append(f"{row['value']:.4f}")
    columns = ["model", "data set", "classes", "seed", "mask", "variant", "MSE", "SSIM"]
    title = "completions: error of the unknown pixels, similarity of the images"
    print_table(title, columns, [[*names, *values] for names, values in cells.items()], left=6)
