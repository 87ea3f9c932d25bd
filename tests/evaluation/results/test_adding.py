"""bench collect --add, and which results a collection has: none of trainings that the profile has no more."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from evaluation.cli import main
from evaluation.cost.missing import collected
from evaluation.jobs.basis import basis
from evaluation.jobs.unable import note_unable
from evaluation.measures.tidy import IDENTITY, tidy_frame, tidy_row, write_metrics
from evaluation.plan.key import TrainingKey
from evaluation.plan.plan import Plan
from tests.evaluation.results.test_collect import MODELS, finish, plan, pooled, stopped  # noqa: F401 - a fixture

COLLECT = ["collect", "--profile", "p", "--out", "so-far", "--add"]


def change(folder, **changes):
    """The run again, of a changed profile and with one training: mine+width=1 of seed 0."""
    shutil.rmtree(folder)
    of = Plan({**plan().config, **changes})
    finish(of.training(TrainingKey("digits", "not0", "mine+width=1", 0)), folder)
    (folder / "profile.json").write_text(of.as_json())
    return of


def with_fig_5(folder):
    """The run also has Fig. 5, and is collected: its plan, and the training that the figure shows."""
    of, key, sample = pooled(folder)
    sample("grid_plain")
    sample("grid_sharpened")
    assert main(COLLECT) == 0
    return of, key


def judge_row(model, metric="judge_accuracy", seed=0, **params):
    facts = {"protocol": "both", "experiment": "judge", "dataset": "digits"}
    return tidy_row(**facts, model=model, params=params, seed=seed, metric=metric, value=50.0)


def add_rows(file, rows):
    """Put rows into a file of a collection."""
    frame = pd.concat([pd.read_parquet(file), tidy_frame(rows)], ignore_index=True)
    frame.to_parquet(file)


def test_rows_of_trainings_that_the_plan_has_no_more_are_not_kept(stopped):  # noqa: F811
    """Rows of dropped seeds and grid points stayed, since no training of the plan stood behind them."""
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    real = [judge_row("real test images"), judge_row("real validation images", judge=0)]
    add_rows("so-far/metrics/judge_digits.parquet", [*real, judge_row("mien", judge=0), judge_row("CNN", seed=7)])
    models = {"mine": {**MODELS["mine"], "grid": {"width": [1]}}}
    change(stopped, seeds=1, models=models)
    assert main(["collect", "--profile", "p", "--out", "so-far", "--add"]) == 0
    kept = pd.read_parquet("so-far/metrics/outliers_digits.parquet")
    assert set(kept["seed"]) == {0} and set(kept["params"]) == {'{"outlier_class":0,"width":1}'}
    judged = pd.read_parquet("so-far/metrics/judge_digits.parquet")
    assert sorted(judged["model"]) == ["CNN", "CNN", "real test images", "real validation images"]
    assert "dropped" in Path("so-far/compare.md").read_text()


def contents(folder):
    return {path: path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


@pytest.mark.parametrize("lacking", ["models", "version_sets", "file"])
def test_nothing_is_added_to_a_collection_that_does_not_name_its_models(stopped, capsys, lacking):  # noqa: F811
    """Its results were deleted without a word: docs/reference/cpu is such a collection."""
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    place = Path("so-far/provenance.json")
    facts = json.loads(place.read_text())
    place.unlink()
    if lacking != "file":
        place.write_text(json.dumps({name: value for name, value in facts.items() if name != lacking}))
    before = contents("so-far")
    capsys.readouterr()
    assert main(["collect", "--profile", "p", "--out", "so-far", "--add"]) == 2
    said = capsys.readouterr().err
    assert ("there is no" if lacking == "file" else f"it has no {lacking}") in said and "leave out --add" in said
    assert contents("so-far") == before


def models_of(folder):
    return json.loads(Path(folder, "provenance.json").read_text())["models"]


def test_a_training_without_results_is_not_collected(stopped, capsys):  # noqa: F811
    """It was among the models of provenance.json, so that `bench plan --missing` never listed it."""
    unscored = TrainingKey("digits", "not0", "mine+width=1", 1)
    plan().paths(stopped).scores(unscored).unlink()
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    assert "unfinished: 3 of" in capsys.readouterr().out
    models = models_of("so-far")
    assert len(models) == 3 and unscored.path not in models
    assert {tuple(made["results"]) for made in models.values()} == {("outliers",), ("dynamics",)}
    assert collected(Path("so-far"), plan()) == set(models)


def test_a_training_with_results_of_one_of_two_experiments_is_still_missing(stopped, capsys):  # noqa: F811
    both = {**plan().config["experiments"], "inpainting": {"datasets": ["digits"], "models": ["mine"], "seeds": 1}}
    of = Plan({**plan().config, "experiments": both})
    (stopped / "profile.json").write_text(of.as_json())
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    assert "unfinished: 3 of" in capsys.readouterr().out
    key = TrainingKey("digits", "all", "mine", 0)
    assert models_of("so-far")[key.path]["results"] == ["dynamics"]  # whose rows have an origin
    assert key.path not in collected(Path("so-far"), of)
    note_unable(of.paths(stopped).completions(key) / "measures.parquet", "it completes no images")
    for _ in range(2):  # also where the run has lost it, and the collection knows
        assert main(["collect", "--profile", "p", "--out", "so-far", "--add"]) == 0
        made = models_of("so-far")[key.path]
        assert (made["results"], made["cannot"]) == (["dynamics", "inpainting"], ["inpainting"])
        assert key.path in collected(Path("so-far"), of)
        shutil.rmtree(stopped / "completions", ignore_errors=True)
        shutil.rmtree(stopped / "models/digits/all", ignore_errors=True)


def test_a_training_that_was_repeated_and_not_scored_keeps_its_results(stopped):  # noqa: F811
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    before = pd.read_parquet("so-far/metrics/outliers_digits.parquet")
    shutil.rmtree(stopped / "scores/digits/not0/mine+width=1")
    assert main(["collect", "--profile", "p", "--out", "so-far", "--add"]) == 0
    after = pd.read_parquet("so-far/metrics/outliers_digits.parquet")
    assert sorted(map(tuple, after[IDENTITY].to_numpy())) == sorted(map(tuple, before[IDENTITY].to_numpy()))
    assert len(models_of("so-far")) == 4


def test_what_an_earlier_collection_has_more_of_does_not_stay(stopped, capsys):  # noqa: F811
    """Its metrics stayed between the new ones, and `bench table` printed them: results without a training."""
    experiments = {**plan().config["experiments"], "classification": {"datasets": ["digits"], "models": ["mine"]}}
    of = Plan({**plan().config, "experiments": experiments})
    facts = {"protocol": "both", "experiment": "classification", "dataset": "digits", "model": "mine", "seed": 0}
    row = tidy_row(**facts, metric="accuracy", value=77.7)
    (stopped / "profile.json").write_text(of.as_json())
    write_metrics(stopped / "metrics/classification_digits.parquet", [row], basis(of, "classification", "digits"))
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    made = contents("so-far")
    Path("so-far/figures/mine.txt").write_text("a note")
    (stopped / "metrics/classification_digits.parquet").unlink()
    (stopped / "judges/digits/seed0/judge.json").unlink()
    shutil.rmtree(stopped / "models/digits/all")
    assert main(["collect", "--profile", "p", "--out", "so-far", "--add"]) == 0  # which keeps it
    assert set(contents("so-far")) == {*made, Path("so-far/figures/mine.txt")}
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    gone = set(made) - set(contents("so-far"))
    files = {"metrics/classification_digits.parquet", "metrics/dynamics_digits.parquet", "metrics/judge_digits.parquet"}
    files |= {f"tables/table_4_classification.{end}" for end in ("csv", "md", "tex")} | {"figures/fig_4_dynamics.png"}
    assert gone == {Path("so-far", name) for name in files}
    assert Path("so-far/figures/mine.txt").is_file()
    capsys.readouterr()
    assert main(["table", "table_4", "--profile", str(Path("so-far").resolve())]) == 2
    assert "there are no metrics" in capsys.readouterr().err


@pytest.mark.parametrize("noted", [True, False])
@pytest.mark.parametrize(
    ("judge", "kept"),
    [
        ({}, ["CNN", "CNN", "mine", "real test images"]),
        ({"samples": 5000}, ["CNN", "CNN"]),
        ({"judges": {"epochs": 30}}, []),
        ({"judges": {"seeds": 2}}, []),
    ],
)
def test_judged_samples_of_other_settings_are_not_kept(stopped, judge, kept, noted):  # noqa: F811
    """The page said "epochs 30" of judges of 3 epochs. noted: the metrics say what they were made from."""
    for key in plan().keys("judge"):
        if key.seed == 0:
            finish(plan().training(key), stopped)
    rows = [judge_row("mine", judge=0), judge_row("real test images", judge=0)]
    file = stopped / "metrics/judge_digits.parquet"
    write_metrics(file, rows, basis(plan(), "judge", "digits"))
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    add_rows(
        "so-far/metrics/judge_digits.parquet", [judge_row("CNN", "cnn_test_accuracy"), judge_row("CNN", "diverged")]
    )
    if noted:
        frame = pd.read_parquet("so-far/metrics/judge_digits.parquet")
        write_metrics("so-far/metrics/judge_digits.parquet", frame, basis(plan(), "judge", "digits"))
    (stopped / "judges/digits/seed0/judge.json").unlink()
    experiments = {**plan().config["experiments"]}
    experiments["judge"] = {**experiments["judge"], **judge}
    change(stopped, experiments=experiments)
    assert main(["collect", "--profile", "p", "--out", "so-far", "--add"]) == 0
    now = Path("so-far/metrics/judge_digits.parquet")
    assert (sorted(pd.read_parquet(now)["model"]) if now.is_file() else []) == kept
    assert ("judge of digits" in Path("so-far/compare.md").read_text()) == bool(judge)
    judged = [made for made in models_of("so-far").values() if "judge" in made["results"]]
    assert len(judged) == (0 if judge else 10)


def test_figures_of_trainings_that_are_dropped_go_with_them(stopped):  # noqa: F811
    """They stayed, and were in the report, since their files were there."""
    of, _ = with_fig_5(stopped)
    figures = Path("so-far/figures")
    assert {"fig_4_dynamics.png", "fig_5_sharpening.png"} <= {file.name for file in figures.iterdir()}
    other = change(stopped, experiments=of.config["experiments"], train_images=7)
    assert main(COLLECT) == 0
    assert not {"fig_4_dynamics.png", "fig_5_sharpening.png"} & {file.name for file in figures.iterdir()}
    assert "Fig. 4, Fig. 5" in (page := Path("so-far/compare.md").read_text()).partition("not made: ")[2], page
    assert other.title == of.title


def test_a_picture_of_a_training_that_the_run_has_made_anew_goes(stopped):  # noqa: F811
    of, key = with_fig_5(stopped)
    other = change(stopped, experiments=of.config["experiments"], train_images=7)
    finish(other.training(key), stopped)
    assert main(COLLECT) == 0
    assert not Path("so-far/figures/fig_5_sharpening.png").exists()


def test_a_picture_goes_when_the_profile_draws_its_images_with_other_options(stopped):  # noqa: F811
    """It stayed, since its trainings are the same."""
    of, _ = with_fig_5(stopped)
    shutil.rmtree(stopped / "grids")
    assert main(COLLECT) == 0
    assert Path("so-far/figures/fig_5_sharpening.png").exists()
    experiments = {**of.config["experiments"]}
    experiments["sampling"] = {**experiments["sampling"], "images": 7}
    (stopped / "profile.json").write_text(Plan({**of.config, "experiments": experiments}).as_json())
    assert main(COLLECT) == 0
    assert not Path("so-far/figures/fig_5_sharpening.png").exists()
