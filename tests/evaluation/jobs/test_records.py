"""What is known of a model: an altered record is named, and a user's own images that changed are others."""

import json
import shutil

import numpy as np
import pytest

from evaluation.cli import main
from evaluation.jobs.stamps import read_stamp, write_stamp

DCGMM = ("--config", "F(28,1)-G(2)", "--param", "iterations=2", "--quiet")


def bench(*words):
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    assert bench("train", *DCGMM, "--dataset", "digits", "--out", folder / "m") == 0
    return folder / "m"


@pytest.fixture
def model(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "m")
    return tmp_path / "m"


def commands(model, folder):
    yield ["score", model, "--out", folder / "s"]
    yield ["sample", model, "--n", "2", "--out", folder / "x.npz"]
    yield ["inpaint", model, "--images", "2"]
    yield ["classify", model]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (None, "its dataset is None"),
        ({"factory": 5}, "its factory is 5"),
        ({"point": 5}, "its point is 5"),
        ({"name": "../../../out"}, "is no name"),
    ],
)
def test_a_record_that_lacks_something_is_damaged(changes, said, model, tmp_path, capsys):
    """KeyError, AttributeError; and a name with dots wrote outside of --out."""
    record = json.loads((model / "bench.json").read_text())
    del record["sha256"]
    record = {"factory": "dcgmm:DCGMM"} if changes is None else {**record, **changes}
    (model / "bench.json").write_text(json.dumps(record))
    for words in commands(model, tmp_path):
        assert bench(*words) == 2
        error = capsys.readouterr().err
        assert said in error and "bench.json is damaged" in error


def test_an_altered_record_is_noticed(model, tmp_path, capsys):
    text = (model / "bench.json").read_text()
    (model / "bench.json").write_text(text.replace('"seed": 0', '"seed": 4'))
    for words in commands(model, tmp_path):
        assert bench(*words) == 2
        assert "bench.json was altered after it was written" in capsys.readouterr().err


def test_an_altered_stamp_is_noticed(tmp_path):
    (tmp_path / "a").write_text("x")
    write_stamp(tmp_path / "stamp.json", [tmp_path / "a"])
    assert read_stamp(tmp_path / "stamp.json") == [tmp_path / "a"]
    altered = (tmp_path / "stamp.json").read_text().replace('"a"', '"b"')
    (tmp_path / "stamp.json").write_text(altered)
    with pytest.raises(ValueError, match="was altered after it was written"):
        read_stamp(tmp_path / "stamp.json")


def write(path, invert=False):
    x = np.random.default_rng(0).integers(0, 255, (60, 28, 28), dtype=np.uint8)
    np.savez(path, x=255 - x if invert else x, y=np.arange(60) % 3)


def test_own_images_that_changed_are_other_images(tmp_path, capsys, monkeypatch):
    """The old model was called finished, and its old scores those of the new images."""
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    write(tmp_path / "mine.npz")
    words = ["train", *DCGMM, "--dataset", "mine", "--models", tmp_path / "models"]
    assert bench(*words) == 0
    (model,) = [path.parent for path in (tmp_path / "models").rglob("bench.json")]
    assert bench("score", model, "--out", tmp_path / "s") == 0
    write(tmp_path / "mine.npz", invert=True)
    assert bench(*words) == 2
    assert "holds a model of other settings" in capsys.readouterr().err
    assert bench("score", model, "--out", tmp_path / "s") == 2
    assert "other images than those" in capsys.readouterr().err
    assert bench(*words, "--again") == 0
    assert bench("score", model, "--out", tmp_path / "s", "--overwrite") == 0


def test_own_images_given_as_a_file_have_the_place_of_their_name(tmp_path, capsys, monkeypatch):
    """`--dataset /where/mine.npz` put the model beside the file, and its scores below it."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "mine.npz")
    assert bench("train", *DCGMM, "--dataset", tmp_path / "mine.npz", "--models", "models") == 0
    (model,) = [path.parent for path in (tmp_path / "models/mine").rglob("bench.json")]
    assert bench("score", model, "--out", "s") == 0
    assert list((tmp_path / "s/mine").rglob("*.parquet"))
