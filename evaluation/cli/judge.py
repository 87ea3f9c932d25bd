"""`bench judge`: train judges, and let them judge samples."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from evaluation.base.process import add_process_arguments, prepare

HELP = "judge samples: CNN accuracy per class, Fréchet distance, precision, recall, variety"
DESCRIPTION = (
    "Judge anybody's samples: an .npz with `samples` (n, H, W, C) in [0, 1] and, if the images should show certain "
    "classes, `labels` (n,). The CNN of the paper's Table VII is the judge; where there is none yet, one is trained "
    "first (`--train` does only that, also where there is one of other settings). As many test images, validation "
    "images and, with --mixture, samples of a plain Gaussian mixture are judged beside."
)
JUDGES = Path("results/by-hand/judges")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help="mnist, fashion_mnist, svhn, mnist-5k, digits or photos")
    what = parser.add_argument_group("samples")
    what.add_argument("--samples", nargs="+", default=[], metavar="FILE.npz", help="each file is a row of the table")
    what.add_argument(
        "--run",
        dest="runs",
        action="append",
        default=[],
        metavar="VARIANT:SUBSETS:SEEDS",
        help="models whose classes are judged together, for example dcgmm-e:only0,only1:0 (with --samples-dir)",
    )
    what.add_argument("--samples-dir", metavar="DIR", help="where `bench sample` wrote")
    what.add_argument("--references", action=argparse.BooleanOptionalAction, default=True, help="rows of real images")
    what.add_argument("--mixture", action="store_true", help="a row of a plain Gaussian mixture for each class (EM)")
    who = parser.add_argument_group("judges")
    who.add_argument("--judge", nargs="+", metavar="DIR", help="directories of trained judges")
    who.add_argument("--train", action="store_true", help="train judges, judge nothing")
    who.add_argument("--seed", nargs="+", type=int, default=[0], help="seeds of judges to be trained (default: 0)")
    who.add_argument("--judges", metavar="DIR", default=str(JUDGES), help=f"their directory (default: {JUDGES})")
    who.add_argument("--epochs", type=int, help="of a judge's training (default: 15, as in the paper)")
    who.add_argument("--learning-rate", type=float, help="of a judge's training (default: 0.01, as in the paper)")
    who.add_argument("--train-images", type=int, metavar="N", help="train judges on the first N images")
    who.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--out", metavar="FILE.parquet", help="tidy metrics, in place of the table")
    parser.add_argument("--stamp", metavar="FILE", help="write the list of the trained judges")
    add_process_arguments(parser)


def run(args: argparse.Namespace) -> int:
    prepare(args.threads, args.device)
    from evaluation.base.errors import UserError
    from evaluation.datasets import load_dataset
    from evaluation.jobs.judge import Judge, own_rows, summary_rows

    if not (args.train or args.samples or args.runs):
        raise UserError("nothing to judge; give --samples FILE.npz, or --train to train judges")
    if args.runs and not args.samples_dir:
        raise UserError("--run needs --samples-dir DIR, where `bench sample` wrote")
    load_dataset(args.dataset)  # an unknown name, and broken files, are refused before a judge is trained
    sources = _read(args)
    if args.train:
        _train(args)
        return 0
    directories = [Path(d) for d in args.judge] if args.judge else _trained(args)
    _describe(args, directories)
    judges = [Judge.load(directory, args.dataset) for directory in directories]
    rows = list(_rows(args, judges, sources))
    if args.out:
        from evaluation.base.files import atomic_path
        from evaluation.measures.tidy import tidy_frame

        everything = [
            *rows,
            *summary_rows(rows),
            *own_rows([judge.record for judge in judges], args.dataset),
            *_parameter_rows(args, sources),
        ]
        with atomic_path(args.out) as part:
            tidy_frame(everything).to_parquet(part, index=False)
    else:
        _print_table(rows, args.dataset, len(directories))
    return 0


def _directories(args: argparse.Namespace) -> dict[int, Path]:
    """Seed → directory of its judge."""
    return {seed: Path(args.judges, args.dataset, f"seed{seed}") for seed in args.seed}


def _train(args: argparse.Namespace) -> None:
    """Train the judges of the seeds asked for; one that is finished, with these settings, stays as it is."""
    from evaluation.jobs.judge import train_judge
    from evaluation.jobs.stamps import write_stamp

    params = {key: value for key, value in _options(args).items() if key != "train_images"}
    directories = _directories(args)
    for seed, directory in directories.items():
        train_judge(args.dataset, directory, seed=seed, params=params, limit=args.train_images, progress=not args.quiet)
    _describe(args, list(directories.values()))
    if args.stamp:
        write_stamp(Path(args.stamp), list(directories.values()))


def _trained(args: argparse.Namespace) -> list[Path]:
    """The judges of the seeds asked for: those that are there as they are, the others are trained."""
    from evaluation.jobs.judge import finished

    directories = _directories(args)
    for seed, directory in directories.items():
        if finished(directory) is not None:
            continue
        print(
            f"there is no judge in {directory} yet: training one (50,000 images take about two minutes "
            "per epoch and core; --epochs and --train-images make it shorter, Ctrl-C and the same command go on later)",
            flush=True,
        )
        _train(argparse.Namespace(**{**vars(args), "seed": [seed], "stamp": None}))
    return list(directories.values())


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """The options of a training that were given."""
    options = {"epochs": args.epochs, "learning_rate": args.learning_rate, "train_images": args.train_images}
    return {key: value for key, value in options.items() if value is not None}


def _describe(args: argparse.Namespace, directories: list[Path]) -> None:
    """One line for each judge: how it was trained, and its test accuracy.

    Raises:
        UserError: options of a training were given, and a judge that is there was trained in another way.
    """
    from evaluation.base.errors import UserError
    from evaluation.jobs.judge import finished, settings

    for directory in directories:
        record = finished(directory)
        if record is None:  # `Judge.load` says what is missing
            continue
        used = settings(record)
        for key, value in _options(args).items():
            if used[key] != value:
                there, option = "all" if used[key] is None else used[key], f"--{key.replace('_', '-')}"
                raise UserError(
                    f"the judge in {directory} was trained with {option} {there}, not {value}; leave {option} out to "
                    "use it, give --train to train it anew, or --judges DIR for a place of its own"
                )
        images = "all" if used["train_images"] is None else f"{used['train_images']:,}"
        again = f", after {len(record['diverged'])} diverged trainings" if record["diverged"] else ""
        print(
            f"{directory}: judge of {record['dataset']}, {used['epochs']} epochs of {images} images, learning rate "
            f"{used['learning_rate']:g}, seed {record['seed_used']}{again}; test accuracy {record['accuracy']:.2f} %",
            flush=True,
        )


def _read(args: argparse.Namespace) -> list[dict[str, Any]]:
    """What is judged: dictionaries with images, labels, model, seed, protocol, point."""
    from evaluation.datasets import load_dataset
    from evaluation.jobs.judge import check_samples
    from evaluation.jobs.sample import read_samples

    data, found = load_dataset(args.dataset), []
    for name in args.samples:
        samples = read_samples(name)
        check_samples(samples.images, samples.labels, data.image_shape, len(data.classes), name)
        found.append({"images": samples.images, "labels": samples.labels, **_identity(samples.record, Path(name).stem)})
    return found + _read_runs(args)


def _read_runs(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The samples of the classes of a model, put together: one entry for each variant and seed."""
    import numpy as np

    from evaluation.jobs.sample import Samples, read_samples
    from evaluation.plan.runs import read_runs

    together: dict[tuple[str, int], list[Samples]] = {}
    for variant, subset, seed in read_runs(args.runs):
        path = Path(args.samples_dir, args.dataset, subset, variant, f"seed{seed}.npz")
        together.setdefault((variant, seed), []).append(read_samples(path))
    found = []
    for (variant, _), parts in together.items():
        images = np.concatenate([part.images for part in parts])
        labels = [part.labels for part in parts if part.labels is not None]
        joined = np.concatenate(labels) if len(labels) == len(parts) else None
        found.append({"images": images, "labels": joined, **_identity(parts[0].record, variant)})
    return found


