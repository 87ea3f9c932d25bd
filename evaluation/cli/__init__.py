"""The `bench` command line: one module per subcommand, imported only when it is needed.

A module `evaluation.cli.<name>` holds

- `HELP: str`, one line for `bench --help`;
- `add_arguments(parser)`, which adds its options to an `argparse` parser;
- `run(args) -> int`, which does the work and returns the exit code.

Its top level imports nothing slow (no JAX, torch, pandas): `bench --help` imports every module.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType

from evaluation.base.errors import UserError

# In the order of the data flow.
COMMANDS = (
    "data",
    "check",
    "train",
    "score",
    "sample",
    "inpaint",
    "classify",
    "judge",
    "measure",
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
IMAGES = ("n", "images", "train_images")  # options that say how many are in memory at a time
BROKEN_PIPE = 141


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


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; `argv` defaults to the process's arguments.

    Returns 0, or 2 after an error that the user can put right (a `UserError`, a file that is missing or may not be
    used, or too little memory; printed as one sentence, `--debug` adds the traceback), or 130 when interrupted. Any
    other exception is a defect and keeps its traceback.
    """
    if sys.stdout is None:  # closed by who started us, `bench plan >&-`
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 (until the process ends)
    for stream in (sys.stdout, sys.stderr):  # a terminal without "–" or "±" shows something else in their place
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    words = list(sys.argv[1:] if argv is None else argv)
    chosen = _chosen(words)
    args = argparse.Namespace(debug="--debug" in words)  # until they are read, which imports what may be missing
    try:
        try:
            args = build_parser([chosen] if chosen in COMMANDS else COMMANDS).parse_args(words)
        except SystemExit as stop:  # --help, or wrong usage: argparse has printed what there is to say
            return stop.code if isinstance(stop.code, int) else USER_ERROR
        code = int(args.run(args) or 0)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read our output has left, `bench plan | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (UserError, FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError) as error:
        return _report(error, args)
    except NotImplementedError as error:
        if not str(error):
            raise
        return _report(error, args)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "dcgmm", "baselines", "evaluation"):
            raise
        missing = f"{package} is not installed; `bench` needs what is in the extra 'suite': pip install '.[suite]'"
        return _report(UserError(missing), args)
    except OSError as error:
        if error.errno is None:  # not the operating system's
            raise
        return _report(error, args)
    except MemoryError as error:
        return _report(_too_large(error, args), args)
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return INTERRUPTED


def _too_large(error: MemoryError, args: argparse.Namespace) -> UserError:
    """What to lower where the memory does not suffice."""
    given = {name: getattr(args, name, None) for name in IMAGES}
    counts = [f"--{name.replace('_', '-')} {count}" for name, count in given.items() if count is not None]
    lower = " or ".join(counts) or "the size of the model, its batch_size or the number of images"
    wrong = UserError(f"the memory does not suffice{f' ({error})' if str(error) else ''}; lower {lower}")
    wrong.__cause__ = error
    return wrong


def _report(error: BaseException, args: argparse.Namespace) -> int:
    if args.debug or (getattr(args, "in_a_run", False) and error.__cause__ is not None):
        traceback.print_exception(error)
    print(f"bench: error: {error}", file=sys.stderr)
    return USER_ERROR
