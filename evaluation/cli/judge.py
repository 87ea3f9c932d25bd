"""`bench judge`: train judges, and let them judge samples."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from evaluation.process import prepare

HELP = "judge samples: CNN accuracy per class, Fréchet distance, precision, recall, variety"
DESCRIPTION = (
    "Judge anybody's samples: an .npz with `samples` (n, H, W, C) in [0, 1] and, if the images should show certain "
    "classes, `labels` (n,). The CNN of the paper's Table VII is the judge; where there is none yet, one is trained "
    "first (`--train` does only that). The real test images, the validation images and, with --mixture, samples of a "
    "plain Gaussian mixture are judged beside."
)
JUDGES = Path("results/by-hand/judges")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help="mnist, fashion_mnist, svhn, digits or photos")
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
    parser.add_argument("--threads", type=int, metavar="N", help="cores to use (default: as the libraries like)")


def run(args: argparse.Namespace) -> int:
    prepare(args.threads)
    from evaluation.errors import UserError
    from evaluation.judge import Judge, own_rows, summary_rows

    if not (args.train or args.samples or args.runs):
        raise UserError("nothing to judge; give --samples FILE.npz, or --train to train judges")
    if args.runs and not args.samples_dir:
        raise UserError("--run needs --samples-dir DIR, where `bench sample` wrote")
    sources = _read(args)  # broken files are refused before a judge is trained
    directories = [Path(d) for d in args.judge] if args.judge and not args.train else _trained(args)
    if args.train:
        return 0
    judges = [Judge.load(directory, args.dataset) for directory in directories]
    rows = list(_rows(args, judges, sources))
    if args.out:
        from evaluation.atomic import atomic_path
        from evaluation.metrics import tidy_frame

        everything = [*rows, *summary_rows(rows), *own_rows(judges, args.dataset), *_parameter_rows(args, sources)]
        with atomic_path(args.out) as part:
            tidy_frame(everything).to_parquet(part, index=False)
    else:
        _print_table(rows, args.dataset, len(directories))
    return 0


def _trained(args: argparse.Namespace) -> list[Path]:
    """The judges of the seeds asked for, trained if they are not there."""
    from evaluation.judge import finished, train_judge
    from evaluation.stamps import write_stamp

    options = {"epochs": args.epochs, "learning_rate": args.learning_rate}
    params = {key: value for key, value in options.items() if value is not None}
    made = []
    for seed in args.seed:
        directory = Path(args.judges, args.dataset, f"seed{seed}")
        if not args.train and finished(directory) is None:
            print(
                f"there is no judge in {directory} yet: training one (50,000 images take about two minutes per epoch "
                "and core; --epochs and --train-images make it shorter, Ctrl-C and the same command go on later)",
                flush=True,
            )
        record = train_judge(
            args.dataset, directory, seed=seed, params=params, limit=args.train_images, progress=not args.quiet
        )
        again = f", after {len(record['diverged'])} diverged trainings" if record["diverged"] else ""
        print(f"{directory}: judge of {args.dataset}, test accuracy {record['accuracy']:.2f} %{again}", flush=True)
        made.append(directory)
    if args.stamp:
        write_stamp(Path(args.stamp), made)
    return made


def _read(args: argparse.Namespace) -> list[dict[str, Any]]:
    """What is judged: dictionaries with images, labels, model, seed, protocol, point."""
    from evaluation.sampling import read_samples

    found = []
    for name in args.samples:
        samples = read_samples(name)
        found.append({"images": samples.images, "labels": samples.labels, **_identity(samples.record, Path(name).stem)})
    return found + _read_runs(args)


def _read_runs(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The samples of the classes of a model, put together: one entry for each variant and seed."""
    import numpy as np

    from evaluation.runs import read_runs
    from evaluation.sampling import Samples, read_samples

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
    from evaluation.judge import MIXTURE, judge_rows, mixture_images, real_images

    references = dict(real_images(args.dataset)) if args.references else {}
    if args.mixture:
        references[MIXTURE] = mixture_images(args.dataset)
    for name, (images, labels) in references.items():
        sources = [*sources, {"images": images, "labels": labels, "model": name}]
    for source in sources:
        images, labels = source["images"], source["labels"]
        identity = {key: value for key, value in source.items() if key not in ("images", "labels", "parameters")}
        yield from judge_rows(judges, images, labels, dataset=args.dataset, **identity)


def _parameter_rows(args: argparse.Namespace, sources: list[dict[str, Any]]) -> Any:
    """The number of parameters of each model that says so."""
    from evaluation.judge import EXPERIMENT
    from evaluation.metrics import tidy_row

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

    from evaluation.judge import MEASURES
    from evaluation.metrics import tidy_frame
    from evaluation.numbers import NOTHING

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
