"""bench status and the progress of a run: what is counted, what is locked, how long it still takes."""

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from evaluation.cli import main
from evaluation.config import Plan, load_plan
from evaluation.progress import FINISHED, STARTED, follow
from evaluation.status import LOCKS, duration, lines, outputs, seconds_left, status

ROOT = Path(__file__).resolve().parents[2]


def plan(root="results/mine"):
    models = {"gmm": {"resources": {"minutes": 10}}, "dcgmm-a": {"resources": {"minutes": 60}}}
    settings = {"outliers": {"datasets": ["digits"], "models": ["gmm", "dcgmm-a"]}}
    return Plan({"profile": "mine", "seeds": 2, "results": str(root), "models": models, "experiments": settings})


def make(folder, *files):
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("made")


def trained(folder, variant, seed, seconds):
    make(folder, f"stamps/train/digits/{variant}/not0/{seed}.json")
    path = folder / f"benchmarks/train/digits/{variant}/not0/{seed}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\n{seconds}\t0:00:01\n")


@pytest.mark.parametrize("profile", ["smoke", "cpu"])
def test_the_plan_knows_what_snakemake_makes(profile):
    """Every counted file is an output of the dry run, and nothing that counts is missing."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--configfile", f"config/{profile}.yaml"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*command, "--config", "results=nowhere"],
        cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = re.findall(r"^    output: (.*)$", done.stdout + done.stderr, flags=re.MULTILINE)
    listed = {file for files in made for file in files.split(", ")}
    wanted = outputs(load_plan(ROOT / f"config/{profile}.yaml"))
    counted = {f"nowhere/{file}" for files in wanted.values() for file in files}
    assert counted <= listed
    rest = {file for file in listed - counted if Path(file).suffix not in (".md", ".tex", ".pdf")}
    assert {re.sub(r"nowhere/(\w+).*", r"\1", file) for file in rest} <= {"completions", "compare", "profile"}


def test_the_kept_configuration_gives_the_same_jobs():
    """profile.json keeps the order of the experiments, by which jobs are packed."""
    for profile in ("smoke", "cpu"):
        config = load_plan(ROOT / f"config/{profile}.yaml")
        assert outputs(Plan(json.loads(config.as_json()))) == outputs(config)


def test_stages_count_what_is_there(tmp_path):
    make(tmp_path, "stamps/data/digits.json", "stamps/train/digits/gmm/not0/0.json", "tables/table_2_grid.csv")
    found = {stage.name: (stage.done, stage.total) for stage in status(plan(), tmp_path).stages}
    assert found["data"] == (1, 1) and found["train"] == (1, 4) and found["score"] == (0, 4)
    assert found["tables"] == (1, 8) and "judge" not in found


def test_time_left_rests_on_trainings_that_have_ended(tmp_path):
    assert seconds_left(plan(), tmp_path) == (2 * 600 + 2 * 3600, False)
    trained(tmp_path, "gmm", 0, 60)  # a tenth of its limit; so the others are taken to need a tenth of theirs
    assert seconds_left(plan(), tmp_path) == (60 + 2 * 360, True)
    trained(tmp_path, "dcgmm-a", 1, 100)
    assert seconds_left(plan(), tmp_path) == (60 + 100, True)
    (tmp_path / "benchmarks/train/digits/dcgmm-a/not0/1.tsv").write_text("s\th:m:s\n-\t-\n")
    assert seconds_left(plan(), tmp_path) == (60 + 360, True)


def test_words(tmp_path):
    assert [duration(seconds) for seconds in (10, 200, 7800, 200_000)] == [
        "less than a minute", "about 3 min", "about 2 h 10 min", "about 2 d 7 h",
    ]  # fmt: skip
    first, second = lines(status(plan(), tmp_path), 2)
    assert first.startswith("data 0/1, train 0/4, score 0/4, metrics 0/1")
    assert second.startswith("about 1 h 10 min of training left (2 trainings side by side, by the catalogue")
    make(tmp_path, *(file for files in outputs(plan()).values() for file in files))
    assert list(lines(status(plan(), tmp_path)))[1] == "everything is made"


@pytest.mark.skipif(not LOCKS.is_file(), reason="/proc/locks is Linux's")
def test_what_runs_is_seen_by_its_lock(tmp_path):
    lock = tmp_path / "models/digits/not0/gmm/.seed1.lock"
    lock.parent.mkdir(parents=True)
    with FileLock(lock), FileLock(tmp_path / ".running.lock"):
        state = status(plan(), tmp_path)
        assert (state.alive, state.training) == (True, ["digits/not0/gmm/seed1"])
    state = status(plan(), tmp_path)
    assert (state.alive, state.training) == (False, [])


def test_bench_status(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["status", "--profile", "mine"]) == 2
    assert "'mine'" in capsys.readouterr().err
    make(tmp_path, "results/mine/stamps/data/digits.json")
    (tmp_path / "results/mine/profile.json").write_text(plan().as_json())
    assert main(["status", "--profile", "mine"]) == 0
    out = capsys.readouterr().out
    assert "stopped" in out and "data 1/1, train 0/4" in out


def test_a_run_prints_its_progress_when_a_job_has_finished(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("evaluation.progress.SECONDS_BETWEEN", 0.0)
    logger = logging.Logger("snakemake")
    follow(plan(tmp_path), logger)
    logger.info("Execute 2 jobs...", extra={"event": STARTED, "jobs": [1, 2]})
    assert capsys.readouterr().err == ""
    make(tmp_path, "stamps/data/digits.json")
    logger.info("Finished jobid: 1", extra={"event": FINISHED, "job_id": 1})
    line = capsys.readouterr().err
    assert line.startswith("bench: data 1/1, train 0/4") and "2 trainings side by side" in line


def test_the_events_are_snakemakes():
    from snakemake_interface_logger_plugins.common import LogEvent

    assert (str(LogEvent.JOB_STARTED), str(LogEvent.JOB_FINISHED)) == (STARTED, FINISHED)
