"""Trainings named on a command line: VARIANT:SUBSETS:SEEDS, for example dcgmm-e:not0,not1:0,1,2."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator

from evaluation.base.errors import UserError

Run = tuple[str, str, int]  # variant, subset, seed


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", required=True, help="name of the data set")
    parser.add_argument(
        "--run",
        dest="runs",
        action="append",
        required=True,
        metavar="VARIANT:SUBSETS:SEEDS",
        help="trainings of a model, for example dcgmm-e:not0:0,1,2 (may be repeated)",
    )


def write_runs(runs: Iterable[Run]) -> list[str]:
    """The shortest list of words for the runs: one for each variant and set of seeds."""
    seeds: dict[tuple[str, str], list[int]] = {}
    for variant, subset, seed in runs:
        seeds.setdefault((variant, subset), []).append(seed)
    subsets: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for (variant, subset), some in seeds.items():
        subsets.setdefault((variant, tuple(some)), []).append(subset)
    return [f"{v}:{','.join(names)}:{','.join(map(str, some))}" for (v, some), names in subsets.items()]


def read_runs(words: Iterable[str]) -> Iterator[Run]:
    """The runs behind the words of a command line.

    Raises:
        UserError: a word of another form.
    """
    for word in words:
        parts = word.split(":")
        if len(parts) != 3 or not all(parts) or not parts[2].replace(",", "").isdigit():
            raise UserError(f"--run {word!r} is not VARIANT:SUBSETS:SEEDS, for example dcgmm-e:not0:0,1,2")
        for subset in parts[1].split(","):
            for seed in parts[2].split(","):
                yield parts[0], subset, int(seed)
