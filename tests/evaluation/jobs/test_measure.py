"""`bench measure`: the metrics of an experiment of a run, and what is refused to be measured."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.cli import main
from evaluation.jobs.inpaint import MEASURES_FILE
from evaluation.jobs.judge import Judge
from evaluation.jobs.measure import OtherTraining, annealing_rows, finished_keys, measured, measured_so_far
from evaluation.jobs.sample import write_samples
from evaluation.jobs.unable import why_not
from evaluation.measures.tidy import read_made_from
from evaluation.plan.plan import Plan
from tests.evaluation.results.test_samples import finish

ENTRY = {"factory": "toy_models:Drawer", "label": "Mine"}


def run(*words):
    return main([*map(str, words)])


@pytest.fixture
def profile(tmp_path, monkeypatch):
    """A run of a model that draws and one that cannot, before anything was done."""
    monkeypatch.chdir(tmp_path)
    entry = {**ENTRY, "monitor": "test"}
    models = {"mine": entry, "mute": {**entry, "params": {"draws": False, "completes": False}}}
    digits = {"datasets": ["digits"], "models": ["mine", "mute"]}
    experiments = {"outliers": digits, "dynamics": digits, "inpainting": {**digits, "images": 8}}
    experiments["sampling"] = {**digits, "images": 5}
    config = {"profile": "p", "seeds": 1, "models": models, "experiments": experiments}
    Path("results/p").mkdir(parents=True)
    Path("results/p/profile.json").write_text(json.dumps(config))
    return Plan(config)


def trained(plan):
    for key in plan.all_keys():
        assert run("train", "--profile", "p", key.word, "--quiet") == 0
    return plan.paths()


def test_a_job_is_named_on_one_line_and_leaves_its_stamp(profile, capsys):
    paths = trained(profile)
    assert paths.stamp("train", "mine/digits/not0/seed0").is_file()
    assert run("score", "--profile", "results/p", "mine/digits/not0/seed0") == 0
    assert paths.stamp("score", "mine/digits/not0/seed0").is_file()
    assert run("score", "--profile", "p", "mine/digits/all/seed0") == 2  # no experiment asks for it
    assert "asks for the stage score" in capsys.readouterr().err
    assert run("train", "--profile", "p", "mien/digits/not0/seed0") == 2
    assert "did you mean 'mine/digits/not0/seed0'" in capsys.readouterr().err


def test_outliers_and_learning_curves_are_measured(profile):
    paths = trained(profile)
    assert run("measure", "outliers", "digits", "--profile", "p") == 2  # there are no scores
    for name in ("mine", "mute"):
        assert run("score", "--profile", "p", f"{name}/digits/not0/seed0") == 0
    assert run("measure", "outliers", "digits", "--profile", "p") == 0
    frame = pd.read_parquet(paths.metrics("outliers", "digits"))
    assert set(frame["model"]) == {"mine", "mute"} and np.isfinite(frame["value"]).all()
    pd.testing.assert_frame_equal(frame, measured_so_far(profile, paths, "outliers", "digits"))
    assert run("measure", "dynamics", "digits", "--profile", "p") == 0
    curves = pd.read_parquet(paths.metrics("dynamics", "digits"))
    assert set(curves["metric"]) == {"log_likelihood_layer_0"}


def test_a_run_that_goes_on_is_measured_so_far(profile, capsys):
    paths = trained(profile)
    assert run("measure", "outliers", "digits", "--profile", "p", "--so-far") == 2
    assert "has no finished outliers on digits yet" in capsys.readouterr().err
    assert run("score", "--profile", "p", "mine/digits/not0/seed0") == 0
    assert run("measure", "outliers", "digits", "--profile", "p") == 2
    assert run("measure", "outliers", "digits", "--profile", "p", "--so-far") == 0
    assert "measured, 1 of 2 trainings" in capsys.readouterr().out
    said = read_made_from(paths.metrics("outliers", "digits"))
    assert list(said["trainings"]) == ["digits/not0/mine/seed0"]


@pytest.mark.slow
def test_the_areas_are_followed_where_a_profile_asks_for_it(tmp_path, monkeypatch):
    """The last point of the course is the area that the scores give; following changes nothing in the model."""
    monkeypatch.chdir(tmp_path)
    short = {"iterations": 12, "measurements": 3, "window": 2}
    frames = {}
    for course in (False, True):
        models = {"dcgmm-b": {"params": short}}
        outliers = {"datasets": ["digits"], "models": ["dcgmm-b"], "course": course}
        config = {"profile": f"p{course}", "seeds": 1, "models": models, "experiments": {"outliers": outliers}}
        plan = Plan(config)
        paths = plan.paths()
        paths.profile.parent.mkdir(parents=True)
        paths.profile.write_text(json.dumps(config))
        (key,) = plan.all_keys()
        for stage in ("train", "score"):
            assert run(stage, "--profile", plan.name, key.word, *(["--quiet"] if stage == "train" else [])) == 0
        frames[course] = measured_so_far(plan, paths, "outliers", "digits")
    followed = frames[True][frames[True]["experiment"] == "course"]
    assert {json.loads(params)["step"] for params in followed["params"]} == {0, 4, 8, 12}
    last = followed[followed["params"].str.contains('"step":12')].set_index("metric")["value"]
    measured = {
        course: frame[(frame["experiment"] == "outliers") & frame["metric"].isin([*last.index, "auroc"])]
        for course, frame in frames.items()
    }
    pd.testing.assert_frame_equal(measured[False].reset_index(drop=True), measured[True].reset_index(drop=True))
    pd.testing.assert_series_equal(last, measured[True].set_index("metric")["value"].drop("auroc"))
    assert not (frames[False]["experiment"] == "course").any()


def test_what_was_made_from_other_settings_is_named_and_not_measured(profile, capsys):
    """Pages remade with --rerun-triggers mtime said 7 where the models had 1."""
    paths = trained(profile)
    for name in ("mine", "mute"):
        assert run("score", "--profile", "p", f"{name}/digits/not0/seed0") == 0
    changed = {**profile.config, "train_images": 500}
    paths.profile.write_text(json.dumps(changed))
    for experiment in ("outliers", "dynamics"):
        assert run("measure", experiment, "digits", "--profile", "p") == 2
        assert "other settings than the profile's" in capsys.readouterr().err
    assert measured_so_far(Plan(changed), paths, "outliers", "digits").empty


def test_what_a_model_cannot_do_does_not_stop_the_run(profile):
    """A model that raises NotImplementedError ended the run without a report; the docs promise "–"."""
    paths = trained(profile)
    for name in ("mine", "mute"):
        job = f"{name}/digits/all/seed0"
        assert run("inpaint", "--profile", "p", job) == 0
        assert run("sample", "--stage", "grid_plain", "--profile", "p", job) == 0
        assert paths.stamp("inpaint", job).is_file() and paths.stamp("grid_plain", job).is_file()
    able, unable = (key for key in profile.keys("inpainting"))
    assert paths.samples(able, "grid_plain").is_file() and not paths.samples(unable, "grid_plain").exists()
    assert why_not(paths.samples(unable, "grid_plain")) == "this model draws no images"
    assert why_not(paths.completions(unable) / MEASURES_FILE) == "this model completes no images"
    assert run("measure", "inpainting", "digits", "--profile", "p") == 0
    frame = pd.read_parquet(paths.metrics("inpainting", "digits"))
    assert set(frame["model"]) == {"mine"} and set(frame["metric"]) == {"mse", "ssim"}


def test_completions_of_another_model_or_number_are_not_measured(profile, capsys):
    """The error of an older model's completions was reported as that of the new one."""
    paths = trained(profile)
    for name in ("mine", "mute"):
        assert run("inpaint", "--profile", "p", f"{name}/digits/all/seed0") == 0
    assert not measured_so_far(profile, paths, "inpainting", "digits").empty
    more = {**profile.config["experiments"], "inpainting": {**profile.config["experiments"]["inpainting"], "images": 9}}
    for changes in ({"train_images": 500}, {"experiments": more}):
        changed = Plan({**profile.config, **changes})
        paths.profile.write_text(changed.as_json())
        trained_again = changed.keys("inpainting")
        for key in trained_again:
            assert run("train", "--profile", "p", key.word, "--quiet", "--again") == 0
        assert run("measure", "inpainting", "digits", "--profile", "p") == 2
        said = capsys.readouterr().err
        assert "measures.parquet is of another model, or other numbers or options" in said
        assert f"`bench inpaint --profile {paths.root.resolve()} mine/digits/all/seed0`" in said
        assert measured_so_far(changed, paths, "inpainting", "digits").empty
        assert run("inpaint", "--profile", "p", "mine/digits/all/seed0") == 0
        assert run("measure", "inpainting", "digits", "--profile", "p") == 0
    file = paths.completions(trained_again[0]) / MEASURES_FILE
    pd.read_parquet(file).to_parquet(file)
    assert run("measure", "inpainting", "digits", "--profile", "p") == 2
    assert "was written by an earlier version" in capsys.readouterr().err


