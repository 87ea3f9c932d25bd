"""What subcommands share: numbers that are checked, options of a model's method, and which models are meant."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.base.process import add_process_arguments

if TYPE_CHECKING:
    from evaluation.plan.jobs import Job, Jobs
    from evaluation.plan.key import TrainingKey
    from evaluation.plan.paths import Paths
    from evaluation.plan.plan import Plan

WORDS = {"True": True, "False": False, "None": None}  # as Python writes them; JSON's own are true, false, null


# --- numbers ---------------------------------------------------------------------------------------------------------


def positive(text: str) -> int:
    """A number of things, at least 1."""
    return _whole(text, 1)


def natural(text: str) -> int:
    """A seed, at least 0."""
    return _whole(text, 0)


def finite(text: str) -> float:
    """A number whose range somebody else checks."""
    return _number(text, -math.inf, "a finite number")


def seconds(text: str) -> float:
    """A time, at least 0."""
    return _number(text, 0.0, "a number of seconds of at least 0")


def _number(text: str, least: float, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= least):
        raise argparse.ArgumentTypeError(f"{text!r} given; {what} is expected")
    return value


def _whole(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"{text!r} given; a whole number of at least {least} is expected")
    return value


class Several(argparse.Action):
    """An option of several values, which may be repeated: what is given takes the place of the default."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [*([] if before is self.default else before), *values])


def distinct(values: Sequence[Any], option: str) -> list[Any]:
    """The values of an option, each once.

    Raises:
        UserError: one stands twice.
    """
    from evaluation.base.errors import UserError

    for number, value in enumerate(values):
        if value in values[:number]:
            raise UserError(f"{option} {value} is given twice; give it once")
    return list(values)


def refuse_by_hand(args: argparse.Namespace, **defaults: Any) -> None:
    """`refuse_beside` --profile, which decides what they are about. Raises UserError."""
    refuse_beside(args, "--profile, which decides it", **defaults)


def refuse_beside(args: argparse.Namespace, other: str, **defaults: Any) -> None:
    """Refuse options that have no effect beside another one.

    Args:
        other: that one, and why.
        defaults: attribute of such an option → its default.

    Raises:
        UserError: names the first that was given.
    """
    from evaluation.base.errors import UserError

    for name, default in defaults.items():
        if getattr(args, name) != default:
            raise UserError(f"--{name.replace('_', '-')} has no effect with {other}; leave one out")


# --- which models ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """The jobs of a run that a command is about."""

    plan: Plan
    jobs: Jobs
    paths: Paths
    chosen: Sequence[Job]

    def keys(self, stage: str, job: Job) -> list[TrainingKey]:
        """The trainings of a job that the stage is for.

        Raises:
            UserError: there is none.
        """
        from evaluation.base.errors import UserError

        found = self.jobs.keys(stage, job)
        if not found:
            raise UserError(f"no experiment of the {self.plan.title} asks for the stage {stage} of {job.name}")
        return found


def add_models(parser: argparse.ArgumentParser, verb: str) -> None:
    """The models: directories, or jobs of a run with --profile; and the cores to use."""
    parser.add_argument(
        "what",
        nargs="*",
        metavar="DIR|JOB",
        help=f"directories of trained models to {verb}; with --profile, jobs or trainings: dcgmm-e/digits/not0/seed0",
    )
    add_run(parser)


def add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--profile",
        metavar="RUN",
        help="a run, in which all else is looked up: its name, its folder, its profile.json, or a configuration",
    )
    add_process_arguments(parser)


def work(args: argparse.Namespace, names: Sequence[str]) -> Work:
    """The jobs that the command line names.

    Raises:
        UserError: no such run, or no such job in it.
    """
    from evaluation.base.errors import UserError
    from evaluation.plan.jobs import Jobs
    from evaluation.plan.resolve import resolve

    args.in_a_run = True  # whose log keeps the traceback of what a model does wrong
    if not names:
        raise UserError("name jobs or trainings of the run, for example dcgmm-e/digits/not0/seed0")
    run = resolve(args.profile)
    jobs = Jobs(run.plan)
    return Work(run.plan, jobs, run.plan.paths(run.folder), [jobs.named(name) for name in names])


def directories(args: argparse.Namespace, verb: str) -> list[Path]:
    """The directories that the command line names.

    Raises:
        UserError: there are none.
    """
    from evaluation.base.errors import UserError

    if not args.what:
        raise UserError(f"nothing to {verb}; give directories of trained models, or --profile RUN and jobs")
    return [Path(name) for name in args.what]


# --- options of a model's method -------------------------------------------------------------------------------------


def add_options(parser: argparse.ArgumentParser | argparse._ArgumentGroup, method: str) -> None:
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"option of the model's {method} method, for example top_s=1 or sharpen=true (may be repeated)",
    )


def read_options(words: Sequence[str]) -> dict[str, Any]:
    """The options of `--option`; layers are numbers. Raises UserError as `read_pairs`."""
    from evaluation.base.documents import with_numbers

    return {key: with_numbers(value) for key, value in read_pairs(words, "--option", ", for example top_s=1").items()}


def read_pairs(words: Sequence[str], option: str, example: str = "") -> dict[str, Any]:
    """Key → value of an option that takes KEY=VALUE, several times.

    Raises:
        UserError: a word of another form, or one key twice.
    """
    from evaluation.base.errors import UserError

    found: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise UserError(f"{option} {word!r} is not KEY=VALUE{example}")
        if key in found:
            raise UserError(f"{option} {key} is given twice; give it once")
        found[key] = _value(value)
    return found


def _value(text: str) -> Any:
    """JSON, or Python's True, False and None; a word needs no quotes."""
    if text in WORDS:
        return WORDS[text]
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
