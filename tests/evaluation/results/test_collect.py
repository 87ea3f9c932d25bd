"""bench collect: what a stopped run has made so far."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.cli import main
from evaluation.cost.missing import collected
from evaluation.jobs.basis import basis
from evaluation.jobs.score import write_scores
from evaluation.jobs.unable import note_unable
from evaluation.measures.tidy import IDENTITY, tidy_frame, tidy_row, write_metrics
from evaluation.plan.key import TrainingKey
from evaluation.plan.plan import Plan

MODELS = {"mine": {"factory": "toy_models:Brightness", "label": "Mine", "grid": {"width": [1, 2]}}}


def plan():
    outliers = {"datasets": ["digits"], "models": ["mine"], "curves": [["mine", "digits"]]}
    experiments = {"outliers": outliers, "judge": {"datasets": ["digits"], "models": ["mine"]}}
    experiments["dynamics"] = {"datasets": ["digits"], "models": ["mine"], "seeds": 1}
    return Plan({"profile": "p", "title": "my title", "seeds": 2, "models": MODELS, "experiments": experiments})


def trainings(of):
    return [of.training(key) for key in of.all_keys()]


def finish(one, folder, shift=1.0, spec=None):
    """A training with its scores, as `bench train` and `bench score` leave them."""
    record = {**one.record(), "spec": spec or one.spec, "parameters": 5, "seconds": 1.0}
    directory = plan().paths(folder).model(one.key)
    directory.mkdir(parents=True)
    (directory / "bench.json").write_text(json.dumps(record))
    history = {"step": [0, 9], "layer": [0, 0], "split": ["test", "test"], "log_likelihood": [1.0, 2.0]}
    pd.DataFrame(history).to_parquet(directory / "history.parquet")
    rng = np.random.default_rng(one.seed)
    label = np.tile(np.arange(10), 20)
    score = rng.normal(size=200) + shift * (label != 0)
    frame = pd.DataFrame({"split": np.repeat(["validation", "test"], 100), "label": label, "score": score})
    write_scores(plan().paths(folder).scores(one.key), frame.assign(layer_0=score), record)


@pytest.fixture
def stopped(tmp_path, monkeypatch):
    """A run with both points of the first seed, one of the second (the other is of older settings), and no metrics."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results/p"
    for one in (one for one in trainings(plan()) if one.subset == "not0"):
        old = one.seed == 1 and one.point["width"] == 2
        finish(one, folder, shift=one.point["width"], spec="older" if old else None)
    finish(plan().training(TrainingKey("digits", "all", "mine", 0)), folder)
    (folder / "profile.json").write_text(plan().as_json())
    (folder / "judges/digits/seed0").mkdir(parents=True)
    (folder / "judges/digits/seed0/judge.json").write_text('{"seed": 0, "accuracy": 99.0, "diverged": [100]}')
    (folder / "figures").mkdir()
    (folder / "figures/fig_10_outlier_curves.png").write_bytes(b"an older picture")
    (folder / "figures/of_another_plan.png").write_bytes(b"not asked for")
    return folder


def test_a_stopped_run_gives_metrics_tables_figures_and_pages(stopped, capsys):
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    out = Path("so-far")
    mark = f"my title, unfinished: 4 of {len(trainings(plan()))} trainings"
    assert capsys.readouterr().out == f"{out.resolve()}: {mark}\n"
    metrics = pd.read_parquet(out / "metrics/outliers_digits.parquet").query("metric == 'auroc'")
    seeds = {params: sorted(rows["seed"]) for params, rows in metrics.groupby("params")}
    assert seeds == {'{"outlier_class":0,"width":1}': [0, 1], '{"outlier_class":0,"width":2}': [0]}
    dynamics = pd.read_parquet(out / "metrics/dynamics_digits.parquet")
    assert list(dynamics["value"]) == [1.0, 2.0]
    judge = pd.read_parquet(out / "metrics/judge_digits.parquet")
    assert dict(zip(judge["metric"], judge["value"], strict=True)) == {"cnn_test_accuracy": 99.0, "diverged": 1.0}
    table = pd.read_csv(out / "tables/table_2_grid.csv")
    assert list(table["n"]) == [2, 1]
    assert not list(out.glob("tables/table_3*"))
    for picture in ("fig_4_dynamics", "fig_10_outlier_curves", "heat_map_mine"):
        assert (out / f"figures/{picture}.png").read_bytes()[:4] == b"\x89PNG"
    assert len(list((out / "figures").iterdir())) == 3
    for name in ("compare.md", "report.html", "tables/table_2_grid.md"):
        assert mark in (out / name).read_text()
    for name in ("compare.md", "report.html"):
        assert "not made: Table III" in (out / name).read_text()
    assert json.loads((out / "provenance.json").read_text())["config"]["profile"] == "p"
    assert main(["compare", "--metrics", *map(str, out.glob("metrics/*")), "--configfile", f"{out}/profile.json"]) == 0


