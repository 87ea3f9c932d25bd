"""Metrics of a run know the trainings they were made from: those of others are measured again, or refused by name."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from evaluation.cli import main
from evaluation.jobs.basis import basis
from evaluation.measures.tidy import read_made_from, tidy_frame, tidy_row, write_metrics
from evaluation.plan.plan import Plan
from tests.evaluation.results.test_collect import finish

MODELS = {"mine": {"factory": "toy_models:Brightness", "label": "Mine"}}
DIGITS = {"datasets": ["digits"], "models": ["mine"]}


def changed(**config):
    return Plan({"profile": "p", "seeds": 1, "models": MODELS, "experiments": {"outliers": DIGITS}, **config})


def trained(of, folder, shift=1.0):
    """Every training of a plan with its scores, in place of those that were there."""
    for place in ("models", "scores"):
        shutil.rmtree(folder / place, ignore_errors=True)
    for key in of.all_keys():
        finish(of.training(key), folder, shift=shift)
    (folder / "profile.json").write_text(of.as_json())


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A finished run with its metrics."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results/p"
    trained(changed(), folder)
    assert main(["measure", "outliers", "digits", "--profile", "p"]) == 0
    return folder


def area(folder):
    """Table II's cell, mean and number of seeds."""
    (row,) = pd.read_csv(folder / "tables/table_2_outliers_models.csv").query("dataset == 'digits'").to_dict("records")
    return row["mean"], row["n"]


def refused(capsys, *words):
    capsys.readouterr()
    assert main([*words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_metrics_of_models_that_were_trained_again_are_not_reported(run, capsys):
    """Once the models had the profile's new settings, their old areas were reported as theirs."""
    assert main(["table", "table_2", "--profile", "p"]) == 0
    old, _ = area(run)
    trained(changed(train_images=7), run, shift=3.0)
    for words in (["table", "table_2"], ["compare"]):
        said = refused(capsys, *words, "--profile", "p")
        assert (
            "outliers_digits.parquet holds metrics of other settings than the profile's (digits/not0/mine/seed0)"
            in said
        )
        assert "delete it and start the run again" in said
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    new, _ = area(Path("so-far"))
    assert main(["measure", "outliers", "digits", "--profile", "p"]) == 0
    assert main(["table", "table_2", "--profile", "p"]) == 0
    assert area(run)[0] == new != old


def test_seeds_that_were_added_are_measured(run, capsys):
    """A file of metrics won over the scores: "1 seed", without "unfinished"."""
    trained(changed(seeds=3), run)
    assert "lacks trainings of the profile (digits/not0/mine/seed1" in refused(
        capsys, "table", "table_2", "--profile", "p"
    )
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    assert "unfinished" not in capsys.readouterr().out and area(Path("so-far"))[1] == 3
    trained(changed(seeds=3), run)
    assert main(["measure", "outliers", "digits", "--profile", "p"]) == 0
    (run / "profile.json").write_text(changed().as_json())
    said = refused(capsys, "table", "table_2", "--profile", "p")
    assert "trainings that the profile has not (digits/not0/mine/seed1, digits/not0/mine/seed2)" in said


def test_metrics_of_an_earlier_version_are_to_be_measured_again(run, capsys):
    file = run / "metrics/outliers_digits.parquet"
    metrics = pd.read_parquet(file)
    metrics.to_parquet(file)
    assert "written by an earlier version" in refused(capsys, "table", "table_2", "--profile", "p")
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0  # which measures again
    shutil.rmtree(run / "scores")
    said = refused(capsys, "collect", "--profile", "p", "--out", "so-far")
    assert f"`bench measure outliers digits --profile {run}`" in said
    pd.read_parquet("so-far/metrics/outliers_digits.parquet").to_parquet("so-far/metrics/outliers_digits.parquet")
    assert main(["table", "table_2", "--profile", str(Path("so-far").resolve())]) == 0  # a collection names its models


def test_metrics_that_take_a_job_are_kept_of_the_trainings_that_are_still_the_plans(run, capsys):
    experiments = {"classification": DIGITS}
    before, after = changed(experiments=experiments), changed(experiments=experiments, seeds=2)
    facts = {"protocol": "both", "experiment": "classification", "dataset": "digits", "model": "mine", "seed": 0}
    file, row = run / "metrics/classification_digits.parquet", tidy_row(**facts, metric="accuracy", value=97.0)
    trained(after, run)
    write_metrics(file, [row], basis(before, "classification", "digits"))
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    assert "unfinished: 1 of 2" in capsys.readouterr().out
    kept = Path("so-far/metrics/classification_digits.parquet")
    assert list(pd.read_parquet(kept)["seed"]) == [0]
    assert list(read_made_from(kept)["trainings"]) == ["digits/all/mine/seed0"]
    trained(changed(experiments=experiments, train_images=7), run)
    assert "no results" in refused(capsys, "collect", "--profile", "p", "--out", "other")
    tidy_frame([row]).to_parquet(file)
    said = refused(capsys, "collect", "--profile", "p", "--out", "other")
    assert f"`bench measure classification digits --profile {run}`" in said


def test_a_note_that_cannot_be_read_is_named(run, capsys):
    write_metrics(
        run / "metrics/outliers_digits.parquet", pd.read_parquet(run / "metrics/outliers_digits.parquet"), [1]
    )
    assert "outliers_digits.parquet is damaged: it was made from [1]" in refused(capsys, "compare", "--profile", "p")
