"""What a command is told to write: nothing that is there is replaced unasked, and no two results get one name."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from evaluation.cli import main
from evaluation.jobs.score import read_scores

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = ROOT / "docs/reference/cpu"
MODEL = ("--factory", "toy_models:Drawer", "--name", "toy", "--model", "toy", "--dataset", "digits", "--quiet")


def bench(*words):
    return main([str(word) for word in words])


@pytest.fixture(autouse=True)
def beside_the_toy_models(monkeypatch):
    monkeypatch.chdir(ROOT / "tests/evaluation")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two models of one name, data set, subset and seed."""
    import sys

    sys.path.append(str(ROOT / "tests/evaluation"))
    folder = tmp_path_factory.mktemp("models")
    for name, offset in (("a", True), ("b", False)):
        assert bench("train", *MODEL, "--params", json.dumps({"completes": offset}), "--out", folder / name) == 0
    return folder / "a", folder / "b"


WRITING = {  # the command, the option, what else it would write
    "sample": (["sample", "MODEL", "--n", "4", "--out"], "x.npz", []),
    "sample's grid": (["sample", "MODEL", "--n", "4", "--out", "FOLDER/new.npz", "--grid"], "x.png", []),
    "inpaint": (["inpaint", "MODEL", "--images", "5", "--mask", "left", "--out"], "x.parquet", []),
    "table without a run": (["table", "table_5", "--out"], "x.csv", ["x.md", "x.tex"]),
    "table": (["table", "table_2_outliers_models", "--profile", REFERENCE, "--out"], "x.csv", ["x.md", "x.tex"]),
    "compare": (["compare", "--profile", REFERENCE, "--out"], "x.md", ["x.csv"]),
    "report": (["report", "--profile", REFERENCE, "--out"], "x.html", []),
    "provenance": (["provenance", "--profile", REFERENCE, "--out"], "x.json", []),
    "data": (["data", "digits", "--manifest"], "x.json", []),
}


@pytest.mark.parametrize("kind", WRITING)
def test_a_file_that_is_there_stays_unless_it_may_go(kind, models, tmp_path, capsys):
    command, name, others = WRITING[kind]
    words = [str(word).replace("MODEL", str(models[0])).replace("FOLDER", str(tmp_path)) for word in command]
    for theirs in (name, *others):
        (tmp_path / theirs).write_text("precious")
        assert bench(*words, tmp_path / name) == 2
        assert f"{tmp_path / theirs} is there already; give --overwrite" in capsys.readouterr().err
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {theirs: "precious"}
        (tmp_path / theirs).unlink()
    (tmp_path / name).write_text("precious")
    assert bench(*words, tmp_path / name, "--overwrite") == 0
    assert (tmp_path / name).read_bytes() != b"precious"


@pytest.mark.parametrize("place", ["file/g.png", "file/deep/g.png"])
def test_a_picture_of_completions_that_has_no_place_is_refused_before_they_are_made(place, models, tmp_path, capsys):
    """`bench inpaint --grid FILE/g.png` ended in "File exists", after all completions."""
    (tmp_path / "file").write_text("precious")
    words = ["inpaint", models[0], "--images", "3", "--mask", "left", "--completions", tmp_path / "kept"]
    assert bench(*words, "--grid", tmp_path / place) == 2
    assert "cannot be written, since" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_picture_of_completions_is_called_longer_than_its_option_says(models, tmp_path):
    """The file FILE.png itself is not written, so one that is there does not count."""
    (tmp_path / "g.png").write_text("precious")
    words = ["inpaint", models[0], "--images", "3", "--mask", "left", "--grid", tmp_path / "g.png"]
    assert bench(*words) == 0
    assert (tmp_path / "g.png").read_text() == "precious" and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("kind", [kind for kind in WRITING if kind not in ("provenance", "data", "sample")])
def test_a_file_is_what_it_is_called(kind, models, tmp_path, capsys):
    """`bench compare --out x.csv` wrote the page into it, `bench table --out x.md` lost the CSV."""
    command, name, _ = WRITING[kind]
    words = [str(word).replace("MODEL", str(models[0])).replace("FOLDER", str(tmp_path)) for word in command]
    assert bench(*words, tmp_path / "x.other") == 2
    assert f"a file name that ends in {Path(name).suffix} is expected" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_model_that_cannot_sample_removes_nothing(tmp_path, capsys):
    """By hand it was a success, and its note took the place of a user's file; a run notes it (test_measure)."""
    assert bench("train", *MODEL, "--param", "draws=false", "--out", tmp_path / "m") == 0
    (tmp_path / "x.npz").write_text("precious")
    assert bench("sample", tmp_path / "m", "--n", "3", "--out", tmp_path / "x.npz") == 2
    assert (tmp_path / "x.npz").read_text() == "precious"
    (tmp_path / "y.cannot").write_text("precious")
    capsys.readouterr()
    assert bench("sample", tmp_path / "m", "--n", "3", "--out", tmp_path / "y.npz") == 2
    assert capsys.readouterr().err == "bench: error: this model draws no images\n"
    assert (tmp_path / "y.cannot").read_text() == "precious" and not (tmp_path / "y.npz").exists()


def test_results_of_two_models_do_not_become_one(models, tmp_path, capsys):
    a, b = models
    for words in (["score", "--out", tmp_path / "s"], ["sample", "--n", "3", "--out", tmp_path / "s"]):
        assert bench(*words, a, b) == 2
        assert "would be one file" in capsys.readouterr().err
        assert bench(*words, a, a) == 2
        assert "is given twice" in capsys.readouterr().err
    assert bench("inpaint", a, b, "--images", "3", "--out", tmp_path / "x.parquet") == 2
    assert "the measures of" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert bench("score", a, "--out", tmp_path) == 0
    assert bench("score", a, "--out", tmp_path) == 0  # the very same are there
    assert bench("score", b, "--out", tmp_path) == 2
    ((path,),) = [list(tmp_path.rglob("*.parquet"))]
    assert read_scores(path)[1]["params"] == {"completes": True}


def test_an_option_that_takes_several_takes_each_once(models, capsys):
    for words in (
        ["train", *MODEL, "--seed", "0", "0"],
        ["train", *MODEL, "--subset", "all", "all"],
        ["inpaint", models[0], "--mask", "left", "left"],
        ["inpaint", models[0], "--variant", "paper", "paper"],
        ["judge", "--dataset", "digits", "--train", "--seed", "1", "1"],
    ):
        assert bench(*words) == 2
        assert "is given twice; give it once" in capsys.readouterr().err


def test_samples_that_would_be_one_row_are_refused(tmp_path, capsys):
    """Two files of one name, or one file twice, were averaged to one row."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        np.savez(tmp_path / folder / "x.npz", samples=np.zeros((9, 28, 28, 1), np.float32))
    for other in ("a", "b"):
        assert bench("judge", "--dataset", "digits", "--samples", tmp_path / "a/x.npz", tmp_path / other / "x.npz") == 2
        assert "are both of x, seed 0" in capsys.readouterr().err


def test_a_table_that_is_not_about_models_has_no_rows_to_choose(tmp_path, capsys):
    assert bench("table", "table_5", "--row", "nosuch", "--out", tmp_path / "x.csv") == 2
    assert "leave --row out" in capsys.readouterr().err


def test_a_runs_own_pages_are_renewed(tmp_path):
    shutil.copytree(REFERENCE, tmp_path / "r")
    for _ in range(2):
        assert bench("compare", "--profile", tmp_path / "r", "--out", tmp_path / "r/compare.md") == 0
        assert bench("table", "table_2_outliers_models", "--profile", tmp_path / "r") == 0
