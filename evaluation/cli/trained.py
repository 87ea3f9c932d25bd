"""What `bench score` and `bench sample` share: they make one file from each of several trained models."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser, verb: str) -> None:
    """The models (as directories, or as the stamp of their job), the stamp of what is made, and the cores to use."""
    parser.add_argument("models", nargs="*", metavar="DIR", help="directories of trained models")
    parser.add_argument("--trained", metavar="FILE", help=f"stamp of a `bench train` job: {verb} what it trained")
    parser.add_argument("--stamp", metavar="FILE", help="write the list of the files made")
    parser.add_argument("--threads", type=int, metavar="N", help="cores to use (default: as the libraries like)")


def models(args: argparse.Namespace, verb: str) -> list[Path]:
    """The directories that the command line names.

    Raises:
        UserError: there are none.
    """
    from evaluation.errors import UserError
    from evaluation.stamps import read_stamp

    found = [Path(model) for model in args.models] + (read_stamp(Path(args.trained)) if args.trained else [])
    if not found:
        raise UserError(f"nothing to {verb}; give directories of trained models, or --trained FILE")
    return found


def make_all(args: argparse.Namespace, directories: list[Path], make: Callable[[Path], Path]) -> int:
    """Make the file of each model, then the stamp; returns the exit code."""
    from evaluation.stamps import write_stamp

    made = [make(directory) for directory in directories]
    if args.stamp:
        write_stamp(Path(args.stamp), made)
    return 0
