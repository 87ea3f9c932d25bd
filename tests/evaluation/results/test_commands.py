"""bench table, figure, compare, report: which run they are about, what they write, and what they refuse."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from evaluation.base.files import CHECKOUT
from evaluation.cli import main
from evaluation.jobs.basis import basis
from evaluation.measures.tidy import write_metrics
from evaluation.plan.plan import Plan
from evaluation.plan.resolve import resolve
from tests.evaluation.made_up import plan, two_models
from tests.evaluation.results.test_samples import finish


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A folder of results with metrics, in the working directory."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results/mine"
    write_metrics(folder / "metrics/outliers_mnist.parquet", two_models(), basis(plan(), "outliers", "mnist"))
    (folder / "profile.json").write_text(plan().as_json())
    return folder


def refused(capsys, *words):
    assert main(list(map(str, words))) == 2
    said = capsys.readouterr().err
    assert said.startswith("bench: error: ") and said.count("\n") == 1 and "Traceback" not in said
    return said


# --- which run -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["mine", "results/mine", "results/mine/profile.json"])
def test_a_run_is_named_by_its_name_its_folder_or_its_profile(word, run, capsys):
    assert main(["compare", "--profile", word, "--out", "c.md"]) == 0
    assert capsys.readouterr().out.startswith(f"results in {run}:\npaper: ")
    assert Path("c.md").is_file() and Path("c.csv").is_file()


def test_a_moved_folder_is_where_it_is_now(run, tmp_path, capsys):
    moved = tmp_path / "elsewhere"
    shutil.move(run, moved)
    for command in (["compare", "--out", "c.md"], ["status"], ["table", "table_1"], ["collect", "--out", "so-far"]):
        assert main([*command, "--profile", str(moved)]) == 0
        assert str(moved) in capsys.readouterr().out or command[0] == "collect"
    assert (moved / "tables/table_1_outliers_dcgmm.csv").is_file()
    assert not (tmp_path / "results/mine").exists()


def test_a_configuration_in_place_of_the_runs_own(run, capsys):
    """compare ignored it where there was a profile.json."""
    other = Plan({**plan().config, "title": "another title"})
    Path("other.yaml").write_text(other.as_json())
    for command, out in ((["compare"], "c.md"), (["table", "table_1"], "t.csv")):
        words = [*command, "--profile", "mine", "--configfile", "other.yaml", "--out", out]
        assert main(words) == 0
        assert "another title" in Path(out).with_suffix(".md").read_text()
    assert main(["status", "--profile", "mine", "--configfile", "other.yaml"]) == 0
    assert f"another title: stopped ({run})" in capsys.readouterr().out


def test_a_finished_run_is_finished(run, capsys):
    from evaluation.results.status import outputs

    for files in outputs(plan(), plan().paths(run)).values():
        for file in files:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    assert main(["status", "--profile", "mine"]) == 0
    assert f": finished ({run})" in capsys.readouterr().out


def test_what_is_no_run_is_refused_with_whole_paths(run, tmp_path, capsys):
    assert "no run 'yours'" in (said := refused(capsys, "compare", "--profile", "yours"))
    assert str(tmp_path / "results/yours") in said
    assert str(tmp_path / "no/such") in refused(capsys, "compare", "--profile", "no/such")
    assert "say which run" in refused(capsys, "compare")
    assert "say which run" in refused(capsys, "compare", "--metrics", run / "metrics/outliers_mnist.parquet")
    (tmp_path / "empty").mkdir()
    assert f"there is no {tmp_path}/empty/profile.json" in refused(capsys, "report", "--profile", "empty")


def test_a_folder_that_is_called_like_a_run_is_not_one(run, tmp_path):
    (tmp_path / "mine").mkdir()
    assert resolve("mine").folder == run


def test_a_profile_without_a_folder_is_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clone = tmp_path / "clone"  # in the developer's own there may be a results/smoke
    shutil.copytree(CHECKOUT / "config", clone / "config")
    monkeypatch.setattr("evaluation.plan.resolve.CHECKOUT", clone)
    assert resolve("smoke").folder == tmp_path / "results/smoke"
    Path("my.yaml").write_text(json.dumps({**plan().config, "results": "out/there"}))
    assert resolve("my.yaml").folder == tmp_path / "out/there"


# --- tables ----------------------------------------------------------------------------------------------------------


def test_a_table_of_a_run(run, capsys):
    assert main(["table", "table_1", "--profile", "mine"]) == 0
    written = run / "tables/table_1_outliers_dcgmm.csv"
    assert capsys.readouterr().out == f"{written}\n"
    assert all(written.with_suffix(suffix).is_file() for suffix in (".csv", ".md", ".tex"))
    assert list(pd.read_csv(written)["label"].unique()) == ["DCGMM-A", "DCGMM-E"]


def test_some_rows_of_a_table(run):
    assert main(["table", "table_2", "--profile", "mine", "--row", "gmm=Mixture", "--out", "t.csv"]) == 0
    assert list(pd.read_csv("t.csv")["label"]) == ["Mixture"]


@pytest.mark.parametrize(("command", "known"), [("table", "table_inpainting"), ("figure", "fig_14")])
def test_help_says_which_there_are(command, known, capsys):
    assert main([command, "--help"]) == 0
    assert known in capsys.readouterr().out


def test_an_unknown_row_is_refused(run, capsys):
    """It gave an empty table, and exit code 0."""
    said = refused(capsys, "table", "table_2", "--profile", "mine", "--row", "gnm=GMM", "--out", "t.csv")
    assert "--row gnm=GMM" in said and "did you mean 'gmm'?" in said
    assert not Path("t.csv").exists()


def test_a_table_of_no_run_is_refused(run, capsys):
    """bench table table_2 --metrics FILE gave an empty table, since no rows were named."""
    said = refused(capsys, "table", "table_2", "--metrics", run / "metrics/outliers_mnist.parquet", "--out", "t.csv")
    assert "--profile" in said and not Path("t.csv").exists()
    assert "no such row" not in said


def test_other_metrics_of_a_profile(run):
    shutil.move(run / "metrics/outliers_mnist.parquet", "m.parquet")
    words = ["table", "table_2", "--metrics", "m.parquet", "--configfile", str(run / "profile.json"), "--out", "t.csv"]
    assert main(words) == 0
    assert len(pd.read_csv("t.csv")) > 1


def test_a_table_without_metrics_is_refused(run, capsys):
    (run / "metrics/outliers_mnist.parquet").unlink()
    assert "there are no metrics in" in refused(capsys, "table", "table_2", "--profile", run)


def test_architectures_need_no_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["table", "table_5", "--out", "t.csv"]) == 0
    frame = pd.read_csv("t.csv")
    assert list(frame["parameters"]) == list(frame["published"]) and len(frame) == 7
    assert main(["table", "table_6_layers", "--out", "u.csv"]) == 0
    frame = pd.read_csv("u.csv")
    b = frame[frame["model"] == "DCGMM-B"]
    assert list(b["output (H, W, C)"]) == ["11×11×64", "11×11×49", "1×1×5929", "1×1×49"]
    assert "--out" in refused(capsys, "table", "table_7")


def test_the_networks_of_tables_7_and_8_are_those_of_the_models(tmp_path):
    from baselines.cnn import Cnn
    from baselines.vae import Vae

    cnn, vae = Cnn((28, 28, 1)), Vae((32, 32, 3))
    networks = {"table_7": cnn._networks.values(), "table_8": vae._networks.values()}
    for table, chains in networks.items():
        assert main(["table", table, "--out", str(tmp_path / f"{table}.csv")]) == 0
        frame = pd.read_csv(tmp_path / f"{table}.csv")
        built = [layer for chain in chains for layer in chain.layers]
        assert list(frame["output"]) == ["×".join(map(str, layer.output.shape[1:])) for layer in built]
        assert list(frame["parameters"]) == [layer.count_params() for layer in built]


# --- results of other settings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["compare", "table", "figure", "report"])
def test_no_page_is_made_of_models_of_other_settings(command, run, capsys):
    """A profile's parameter is changed, and pages are made again: the table said 3 where the models had 80."""
    before = plan()
    for key in before.keys("outliers"):
        finish(before, run, key)
    (run / "provenance.json").write_text('{"versions": {}, "git": {}, "machine": {}}')
    words = [command, *{"table": ["table_1"], "figure": ["heat_map_gmm"]}.get(command, []), "--profile", str(run)]
    if command != "figure":
        assert main(words) == 0
        capsys.readouterr()
    changed = plan({"dcgmm-a": {"params": {"epochs": 3}}})
    (run / "profile.json").write_text(changed.as_json())
    said = refused(capsys, *words)
    if command != "figure":
        assert f"{run} holds results of other settings than the profile's: dcgmm-a/mnist/not0/seed0 (" in said
        assert "epochs 80, the profile says 3" in said and "start the run again" in said


