"""The frame of the bench command line."""

from __future__ import annotations

import argparse
import json
import os
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


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError("Unable to allocate 71.3 TiB"), "not suffice (Unable to allocate 71.3 TiB); lower --images 10"),
        (MemoryError(), "the memory does not suffice; lower --images 10"),
    ],
)
def test_too_little_memory_is_said_with_what_to_lower(probe, capsys, error, said):
    """`bench sample --n 100000000000` ended in a traceback."""

    def run(args):
        args.images = 10
        raise error

    probe.run = run
    assert cli.main([NAME]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1
    assert cli.main([NAME, "--debug"]) == 2
    assert "MemoryError" in capsys.readouterr().err


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


def unequal_zip(args):
    list(zip([1], [1, 2], strict=True))


def divide_by_zero(args):
    print(1 / args.number)


def bad_json(args):
    json.loads("{")


def deep_in_our_code(args):
    from evaluation.base.words import path_word

    path_word(object())


@pytest.mark.parametrize("defect", [unequal_zip, divide_by_zero, bad_json, deep_in_our_code])
def test_a_defect_keeps_its_traceback(probe, defect):
    """A strict zip or 1 / 0 inside our own code was printed as one line, as if the user had made a mistake."""
    probe.run = defect
    with pytest.raises((ValueError, ZeroDivisionError, TypeError)) as raised:
        cli.main([NAME])
    assert not isinstance(raised.value, UserError)


def test_a_models_refusal_is_a_sentence_and_in_a_run_its_place_too(probe, capsys):
    from evaluation.models.calling import refusals

    def refuse(args):
        args.in_a_run = args.number == 1
        with refusals("my_model:Mine"):
            raise ValueError("width=-1: expected at least 1")

    probe.run = refuse
    assert cli.main([NAME]) == 2
    assert capsys.readouterr().err == "bench: error: my_model:Mine: width=-1: expected at least 1\n"
    assert cli.main([NAME, "--number", "1"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_whoever_stops_reading_hears_nothing():
    code = "import sys; from evaluation.cli import main; sys.exit(main(['plan', '--configfile', 'config/smoke.yaml']))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as bench:
        bench.stdout.close()
        error = bench.stderr.read().decode()
    assert "Traceback" not in error and "BrokenPipe" not in error
    assert error == ""


def test_output_that_is_closed_is_no_error():
    code = "import sys; from evaluation.cli import main; sys.exit(main(['plan', '--configfile', 'config/smoke.yaml']))"
    done = subprocess.run(f'"{sys.executable}" -c "{code}" >&-', shell=True, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_terminal_without_our_characters_shows_others(monkeypatch):
    code = "import sys; from evaluation.cli import main; sys.exit(main(['train', '--help']))"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


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


def test_every_module_keeps_the_contract():
    for name in cli.COMMANDS:
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


@pytest.mark.parametrize("words", [["--help"], ["tabel"], ["table", "table_1"]])
def test_a_missing_package_is_named_where_only_the_options_are_read(words):
    """They ended in a traceback after `pip install .`, which installs what the library needs."""
    code = f"import sys; sys.modules['yaml'] = None; from evaluation.cli import main; sys.exit(main({words}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "yaml is not installed; `bench` needs what is in the extra 'suite'" in done.stderr
