"""The `bench` command line: one module per subcommand, imported only when it is needed.

A module `evaluation.cli.<name>` holds

- `HELP: str`, one line for `bench --help`;
- `add_arguments(parser)`, which adds its options to an `argparse` parser;
- `run(args) -> int`, which does the work and returns the exit code.

Its top level imports nothing slow (no TensorFlow, torch, pandas): `bench --help` imports every module.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from evaluation.base.errors import UserError

# In the order of the data flow. A name without a module in this checkout is not offered.
COMMANDS = (
    "data",
    "train",
    "score",
    "outliers",
    "dynamics",
    "sample",
    "inpaint",
    "classify",
    "judge",
    "table",
    "figure",
    "compare",
    "report",
    "collect",
    "provenance",
    "status",
    "plan",
    "resume",
    "resources",
)
USER_ERROR = 2  # the exit code of argparse for wrong usage, and ours for whatever the user can put right
INTERRUPTED = 130

_OUR_CODE = tuple(Path(__file__).resolve().parents[2] / room for room in ("dcgmm", "baselines", "evaluation"))


def available() -> tuple[str, ...]:
    """The subcommands whose module exists, in the order of `COMMANDS`."""
    return tuple(name for name in COMMANDS if importlib.util.find_spec(f"{__name__}.{name}") is not None)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{name}")


def _chosen(argv: Sequence[str]) -> str | None:
    """The subcommand named by `argv`, or None."""
    return next((word for word in argv if not word.startswith("-")), None)


def build_parser(names: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of `bench` with the given subcommands."""
    parser = argparse.ArgumentParser(
        prog="bench", description="Train, score, sample and compare: one subcommand per arrow of the data flow."
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in names:
        module = _module(name)
        sub = commands.add_parser(name, help=module.HELP, description=getattr(module, "DESCRIPTION", module.HELP))
        sub.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    return parser


def _is_ours(error: BaseException) -> bool:
    """Whether `error` was raised by this repository's code and so carries a sentence meant for the user."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return False
    raised_in = Path(frames[-1].filename).resolve()
    return any(raised_in.is_relative_to(room) for room in _OUR_CODE)


def _report(error: BaseException, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    print(f"bench: error: {error}", file=sys.stderr)
    return USER_ERROR


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; `argv` defaults to the process's arguments.

    Returns 0, or 2 after an error that the user can put right (printed as one sentence; `--debug` adds the
    traceback), or 130 when interrupted. Any other exception is a defect and keeps its traceback.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    offered = available()
    chosen = _chosen(words)
    try:
        args = build_parser([chosen] if chosen in offered else offered).parse_args(words)
    except SystemExit as stop:  # --help, or wrong usage: argparse has printed what there is to say
        return stop.code if isinstance(stop.code, int) else USER_ERROR
    try:
        return int(args.run(args) or 0)
    except (UserError, FileNotFoundError, PermissionError) as error:
        return _report(error, args.debug)
    except (ValueError, ArithmeticError, NotImplementedError, OSError) as error:
        if not _is_ours(error):
            raise
        return _report(error, args.debug)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "dcgmm", "baselines", "evaluation"):
            raise
        missing = f"{package} is not installed; `bench` needs what is in the extra 'suite': pip install '.[suite]'"
        return _report(UserError(missing), args.debug)
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return INTERRUPTED