def test_a_damaged_record_or_profile_is_named_with_the_cure(run, capsys):
    key = next(iter(plan().keys("outliers")))
    finish(plan(), run, key)
    (record,) = run.rglob("bench.json")
    record.write_text(record.read_text()[:40])
    said = refused(capsys, "compare", "--profile", run)
    assert f"{record} is damaged" in said and "train the model again" in said
    (run / "profile.json").write_text('{"profile": "x"')
    assert f"{run}/profile.json is damaged" in refused(capsys, "table", "table_1", "--profile", run)


def test_damaged_metrics_and_provenance_are_named(run, capsys):
    assert f"there is no {run}/provenance.json" in refused(capsys, "report", "--profile", run)
    (run / "provenance.json").write_text("[1, 2")
    assert f"{run}/provenance.json is damaged" in refused(capsys, "report", "--profile", run)
    (run / "metrics/outliers_mnist.parquet").write_bytes(b"PAR1 half")
    assert f"{run}/metrics/outliers_mnist.parquet is damaged" in refused(capsys, "compare", "--profile", run)


def test_the_same_metrics_twice_are_refused(run, capsys):
    shutil.copy(run / "metrics/outliers_mnist.parquet", run / "metrics/outliers_copy.parquet")
    assert "rows are about the same result" in refused(capsys, "compare", "--profile", run)


# --- figures ---------------------------------------------------------------------------------------------------------


def test_a_figure_of_a_run(run, capsys):
    from tests.evaluation.results.test_figures import course

    experiments = {"dynamics": {"datasets": ["mnist"], "models": ["dcgmm-f-dynamics"]}}
    of = Plan({"profile": "mine", "seeds": 2, "experiments": experiments})
    (run / "profile.json").write_text(of.as_json())
    (run / "metrics/outliers_mnist.parquet").unlink()
    write_metrics(run / "metrics/dynamics_mnist.parquet", course())
    assert main(["figure", "fig_4", "--profile", "mine"]) == 0
    written = run / "figures/fig_4_dynamics.png"
    assert capsys.readouterr().out == f"{written}\n"
    assert written.is_file() and written.with_suffix(".pdf").is_file()
    assert "did you mean" in refused(capsys, "figure", "fig_44", "--profile", "mine")
