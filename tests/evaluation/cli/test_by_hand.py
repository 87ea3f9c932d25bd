"""What `bench train` trains by hand: whose parameters win, and which images are followed."""

import pytest

from evaluation.cli import build_parser, main
from evaluation.cli.train import _trainings

OWN = "profile: own\nmodels: {mine: {extends: dcgmm-e, label: Mine, monitor: none}}\n"


def training(*words):
    (found,) = _trainings(build_parser(["train"]).parse_args(["train", "--dataset", "digits", *words]))
    return found


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--params", '{"iterations": 50, "window": 7}'], {"iterations": 50, "window": 7}),
        (["--params", '{"epochs": 3}'], {"epochs": 3}),
        (["--params", '{"window": 7}'], {"iterations": 10_000, "window": 7}),
        (["--params", '{"iterations": 50}', "--epochs", "3"], {"epochs": 3}),
    ],
)
def test_parameters_that_are_given_hold_for_models_of_one_class(words, expected):
    """`one_class` of the entry stood above --params, though not above --param."""
    params = training("--model", "dcgmm-e", "--subset", "only3", *words).params
    assert {key: params.get(key) for key in expected} == expected
    assert ("iterations" in params) == ("iterations" in expected)


def test_epochs_take_the_place_of_iterations_of_a_dcgmm_only():
    length = ["--params", '{"iterations": 50}', "--epochs", "3"]
    assert training("--config", "F(28,1)-G(4)", *length).params == {"config": "F(28,1)-G(4)", "epochs": 3}
    assert training("--factory", "mine:M", *length).params == {"iterations": 50, "epochs": 3}


@pytest.mark.parametrize(("word", "value"), [("False", False), ("None", None), ("true", True), ("em", "em"), ("2", 2)])
def test_words_of_parameters_are_pythons_or_jsons(word, value):
    """--param tied=False was the text 'False', which is true."""
    assert training("--factory", "mine:M", "--param", f"tied={word}").params == {"tied": value}


@pytest.mark.parametrize(("words", "followed"), [([], "none"), (["--monitor", "test"], "test")])
def test_the_entry_says_which_images_are_followed_unless_the_command_line_does(words, followed, tmp_path):
    (tmp_path / "own.yaml").write_text(OWN)
    found = training("--model", "mine", "--configfile", str(tmp_path / "own.yaml"), *words)
    assert found.monitor == followed
    assert training("--model", "dcgmm-e").monitor == "validation"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--config", "F(28,1)-G(4)", "--epochs", "0"], "epochs=0: expected"),
        (["--config", "F(30,1)-G(4)"], "30"),
        (["--model", "dcgmm-a", "--param", "config=F(30,1)-G(4)"], "30"),
        (["--model", "F(28,1)-G(4)"], "give a notation with --config"),
        (["F(28,1)-G(4)"], "The notation of a DCGMM is given with --config"),
        (["dcgmm-a"], "a model of the catalogue with --model"),
    ],
)
def test_a_refused_training_leaves_nothing(words, said, tmp_path, monkeypatch, capsys):
    """The lock of a model that could never be."""
    monkeypatch.chdir(tmp_path)
    assert main(["train", *words, "--dataset", "digits"]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())
