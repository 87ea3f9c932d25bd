"""The studies behind docs/findings.md: what is not repeated, what a run gives, which judges choose and which report."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks.studies import printed_spread, table_3, table_4
from benchmarks.studies.rows import FOLDER, Rows
from evaluation.base.errors import UserError
from evaluation.jobs.score import write_scores
from evaluation.plan.catalogue import Catalogue
from evaluation.plan.key import TrainingKey
from evaluation.plan.paths import Paths


def test_rows_are_there_after_a_restart(tmp_path):
    table = Rows(tmp_path / "rows.csv")
    table.add(kind="both", repetition=0, auroc=95.5)
    table.add(kind="order", repetition=0, auroc=94.5)
    again = Rows(tmp_path / "rows.csv")
    assert again.rows == table.rows
    assert again.find(kind="order", repetition=0) == [table.rows[1]] and not again.find(kind="order", repetition=1)


@pytest.fixture
def run(tmp_path):
    """Scores of DCGMM-G on the test images, seed 0: class 0 below all others but for a tenth."""
    labels = np.repeat(np.arange(10), 20)
    scores = np.where(labels == 0, -1.0, 1.0)
    scores[:2] = 2.0
    frame = pd.DataFrame({"split": "test", "label": labels, "score": scores})
    unseen = pd.DataFrame({"split": "validation", "label": labels, "score": 0.0})

    def written(**changes):
        path = Paths(tmp_path).scores(TrainingKey("mnist", "not0", "dcgmm-g", 0))
        record = {"params": {**Catalogue().model("dcgmm-g").params, **changes}}
        write_scores(path, pd.concat([unseen, frame]), record)
        return tmp_path

    return written


def test_the_spread_takes_seeds_and_halves_from_a_run(run, tmp_path, monkeypatch):
    monkeypatch.setattr(printed_spread, "trained", lambda *args, **seeds: pytest.fail(f"trained {args} {seeds}"))
    table = Rows(tmp_path / "rows.csv")
    printed_spread.train("G", "shared", "mnist", seeds=1, table=table, results=run())
    assert [row["kind"] for row in table.rows] == ["both", *["evaluation"] * 5, "order", "initialisation"]
    assert {row["auroc"] for row in table.rows if row["kind"] != "evaluation"} == {90.0}
    assert len({row["auroc"] for row in table.rows if row["kind"] == "evaluation"}) > 1


def test_a_killed_study_goes_on_with_the_halves_of_the_test_images(run, tmp_path):
    """Halves were added with seed 0's own row alone: once that was there, missing ones were missing for ever."""
    whole = Rows(tmp_path / "whole.csv")
    printed_spread.train("G", "shared", "mnist", seeds=1, table=whole, results=run())
    table = Rows(tmp_path / "rows.csv")
    for row in whole.rows[:3]:
        table.add(**row)
    printed_spread.train("G", "shared", "mnist", seeds=1, table=table, results=run())
    assert table.rows == whole.rows


def test_a_run_with_other_settings_is_refused(run, tmp_path):
    with pytest.raises(UserError, match="another epochs than the catalogue's 25"):
        printed_spread.train("G", "shared", "mnist", 1, Rows(tmp_path / "rows.csv"), run(epochs=3))


def test_what_a_run_lacks_is_trained_with_one_thing_changed(tmp_path, monkeypatch):
    seen = []

    def trained(*args, order, initial):
        seen.append((order, initial))
        labels = np.arange(40) % 10
        return np.random.default_rng(len(seen)).normal(size=40), labels

    monkeypatch.setattr(printed_spread, "trained", trained)
    printed_spread.train("A", "shared", "mnist", 3, Rows(tmp_path / "rows.csv"), tmp_path)
    assert seen == [(0, 0), (1, 1), (2, 2), (1, 0), (2, 0), (0, 1), (0, 2)]


def test_settings_are_chosen_by_other_judges_than_those_that_report(tmp_path, monkeypatch):
    assert not set(table_3.JUDGES["choosing"]) & set(table_3.JUDGES["reporting"])
    asked = []

    def judged(models, setting, each, of, seed):
        asked.append((setting, each, list(of), seed))
        liked = 90.0 + setting["top_s"] - setting["divisor"] / 10  # most: S 3, divisor 5
        return {"judge_accuracy": liked if of == [50, 51] else 50.0}

    monkeypatch.setattr(table_3, "class_models", lambda *args: ["a model for each class"])
    monkeypatch.setattr(table_3, "judges", lambda dataset, seeds, results: iter(seeds))
    monkeypatch.setattr(table_3, "judged", judged)
    about = {"dataset": "fashion_mnist", "model": "dcgmm-e", "iterations": 10, "seed": 0}
    table = Rows(tmp_path / "rows.csv")
    table_3.choose(about, tmp_path, {"choosing": 2, "reporting": 5}, table)
    assert len(asked) == 18 + 2
    assert [(a[0], *a[1:]) for a in asked[-2:]] == [
        ({"top_s": 1, "divisor": 20, "sharpen": False}, 5, [0, 1, 2, 3, 4], 0),
        ({"top_s": 3, "divisor": 5.0, "sharpen": False}, 5, [0, 1, 2, 3, 4], 0),
    ]
    table_3.choose(about, tmp_path, {"choosing": 2, "reporting": 5}, Rows(tmp_path / "rows.csv"))
    assert len(asked) == 20  # nothing twice
    table_3.choose(about, tmp_path, {"choosing": 3, "reporting": 5}, table := Rows(tmp_path / "rows.csv"))
    assert len(asked) == 38 and {row["samples"] for row in table.rows} == {2, 3, 5}  # of another number is another


