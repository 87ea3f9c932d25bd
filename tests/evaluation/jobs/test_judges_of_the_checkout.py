"""The trained judges that the checkout has in judges/: those of the profile `paper`, found where nobody has others."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.cli import judge as command
from evaluation.cli import main
from evaluation.datasets import data_root, load_dataset
from evaluation.jobs.basis import judges, of_judge
from evaluation.jobs.judge import Judge
from evaluation.jobs.judges import finished, train_judge
from evaluation.plan.plan import load_plan

ROOT = Path(__file__).resolve().parents[3]
THERE = sorted(command.OF_THE_CHECKOUT.glob("*/seed*"))


@pytest.mark.parametrize("directory", THERE, ids=lambda path: "/".join(path.parts[-2:]))
def test_they_are_the_judges_of_the_reference(directory):
    record = finished(directory)
    dataset, seed = directory.parent.name, int(directory.name.removeprefix("seed"))
    assert (record["dataset"], record["seed"]) == (dataset, seed)
    assert of_judge(record) == judges(load_plan(ROOT / "config/paper.yaml"))
    rows = pd.read_parquet(ROOT / f"docs/reference/paper/metrics/judge_{dataset}.parquet")
    (accuracy,) = rows[(rows["metric"] == "cnn_test_accuracy") & (rows["seed"] == seed)]["value"]
    assert record["accuracy"] == pytest.approx(accuracy, abs=0.3)  # other machines round differently


def test_there_are_some():
    assert {path.parent.name for path in THERE} >= {"fashion_mnist"}


@pytest.mark.skipif(not (data_root() / "fashion_mnist").is_dir(), reason="$BENCH_DATA holds no fashion_mnist")
def test_one_is_as_accurate_as_it_says():
    x, y = load_dataset("fashion_mnist").split("test")
    judge = Judge.load(command.OF_THE_CHECKOUT / "fashion_mnist/seed0", "fashion_mnist")
    right = 100.0 * np.mean(judge.cnn.predict(x) == y)
    assert right == pytest.approx(judge.record["accuracy"], abs=0.05)


def test_it_judges_where_there_is_no_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "OF_THE_CHECKOUT", tmp_path / "judges")
    short = {"epochs": 1, "learning_rate": 0.002, "batch_size": 20}
    train_judge("digits", tmp_path / "judges/digits/seed0", params=short, limit=100, progress=False)
    x, y = load_dataset("digits").split("test")
    np.savez("mine.npz", samples=x[:20], labels=y[:20])
    judge = ["judge", "--dataset", "digits", "--samples", "mine.npz", "--no-references", "--quiet"]
    assert main(judge) == 0
    assert f"{tmp_path / 'judges/digits/seed0'}: judge of digits, 1 epochs of 100 images" in capsys.readouterr().out
    assert not Path("results").exists()
    # Options of a training, and a place of one's own, ask for a judge of one's own.
    assert main([*judge, "--epochs", "2", "--train-images", "60"]) == 0
    assert json.loads(Path("results/by-hand/judges/digits/seed0/judge.json").read_text())["limit"] == 60
    assert main([*judge, "--judges", "own", "--epochs", "1", "--train-images", "50"]) == 0
    assert Path("own/digits/seed0/judge.json").is_file()
    capsys.readouterr()
    assert main(judge) == 0  # one's own comes first
    assert "2 epochs of 60 images" in capsys.readouterr().out
