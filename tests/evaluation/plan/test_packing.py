"""How trainings become jobs, and what jobs are called."""

import pytest

from evaluation.base.errors import ConfigError
from evaluation.models.catalogue import grid_points
from evaluation.plan.jobs import Jobs, chunks
from evaluation.plan.key import TrainingKey
from evaluation.plan.plan import Plan
from tests.evaluation.plan.test_plan import changed, runs


def packed(seeds_per_job, subsets_per_job, **changes):
    return Plan(
        changed(
            packing={"seeds_per_job": seeds_per_job, "subsets_per_job": subsets_per_job},
            experiments__outliers__outlier_classes=[0, 1, 2],
            seeds=5,
            **changes,
        )
    )


@pytest.mark.parametrize(("seeds", "subsets", "jobs"), [(1, 1, 15), (2, 1, 9), (5, 1, 3), (5, 3, 1), (2, 2, 6)])
def test_every_training_is_in_exactly_one_job(seeds, subsets, jobs):
    plan = packed(seeds, subsets)
    packed_jobs = Jobs(plan).of(plan.keys("outliers"))
    assert len(packed_jobs) == jobs
    trainings = [key for job in packed_jobs for key in job.keys]
    assert len(trainings) == len(set(trainings))
    assert set(trainings) == runs(plan, "outliers")
    assert max(len({key.seed for key in job.keys}) for job in packed_jobs) <= seeds
    assert max(len(job.subsets) for job in packed_jobs) <= subsets
    assert [Jobs(plan).named(job.name) for job in packed_jobs] == packed_jobs


def test_a_model_may_be_packed_in_its_own_way():
    plan = packed(1, 1, models__gmm={"packing": {"seeds_per_job": 5}})
    assert [len(job.keys) for job in Jobs(plan).all()] == [5, 5, 5]


def test_what_two_experiments_need_is_trained_once():
    dynamics = {"datasets": ["digits"], "models": ["gmm"], "seeds": [0]}
    config = changed(experiments__dynamics=dynamics, models__gmm={"monitor": "test"})
    config["experiments"]["outliers"]["seeds"] = [0, 1]
    plan = Plan(config)
    names = [job.name for job in Jobs(plan).all()]
    assert len(names) == len(set(names)) == 3
    assert Jobs(plan).stamps("train", plan.keys("dynamics")) == ["stamps/train/gmm/digits/all/seed0.json"]


def test_a_change_of_a_model_changes_its_own_trainings_only():
    both = {"experiments__outliers__models": ["gmm", "dcgmm-a"]}
    before, after = Plan(changed(**both)), Plan(changed(**both, models__gmm={"params": {"max_iter": 3}}))
    other = {key.variant for key in before.all_keys() if before.spec(key) != after.spec(key)}
    assert other == {"gmm"}


def test_a_job_of_one_training_is_called_as_the_training_and_a_typed_key_is_found():
    jobs = Jobs(packed(1, 1))
    key = TrainingKey("digits", "not0", "gmm", 0)
    assert jobs.named("gmm/digits/not0/seed0").keys == (key,)
    assert TrainingKey.typed(key.word) == key
    assert Jobs(packed(5, 3)).named(key.word).keys == (key,)
    with pytest.raises(ConfigError, match="did you mean 'gmm/digits/not0/seed0'"):
        jobs.named("gmn/digits/not0/seed0")


def test_only_whole_jobs_have_stamps():
    """Asked of Snakemake, a part of a job was trained and then missed: no stamp of that name is ever written."""
    jobs = Jobs(packed(5, 3))
    assert all(jobs.whole(job.name) is job for job in jobs.all())
    several = next(job for job in jobs.all() if len(job.keys) > 1)
    with pytest.raises(ConfigError, match=f"is trained with others in one job; ask for '{several.name}'"):
        jobs.whole(several.keys[0].word)


def test_what_a_profile_says_about_resources_is_told_from_the_catalogue():
    inherited = {"gmm-random": {"resources": {"mem_mb": 5}}, "mine": {"extends": "gmm-random", "label": "M"}}
    plan = Plan(changed(models={"gmm": {"resources": {"minutes": 7, "mem_mb": 8}}, **inherited}))
    stated = {name: plan.catalogue.stated_resources(name) for name in ("gmm", "gmm-random", "mine", "vae")}
    assert stated == {
        "gmm": {"minutes": 7, "mem_mb": 8},
        "gmm-random": {"minutes": 7, "mem_mb": 5},  # it extends gmm
        "mine": {"minutes": 7, "mem_mb": 5},
        "vae": {},
    }


def test_small_pieces():
    assert chunks([1, 2, 3], 2) == [(1, 2), (3,)]
    assert grid_points({}) == [()]