def test_judges_of_the_run_are_used_as_they_are_and_others_learn_at_the_rate_that_works(tmp_path, monkeypatch):
    """Judges at the printed 0.01 chose, with 85 %, and the run's own, at another rate, would be replaced."""
    there = Paths(tmp_path).judge("digits", 0)
    there.mkdir(parents=True)
    record = {"seed": 0, "dataset": "digits", "params": {"epochs": 3}, "limit": 100, "accuracy": 90.0, "diverged": []}
    (there / "judge.json").write_text(json.dumps(record))
    trained = []
    monkeypatch.setattr(table_3, "train_judge", lambda dataset, folder, **how: trained.append((folder, how)))
    monkeypatch.setattr(table_3.Judge, "load", lambda folder, dataset: folder)
    other = Paths(tmp_path).judge("digits", 50)
    assert list(table_3.judges("digits", (0, 50), tmp_path)) == [there, other]
    assert trained == [(other, {"seed": 50, "params": {"learning_rate": 0.001}, "progress": False})]


def test_a_model_of_another_length_is_not_taken_from_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(table_3, "OWN", tmp_path / "own")
    monkeypatch.setattr(table_3, "read_record", lambda path: {"params": {"iterations": 10_000}})
    load = table_3.DCGMM.load
    monkeypatch.setattr(table_3.DCGMM, "load", lambda path: path)
    for label in range(10):
        Paths(tmp_path).model(TrainingKey("digits", f"only{label}", "dcgmm-a", 0)).mkdir(parents=True)
    of_run = table_3.class_models("dcgmm-a", "digits", 0, 10_000, tmp_path)
    assert of_run == [tmp_path / f"models/digits/only{label}/dcgmm-a/seed0" for label in range(10)]
    other = [load(path) for path in table_3.class_models("dcgmm-a", "digits", 0, 2, tmp_path)]
    assert [model.count_params("centroids") for model in other] == [38416] * 10
    again = table_3.class_models("dcgmm-a", "digits", 0, 2, tmp_path)
    assert again == [tmp_path / f"own/2/digits/only{label}/dcgmm-a/seed0" for label in range(10)]


@pytest.mark.parametrize("study", [printed_spread, table_4])
def test_committed_rows_give_a_table_and_a_figure(study, tmp_path):
    table = Rows(FOLDER / f"{study.__name__.split('.')[-1]}.csv")
    assert len(study.report(table).splitlines()) > 3
    study.picture(table, tmp_path / "figure.png")
    assert {path.name for path in tmp_path.iterdir()} == {"figure.png", "figure.pdf"}


def test_settings_give_a_table_and_a_figure(tmp_path):
    table = Rows(tmp_path / "rows.csv")
    about = {"dataset": "fashion_mnist", "model": "dcgmm-e", "iterations": 10, "seed": 0}
    measured = dict.fromkeys(table_3.MEASURES, 80.0) | {"deviation": 1.0}
    for number, setting in enumerate(table_3.SETTINGS):
        table.add(**about, judges="choosing", **setting, **measured | {"judge_accuracy": 70.0 + number})
    table.add(**about, judges="reporting", **table_3.best(table.rows), **measured)
    lines = table_3.report(table).splitlines()
    assert len(lines) == 3 and "| dcgmm-e |" in lines[2].replace("  ", " ")
    table_3.picture(table, tmp_path / "figure.png")
    assert (tmp_path / "figure.pdf").is_file()


def test_an_instance_that_was_not_run_on_a_data_set_is_marked(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(printed_spread, "save", lambda figure, *_: drawn.append(figure))
    table = Rows(tmp_path / "rows.csv")
    for instance, dataset in (("A", "mnist"), ("A", "fashion_mnist"), ("G", "mnist")):
        table.add(instance=instance, sharing="shared", dataset=dataset, kind="both", repetition=0, auroc=90.0)
    printed_spread.picture(table, tmp_path / "rows.png")
    words = {axis.get_title(): [text.get_text() for text in axis.texts] for axis in drawn[0].axes}
    assert [title for title, said in words.items() if "not run" in said] == ["DCGMM-G, Fashion-MNIST"]