def test_metrics_of_the_run_itself_go_first(stopped, capsys):
    row = tidy_row(
        protocol="both", experiment="outliers", dataset="digits", model="mine", params={"outlier_class": 0, "width": 1},
        seed=0, metric="auroc", value=12.0,
    )  # fmt: skip
    file = stopped / "metrics/outliers_digits.parquet"
    write_metrics(file, [row, {**row, "metric": "auroc_validation"}], basis(plan(), "outliers", "digits"))
    # They are of all the trainings that there were, also of the one with older settings.
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 2
    assert "mine+width=2/digits/not0/seed1 (of an earlier program or data set)" in capsys.readouterr().err
    assert not Path("so-far").exists()
    shutil.rmtree(stopped / "models/digits/not0/mine+width=2/seed1")
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    assert list(pd.read_csv("so-far/tables/table_2_grid.csv")["auroc"]) == [12.0]


def test_a_later_session_is_added_to_what_is_there(stopped, capsys):
    """A reference run in several sessions, each with an empty folder of results."""
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    before = pd.read_parquet("so-far/metrics/outliers_digits.parquet")
    shutil.rmtree(stopped)
    late = plan().training(TrainingKey("digits", "not0", "mine+width=2", 1))
    again = plan().training(TrainingKey("digits", "not0", "mine+width=1", 1))
    finish(late, stopped)
    finish(again, stopped, shift=5.0)
    (stopped / "profile.json").write_text(plan().as_json())
    assert main(["collect", "--profile", "p", "--out", "so-far", "--add"]) == 0
    mark = f"my title, unfinished: 5 of {len(trainings(plan()))} trainings"
    assert mark in capsys.readouterr().out.splitlines()[-1]
    now = pd.read_parquet("so-far/metrics/outliers_digits.parquet")
    assert not now.duplicated(IDENTITY).any() and len(now) == len(before) // 3 * 4
    old, new = (frame.set_index(IDENTITY)["value"].sort_index() for frame in (before, now))
    both = new.loc[old.index]
    changed = both.index[both != old]
    assert {(i[IDENTITY.index("params")], i[IDENTITY.index("seed")]) for i in changed} == {
        ('{"outlier_class":0,"width":1}', 1)
    }
    models = json.loads(Path("so-far/provenance.json").read_text())["models"]
    assert len(models) == 5 and models[late.key.path]["spec"] == late.spec
    assert len(pd.read_parquet("so-far/metrics/judge_digits.parquet")) == 2  # the judge's own accuracy stays
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0  # without --add: this run alone
    assert "2 of" in capsys.readouterr().out.splitlines()[-1]


def test_what_the_profile_says_otherwise_now_is_not_kept(stopped, capsys):
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    changed = {**plan().config, "train_images": 7}
    shutil.rmtree(stopped / "models")
    shutil.rmtree(stopped / "scores")
    of = Plan(changed)
    finish(of.training(TrainingKey("digits", "not0", "mine+width=1", 0)), stopped)
    (stopped / "profile.json").write_text(of.as_json())
    assert main(["collect", "--profile", "p", "--out", "so-far", "--add"]) == 0
    assert "1 of" in capsys.readouterr().out.splitlines()[-1]
    assert "dropped, since the profile has other settings now: digits/all/mine" in Path("so-far/compare.md").read_text()
    assert len(pd.read_parquet("so-far/metrics/outliers_digits.parquet")["params"].unique()) == 1


def change(folder, **changes):
    """The run again, of a changed profile and with one training: mine+width=1 of seed 0."""
    shutil.rmtree(folder)
    of = Plan({**plan().config, **changes})
    finish(of.training(TrainingKey("digits", "not0", "mine+width=1", 0)), folder)
    (folder / "profile.json").write_text(of.as_json())
    return of


def judge_row(model, metric="judge_accuracy", seed=0, **params):
    facts = {"protocol": "both", "experiment": "judge", "dataset": "digits"}
    return tidy_row(**facts, model=model, params=params, seed=seed, metric=metric, value=50.0)


def add_rows(file, rows):
    """Put rows into a file of a collection."""
    frame = pd.concat([pd.read_parquet(file), tidy_frame(rows)], ignore_index=True)
    frame.to_parquet(file)


def test_rows_of_trainings_that_the_plan_has_no_more_are_not_kept(stopped):
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
def test_nothing_is_added_to_a_collection_that_does_not_name_its_models(stopped, capsys, lacking):
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


def test_a_training_without_results_is_not_collected(stopped, capsys):
    """It was among the models of provenance.json, so that `bench plan --missing` never listed it."""
    unscored = TrainingKey("digits", "not0", "mine+width=1", 1)
    plan().paths(stopped).scores(unscored).unlink()
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    assert "unfinished: 3 of" in capsys.readouterr().out
    models = models_of("so-far")
    assert len(models) == 3 and unscored.path not in models
    assert {tuple(made["results"]) for made in models.values()} == {("outliers",), ("dynamics",)}
    assert collected(Path("so-far"), plan()) == set(models)


