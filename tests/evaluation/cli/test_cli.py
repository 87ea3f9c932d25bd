"""The frame of the bench command line."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import types

import pytest

import evaluation.cli as cli
from evaluation.base.errors import UserError

NAME = "probe"


@pytest.fixture
def probe(monkeypatch):
    """A subcommand whose action the test sets."""
    module = types.ModuleType(f"evaluation.cli.{NAME}")
    module.HELP = "a subcommand of the tests"
    module.__spec__ = types.SimpleNamespace(name=module.__name__)

    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--number", type=int, default=0)

    module.add_arguments = add_arguments
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(cli, "COMMANDS", (*cli.COMMANDS, NAME))
    return module


def test_arguments_and_exit_code_pass_through(probe):
    probe.run = lambda args: args.number
    assert cli.main([NAME, "--number", "7"]) == 7
    probe.run = lambda args: None
    assert cli.main([NAME]) == 0


def user_error(args):
    raise UserError("the value is 3, expected 4")


def file_not_found(args):
    open("/no/such/file")  # noqa: SIM115, PTH123


@pytest.mark.parametrize("action", [user_error, file_not_found])
def test_user_errors_are_one_sentence(probe, capsys, action):
    probe.run = action
    assert cli.main([NAME]) == 2
    err = capsys.readouterr().err
    assert err.startswith("bench: error: ") and err.count("\n") == 1


@pytest.mark.parametrize("words", [["--debug", NAME], [NAME, "--debug"]])
def test_debug_shows_the_traceback(probe, capsys, words):
    probe.run = user_error
    assert cli.main(words) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err and err.endswith("bench: error: the value is 3, expected 4\n")


def test_our_value_errors_are_sentences_others_are_defects(probe, capsys):
    from evaluation.datasets.idx import read_idx

    probe.run = lambda args: json.loads("{")  # raised inside the standard library: a defect of the caller
    with pytest.raises(ValueError):
        cli.main([NAME])
    probe.run = lambda args: read_idx(b"abc")
    assert cli.main([NAME]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_interrupt(probe, capsys):
    def interrupt(args):
        raise KeyboardInterrupt

    probe.run = interrupt
    assert cli.main([NAME]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_help_and_wrong_usage_return_codes(capsys):
    assert cli.main(["--help"]) == 0
    assert "data" in capsys.readouterr().out
    assert cli.main(["nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err
    assert cli.main([]) == 2


def test_a_missing_module_breaks_nothing(monkeypatch, capsys):
    monkeypatch.setattr(cli, "COMMANDS", ("data", "not_written_yet"))
    assert cli.available() == ("data",)
    assert cli.main(["--help"]) == 0
    assert "not_written_yet" not in capsys.readouterr().out


def test_every_module_keeps_the_contract():
    for name in cli.available():
        module = cli._module(name)
        assert module.HELP and callable(module.add_arguments) and callable(module.run)


def test_help_imports_nothing_slow():
    code = (
        "import sys; from evaluation.cli import main; main(['--help']); "
        "slow = {'tensorflow', 'torch', 'keras', 'pandas', 'sklearn', 'matplotlib', 'snakemake'} & set(sys.modules); "
        "sys.exit(f'imported: {slow}' if slow else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
