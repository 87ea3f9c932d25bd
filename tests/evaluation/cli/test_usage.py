"""Wrong usage of the command line: one sentence, exit code 2, before anything is computed."""

from pathlib import Path

import pytest

from evaluation.cli import build_parser, main
from evaluation.cli.printing import print_table

REFERENCE = Path(__file__).resolve().parents[3] / "docs/reference/cpu"
JUDGING = ["--samples", "nosuch.npz", "--judge", "nosuch"]
TRAIN = ["train", "--config", "F(28,1)-G(4)", "--dataset", "digits", "--quiet", "--models", "models"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*TRAIN, "--param", "nonsense=1"], "there is no training constant 'nonsense'"),
        ([*TRAIN, "--param", "seed=4"], "'seed' is no parameter"),
        ([*TRAIN, "--param", "input_shape=[8,8,1]"], "'input_shape' is no parameter"),
        ([*TRAIN, "--param", "batch_size=5", "--param", "batch_size=6"], "--param batch_size is given twice"),
        ([*TRAIN, "--epochs", "3", "--param", "epochs=5"], "give one of them"),
        ([*TRAIN, "--epochs", "nan"], "--epochs: 'nan' given; a finite number is expected"),
        ([*TRAIN, "--epochs", "1e999"], "--epochs: '1e999' given; a finite number is expected"),
        ([*TRAIN, "--epochs", "three"], "--epochs: 'three' given; a finite number is expected"),
        ([*TRAIN, "--epochs", "0"], "epochs=0: expected a finite number above 0"),
        ([*TRAIN, "--epochs=-1"], "epochs=-1: expected a finite number above 0"),
        ([*TRAIN, "--param", "config=F(28,1)-G(9)"], "--config is the same as --param config"),
        ([*TRAIN, "--params", '{"config": "F(28,1)-G(9)"}'], "--config is the same as --param config"),
        ([*TRAIN, "--protocol", "paper"], "--protocol paper has no effect on --config"),
        ([*TRAIN, "--configfile", "nosuch.yaml"], "--configfile changes the catalogue"),
        (["sample", "model", "--stage", "grid_sharpened", "--out", "s"], "--stage grid_sharpened is of a run"),
        (["judge", "--dataset", "digits", "--train", "--mixture"], "--mixture has no effect with --train"),
        (["judge", "--dataset", "digits", "--train", "--out", "a.parquet"], "--out has no effect with --train"),
        ([*TRAIN, "--params", '{"batch_size": 5, "batch_size": 6}'], "duplicate key 'batch_size'"),
        (["train", "--factory", "math:pi", *TRAIN[3:]], "which is no class"),
        (["data", "digits", "--mirror", "notaurl"], "mirror 'notaurl' is no address"),
        (["data", "digits", "--mirror", ""], "mirror '' is no address"),
        (["plan", "--profile", "smoke", "--measured", "nosuch"], "there is no such folder"),
        (["resume", "--configfile", "x.yaml", "--timeout", "nan"], "a number of seconds of at least 0"),
        (["report", "--profile", str(REFERENCE), "--figures", "nosuch.png", "--out", "x.html"], "no such PNG file"),
        (["report", "--profile", str(REFERENCE), "--provenance", "a.json", "--out", "x.html"], "it has no versions"),
        (["train", "--profile", "smoke", "dcgmm-a/digits/not0/seed0", "--epochs", "3"], "--epochs has no effect with"),
        (["train", "--profile", "smoke", "dcgmm-a/digits/not0/seed0", "--param", "a=1"], "--param has no effect with"),
        (["score", "--profile", "smoke", "dcgmm-a/digits/not0/seed0", "--out", "s"], "--out has no effect with"),
        (["sample", "--profile", "smoke", "dcgmm-a/digits/not0/seed0", "--n", "3"], "--n has no effect with"),
        (["inpaint", "--profile", "smoke", "dcgmm-a/digits/not0/seed0", "--mask", "left"], "--mask has no effect with"),
        (["judge", "--profile", "smoke", "--dataset", "digits", "--train", "--epochs", "3"], "--epochs has no effect"),
        (["judge", "--dataset", "digits", *JUDGING, "--seed", "7"], "--seed has no effect with --judge"),
        (["judge", "--dataset", "digits", *JUDGING, "--judges", "nosuch"], "--judges has no effect with --judge"),
        (["table", "table_5", "--metrics", "nosuch", "--out", "t.csv"], "--metrics has no effect with table_5"),
        (["table", "table_5", "--configfile", "nosuch", "--out", "t.csv"], "--configfile has no effect with table_5"),
        (
            ["table", "table_5", "--profile", str(REFERENCE), "--metrics", "nosuch", "--out", "t.csv"],
            "--metrics has no effect with table_5",
        ),
        (["plan", "--profile", "smoke", "--missing", str(REFERENCE), "--workers", "4"], "--workers has no effect with"),
    ],
)
def test_it_is_said_in_one_sentence(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text("{}")
    assert main(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not Path("x.html").exists()
    assert not list(tmp_path.rglob("bench.json"))


SEVERAL = [  # command, option, what it takes if it is not given
    (["train"], "--subset", ["all"]),
    (["train"], "--seed", [0]),
    (["inpaint"], "--mask", ["right", "left", "random", "centre"]),
    (["inpaint"], "--variant", ["paper", "conditional"]),
    (["judge", "--dataset", "digits"], "--samples", []),
    (["judge", "--dataset", "digits"], "--judge", None),
    (["judge", "--dataset", "digits"], "--seed", [0]),
    (["plan"], "--workers", [1]),
    (["plan"], "--measured", None),
    (["table", "table_1"], "--metrics", None),
    (["report"], "--figures", None),
]


@pytest.mark.parametrize(("command", "option", "default"), SEVERAL)
def test_an_option_of_several_values_may_be_repeated(command, option, default):
    """`--subset all --subset not1` trained not1 alone: the last one counted, the others were dropped without a word."""
    first, second, third = {
        "--mask": ("left", "right", "centre"),
        "--variant": ("conditional", "paper", "paper"),
        "--seed": ("1", "2", "3"),
        "--workers": ("1", "2", "3"),
    }.get(option, ("a", "b", "c"))
    parser, name = build_parser(command[:1]), option[2:]
    given = getattr(parser.parse_args([*command, option, first, option, second, third]), name)
    assert list(map(str, given)) == [first, second, third]
    assert getattr(parser.parse_args(command), name) == default


def test_a_value_that_is_repeated_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*TRAIN, "--seed", "1", "--seed", "2", "1"]) == 2
    assert "--seed 1 is given twice; give it once" in capsys.readouterr().err


@pytest.mark.parametrize("columns", ["", "abc", "0", "40"])
def test_a_table_is_printed_whatever_the_width_of_the_terminal_is_called(columns, monkeypatch, capsys):
    """`COLUMNS=` in the environment ended a training in a traceback, after it."""
    monkeypatch.setenv("COLUMNS", columns)
    print_table("title", ["a", "b"], [["first", "second"]])
    assert "second" in capsys.readouterr().out