def test_a_training_with_results_of_one_of_two_experiments_is_still_missing(stopped, capsys):
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


def test_a_training_that_was_repeated_and_not_scored_keeps_its_results(stopped):
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    before = pd.read_parquet("so-far/metrics/outliers_digits.parquet")
    shutil.rmtree(stopped / "scores/digits/not0/mine+width=1")
    assert main(["collect", "--profile", "p", "--out", "so-far", "--add"]) == 0
    after = pd.read_parquet("so-far/metrics/outliers_digits.parquet")
    assert sorted(map(tuple, after[IDENTITY].to_numpy())) == sorted(map(tuple, before[IDENTITY].to_numpy()))
    assert len(models_of("so-far")) == 4


def test_what_an_earlier_collection_has_more_of_does_not_stay(stopped, capsys):
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
def test_judged_samples_of_other_settings_are_not_kept(stopped, judge, kept, noted):
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


def test_a_run_without_results_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text(plan().as_json())
    assert main(["collect", "--profile", "p", "--configfile", "p.yaml", "--out", "so-far"]) == 2
    assert "no results of the my title" in capsys.readouterr().err
    assert not Path("so-far").exists()


def test_it_is_collected_again_over_itself_and_over_nothing_else(stopped, capsys):
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("x")
    for out, said in [
        ("results/p", "is the run's own folder"),
        ("results/p/models", "is the run's own folder"),
        ("mine", "holds something else"),
        ("p.txt", "is a file"),
    ]:
        Path("p.txt").write_text("x")
        before = sorted(path for path in stopped.rglob("*"))
        capsys.readouterr()
        assert main(["collect", "--profile", "p", "--out", out]) == 2
        assert said in capsys.readouterr().err
        assert sorted(path for path in stopped.rglob("*")) == before and Path("mine/notes.txt").read_text() == "x"
    Path("other/models").mkdir(parents=True)
    Path("other/profile.json").write_text("{}")
    assert main(["collect", "--profile", "p", "--out", "other"]) == 2
    assert "holds a run" in capsys.readouterr().err


def test_a_finished_run_collects_the_workflows_own_tables_and_pages(tmp_path, monkeypatch):
    from evaluation.jobs.provenance import write_provenance
    from evaluation.results.outputs import TABLE, items
    from tests.evaluation.made_up import plan as small
    from tests.evaluation.made_up import rows, two_models, validated
    from tests.evaluation.results.test_samples import finish as finish_training

    monkeypatch.chdir(tmp_path)
    of, folder = small(), tmp_path / "results/mine"
    for key in of.all_keys():
        finish_training(of, folder, key)
    every = pd.concat([two_models(), tidy_frame(validated(rows("dcgmm-e", [90.0, 91.0])))])
    write_metrics(folder / "metrics/outliers_mnist.parquet", every, basis(of, "outliers", "mnist"))
    (folder / "profile.json").write_text(of.as_json())
    for file in items(of, TABLE):  # as the rules do
        assert main(["table", file, "--profile", str(folder / "profile.json")]) == 0
    assert main(["compare", "--profile", str(folder / "profile.json"), "--out", str(folder / "compare.md")]) == 0
    write_provenance(folder / "provenance.json", of.config, of.paths(folder))
    assert main(["collect", "--profile", "mine", "--out", "copy"]) == 0
    made = {path.relative_to(folder) for path in folder.glob("tables/*")} | {Path("compare.md"), Path("compare.csv")}
    assert len(made) == 3 * len(items(of, TABLE)) + 2
    assert {path: (folder / path).read_text() for path in made} == {
        path: Path("copy", path).read_text() for path in made
    }


def test_the_collection_of_another_run_and_somebodys_profile_json_stay(stopped, capsys):
    """They were written over, and what the other run had more of stayed between the pages."""
    for folder, content, said in (
        ("a", '{"name": "theirs"}', "holds something else"),
        ("b", json.dumps({**plan().config, "profile": "q"}), "holds a collection of q"),
    ):
        Path(folder).mkdir()
        Path(folder, "profile.json").write_text(content)
        Path(folder, "report.html").write_text("precious")
        assert main(["collect", "--profile", "p", "--out", folder]) == 2
        assert said in capsys.readouterr().err
        assert Path(folder, "report.html").read_text() == "precious"
        assert len(list(Path(folder).iterdir())) == 2


def test_pictures_of_an_earlier_collection_are_not_reported(stopped):
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    Path("so-far/figures/fig_99_old.png").write_bytes(Path("so-far/figures/fig_4_dynamics.png").read_bytes())
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    assert "fig_99_old" not in Path("so-far/report.html").read_text()
