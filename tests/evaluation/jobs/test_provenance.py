"""Where results come from."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from evaluation.base import files as atomic
from evaluation.base.files import CHECKOUT
from evaluation.cli import main
from evaluation.jobs import provenance
from evaluation.jobs.stamps import write_stamp
from evaluation.plan.paths import Paths
from evaluation.plan.plan import Plan


def test_provenance_is_complete(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_MACHINE", "node-7")
    trained = tmp_path / "run" / "models" / "mnist" / "not0" / "A" / "seed0"
    trained.mkdir(parents=True)
    (trained / "bench.json").write_text(json.dumps({"machine": "node-3"}))
    path = tmp_path / "provenance.json"
    paths = Paths(tmp_path / "run")
    stamps = paths.root / "stamps"
    monkeypatch.setenv("BENCH_MACHINE", "node-5")
    write_stamp(stamps / "score/A/mnist/not0/seed0.json", [trained])
    (stamps / "data").mkdir()
    (stamps / "data/mnist.json").write_text('{"name": "mnist"}')
    monkeypatch.setenv("BENCH_MACHINE", "node-7")
    provenance.write_provenance(path, {"seeds": [0, 1]}, paths)
    written = json.loads(path.read_text())
    assert written["config"] == {"seeds": [0, 1]}
    assert written["machine"]["name"] == "node-7" and written["machine"]["cores"] >= 1
    assert written["machine_of_result"] == {"mnist/not0/A/seed0": "node-3"}
    assert written["machine_of_job"] == {"score/A/mnist/not0/seed0": "node-5"}
    assert {"python", "numpy", "tensorflow", "torch"} <= written["versions"].keys()


def test_a_run_that_has_not_begun_comes_from_nowhere(tmp_path, monkeypatch, capsys):
    """`bench provenance` made the folder of a run that was never started, and said nothing."""
    monkeypatch.chdir(tmp_path)
    config = yaml.safe_load((CHECKOUT / "config/smoke.yaml").read_text())
    Path("mine.yaml").write_text(yaml.safe_dump({**config, "profile": "mine"}))
    for words in ([], ["--out", "x.json"]):
        assert main(["provenance", "--profile", "mine.yaml", *words]) == 2
        assert "results/mine/metrics; start the run" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]
    atomic.write_text(Path("results/mine/profile.json"), Plan({**config, "profile": "mine"}).as_json())  # it begins
    assert main(["provenance", "--profile", "results/mine/profile.json"]) == 0
    assert json.loads(Path("results/mine/provenance.json").read_text())["config"]["profile"] == "mine"


def test_stamp_names_machine_commit_and_versions(monkeypatch):
    monkeypatch.setenv("BENCH_MACHINE", "node-7")
    stamp = provenance.stamp()
    assert stamp["machine"] == "node-7" and "numpy" in stamp["versions"]
    assert stamp["commit"] == provenance.git_state()["commit"]


def test_git_state_notices_changes(tmp_path):
    def git(*arguments):
        author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *author, *arguments], check=True, capture_output=True)

    git("init")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-m", "first")
    state = provenance.git_state(tmp_path)
    assert len(state["commit"]) == 40 and state["modified"] is False
    (tmp_path / "other").write_text("untracked files do not count")
    assert provenance.git_state(tmp_path)["modified"] is False
    (tmp_path / "file").write_text("2")
    assert provenance.git_state(tmp_path)["modified"] is True


def test_no_checkout_is_no_error(tmp_path):
    assert provenance.git_state(tmp_path) == {"commit": None, "modified": None}


def test_atomic_path_leaves_all_or_nothing(tmp_path):
    target = tmp_path / "deep" / "table.csv"
    atomic.write_text(target, "old")
    with pytest.raises(RuntimeError), atomic.atomic_path(target) as temporary:
        assert temporary.suffix == ".csv" and temporary.parent == target.parent
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old" and list(target.parent.iterdir()) == [target]
