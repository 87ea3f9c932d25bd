"""bench train and bench score: packed or not, again or resumed, the numbers are the same."""

import json
from pathlib import Path

import pandas as pd
import pytest

from evaluation.cli import main
from evaluation.jobs.score import read_scores
from evaluation.measures.outliers import outlier_rows
from evaluation.models.registry import load_model, read_spec

TOY = ["--factory", "toy_models:Brightness", "--name", "toy", "--model", "toy"]


@pytest.fixture(autouse=True)
def beside_the_toy_models(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])


def bench(*words):
    return main([str(word) for word in words])


def train(root, *words, subsets=("not0",), seeds=(0,), model=tuple(TOY)):
    return bench(
        "train", *model, *words, "--dataset", "digits", "--subset", *subsets, "--seed", *seeds,
        "--models", root / "models", "--quiet",
    )  # fmt: skip


def models(root):
    return sorted(path.parent for path in (root / "models").rglob("bench.json"))


def scores(root):
    assert bench("score", *models(root), "--out", root / "scores") == 0
    return {path.relative_to(root / "scores"): read_scores(path)[0] for path in (root / "scores").rglob("*.parquet")}


GMM = ("--model", "gmm", "--params", '{"components": 4, "max_iter": 3}')


@pytest.mark.parametrize("model", [tuple(TOY), GMM], ids=["toy", "gmm"])
def test_packed_or_one_by_one_the_scores_are_equal(model, tmp_path):
    train(tmp_path / "packed", subsets=("not0", "not3"), seeds=(0, 1), model=model)
    packed = scores(tmp_path / "packed")
    for subset in ("not3", "not0"):
        for seed in (1, 0):
            train(tmp_path / "single", subsets=(subset,), seeds=(seed,), model=model)
    single = scores(tmp_path / "single")
    assert packed.keys() == single.keys()
    assert len(packed) == 4
    for path, frame in packed.items():
        pd.testing.assert_frame_equal(frame, single[path], check_exact=True)


def test_seeds_and_subsets_matter(tmp_path):
    train(tmp_path, subsets=("not0", "not3"), seeds=(0, 1))
    frames = list(scores(tmp_path).values())
    assert not any(a.equals(b) for i, a in enumerate(frames) for b in frames[:i])


def test_what_a_model_directory_holds(tmp_path):
    train(tmp_path, "--params", '{"offset": 1.0}')
    directory = tmp_path / "models/digits/not0/toy/seed0"
    record = read_spec(directory)
    assert record["params"] == {"offset": 1.0}
    assert (record["dataset"], record["subset"], record["seed"]) == ("digits", "not0", 0)
    assert {"factory", "spec", "parameters", "seconds", "versions", "machine"} <= record.keys()
    assert load_model(directory).settings["offset"] == 1.0
    history = pd.read_parquet(directory / "history.parquet")
    assert list(history.columns) == ["step", "layer", "split", "log_likelihood"]
    assert set(history["split"]) == {"train", "validation"}
    assert [p.name for p in directory.parent.iterdir() if p.is_dir()] == ["seed0"]  # no leftovers


def test_the_followed_images_are_named_in_the_history(tmp_path):
    train(tmp_path, "--monitor", "test")
    assert set(pd.read_parquet(tmp_path / "models/digits/not0/toy/seed0/history.parquet")["split"]) == {"train", "test"}


def test_the_finished_is_not_trained_again_unless_asked(tmp_path, capsys):
    finished = tmp_path / "models/digits/not0/toy/seed0/bench.json"
    train(tmp_path)
    before = finished.stat().st_mtime_ns
    assert train(tmp_path, seeds=(0, 1)) == 0
    assert "--again retrains it" in capsys.readouterr().out
    assert finished.stat().st_mtime_ns == before
    assert train(tmp_path, "--again") == 0
    assert finished.stat().st_mtime_ns != before


@pytest.mark.parametrize("words", [("--params", '{"offset": 1.0}'), ("--monitor", "test"), ("--train-images", "50")])
def test_a_model_of_other_settings_is_not_replaced_without_a_word(words, tmp_path, capsys):
    directory = tmp_path / "m"
    assert train(tmp_path, "--out", directory) == 0
    before = read_spec(directory)
    assert train(tmp_path, "--out", directory, *words) == 2
    assert "holds a model of other settings" in capsys.readouterr().err
    assert read_spec(directory) == before
    assert train(tmp_path, "--out", directory, *words, "--again") == 0
    assert read_spec(directory)["spec"] != before["spec"]


def test_other_images_have_another_default_place(tmp_path):
    train(tmp_path)
    train(tmp_path, "--train-images", "50", model=("--factory", "toy_models:Brightness"))
    assert len(models(tmp_path)) == 2


