"""What is known of a model: an altered record is named, and a user's own images that changed are others."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from evaluation.base.errors import UserError
from evaluation.cli import main
from evaluation.jobs.sample import read_samples
from evaluation.jobs.score import read_scores
from evaluation.jobs.stamps import read_stamp, write_stamp
from evaluation.measures.tidy import read_metrics, tidy_row, write_metrics

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
    assert bench("inpaint", model, "--images", 5, "--mask", "left", "--variant", "paper", "--out", "i.parquet") == 0
    assert set(read_metrics([Path("i.parquet")])["dataset"]) == {"mine"}  # it was /where/mine.npz


def test_a_model_of_own_images_can_be_used_from_any_working_directory(tmp_path, capsys, monkeypatch):
    """bench.json had the path as it was typed: `--dataset data/mine.npz` was looked for below every directory."""
    (tmp_path / "data").mkdir()
    (tmp_path / "elsewhere").mkdir()
    write(tmp_path / "data/mine.npz")
    specs = set()
    for number, word in enumerate(("data/mine.npz", str(tmp_path / "data/mine.npz"))):
        monkeypatch.chdir(tmp_path)
        assert bench("train", *DCGMM, "--dataset", word, "--out", tmp_path / f"m{number}") == 0
        record = json.loads((tmp_path / f"m{number}/bench.json").read_text())
        specs.add(record["spec"])
        assert record["dataset"] == str((tmp_path / "data/mine.npz").resolve())
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert bench("score", tmp_path / f"m{number}", "--out", f"s{number}") == 0
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    assert bench("train", *DCGMM, "--dataset", "mine", "--out", tmp_path / "named") == 0
    named = json.loads((tmp_path / "named/bench.json").read_text())
    assert named["dataset"] == "mine"  # found by its name wherever $BENCH_DATA is
    assert specs == {named["spec"]}  # however it was named, it is the same training


@pytest.mark.parametrize("record", ["{", "[]", '{"model": 5}', '{"point": 3}', '{"seed": "x"}'])
def test_samples_that_do_not_say_whose_they_are_are_damaged(record, tmp_path):
    np.savez(tmp_path / "x.npz", samples=np.zeros((5, 28, 28, 1), np.float32), record=np.array(record))
    with pytest.raises(UserError, match=r"x\.npz is damaged: what it says of its model"):
        read_samples(tmp_path / "x.npz")


def test_samples_are_real_numbers(tmp_path):
    for kind, said in ((np.complex64, "type complex64"), (np.str_, "type <U")):
        np.savez(tmp_path / "x.npz", samples=np.zeros((5, 28, 28, 1)).astype(kind))
        with pytest.raises(UserError, match=said):
            read_samples(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", samples=np.full((5, 28, 28, 1), np.nan))
    with pytest.raises(UserError, match="hold NaN"):
        read_samples(tmp_path / "x.npz")


def test_a_flipped_bit_in_metrics_and_scores_is_noticed(trained, tmp_path):
    """Parquet has no checksum unless it is asked for: the number was another one, without a word."""
    rows = [tidy_row(protocol="both", experiment="e", dataset="d", model="m", seed=s, metric="a", value=1.5 + s / 7)
            for s in range(300)]  # fmt: skip
    write_metrics(tmp_path / "m.parquet", rows)
    assert bench("score", trained, "--out", tmp_path) == 0
    (scores,) = tmp_path.glob("digits/**/*.parquet")
    for path, read, value in (
        (tmp_path / "m.parquet", lambda path: read_metrics([path]), 1.5 + 1 / 7),
        (scores, read_scores, None),
    ):
        content = bytearray(path.read_bytes())
        place = content.find(np.float64(value).tobytes()) if value else 200
        assert place > 0
        content[place] ^= 1
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"{path.name} is damaged"):
            read(path)