def _identity(record: Any, name: str) -> dict[str, Any]:
    keys = ("model", "seed", "protocol", "point", "parameters")
    return {"model": name, **{key: record[key] for key in keys if key in record}}


def _rows(args: argparse.Namespace, judges: list[Any], sources: list[dict[str, Any]]) -> Any:
    from evaluation.datasets import load_dataset
    from evaluation.jobs.judge import MIXTURE, images_per_class, judge_rows, mixture_images, real_images

    given = [(source["images"], source["labels"]) for source in sources]
    per_class = images_per_class(given, len(load_dataset(args.dataset).classes))
    references = real_images(args.dataset, per_class) if args.references else {}
    if args.mixture:
        references[MIXTURE] = mixture_images(args.dataset, per_class=max(per_class))
    for name, (images, labels) in references.items():
        sources = [*sources, {"images": images, "labels": labels, "model": name}]
    for source in sources:
        images, labels = source["images"], source["labels"]
        identity = {key: value for key, value in source.items() if key not in ("images", "labels", "parameters")}
        yield from judge_rows(judges, images, labels, dataset=args.dataset, **identity)


def _parameter_rows(args: argparse.Namespace, sources: list[dict[str, Any]]) -> Any:
    """The number of parameters of each model that says so."""
    from evaluation.jobs.judge import EXPERIMENT
    from evaluation.measures.tidy import tidy_row

    for source in sources:
        if "parameters" in source:
            identity = {key: source[key] for key in ("model", "seed", "protocol")}
            yield tidy_row(
                experiment=EXPERIMENT, dataset=args.dataset, metric="parameters", value=source["parameters"],
                params=source["point"], **identity,
            )  # fmt: skip


def _print_table(rows: list[dict[str, Any]], dataset: str, judges: int) -> None:
    """One row for each model, means over seeds and judges, and the accuracies of the classes below it."""
    import os
    import sys

    from rich.console import Console
    from rich.table import Table

    from evaluation.base.text import NOTHING
    from evaluation.jobs.judge import MEASURES
    from evaluation.measures.tidy import tidy_frame

    means = tidy_frame(rows).groupby(["model", "metric"], sort=False)["value"].mean()
    table = Table(title=f"samples of {dataset}, {judges} judge{'s' if judges > 1 else ''}")
    table.add_column("samples")
    for measure in ("accuracy (%)", "Fréchet distance", "precision (%)", "recall (%)", "nearest neighbour"):
        table.add_column(measure, justify="right")
    console = Console(width=None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "110")))
    by_class = []
    for model in dict.fromkeys(row["model"] for row in rows):
        of_model = means[model]
        table.add_row(model, *(f"{of_model[m]:.2f}" if m in of_model else NOTHING for m in MEASURES))
        accuracies = [f"{of_model[m]:.1f}" for m in of_model.index if m.startswith("judge_accuracy_class_")]
        if accuracies:
            by_class.append(f"{model}, accuracy by class: {' '.join(accuracies)}")
    console.print(table)
    for line in by_class:
        console.print(line)