@pytest.mark.parametrize("kind", ["folder", "file", "here"])
def test_what_is_no_model_is_never_replaced(kind, tmp_path, capsys, monkeypatch):
    """`--out DIR` emptied whatever folder was there, and put a file aside."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
    out = tmp_path / "r"
    kept = out / "table.csv" if kind != "file" else out
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("x")
    if kind == "here":
        monkeypatch.chdir(out)
    for again in ((), ("--again",)):
        assert train(tmp_path, "--out", "." if kind == "here" else out, *again) == 2
    assert kept.read_text() == "x"
    assert "a directory of the model's own" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["r"]  # refused before anything was begun


def test_hidden_folders_of_others_stay(tmp_path):
    """A user's backup, and the checkpoint of a model whose name begins alike, were removed."""
    folder = tmp_path / "models/digits/not0/toy"
    others = [folder / ".seed0.backup", folder / ".seed0.2.0123456789ab.checkpoint", folder / ".seed01.12.part"]
    own = folder / ".seed0.0123456789ab.checkpoint"
    for place in (*others, own):
        place.mkdir(parents=True)
    train(tmp_path)
    assert all(place.is_dir() for place in others)
    assert not own.exists()


def test_a_failure_is_named_and_does_not_stop_the_others(tmp_path, capsys):
    assert train(tmp_path, "--params", '{"fail": true}', seeds=(0, 1, 2)) != 0
    assert "seed1: toy_models:Brightness: seed 1 is told to fail" in capsys.readouterr().err
    assert sorted(p.name for p in (tmp_path / "models/digits/not0/toy").glob("seed*")) == ["seed0", "seed2"]


def test_a_checkpoint_is_resumed_only_by_its_own_training(tmp_path, capsys):
    train(tmp_path / "whole", seeds=(0,))
    folder = tmp_path / "killed/models/digits/not0/toy"
    whole = tmp_path / "whole/models/digits/not0/toy/seed0"
    own = folder / f".seed0.{read_spec(whole)['spec']}.checkpoint"
    other = folder / ".seed0.0123456789ab.checkpoint"
    for place in (own, other):
        place.mkdir(parents=True)
        (place / "state.json").write_text(json.dumps([2, 0.5]))
    train(tmp_path / "killed", seeds=(0,))
    assert "resumed after step 2" in capsys.readouterr().out
    assert not own.exists()
    assert not other.exists()
    assert not (load_model(whole).mean == load_model(folder / "seed0").mean).all()  # it did go on from 0.5
    seconds = [read_spec(directory)["seconds"] for directory in (whole, folder / "seed0")]
    assert seconds[0] > 0 and seconds[1] is None  # of which an earlier part was not measured
    (table,) = scores(tmp_path / "killed").values()
    metrics = {row["metric"] for row in outlier_rows(table, read_spec(folder / "seed0"))}
    assert "parameters" in metrics and "seconds" not in metrics


def test_half_a_model_is_no_model(tmp_path):
    train(tmp_path)
    directory = tmp_path / "models/digits/not0/toy/seed0"
    (directory / "bench.json").unlink()
    assert bench("score", directory, "--out", tmp_path / "scores") != 0
    assert train(tmp_path) == 2  # by hand: it may be somebody's; in a run it is trained again


def test_scores_hold_both_splits_all_classes_and_layers(tmp_path):
    train(tmp_path)
    ((path, frame),) = scores(tmp_path).items()
    assert str(path) == "digits/not0/toy/seed0.parquet"
    assert list(frame.columns) == ["split", "label", "score", "layer_0", "layer_1"]
    assert set(frame["split"]) == {"validation", "test"}
    assert set(frame["label"]) == set(range(10))
    assert (frame["score"] == frame["layer_1"]).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Diverging", "357 of"),
        ("Forgetful", "score_layers gives None"),
        ("Short", "score_samples gives an array of shape (3,)"),
        ("Scalar", "score_samples gives an array of shape ()"),
    ],
)
def test_what_is_no_score_of_each_image_is_refused_by_name(name, message, tmp_path, capsys):
    train(tmp_path, model=("--factory", f"toy_models:{name}", "--name", "toy", "--model", "toy"))
    assert bench("score", *models(tmp_path), "--out", tmp_path / "scores") == 2
    error = capsys.readouterr().err
    assert f"toy_models:{name}" in error
    assert message in error or (name == "Diverging" and "NaN" in error)


