"""Trainings that a collection lacks, where neither Snakemake nor pydantic is."""

import json
import subprocess
import sys

import pytest

from benchmarks.missing_trainings import listed, places_of, train
from evaluation.base.errors import UserError
from evaluation.jobs.store import is_complete
from evaluation.plan.key import TrainingKey
from evaluation.plan.plan import load_plan

PROFILE = """
profile: few
seeds: 2
models: {dcgmm-a: {params: {iterations: 20, window: 5}}, gmm: {params: {components: 4}}}
experiments: {outliers: {datasets: [digits], models: [dcgmm-a, gmm], outlier_classes: [3]}}
"""
BARE = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pydantic", "snakemake", "yaml", "pyarrow", "keras", "tensorflow", "seaborn"):
            raise ImportError(f"{name} is not installed")
sys.meta_path.insert(0, Absent())
from benchmarks.missing_trainings import main
main()
"""


@pytest.fixture
def lacking(tmp_path):
    """The plan, and the lines that a collection with one training of A lacks."""
    profile, collection = tmp_path / "few.yaml", tmp_path / "collection"
    profile.write_text(PROFILE)
    plan = load_plan(profile)
    there = TrainingKey("digits", "not3", "dcgmm-a", 0)
    collection.mkdir()
    (collection / "provenance.json").write_text(json.dumps({"models": {there.path: {"spec": plan.spec(there)}}}))
    return plan, listed(str(profile), collection)


def test_the_list_has_what_the_collection_lacks_with_all_settings(lacking, tmp_path):
    plan, lines = lacking
    found = {line["line"]: places_of(line["trainings"], tmp_path) for line in lines}
    assert [(p.training.seed, p.training.spec) for p in found["dcgmm-a digits not"]] == [
        (1, plan.spec(TrainingKey("digits", "not3", "dcgmm-a", 1)))
    ]
    assert [place.training.seed for place in found["gmm digits not"]] == [0, 1]
    with pytest.raises(UserError, match="gmn"):
        listed(str(tmp_path / "few.yaml"), tmp_path / "collection", ["gmn"])


def test_a_list_of_other_settings_is_refused_before_anything_is_trained(lacking, tmp_path):
    _, lines = lacking
    lines[-1]["trainings"][-1]["params"]["weird"] = 99
    with pytest.raises(UserError, match="has other settings in this version; write it again"):
        list(train(lines, tmp_path / "models", together=False, until=float("inf")))
    assert not (tmp_path / "models").exists()


def test_they_are_trained_on_a_bare_machine_once(lacking, tmp_path):
    _, lines = lacking
    todo, models = tmp_path / "todo.json", tmp_path / "models"
    todo.write_text(json.dumps({"lines": lines}))
    command = [sys.executable, "-c", BARE, "train", str(todo), "--models", str(models), "--device", "cpu"]
    late = subprocess.run([*command, "--seconds", "-1"], capture_output=True, text=True, check=True)
    assert "dcgmm-a digits not: not begun, 1 trainings" in late.stdout and not models.exists()
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "gmm digits not: 2 trainings in" in first.stdout and first.stdout.count(", done") == 2
    for line in lines:
        assert all(is_complete(place.training, place.directory) for place in places_of(line["trainings"], models))
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stdout == ""


def test_a_line_that_fails_does_not_stop_the_next(lacking, tmp_path, monkeypatch):
    def failing(places, dataset, together):
        if places[0].training.model == "gmm":
            raise ImportError("no module named keras")
        done.append([place.training.key.word for place in places])

    done = []
    monkeypatch.setattr("benchmarks.missing_trainings.train_all", failing)
    said = list(train(lacking[1], tmp_path, together=True, until=float("inf")))
    assert done == [["dcgmm-a/digits/not3/seed1"]] and len(said) == 2
    assert any("failed: no module named keras" in line for line in said)
