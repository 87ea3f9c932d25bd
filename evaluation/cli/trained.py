"""What the subcommands share that make something with trained models: which models, and one file from each."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from evaluation.base.process import add_process_arguments


def add_arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """The models (as directories, or as the stamp of their job), the stamp of what is made, and the cores to use."""
    parser.add_argument("models", nargs="*", metavar="DIR", help="directories of trained models")
    parser.add_argument("--trained", metavar="FILE", help=f"stamp of a `bench train` job: {verb} what it trained")
    add_run_argument(parser)
    parser.add_argument("--stamp", metavar="FILE", help="write the list of the files made")
    add_process_arguments(parser)


def add_run_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--run",
        dest="runs",
        action="append",
        default=[],
        metavar="VARIANT:SUBSETS:SEEDS",
        help="of the models, only these trainings, for example dcgmm-a:all:0 (may be repeated; default: all)",
    )


def models(args: argparse.Namespace, verb: str) -> list[Path]:
    """The directories that the command line names.

    Raises:
        UserError: there are none.
    """
    from evaluation.base.errors import UserError
    from evaluation.jobs.stamps import read_stamp

    stamps = [args.trained] if isinstance(args.trained, str) else args.trained or []
    found = [Path(model) for model in args.models] + [m for stamp in stamps for m in read_stamp(Path(stamp))]
    if not found:
        raise UserError(f"nothing to {verb}; give directories of trained models, or --trained FILE")
    return only(found, args.runs)


def only(directories: Sequence[Path], runs: Iterable[str]) -> list[Path]:
    """Of trained models those of some runs (`--run`); all without any.

    Raises:
        UserError: a run that none of the models is from.
    """
    from evaluation.base.errors import UserError
    from evaluation.models.registry import read_spec
    from evaluation.plan.runs import read_runs

    wanted = list(dict.fromkeys(read_runs(runs)))
    if not wanted:
        return list(directories)
    records = {directory: read_spec(directory) for directory in directories}
    run_of = {directory: (r["name"], r["subset"], r["seed"]) for directory, r in records.items()}
    for run in wanted:
        if run not in run_of.values():
            raise UserError(f"--run {':'.join(map(str, run))}: none of the {len(directories)} given models is of it")
    return [directory for directory in directories if run_of[directory] in wanted]


def make_all(args: argparse.Namespace, directories: list[Path], make: Callable[[Path], Path]) -> int:
    """Make the file of each model, then the stamp; returns the exit code."""
    from evaluation.jobs.stamps import write_stamp

    made = [make(directory) for directory in directories]
    if args.stamp:
        write_stamp(Path(args.stamp), made)
    return 0
