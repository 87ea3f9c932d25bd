"""`bench plan --missing`: what a collection lacks, what it costs, and the files that Snakemake makes."""

import json
import subprocess

import pytest

from evaluation.base.errors import UserError
from evaluation.cli import main
from evaluation.cost.estimate import Estimate
from evaluation.cost.missing import collected, missing
from evaluation.cost.prices import Prices
from evaluation.plan.plan import Plan

CONFIG = {
    "profile": "p", "seeds": 3, "models": {"dcgmm-a": {"params": {"epochs": 2}}},
    "experiments": {
        "outliers": {"datasets": ["mnist"], "models": ["dcgmm-a", "gmm"], "outlier_classes": [0, 3]},
        "classification": {"datasets": ["mnist"], "models": ["dcgmm-b-classifier"], "seeds": 1},
    },
}  # fmt: skip


def collection(folder, plan, keys, **changes):
    made = {key.path: {"spec": plan.spec(key), "versions": 0, **changes} for key in keys}
    folder.mkdir(exist_ok=True)
    (folder / "provenance.json").write_text(json.dumps({"models": made}))
    return collected(folder, plan)


def test_what_is_missing_is_listed_with_its_price_and_its_files_cheapest_first(tmp_path):
    plan = Plan(CONFIG)
    estimate = Estimate(plan, Prices(()))
    there = collection(tmp_path, plan, [key for key in plan.keys("outliers", model="gmm") if key.seed < 2])
    rows = missing(estimate, there)
    assert [row.trainings for row in rows if row.variant == "gmm"] == [2]  # seed 2 of both classes
    assert [row.hours for row in rows] == sorted(row.hours for row in rows)
    files = {row.variant: row.targets for row in rows}
    assert files["gmm"] == "stamps/score/gmm/mnist/{not0,not3}/seed2.json"
    assert files["dcgmm-a"] == "stamps/score/dcgmm-a/mnist/{not0,not3}/{seed0,seed1,seed2}.json"
    assert files["dcgmm-b-classifier"] == "stamps/train/dcgmm-b-classifier/mnist/all/seed0.json"
    whole = {row.variant: row.hours for row in missing(estimate, ())}
    (gmm,) = [row for row in rows if row.variant == "gmm"]
    assert gmm.hours == pytest.approx(whole["gmm"] / 3) and whole["dcgmm-a"] == pytest.approx(
        sum(one.seconds for chain in estimate.chains for one in chain if one.job.variant == "dcgmm-a") / 3600
    )


def test_all_that_is_made_from_a_training_is_asked_for():
    """Stages are siblings: the last of a model's, or of its first job, does not make the others."""
    config = CONFIG["experiments"] | {
        "sampling": {"datasets": ["mnist"], "alphabet": "dcgmm-a", "seeds": 1},
        "inpainting": {"datasets": ["mnist"], "models": ["gmm"], "seeds": 1},
    }
    estimate = Estimate(Plan(CONFIG | {"experiments": config}), Prices(()))
    asked = {row.variant: row.targets.split() for row in missing(estimate, ()) if row.kind == "all"}
    assert asked["gmm"] == ["stamps/inpaint/gmm/mnist/all/seed0.json"]
    everything = {
        f"stamps/{stage}/{job.name}.json" for job in estimate.jobs.all() for stage in estimate.jobs.stages(job)
    }
    rows = missing(estimate, ())
    words = [word for row in rows for word in row.targets.split()]
    expanded = subprocess.run(["bash", "-c", f"echo {' '.join(words)}"], capture_output=True, text=True, check=True)
    assert everything <= set(expanded.stdout.split())


def test_what_was_made_from_other_settings_counts_as_missing(tmp_path):
    plan = Plan(CONFIG)
    keys = plan.all_keys()
    assert len(collection(tmp_path, plan, keys)) == len(keys)
    assert collection(tmp_path, plan, keys, spec="another") == set()
    with pytest.raises(UserError, match=r"provenance\.json; name the folder of a collection"):
        collected(tmp_path / "nothing", plan)


def test_a_training_without_every_result_counts_as_missing(tmp_path):
    plan = Plan(CONFIG)
    keys = plan.keys("outliers", model="gmm")
    assert collection(tmp_path, plan, keys, results=["outliers"]) == {key.path for key in keys}
    for results in ([], ["classification"]):
        assert collection(tmp_path, plan, keys, results=results) == set()


def test_the_command_prints_a_line_for_each(tmp_path, capsys):
    (tmp_path / "p.yaml").write_text(json.dumps(CONFIG))
    collection(tmp_path / "so-far", Plan(CONFIG), [])
    assert main(["plan", "--configfile", str(tmp_path / "p.yaml"), "--missing", str(tmp_path / "so-far")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("0 of 13 trainings are collected")
    # Files go first: what follows --configfile is read as configurations.
    assert f"\nsnakemake FILES --cores N --configfile {tmp_path / 'p.yaml'}\n" in said
    assert "\ngmm mnist 6 " in said and "results/p/stamps/score/gmm/mnist/{not0,not3}/{seed0,seed1,seed2}.json" in said
