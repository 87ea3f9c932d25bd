"""What a profile may not say: found in the plan, before any job, and said by name."""

import copy
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from evaluation.base.errors import ConfigError
from evaluation.plan.jobs import Jobs
from evaluation.plan.plan import Plan, load_plan

OWN = {"factory": "toy_models:Brightness"}


def config(models=(), experiment="outliers", **changes):
    named = list(models) or ["gmm"]
    base = {"profile": "t", "seeds": 1, "models": dict(models)}
    base["experiments"] = {experiment: {"datasets": ["digits"], "models": named}}
    for path, value in changes.items():
        *parents, key = path.split("__")
        node = base
        for parent in parents:
            node = node.setdefault(parent, {})
        node[key] = value
    return copy.deepcopy(base)


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(Path(__file__).parents[1])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"profile": ".."}, "profile: '..' given"),
        ({"profile": "-x"}, "profile: '-x' given"),
        ({"results": "."}, "a folder of its own is expected"),
        ({"results": "a/../.."}, "a folder of its own is expected"),
        ({"results": "/"}, "a folder of its own is expected"),
        ({"results": "-x"}, "a folder of its own is expected"),
        ({"results": "x" * 300}, "a folder of its own is expected"),
        (
            {"experiments__outliers": {"datasets": ["data/mine.npz"], "models": ["gmm"]}},
            "'data/mine.npz' is a file; put it into the data directory (docs/data.md) and give its name, 'mine'",
        ),
        ({"seeds": 10**5}, "a number of seeds"),
        ({"seeds": [2**63]}, "a number of seeds"),
        ({"experiments": {"sampling": {"datasets": ["digits"]}}}, "experiments.sampling names no model"),
        ({"experiments": {"sampling": {"datasets": ["digits"], "alphabet": "gmm"}}}, "'gmm' is no DCGMM"),
        (
            {"experiments": {"sampling": {"datasets": ["mnist", "digits", "fashion_mnist"], "pooled": ["dcgmm-a"]}}},
            "experiments.sampling.datasets: no figure is left for digits, whose models would be trained and not shown",
        ),
        (
            {"experiments": {"svhn": {"datasets": ["photos", "digits"], "models": ["dcgmm-a"]}}},
            "experiments.svhn.datasets: no figure is left for digits",
        ),
        (
            {"experiments__judge": {"datasets": ["digits"], "models": ["gmm"], "shown": ["vae"]}},
            "judge.shown: vae is not judged",
        ),
        ({"experiment": "classification"}, "models.gmm on digits: it has no classifier"),
        (
            {"experiments__outliers__all_classes": ["vae"]},
            "outliers.all_classes: vae is not trained; add it to experiments.outliers.models",
        ),
        (
            {"experiments__dynamics": {"datasets": ["digits"], "models": ["dcgmm-f-dynamics", "dcgmm-a"]}},
            "experiments.dynamics: dcgmm-a has monitor: validation, and the figure is one of test images; write "
            "`monitor: test` into models.dcgmm-a",
        ),
    ],
)
def test_settings_that_would_fail_late_or_write_elsewhere(changes, said):
    with pytest.raises(ConfigError) as raised:
        Plan(config(**changes))
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({**OWN, "grid": {"a": [1, 1]}}, "1 is listed twice"),
        ({**OWN, "grid": {"a": [[1], [1]]}}, "[1] is listed twice"),
        ({**OWN, "grid": {"a": [float("nan")]}}, "is no number"),
        ({**OWN, "grid": {"a/b": [1]}}, "'a/b' cannot be a parameter"),
        ({**OWN, "params": {"a b": 1}}, "'a b' cannot be a parameter"),
        ({"extends": "dcgmm-a", "params": {"config": "F(28,1)-G(4)-C(3)"}}, "has 3 classes, the data set 10"),
        (
            {"extends": "rat-spn-normal", "params": {"min_variance": 0.2}},
            "models.mine.params: min_variance 0.2 is not below max_variance 0.1; change one of them",
        ),
        ({"extends": "rat-spn-normal", "grid": {"max_variance": [1e-7]}}, "min_variance 1e-06 is not below"),
        ({"extends": "vae", "params": {"learning_rate": "1e-3"}}, "YAML takes 1e-3 for text: write 0.001"),
        ({"factory": "broken:Model"}, "cannot be read as Python"),
        ({"factory": "__main__:Model"}, "'__main__' is no module that other processes can import"),
        (
            {**OWN, "params": {"when": date(2026, 12, 1)}},
            "models.mine.params.when: 2026-12-01 is a date; text, numbers",
        ),
        ({**OWN, "grid": {"when": ["a", date(2026, 12, 1)]}}, "grid.when: 2026-12-01 is a date"),
        ({**OWN, "params": {"layers": {2: "a", 10: "b"}}}, "params.layers: the key 2 is no text; put it into quotes"),
        ({**OWN, "sampling": {"when": [date(2026, 12, 1)]}}, "sampling.when: 2026-12-01 is a date"),
    ],
)
def test_models_that_could_not_be_trained_or_told_apart(entry, said, tmp_path):
    (tmp_path / "broken.py").write_text("class Model(:\n")
    with pytest.raises(ConfigError) as raised:
        Plan(config({"mine": entry}))
    assert said in str(raised.value)


