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
from evaluation.cost.estimate import OVERHEAD_SECONDS, Estimate
from evaluation.cost.prices import Prices
from evaluation.plan.paths import Paths
from evaluation.plan.plan import Plan, load_plan
from evaluation.results.progress import FINISHED, follow
from evaluation.results.status import LOCKS, WORKERS, duration, lines, outputs, status, time_left, workers_of

ROOT = Path(__file__).resolve().parents[3]


def plan(root="results/mine", **changes):
    models = {"mine": {"factory": "toy_models:Brightness", "resources": {"minutes": 10}}}
    settings = {"outliers": {"datasets": ["digits"], "models": ["gmm", "dcgmm-a"]}}
    return Plan(
        {"profile": "mine", "seeds": 2, "results": str(root), "models": models, "experiments": settings, **changes}
    )


def estimate(config=None):
    return Estimate(config or plan(), Prices())


def make(folder, *files):
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("made")


def finished(folder, job, seconds):
    make(folder, f"stamps/{job}.json")
    path = folder / f"benchmarks/{job}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\n{seconds}\t0:00:01\n")


def logged(folder, *provided):
    """A folder of results whose last run's log says so."""
    logs = [folder / f"{number}.log" for number in range(len(provided))]
    for log, line in zip(logs, provided, strict=True):
        log.write_text(f"Using shell: /usr/bin/bash\n{line}\nJob stats:\n")
    (folder / ".running.logs").write_text("".join(f"{log}\n" for log in logs))


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
    wanted = outputs(load_plan(ROOT / f"config/{profile}.yaml"), Paths(Path("nowhere")))
    counted = {str(file) for files in wanted.values() for file in files}
    assert counted <= listed
    rest = {file for file in listed - counted if Path(file).suffix not in (".md", ".tex", ".pdf")}
    assert {re.sub(r"nowhere/(\w+).*", r"\1", file) for file in rest} <= {"completions", "compare", "profile"}


def test_the_kept_configuration_gives_the_same_jobs():
    """profile.json keeps the order of the experiments, by which jobs are packed."""
    for profile in ("smoke", "cpu"):
        config = load_plan(ROOT / f"config/{profile}.yaml")
        again = Plan(json.loads(config.as_json()))
        assert outputs(again, again.paths()) == outputs(config, config.paths())


def test_stages_count_what_is_there(tmp_path):
    make(tmp_path, "stamps/data/digits.json", "stamps/train/gmm/digits/not0/seed0.json", "tables/table_2_grid.csv")
    found = {stage.name: (stage.done, stage.total) for stage in status(estimate(), tmp_path).stages}
    assert found["data"] == (1, 1) and found["train"] == (1, 4) and found["score"] == (0, 4)
    assert found["tables"] == (1, 8) and "judge" not in found


def test_a_configuration_alone_names_its_own_run(tmp_path, monkeypatch, capsys):
    """`bench status --configfile X` counted the folder of the run `quick` against the plan of X."""
    monkeypatch.chdir(tmp_path)
    make(tmp_path, "results/quick/profile.json")
    Path("results/quick/profile.json").write_text(load_plan(ROOT / "config/quick.yaml").as_json())
    assert main(["status", "--configfile", str(ROOT / "config/smoke.yaml")]) == 0
    assert f"({tmp_path / 'results/smoke'})" in capsys.readouterr().out


@pytest.mark.parametrize("profile", ["quick", "cpu", "paper"])
def test_a_fresh_run_has_left_what_the_plan_says(profile, tmp_path, monkeypatch, capsys):
    """The number of both commands: hours with two decimals, and days, hours and minutes."""
    configfile = str(ROOT / f"config/{profile}.yaml")
    monkeypatch.chdir(tmp_path)
    assert main(["plan", "--configfile", configfile, "--workers", str(WORKERS), "7"]) == 0
    planned = [float(hours) for hours in re.findall(r"workers: ([\d.]+) hours", capsys.readouterr().out)]
    for words, hours in zip(([], ["--jobs", "7"]), planned, strict=True):
        assert main(["status", "--configfile", configfile, *words]) == 0
        found = re.search(
            r"^about (?:(\d+) d )?(?:(\d+) h )?(?:(\d+) min )?left", capsys.readouterr().out, flags=re.MULTILINE
        )
        days, whole, minutes = (float(part or 0) for part in found.groups())
        assert 24 * days + whole + minutes / 60 == pytest.approx(hours, abs=1 if days else 0.02)