@pytest.fixture
def judged(tmp_path):
    """A run with samples of every class, and a judge."""
    judge = {"datasets": ["digits"], "models": ["mine"], "samples": 5, "judges": {"epochs": 3, "train_images": 100}}
    plan = Plan({"profile": "p", "seeds": 1, "models": {"mine": ENTRY}, "experiments": {"judge": judge}})
    for key in plan.all_keys():
        draw(plan, plan.paths(tmp_path), key)
    settings = {"dataset": "digits", "seed": 0, "params": {"epochs": 3}, "limit": 100}
    write_judge(plan.paths(tmp_path), settings)
    return plan, plan.paths(tmp_path)


def draw(plan, paths, key, n=5, spec=None, **options):
    record = finish(plan, paths.root, key, parameters=5, seconds=1.0)
    record |= {"spec": spec} if spec else {}
    write_samples(paths.samples(key), np.zeros((n, 28, 28, 1), np.float32), record, {"seed": 0, **options})


def write_judge(paths, settings):
    place = paths.judge("digits", 0)
    place.mkdir(parents=True, exist_ok=True)
    (place / "judge.json").write_text(json.dumps({**settings, "accuracy": 90.0, "diverged": []}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"spec": "older"}, "is of a training with other settings than the profile's (mine/digits/only3/seed0)"),
        ({"n": 6}, "holds 6 images with the options {}, but the profile says 5 with {}; sample again: `bench sample"),
        ({"sharpen": True}, "holds 5 images with the options {'sharpen': True}, but the profile says 5 with {}"),
    ],
)
def test_samples_of_another_model_number_or_option_are_not_judged(judged, changes, said):
    """Samples of an older model were handed to the judge, ten images where the plan says 500."""
    plan, paths = judged
    draw(plan, paths, plan.all_keys()[3], **changes)
    with pytest.raises(OtherTraining, match=re.escape(said)):
        measured(plan, paths, "judge", "digits")


