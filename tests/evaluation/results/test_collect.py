"""bench collect: what a stopped run has made so far."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.cli import main
from evaluation.jobs.basis import basis
from evaluation.jobs.sample import write_samples
from evaluation.jobs.score import write_scores
from evaluation.measures.tidy import IDENTITY, tidy_frame, tidy_row, write_metrics
from evaluation.plan.key import TrainingKey
from evaluation.plan.plan import Plan
from evaluation.results.figures.samples import not_yet
from evaluation.results.figures.style import note_of

MODELS = {"mine": {"factory": "toy_models:Brightness", "label": "Mine", "grid": {"width": [1, 2]}, "monitor": "test"}}


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


def pooled(folder):
    """The run also shows pooled samples of its model of all classes (Fig. 5): its plan, that training, and what writes
    the samples of a stage."""
    sampling = {"datasets": ["digits"], "pooled": ["mine"], "seeds": 1}
    of = Plan({**plan().config, "experiments": {**plan().config["experiments"], "sampling": sampling}})
    (folder / "profile.json").write_text(of.as_json())
    key, paths = next(iter(of.keys("sampling"))), of.paths(folder)
    record = json.loads((paths.model(key) / "bench.json").read_text())

    def sample(stage):
        write_samples(paths.samples(key, stage), np.zeros((100, 8, 8, 1), np.float32), record, {})

    return of, key, sample


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


def test_pages_made_again_of_a_collection_say_that_it_is_a_part(stopped):
    """compare.md and report.html of a part were written over with pages that spoke of the whole run."""
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    collected = Path("so-far/compare.md").read_text()
    mark = f"my title, unfinished: 4 of {len(trainings(plan()))} trainings"
    assert main(["compare", "--profile", "so-far", "--out", "so-far/compare.md"]) == 0
    assert main(["report", "--profile", "so-far"]) == 0
    assert main(["table", "table_2_grid", "--profile", "so-far"]) == 0
    assert Path("so-far/compare.md").read_text() == collected
    for name in ("compare.md", "report.html", "tables/table_2_grid.md"):
        assert mark in Path("so-far", name).read_text()
    assert "not made: Table III" in Path("so-far/report.html").read_text()


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


NOTES = ["tables/my_notes.md", "tables/table_9.csv", "figures/mine.png", "figures/mine.pdf", "metrics/mine.parquet"]


@pytest.mark.parametrize("profile", ["as it was", "none of this version"])
def test_somebodys_own_files_in_a_collection_stay(stopped, profile):
    """Every table, picture and Parquet file there that was not made now was removed."""
    assert main(["collect", "--profile", "p", "--out", "so-far"]) == 0
    assert Path("so-far/figures/heat_map_mine.png").is_file()
    for name in NOTES:
        Path("so-far", name).write_text("mine")
    if profile != "as it was":
        old = {**plan().config, "of_an_earlier_version": 1}
        Path("so-far/profile.json").write_text(json.dumps(old))
    models = {"mine": {**MODELS["mine"], "grid": {}}}
    of = Plan({**plan().config, "models": models})
    finish(of.training(TrainingKey("digits", "not0", "mine", 0)), stopped)
    (stopped / "profile.json").write_text(of.as_json())
    for add in ([], ["--add"]):
        assert main(["collect", "--profile", "p", "--out", "so-far", *add]) == 0
        assert {Path("so-far", name).read_text() for name in NOTES} == {"mine"}
    # The new profile has no grid: a picture of it goes with the profile that made it.
    assert Path("so-far/figures/heat_map_mine.png").is_file() == (profile != "as it was")


def test_a_picture_of_what_is_there_is_replaced_by_one_that_shows_no_less(stopped):
    """The pooled samples of one model with and without sharpening: two panels, in three collections of parts."""
    of, key, sample = pooled(stopped)
    paths = of.paths(stopped)
    picture = Path("so-far/figures/fig_5_sharpening.png")

    def collected(stage=None):
        """What the picture lacks after a collection of a run that has one of the panels, or none."""
        for file in (paths.samples(key, "grid_plain"), paths.samples(key, "grid_sharpened")):
            file.unlink(missing_ok=True)
        if stage:
            sample(stage)
        assert main(["collect", "--profile", "p", "--out", "so-far", "--add"]) == 0
        return not_yet(note_of(picture)) if picture.is_file() else None

    assert collected() is None
    assert collected("grid_plain") == ["Mine (sharpening)"]
    assert collected() == ["Mine (sharpening)"]
    assert collected("grid_sharpened") == ["Mine (no sharpening)"]
    assert "Not there yet: Mine (no sharpening)" in Path("so-far/report.html").read_text()
    whole = main(["figure", "fig_5", "--profile", "results/p", "--so-far"])
    assert whole == 0 and not_yet(note_of(stopped / "figures/fig_5_sharpening.png")) == ["Mine (no sharpening)"]
    sample("grid_plain")
    assert main(["collect", "--profile", "p", "--out", "so-far", "--add"]) == 0
    assert not_yet(note_of(picture)) == []
    assert collected("grid_plain") == []
