"""Runs through a real Slurm: the same numbers as on one machine, whatever happens to the jobs on their way."""

import os
import signal
import subprocess

import pytest
import yaml

from tests.cluster.runs import HERE, Folder, queue, wait_for

TABLES = ("tables/table_2_outliers_models.csv", "compare.md")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("slurm")]


def tiny(**models):
    """Outlier detection on digits by toy models, one job for each: the configuration, what is made, what by Slurm."""
    config = {
        "profile": "tiny",
        "seeds": 1,
        "models": {name: {"label": name, **model} for name, model in models.items()},
        "experiments": {"outliers": {"datasets": ["digits"], "models": list(models)}},
    }
    trained = [f"stamps/score/{name}/digits/not0/seed0.json" for name in models]
    return config, TABLES, trained


def slow(pause):
    return {"factory": "toy_models:Brightness", "params": {"pause": pause}}


def test_the_tables_are_those_of_a_local_run(folder):
    config = yaml.safe_load((HERE / "reduced.yaml").read_text())
    local, cluster = (folder(name, config, TABLES) for name in ("local", "cluster"))
    local.run(None)
    cluster.run("slurm")
    assert cluster.tables() == local.tables()
    jobs = queue(cluster.path, everything=True)
    assert len(jobs) == 5  # each model with its scores, the metrics with their table, the comparison
    assert {state for _, state, _ in jobs} == {"COMPLETED"}


def test_three_misfortunes_in_one_run(folder):
    """A job that fails once, one cancelled by hand, one over its memory: repeated with more memory, same tables."""
    models = {
        "once": {"factory": "faulty_models:FailsOnce", "resources": {"mem_mb": 1000}},
        "cancelled": {**slow(0.3), "resources": {"mem_mb": 1002}},
        "hungry": {"factory": "faulty_models:Hungry", "resources": {"mem_mb": 1004}},
    }
    undisturbed = folder("undisturbed", *tiny(**models))
    (undisturbed.path / "failed").touch()
    undisturbed.run(None)

    models["hungry"]["params"] = {"megabytes": 800, "seconds": 10.0}
    run = folder("run", *tiny(**models))
    running = run.start("slurm")
    cancelled = run.results / "models/digits/not0/cancelled"
    wait_for(lambda: list(cancelled.glob(".seed0.*.checkpoint/state.json")))
    victim = next(job for job, _, memory in queue(run.path) if memory == 1002)
    subprocess.run(["scancel", victim], check=True)
    run.finish(running)
    run.run(None)

    by_memory = {memory: state for _, state, memory in queue(run.path, everything=True)}  # each retry asks for more
    states = {memory: by_memory[memory] for memory in (1000, 1500, 1002, 1503, 1004, 1506)}
    assert states.pop(1004) in ("FAILED", "OUT_OF_MEMORY")
    assert states.pop(1000) == "FAILED"
    assert states.pop(1002) == "CANCELLED"
    assert set(states.values()) == {"COMPLETED"}
    assert "resumed after step" in (run.results / "logs/train/cancelled/digits/not0/seed0.log").read_text()
    assert run.tables() == undisturbed.tables()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    whole = Folder(tmp_path_factory.mktemp("runs") / "whole", *tiny(slow=slow(1e-4)))
    whole.run(None)
    return whole


def start_training(run, profile="slurm"):
    """A run whose model is just being trained, and the folder of the model."""
    models = run.results / "models/digits/not0/slow"
    running = run.start(profile)
    wait_for(lambda: list(models.glob(".seed0.*.checkpoint/state.json")))
    return running, models


def test_sigint_ends_the_jobs_and_loses_nothing(folder, undisturbed):
    run = folder("run", *tiny(slow=slow(0.3)))
    running, models = start_training(run)
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=120) != 0
    wait_for(lambda: not queue(run.path))
    assert not (models / "seed0").exists()
    run.run(None)
    assert "resumed after step" in (run.results / "logs/train/slow/digits/not0/seed0.log").read_text()
    assert run.tables() == undisturbed.tables()


@pytest.mark.parametrize("profile", ["slurm", "generic"])
def test_sigkill_and_resume(profile, folder, undisturbed):
    run = folder("run", *tiny(slow=slow(0.3)))
    running, models = start_training(run, profile)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    (left,) = queue(run.path)  # nobody follows it any more
    assert not (models / "seed0").exists()

    run.finish(run.resume(profile))
    run.run(None)
    assert f"cancelled: {left[0]}\n" in run.output()
    assert (left[0], "CANCELLED") in [row[:2] for row in queue(run.path, everything=True)]
    assert "resumed after step" in (run.results / "logs/train/slow/digits/not0/seed0.log").read_text()
    assert run.tables() == undisturbed.tables()