def test_time_left_is_the_estimate_of_what_is_left(tmp_path):
    jobs = {f"{one.stage}/{one.name}": one.seconds for chain in estimate().chains for one in chain}
    assert len(jobs) == 8  # two seeds of two models, trained and scored
    first = "train/gmm/digits/not0/seed0"

    def left(workers=1):
        return time_left(estimate(), Paths(tmp_path), workers)

    total = sum(jobs.values()) + 4 * OVERHEAD_SECONDS
    assert left().seconds == pytest.approx(total) == pytest.approx(3600 * estimate().wall_hours(1))
    assert left(2).seconds == pytest.approx(3600 * estimate().wall_hours(2))
    assert left().pace is None
    make(tmp_path, f"stamps/{first}.json")  # without a benchmark file: done, and nothing is learnt
    assert left().seconds == pytest.approx(total - jobs[first])
    assert left().pace is None


def test_a_run_of_named_files_has_their_time_left(tmp_path):
    """The plan's other jobs are nobody's business: `snakemake results/…/seed0.json` of a plan of a hundred days."""
    jobs = {f"{one.stage}/{one.name}": one.seconds for chain in estimate().chains for one in chain}
    asked = ["train/gmm/digits/not0/seed0", "score/gmm/digits/not0/seed0"]
    files = {(tmp_path / f"stamps/{name}.json").absolute() for name in asked}
    found = time_left(estimate(), Paths(tmp_path), 1, files)
    assert found.seconds == pytest.approx(sum(jobs[name] for name in asked) + OVERHEAD_SECONDS)
    assert status(estimate(), tmp_path, 1, files).left == found
    make(tmp_path, f"stamps/{asked[0]}.json")
    found = time_left(estimate(), Paths(tmp_path), 1, files)
    assert found.seconds == pytest.approx(jobs[asked[1]] + OVERHEAD_SECONDS)
    make(tmp_path, f"stamps/{asked[1]}.json")
    assert time_left(estimate(), Paths(tmp_path), 1, files).seconds == 0


def test_finished_jobs_correct_the_estimate_of_the_others(tmp_path):
    jobs = {f"{one.stage}/{one.name}": one.seconds for chain in estimate().chains for one in chain}
    first, second = "train/gmm/digits/not0/seed0", "score/gmm/digits/not0/seed0"
    finished(tmp_path, first, 3 * jobs[first])
    found = time_left(estimate(), Paths(tmp_path), 1)
    assert found.pace == pytest.approx(3)
    rest = sum(jobs.values()) - jobs[first]
    assert found.seconds == pytest.approx(3 * rest + 4 * OVERHEAD_SECONDS)
    finished(tmp_path, second, 0.0)  # so a whole submission has gone
    found = time_left(estimate(), Paths(tmp_path), 1)
    assert found.pace == pytest.approx(3 * jobs[first] / (jobs[first] + jobs[second]))
    assert found.seconds == pytest.approx(found.pace * (rest - jobs[second]) + 3 * OVERHEAD_SECONDS)
    for path in (first, second):
        (tmp_path / f"benchmarks/{path}.tsv").write_text("s\th:m:s\n-\t-\n")
    assert time_left(estimate(), Paths(tmp_path), 1).pace is None


def test_judges_are_counted(tmp_path):
    judge = {"datasets": ["digits"], "models": ["gmm"], "seeds": 1, "judges": {"seeds": 2}}
    found = estimate(plan(experiments={"judge": judge}))
    before = time_left(found, Paths(tmp_path), 1).seconds
    judges = [chain[0] for chain in found.chains if chain[0].stage == "judges"]
    assert [one.name for one in judges] == ["digits/0", "digits/1"]
    finished(tmp_path, f"judges/{judges[1].name}", judges[1].seconds)
    assert before - time_left(found, Paths(tmp_path), 1).seconds == pytest.approx(judges[1].seconds + OVERHEAD_SECONDS)