def test_models_are_judged_so_far_when_they_have_samples_of_every_class(judged, monkeypatch):
    plan, paths = judged
    more = Plan({**plan.config, "seeds": 2})
    *second, last = [key for key in more.all_keys() if key.seed == 1]
    for key in second:
        draw(more, paths, key)
    assert finished_keys(more, paths, "judge", "digits") == plan.all_keys()
    seen = []
    monkeypatch.setattr("evaluation.jobs.judge.Judge.load", lambda *where: None)
    monkeypatch.setattr("evaluation.jobs.judge.judged", lambda dataset, judges, sources: seen.extend(sources) or [])
    measured(more, paths, "judge", "digits", plan.all_keys())
    assert [(source.seed, len(source.images)) for source in seen] == [(0, 50)]
    draw(more, paths, last)
    assert finished_keys(more, paths, "judge", "digits") == more.keys("judge", dataset="digits")


def test_a_judge_of_other_settings_does_not_judge(judged):
    plan, paths = judged
    assert list(measured_so_far(plan, paths, "judge", "digits")["value"]) == [90.0, 0.0]
    write_judge(paths, {"dataset": "digits", "seed": 0, "params": {"epochs": 30}, "limit": 100})
    assert measured_so_far(plan, paths, "judge", "digits").empty
    with pytest.raises(
        OtherTraining, match=r"a judge of other settings \(epochs 30, the profile says 3\); start the run"
    ):
        measured(plan, paths, "judge", "digits")


def test_an_experiment_that_is_not_run_is_refused(profile, capsys):
    assert run("measure", "judge", "digits", "--profile", "p") == 2
    assert "runs judge on no data set" in capsys.readouterr().err


def test_annealing_of_several_models_is_the_widest():
    record = {"protocol": "both", "dataset": "digits", "model": "a", "seed": 0, "point": {}}
    rows = annealing_rows([{**record, "sigmas": [0.1, 0.5]}, {**record, "sigmas": [0.3, 0.2]}, record], "judge")
    assert [(row["metric"], row["value"]) for row in rows] == [("sigma_layer_0", 0.3), ("sigma_layer_1", 0.5)]
    assert annealing_rows([record], "judge") == []


def test_what_is_no_judge_is_named(tmp_path):
    with pytest.raises(ValueError, match="holds no judge"):
        Judge.load(tmp_path, "digits")