@pytest.mark.parametrize("name", ["out/x/", "out//x", "./out/x"])
def test_a_folder_is_written_in_one_way(name):
    """Snakemake takes out//x for another folder than out/x: no run began."""
    assert Plan(config(results=name)).root == "out/x"


def test_names_that_are_too_long_for_a_file_system_are_cut_and_stay_apart():
    """OSError: File name too long, in a job."""
    grid = {f"parameter_number_{number}": ["v" * 50, "w" * 50] for number in range(6)}
    plan = Plan(config({"mine": {**OWN, "grid": grid}}, seeds=100, packing__seeds_per_job=100))
    jobs = Jobs(plan)
    words = {word for job in jobs.all() for word in job.name.split("/")}
    assert max(map(len, words)) <= 200
    assert len(plan.variants) == len(jobs.all()) == 2**6
    assert all(jobs.named(job.name) is job for job in jobs.all())


def test_small_and_large_numbers_reach_the_jobs_as_they_are(tmp_path):
    plan = Plan(config({"mine": {**OWN, "params": {"offset": 1e-6}}}))
    (tmp_path / "profile.json").write_text(plan.as_json())
    read = load_plan(tmp_path / "profile.json")
    assert [read.spec(key) for key in read.all_keys()] == [plan.spec(key) for key in plan.all_keys()]


def test_options_of_sampling_are_checked_before_the_training(tmp_path, capsys):
    """A misspelt option of `sampling:` was found after hours of training."""
    from evaluation.cli import main

    entry = {"factory": "toy_models:Drawer", "sampling": {"top": 3}}
    plan = Plan(config({"mine": entry}, experiment="judge"))
    (tmp_path / "profile.json").write_text(plan.as_json())
    job = Jobs(plan).all()[0]
    assert main(["train", "--profile", str(tmp_path / "profile.json"), job.name]) == 2
    assert "has no option 'top'" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


def test_centroids_of_any_number_of_data_sets_have_a_figure():
    settings = {"datasets": ["mnist", "digits", "fashion_mnist"], "alphabet": "dcgmm-a"}
    plan = Plan(config(experiments={"sampling": settings}))
    assert [key.dataset for key in plan.keys("sampling")] == settings["datasets"]


@pytest.mark.parametrize(
    ("experiment", "arrays", "said"),
    [
        ("outliers", {}, "experiments.outliers: mine has one class; two are needed, one of them the outlier"),
        (
            "judge",
            {"y": [0, 1] * 10, "class_names": ["a", "b", "c"]},
            "mine has no training image of class 2",
        ),
        (
            "judge",
            {"y": [0, 1, 2] * 4 + [0] * 5 + [1, 2, 2]},
            "no validation image of class 1",
        ),
    ],
)
def test_experiments_that_a_set_of_ones_own_has_no_images_for(experiment, arrays, said, tmp_path, monkeypatch):
    """The plan was made, and jobs of the run failed one after another."""
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    images = np.random.default_rng(0).integers(256, size=(20, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "mine.npz", x=images, **arrays)
    with pytest.raises(ConfigError) as raised:
        Plan(config(**{f"experiments__{experiment}": {"datasets": ["mine"], "models": ["gmm"]}}))
    assert said in str(raised.value)