def test_a_model_without_a_price_is_named_until_one_of_its_jobs_has_finished(tmp_path):
    config = plan(experiments={"outliers": {"datasets": ["digits"], "models": ["mine"]}}, seeds=3)
    (words,) = list(lines(status(estimate(config), tmp_path)))[1:]
    assert words == "time unknown: nothing comparable to mine was measured"
    finished(tmp_path, "train/mine/digits/not0/seed0", 100)
    found = time_left(estimate(config), Paths(tmp_path), 1)
    assert found.seconds == pytest.approx(2 * (OVERHEAD_SECONDS + 100))  # the other two trainings
    assert (found.pace, found.unknown) == (None, ("mine",))  # how long its scores take is not known yet
    finished(tmp_path, "score/mine/digits/not0/seed0", 10)
    found = time_left(estimate(config), Paths(tmp_path), 1)
    assert found.seconds == pytest.approx(2 * (OVERHEAD_SECONDS + 110)) and not found.unknown


def test_jobs_at_a_time_are_those_of_the_last_run(tmp_path):
    assert workers_of(plan(), Paths(tmp_path)) == WORKERS
    logged(tmp_path, "Provided cores: 8", "Provided cores: 1 (use --cores to define parallelism)")
    assert workers_of(plan(), Paths(tmp_path)) == 1
    logged(tmp_path, "Provided cores: 8")
    assert workers_of(plan(), Paths(tmp_path)) == 8
    assert workers_of(plan(threads=4), Paths(tmp_path)) == 2
    logged(tmp_path, "Provided remote nodes: 50")
    assert workers_of(plan(threads=4), Paths(tmp_path)) == 50
    logged(tmp_path, "Provided remote nodes: unlimited")
    assert workers_of(plan(), Paths(tmp_path)) == WORKERS
    (tmp_path / "0.log").unlink()
    assert workers_of(plan(), Paths(tmp_path)) == WORKERS


def test_words(tmp_path):
    assert [duration(seconds) for seconds in (10, 200, 7800, 200_000)] == [
        "less than a minute", "about 3 min", "about 2 h 10 min", "about 2 d 7 h",
    ]  # fmt: skip
    first, second = lines(status(estimate(), tmp_path, 3))
    assert first.startswith("data 0/1, train 0/4, score 0/4, metrics 0/1")
    assert second == "less than a minute left (3 jobs at a time; what `bench plan` expects)"
    finished(tmp_path, "train/gmm/digits/not0/seed0", 1000)
    assert re.search(r"left \(one job at a time; [\d.e+]+ times what", list(lines(status(estimate(), tmp_path, 1)))[1])
    make(tmp_path, *(f"stamps/{one.stage}/{one.name}.json" for chain in estimate().chains for one in chain))
    assert list(lines(status(estimate(), tmp_path)))[1].startswith("all models are trained and measured; 3 of 3 pages")
    make(tmp_path, *(file for files in outputs(plan(), Paths(tmp_path)).values() for file in files))
    assert list(lines(status(estimate(), tmp_path)))[1] == "everything is done"


@pytest.mark.skipif(not LOCKS.is_file(), reason="/proc/locks is Linux's")
def test_what_runs_is_seen_by_its_lock(tmp_path):
    lock = tmp_path / "models/digits/not0/gmm/.seed1.lock"
    lock.parent.mkdir(parents=True)
    with FileLock(lock), FileLock(tmp_path / ".running.lock"):
        state = status(estimate(), tmp_path)
        assert (state.alive, state.training) == (True, ["digits/not0/gmm/seed1"])
    state = status(estimate(), tmp_path)
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
    monkeypatch.setattr("evaluation.results.progress.SECONDS_BETWEEN", 0.0)
    monkeypatch.chdir(tmp_path)  # no results of other runs, which would give prices
    logger = logging.Logger("snakemake")
    follow(plan(tmp_path), logger)
    logger.info("Execute 2 jobs...", extra={"event": "job_started", "jobs": [1, 2]})
    assert capsys.readouterr().err == ""
    make(tmp_path, "stamps/data/digits.json")
    logged(tmp_path, "Provided cores: 3")
    logger.info("Finished jobid: 1", extra={"event": FINISHED, "job_id": 1})
    line = capsys.readouterr().err
    assert line.startswith("bench: data 1/1, train 0/4") and "3 jobs at a time" in line
    assert list(lines(status(Estimate(plan(tmp_path), Prices()), tmp_path)))[1] in line  # bench status says the same


def test_the_event_is_snakemakes():
    from snakemake_interface_logger_plugins.common import LogEvent

    assert str(LogEvent.JOB_FINISHED) == FINISHED
