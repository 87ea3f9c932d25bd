"""`bench judge`: train judges, and let them judge samples."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.base.files import CHECKOUT
from evaluation.base.process import prepare
from evaluation.cli.arguments import (
    Several,
    add_run,
    distinct,
    natural,
    positive,
    refuse_beside,
    refuse_by_hand,
)
from evaluation.cli.outputs import add_overwrite, check_free, named

if TYPE_CHECKING:
    from evaluation.jobs.judge import Source

HELP = "judge samples: CNN accuracy per class, Fréchet distance, precision, recall, variety, copies"
DESCRIPTION = (
    "Judge samples of any model: an .npz with `samples` (n, H, W, C) in [0, 1] and, if the images should show certain "
    "classes, `labels` (n,). The judge is the CNN of the paper's Table VII: your own, else the checkout's (judges/), "
    "else one is trained first (`--train` only trains, and replaces a judge of other settings). Further rows are as "
    "many test images, validation images and, with --mixture, samples of a plain Gaussian mixture."
)
JUDGES = Path("results/by-hand/judges")
OF_THE_CHECKOUT = CHECKOUT / "judges"  # trained as the profile `paper` trains them


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help="mnist, fashion_mnist, svhn, mnist-5k, digits or photos")
    what = parser.add_argument_group("samples")
    what.add_argument(
        "--samples", nargs="+", action=Several, default=[], metavar="FILE.npz", help="each file is a row of the table"
    )
    what.add_argument("--references", action=argparse.BooleanOptionalAction, default=True, help="rows of real images")
    what.add_argument("--mixture", action="store_true", help="a row of a plain Gaussian mixture for each class (EM)")
    who = parser.add_argument_group("judges")
    who.add_argument("--judge", nargs="+", action=Several, metavar="DIR", help="directories of trained judges")
    who.add_argument("--train", action="store_true", help="train judges, judge nothing; with --profile, those of a run")
    who.add_argument(
        "--seed",
        nargs="+",
        action=Several,
        type=natural,
        default=[0],
        help="seeds of judges to be trained (default: 0)",
    )
    who.add_argument("--judges", metavar="DIR", default=str(JUDGES), help=f"their directory (default: {JUDGES})")
    who.add_argument("--epochs", type=positive, help="of a judge's training (default: 15, as in the paper)")
    who.add_argument("--learning-rate", type=float, help="of a judge's training (default: 0.001; printed: 0.01)")
    who.add_argument("--train-images", type=positive, metavar="N", help="train judges on the first N images")
    who.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--out", metavar="FILE.parquet", help="tidy metrics, in place of the table")
    add_overwrite(parser)
    add_run(parser)


def run(args: argparse.Namespace) -> int:
    prepare(args.threads, args.device)
    from evaluation.base.errors import UserError
    from evaluation.datasets import load_dataset
    from evaluation.jobs.judge import Judge, judged, source_rows
    from evaluation.measures.tidy import write_metrics

    load_dataset(args.dataset)  # an unknown name, and broken files, are refused before a judge is trained
    if args.profile:
        _of_run(args)
        return 0
    if not (args.train or args.samples):
        raise UserError("nothing to judge; give --samples FILE.npz, or --train to train judges")
    if args.train:
        judging = {"samples": [], "mixture": False, "references": True, "judge": None, "out": None}
        refuse_beside(args, "--train, which only trains judges", **judging)
    if args.judge:
        refuse_beside(args, "--judge, which names the judges", seed=[0], judges=str(JUDGES))
    out = named(args.out, "--out", ".parquet") if args.out else None
    if out:
        check_free([out], args.overwrite)
    sources = _read(args)
    if args.train:
        _train(args)
        return 0
    directories = [Path(d) for d in args.judge] if args.judge else _trained(args)
    _describe(args, directories)
    judges = [Judge.load(directory, args.dataset) for directory in directories]
    distinct([judge.record["seed"] for judge in judges], "a judge with seed")
    if out:
        write_metrics(out, judged(args.dataset, judges, sources, references=args.references, mixture=args.mixture))
        return 0
    rows = source_rows(args.dataset, judges, sources, references=args.references, mixture=args.mixture)
    _print(rows, args.dataset, len(directories))
    return 0


def _of_run(args: argparse.Namespace) -> None:
    """Train the judges of a run, those of the seeds asked for."""
    from evaluation.base.errors import UserError
    from evaluation.jobs.judges import train_judge
    from evaluation.jobs.stamps import write_stamp
    from evaluation.plan.resolve import resolve

    if not args.train:
        raise UserError("--train trains the judges of a run; `bench measure judge DATASET` applies them")
    nothing = dict.fromkeys(["judge", "epochs", "learning_rate", "train_images", "out"])
    refuse_by_hand(args, samples=[], mixture=False, references=True, judges=str(JUDGES), **nothing)
    args.in_a_run = True
    found = resolve(args.profile)
    paths, how = found.plan.paths(found.folder), found.plan.judges
    params = {name: getattr(how, name) for name in ("epochs", "learning_rate") if getattr(how, name) is not None}
    for seed in distinct(args.seed, "--seed"):
        if seed not in how.seeds or args.dataset not in found.plan.datasets("judge"):
            raise UserError(f"{found.plan.title} has no judge of {args.dataset} with seed {seed}")
        directory = paths.judge(args.dataset, seed)
        shown = sys.stderr.isatty() and not args.quiet  # nobody looks at a log
        train_judge(args.dataset, directory, seed=seed, params=params, limit=how.train_images, progress=shown)
        _describe(args, [directory])
        write_stamp(paths.stamp("judges", f"{args.dataset}/{seed}"), [directory])


def _directories(args: argparse.Namespace) -> dict[int, Path]:
    """Seed → directory of its judge."""
    from evaluation.datasets.own import set_name

    place = Path(args.judges, set_name(args.dataset))
    return {seed: place / f"seed{seed}" for seed in distinct(args.seed, "--seed")}


def _train(args: argparse.Namespace) -> None:
    """Train the judges of the seeds asked for; one that is finished, with these settings, stays as it is."""
    from evaluation.jobs.judges import OURS, train_judge

    params = {**OURS, **{key: value for key, value in _options(args).items() if key != "train_images"}}
    directories = _directories(args)
    for seed, directory in directories.items():
        train_judge(args.dataset, directory, seed=seed, params=params, limit=args.train_images, progress=not args.quiet)
    _describe(args, list(directories.values()))


def _trained(args: argparse.Namespace) -> list[Path]:
    """The judges of the seeds asked for: those that are there as they are, then those of the checkout, unless options
    ask for others; the rest are trained."""
    from evaluation.jobs.judges import finished

    directories = _directories(args)
    there = args.judges == str(JUDGES) and not _options(args)
    for seed, directory in directories.items():
        if finished(directory) is not None:
            continue
        if there and finished(ours := OF_THE_CHECKOUT / directory.relative_to(args.judges)) is not None:
            directories[seed] = ours
            continue
        print(
            f"there is no judge in {directory} yet: training one (50,000 images take about two minutes "
            "per epoch and core; --epochs and --train-images shorten it; after Ctrl-C the same command resumes it)",
            flush=True,
        )
        _train(argparse.Namespace(**{**vars(args), "seed": [seed]}))
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
    from evaluation.jobs.judges import finished, settings

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
                    "use it, give --train to retrain it, or --judges DIR for another directory"
                )
        images = "all" if used["train_images"] is None else f"{used['train_images']:,}"
        again = f", after {len(record['diverged'])} diverged trainings" if record["diverged"] else ""
        print(
            f"{directory}: judge of {record['dataset']}, {used['epochs']} epochs of {images} images, learning rate "
            f"{used['learning_rate']:g}, seed {record['seed_used']}{again}; test accuracy {record['accuracy']:.2f} %",
            flush=True,
        )


def _read(args: argparse.Namespace) -> list[Source]:
    """What is judged."""
    from evaluation.base.errors import UserError
    from evaluation.base.words import canonical
    from evaluation.datasets import load_dataset
    from evaluation.datasets.own import set_name
    from evaluation.jobs.judge import MIXTURE, REAL_TEST, REAL_VALIDATION, Source, check_samples
    from evaluation.jobs.sample import read_samples

    data = load_dataset(args.dataset)
    found: list[Source] = []
    files: dict[str, str] = {}
    for name in args.samples:
        samples = read_samples(name)
        check_samples(samples.images, samples.labels, data.image_shape, len(data.classes), name)
        source = Source.of(samples.images, samples.labels, samples.record, Path(name).stem)
        if (of := samples.record.get("dataset")) and set_name(of) != set_name(args.dataset):
            print(f"{name}: samples of a model of {of}, judged beside images of {args.dataset}", flush=True)
        identity = canonical([source.model, source.seed, source.protocol, source.point])
        other = files.setdefault(identity, name)
        if identity in (canonical([real, 0, "both", {}]) for real in (REAL_TEST, REAL_VALIDATION, MIXTURE)):
            raise UserError(f"{name} has the name of a row of its own; rename it")
        if found and len(files) == len(found):
            what = f"{source.model}, seed {source.seed}"
            raise UserError(f"{other} and {name} are both of {what}; put them into one file, or judge one at a time")
        found.append(source)
    return found


def _print(rows: list[dict[str, Any]], dataset: str, judges: int) -> None:
    """One row for each file and each reference, means over judges, and the accuracies of the classes below it.

    Rows of the same model have what tells them apart in their name: protocol, grid point, seed.
    """
    from evaluation.base.text import NOTHING
    from evaluation.cli.printing import print_table
    from evaluation.datasets import specification
    from evaluation.jobs.judge import COPIES, MEASURES, summary_rows
    from evaluation.results.formatting import told_apart, variant_words

    classes = len(specification(dataset).class_names)
    means: dict[tuple[str, str, str, int], dict[str, float]] = {}
    for row in [*summary_rows(rows), *(row for row in rows if row["metric"] == COPIES)]:
        means.setdefault((row["model"], row["protocol"], row["params"], row["seed"]), {})[row["metric"]] = row["value"]
    names = told_apart((model, (*variant_words(*of), f"seed {seed}")) for model, *of, seed in means)
    columns = ["samples", "accuracy (%)", "Fréchet (squared)", "precision (%)", "recall (%)", "nearest neighbour"]
    columns.append("copies (%)")
    lines, by_class = [], []
    for name, values in zip(names, means.values(), strict=True):
        lines.append([name, *(f"{values[m]:.2f}" if m in values else NOTHING for m in (*MEASURES, COPIES))])
        start = "judge_accuracy_class_"
        found = {int(m.removeprefix(start)): value for m, value in values.items() if m.startswith(start)}
        if len(found) == classes:
            by_class.append(f"{name}, accuracy by class: {' '.join(f'{value:.1f}' for value in found.values())}")
        elif found:
            said = ", ".join(f"{label}: {value:.1f}" for label, value in found.items())
            by_class.append(f"{name}, accuracy of {len(found)} of {classes} classes alone: {said}")
    print_table(f"samples of {dataset}, {judges} judge{'s' if judges > 1 else ''}", columns, lines)
    for line in by_class:
        print(line)
