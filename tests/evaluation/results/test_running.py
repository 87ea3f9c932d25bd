"""What is done before the first job and after the last one of a run."""

import logging
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from evaluation.base.errors import UserError
from evaluation.plan.plan import Plan
from evaluation.results.running import Asked, begin, forget_partial

PROFILE = {"profile": "p", "seeds": 1, "experiments": {"outliers": {"datasets": ["digits"], "models": ["gmm"]}}}


def test_a_folder_of_something_else_is_refused(tmp_path, monkeypatch):
    """`results: thesis` put tables and pages between the files there, and over those of the same name."""
    monkeypatch.chdir(tmp_path)
    theirs = Path("thesis/tables/table_5_architectures.csv")
    theirs.parent.mkdir(parents=True)
    theirs.write_text("mine")
    Path("thesis/thesis.tex").write_text("mine")
    plan = Plan({**PROFILE, "results": "thesis"})
    with pytest.raises(UserError, match=r"thesis holds something else than a run \(thesis\.tex\)"):
        begin(plan, "local", [], [], set(), logging.getLogger())
    assert sorted(path.name for path in Path("thesis").iterdir()) == ["tables", "thesis.tex"]


def test_only_a_report_of_ours_is_forgotten(tmp_path):
    partial = tmp_path / "partial"
    partial.mkdir()
    (partial / "notes.txt").write_text("mine")
    forget_partial(tmp_path)
    assert (partial / "notes.txt").read_text() == "mine"
    (partial / "profile.json").write_text("{}")
    forget_partial(tmp_path)
    assert not partial.exists()
    forget_partial(tmp_path)


def test_another_seed_of_an_experiment_asks_for_its_part_of_a_packed_job_again():
    """The job's name stayed, so its stamp did: the new seed was never completed, and the table failed."""
    experiment = {"datasets": ["digits"], "models": ["gmm"]}
    packed = {**PROFILE, "seeds": 3, "packing": {"seeds_per_job": 3}}
    (job,) = [job.name for job in Asked(Plan({**packed, "experiments": {"sampling": experiment}})).jobs.all()]
    stage, measure = (Namespace(job=job, stage="inpaint"), Namespace(experiment="inpainting", dataset="digits"))
    asked = []
    for seeds in (1, 2, 3):
        experiments = {"sampling": experiment, "inpainting": {**experiment, "seeds": seeds}}
        run = Asked(Plan({**packed, "experiments": experiments}))
        asked.append((run.settings(stage), run.trainings(measure)))
    assert all(len(set(hashes)) == 3 for hashes in zip(*asked, strict=True))


def test_own_images_that_changed_ask_for_another_judge(tmp_path, monkeypatch):
    """Snakemake kept the stamp of a judge whose images were others."""
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    judge, asked = {"datasets": ["mine", "digits"], "models": ["gmm"]}, []
    for brightest in (254, 255):
        np.savez(tmp_path / "mine.npz", x=np.full((30, 28, 28), brightest, np.uint8))
        run = Asked(Plan({**PROFILE, "experiments": {"judge": judge}}))
        asked.append([run.judging(Namespace(dataset=name)) for name in judge["datasets"]])
    (mine, digits), (changed, same) = asked
    assert mine != changed
    assert digits == same == {"epochs": None, "learning_rate": None, "train_images": None}
