"""bench train and bench score: packed or not, again or resumed, the numbers are the same."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from evaluation.cli import main
from evaluation.jobs.score import read_scores
from evaluation.models.registry import load_model, read_spec

TOY = ["--factory", "toy_models:Brightness", "--name", "toy", "--model", "toy"]


@pytest.fixture(autouse=True)
def beside_the_toy_models(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])


def bench(*words):
    return main([str(word) for word in words])


def train(root, *words, subsets=("not0",), seeds=(0,), model=tuple(TOY)):
    stamp = root / "trained.json"
    code = bench(
        "train", *model, *words, "--dataset", "digits", "--subset", *subsets, "--seed", *seeds,
        "--models", root / "models", "--stamp", stamp, "--quiet",
    )  # fmt: skip
    return code, stamp


def scores(root, stamp):
    assert bench("score", "--trained", stamp, "--out", root / "scores", "--stamp", root / "scored.json") == 0
    return {path.relative_to(root / "scores"): read_scores(path)[0] for path in (root / "scores").rglob("*.parquet")}


GMM = ("--model", "gmm", "--params", '{"components": 4, "max_iter": 3}')


@pytest.mark.parametrize("model", [tuple(TOY), GMM], ids=["toy", "gmm"])
def test_packed_or_one_by_one_the_scores_are_equal(model, tmp_path):
    _, stamp = train(tmp_path / "packed", subsets=("not0", "not3"), seeds=(0, 1), model=model)
    packed = scores(tmp_path / "packed", stamp)
    single = {}
    for subset in ("not3", "not0"):
        for seed in (1, 0):
            _, stamp = train(tmp_path / "single", subsets=(subset,), seeds=(seed,), model=model)
            single |= scores(tmp_path / "single", stamp)
    assert packed.keys() == single.keys()
    assert len(packed) == 4
    for path, frame in packed.items():
        pd.testing.assert_frame_equal(frame, single[path], check_exact=True)


def test_seeds_and_subsets_matter(tmp_path):
    _, stamp = train(tmp_path, subsets=("not0", "not3"), seeds=(0, 1))
    frames = list(scores(tmp_path, stamp).values())
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


def test_the_finished_is_not_trained_again_the_changed_is(tmp_path):
    finished = tmp_path / "models/digits/not0/toy/seed0/bench.json"
    train(tmp_path)
    before = finished.stat().st_mtime_ns
    train(tmp_path, seeds=(0, 1))
    assert finished.stat().st_mtime_ns == before
    train(tmp_path, "--params", '{"offset": 1.0}')
    assert finished.stat().st_mtime_ns != before
    assert read_spec(finished.parent)["params"] == {"offset": 1.0}


def test_a_failure_is_named_and_does_not_stop_the_others(tmp_path, capsys):
    code, stamp = train(tmp_path, "--params", '{"fail": true}', seeds=(0, 1, 2))
    assert code != 0
    assert "seed1: seed 1 is told to fail" in capsys.readouterr().err
    assert not stamp.exists()
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


def test_half_a_model_is_no_model(tmp_path):
    train(tmp_path)
    directory = tmp_path / "models/digits/not0/toy/seed0"
    (directory / "bench.json").unlink()
    assert bench("score", directory, "--out", tmp_path / "scores") != 0
    train(tmp_path)
    assert read_spec(directory)


def test_a_model_that_has_gone_is_named(tmp_path, capsys):
    _, stamp = train(tmp_path)
    shutil.rmtree(tmp_path / "models")
    assert bench("score", "--trained", stamp, "--out", tmp_path / "scores") != 0
    assert "is gone" in capsys.readouterr().err


def test_scores_hold_both_splits_all_classes_and_layers(tmp_path):
    _, stamp = train(tmp_path)
    ((path, frame),) = scores(tmp_path, stamp).items()
    assert str(path) == "digits/not0/toy/seed0.parquet"
    assert list(frame.columns) == ["split", "label", "score", "layer_0", "layer_1"]
    assert set(frame["split"]) == {"validation", "test"}
    assert set(frame["label"]) == set(range(10))
    assert (frame["score"] == frame["layer_1"]).all()


def test_nan_scores_are_refused(tmp_path, capsys):
    _, stamp = train(tmp_path, model=("--factory", "toy_models:Diverging", "--name", "toy", "--model", "toy"))
    assert bench("score", "--trained", stamp, "--out", tmp_path / "scores") != 0
    assert "NaN" in capsys.readouterr().err


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