def test_by_hand_a_table_is_printed(tmp_path, capsys):
    common = ("train", "--model", "gmm", "--param", "components=3", "--param", "max_iter=2", "--dataset", "digits")
    assert bench(*common, "--subset", "not0", "--out", tmp_path / "m", "--quiet") == 0
    out = capsys.readouterr().out
    assert "AUROC" in out
    assert "test log-likelihood" in out
    assert bench(*common, "--out", tmp_path / "all", "--quiet") == 0
    assert "AUROC" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "gmn"], "did you mean 'gmm'"),
        (["--model", "gmm", "--param", "componets=3"], "did you mean 'components'"),
        (["--model", "gmm", "--param", "components"], "KEY=VALUE"),
        (["--model", "gmm", "--params", "{components}"], "not JSON"),
        (["--model", "gmm", "--params", "[1]"], "no JSON object"),
        (["--model", "gmm", "--seed", "-1"], "at least 0"),
        (["--model", "gmm", "--threads", "-3"], "at least 1"),
        (["--model", "gmm", "--train-images", "-5"], "at least 1"),
        (["--model", "gmm", "--device", "gpu"], "no GPU"),
        (["gmm/digits/not0/seed0"], "--profile"),
        ([], "name a model"),
        (["--config", "F(28,1)-G(49)", "--model", "gmm"], "leave out"),
        (["--config", "F(29,1)-H(49)"], "H(49)"),
        (["--model", "gmm", "--out", "x", "--seed", "0", "1"], "--models"),
    ],
)
def test_wrong_usage_is_one_sentence(words, message, capsys):
    assert bench("train", "--dataset", "digits", *words) != 0
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_a_misspelt_parameter_of_several_trainings_shows_no_traceback(tmp_path, capsys):
    """It was taken for an error of the model's own code."""
    assert train(tmp_path, "--params", '{"ofset": 1.0}', seeds=(0, 1)) == 2
    error = capsys.readouterr().err
    assert "2 of 2 trainings failed" in error and "did you mean 'offset'?" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("train_images: ten", "train_images: 'ten' given"),
        ("train_imagse: 10", "has no key 'train_imagse'; did you mean 'train_images'?"),
        ("models: [gmm]", "models: ['gmm'] given"),
        ("models: {gmm: 3}", "models.gmm: 3 given"),
        ("models: {gmm: {params: 3}}", "models.gmm.params: 3 given"),
    ],
)
def test_a_file_that_says_something_wrong_of_models_is_refused(content, message, tmp_path, capsys):
    """By hand it was not checked: a traceback, or a misspelt key without effect."""
    (tmp_path / "mine.yaml").write_text(content)
    words = ["--model", "gmm", "--configfile", tmp_path / "mine.yaml", "--dataset", "digits", "--out", tmp_path / "m"]
    assert bench("train", *words, "--param", "components=2", "--param", "max_iter=1", "--quiet") == 2
    assert message in capsys.readouterr().err


def test_a_model_of_one_class_is_trained_as_its_entry_says():
    from evaluation.cli import build_parser
    from evaluation.cli.train import _trainings

    def lengths(*words):
        asked = ["train", "--model", "dcgmm-e", "--dataset", "mnist", "--subset", "all", "only3", "not3", *words]
        return [one.params.get("iterations") for one in _trainings(build_parser(["train"]).parse_args(asked))]

    assert lengths() == [None, 10_000, None]
    assert lengths("--epochs", "2") == [None, None, None]
    assert lengths("--param", "iterations=70") == [70, 70, 70]


def test_what_lies_in_a_models_directory_stays_when_it_is_trained_anew(tmp_path):
    """`--again` removed notes, and whole models, that somebody had put into the directory of a model."""
    model = tmp_path / "m"
    train(tmp_path, "--out", model)
    theirs = [model / "notes.txt", model / "history.txt", model / "plots/a.csv", model / "inner/bench.json"]
    for place in theirs:
        place.parent.mkdir(exist_ok=True)
        place.write_text("mine")
    (model / "empty").mkdir()
    (model / "link").symlink_to("notes.txt")
    before = read_spec(model)
    assert train(tmp_path, "--out", model, "--again", "--params", '{"offset": 1.0}') == 0
    assert read_spec(model)["spec"] != before["spec"]
    assert load_model(model).settings["offset"] == 1.0
    assert [place.read_text() for place in theirs] == ["mine"] * 4
    assert (model / "empty").is_dir() and (model / "link").readlink() == Path("notes.txt")


def test_a_link_to_a_model_stays_a_link(tmp_path, capsys):
    """The link was put aside, and stayed there under a hidden name."""
    train(tmp_path, "--out", tmp_path / "m")
    (tmp_path / "link").symlink_to("m")
    assert train(tmp_path, "--out", tmp_path / "link", "--again", "--params", '{"offset": 1.0}') == 0
    assert (tmp_path / "link").readlink() == Path("m")
    assert load_model(tmp_path / "m").settings["offset"] == 1.0
    assert not list(tmp_path.glob("*.old"))
    (tmp_path / "nowhere").symlink_to("gone")
    assert train(tmp_path, "--out", tmp_path / "nowhere") == 2
    assert "is a link to nothing" in capsys.readouterr().err


def test_a_model_that_was_put_aside_for_one_that_never_came_is_there_again(tmp_path):
    train(tmp_path, "--out", tmp_path / "m")
    (tmp_path / "m").rename(tmp_path / ".m.123.old")  # killed between two renames
    finished = (tmp_path / ".m.123.old/bench.json").stat().st_mtime_ns
    assert train(tmp_path, "--out", tmp_path / "m") == 0
    assert (tmp_path / "m/bench.json").stat().st_mtime_ns == finished


def test_a_place_below_a_file_is_refused_before_training(tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    for words in (("--out", tmp_path / "file/m"), ("--models", tmp_path / "file")):
        assert bench("train", *TOY, "--dataset", "digits", "--quiet", *words) == 2
        assert "cannot be made, since" in capsys.readouterr().err
