"""`bench inpaint`: erase parts of test images, let trained models complete them, and measure how well."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluation.base.process import add_process_arguments, prepare
from evaluation.cli import trained
from evaluation.cli.options import add_arguments as add_options
from evaluation.cli.options import check_count, check_options, check_picture, read_options, refusals

HELP = "complete test images of which a part is erased, and measure how well"
MASKS = ("right", "left", "random", "centre")  # evaluation.measures.completions, which imports numpy
VARIANTS = ("paper", "conditional")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="*", metavar="DIR", help="directories of trained models")
    parser.add_argument("--trained", nargs="*", default=[], metavar="FILE", help="stamps of `bench train` jobs")
    trained.add_run_argument(parser)
    parser.add_argument("--dataset", help="whose test images are completed (default: what the model was trained on)")
    parser.add_argument("--mask", nargs="+", choices=MASKS, default=list(MASKS), help="what is erased (default: all)")
    parser.add_argument("--variant", nargs="+", choices=VARIANTS, default=list(VARIANTS), help="DCGMM's way (both)")
    parser.add_argument("--images", type=int, default=1000, help="test images, the first ones (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="of masks and completions (default: 0)")
    add_options(parser, "inpaint")
    parser.add_argument("--join", nargs="+", metavar="FILE.parquet", help="put metrics of several jobs together")
    parser.add_argument("--stamp", metavar="FILE", help="write the list of the models that completed")
    parser.add_argument("--out", metavar="FILE.parquet", help="tidy metrics, in place of the table")
    parser.add_argument(
        "--completions",
        metavar="DIR",
        help="keep the first 100 completions in DIR/dataset/subset/name/seedN/MASK_VARIANT.npz",
    )
    parser.add_argument(
        "--grid",
        metavar="FILE.png",
        help="originals, erased images and completions of the first ten test images, below each other: a picture for "
        "each model, mask and variant, in FILE_dataset_subset_name_seedN_MASK_VARIANT.png",
    )
    add_process_arguments(parser)


def run(args: argparse.Namespace) -> int:
    prepare(args.threads, args.device)
    from evaluation.jobs.stamps import write_stamp

    if args.join:
        return _join([Path(name) for name in args.join], args.out)
    check_count("--images", args.images)
    check_picture(args.grid)
    options = read_options(args.option)
    models = trained.models(args, "complete images with")
    rows = [row for directory in models for row in _of_model(directory, args, options)]
    if args.out:
        from evaluation.base.files import atomic_path
        from evaluation.measures.tidy import tidy_frame

        with atomic_path(args.out) as part:
            tidy_frame(rows).to_parquet(part, index=False)
    else:
        _print_table(rows)
    if args.stamp:
        write_stamp(Path(args.stamp), models)
    return 0


def _join(parts: list[Path], out: str | None) -> int:
    from evaluation.base.errors import UserError
    from evaluation.base.files import atomic_path
    from evaluation.measures.tidy import read_metrics

    if out is None:
        raise UserError("--join needs --out FILE.parquet, where the metrics go")
    with atomic_path(out) as part:
        read_metrics(parts).to_parquet(part, index=False)
    return 0


def _of_model(directory: Path, args: argparse.Namespace, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    import inspect

    from evaluation.base.errors import UserError
    from evaluation.datasets import load_dataset
    from evaluation.jobs.train import forget_frameworks
    from evaluation.measures.completions import completion_measures, known_pixels
    from evaluation.measures.tidy import tidy_row
    from evaluation.models.registry import load_model, read_record

    record = read_record(directory)
    record = {**record, "dataset": args.dataset or record["dataset"]}
    if record["dataset"] is None:
        raise UserError(f"{directory} does not say which data set its model is of; name one with --dataset")
    model = load_model(directory)
    check_options(model.inpaint, options, ("seed", "variant"))
    x = load_dataset(record["dataset"]).split("test")[0][: args.images]
    variants = args.variant if "variant" in inspect.signature(model.inpaint).parameters else [None]
    identity = {key: record[key] for key in ("protocol", "dataset", "model", "seed")}
    # A model of some classes is another result than the one of all classes.
    subset = {} if record["subset"] in (None, "all") else {"subset": record["subset"]}
    rows = []
    for mask in args.mask:
        known = known_pixels(mask, len(x), x.shape[1], x.shape[2], args.seed)
        for variant in variants:
            chosen = options if variant is None else {**options, "variant": variant}
            with refusals():
                completed = model.inpaint(x, known, seed=args.seed, **chosen)
            params = {**record["point"], "mask": mask, **subset, **({} if variant is None else {"variant": variant})}
            for metric, value in completion_measures(x, completed, known).items():
                rows.append(tidy_row(experiment="inpainting", metric=metric, value=value, params=params, **identity))
            _keep(args, record, f"{mask}_{variant or 'own'}", x, known, completed)
    forget_frameworks()
    return rows


def _keep(args: argparse.Namespace, record: Mapping[str, Any], what: str, x: Any, known: Any, completed: Any) -> None:
    """The first completions, as arrays and as a picture, where asked for."""
    import numpy as np

    from evaluation.base.files import atomic_path
    from evaluation.jobs.sample import place

    first = 100
    if args.completions:
        with atomic_path(Path(args.completions, place(record), f"{what}.npz")) as part:
            np.savez_compressed(part, x=x[:first], known=known[:first], completed=completed[:first])
    if args.grid:
        from evaluation.results.figures.grid import write_grid

        rows = np.stack([x[:10], np.where(known[:10, ..., None], x[:10], 0.5), completed[:10]])
        path = Path(args.grid)
        path = path.with_name("_".join([path.stem, *place(record).parts, what]) + path.suffix)
        write_grid(path, rows.reshape(-1, *x.shape[1:]), columns=rows.shape[1])
        print(f"{path}: {rows.shape[1]} completions", flush=True)


def _print_table(rows: list[dict[str, Any]]) -> None:
    import json
    import os
    import sys

    from rich.console import Console
    from rich.table import Table

    table = Table(title="completions: error of the unknown pixels, similarity of the images")
    for head in ("model", "data set", "classes", "seed", "mask", "variant"):
        table.add_column(head)
    for head in ("MSE", "SSIM"):
        table.add_column(head, justify="right")
    cells: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        params = json.loads(row["params"])
        trained_on = (row["model"], row["dataset"], params.get("subset", "all"), str(row["seed"]))
        key = (*trained_on, params["mask"], params.get("variant", ""))
        cells.setdefault(key, []).append(f"{row['value']:.4f}")
    for names, values in cells.items():
        table.add_row(*names, *values)
    Console(width=None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "110"))).print(table)
