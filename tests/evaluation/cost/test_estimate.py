"""The estimate of a profile's costs: every number here is worked out by hand from the cost model."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from baselines.einsum.cost import rat_spn_cost
from dcgmm.cost import cost as dcgmm_cost
from evaluation.base.errors import UserError
from evaluation.cli import main
from evaluation.cost.estimate import (
    FOLLOWING_MINUTES,
    LEAST_MB,
    LEAST_MINUTES,
    OVERHEAD_SECONDS,
    RUNNER_MB,
    Estimate,
    images_mb,
    wall_seconds,
)
from evaluation.cost.prices import TABLE, Prices, image_epochs
from evaluation.models.catalogue import families
from evaluation.plan.plan import Plan

ROW = {"start": 5.0, "train": 0.2, "score": 0.01, "sample": 0.5, "memory_mb": 900.0, "disk_mb": 2.0}
RAT = {"sums": 10, "depth": 4, "repetitions": 10, "leaf": "binomial"}
MODELS = {
    "dcgmm-a": {"factory": "dcgmm:DCGMM", "params": {"config": "F(28,1)-G(49)"}, **ROW},
    "rat-spn": {"factory": "baselines.einsum:RatSpn", "params": RAT, **ROW},
    "dgc-16": {"factory": "baselines.dgcspn:DgcSpn", "params": {"sums": 16, "products": 7}, **ROW},
    "dgc-32": {"factory": "baselines.dgcspn:DgcSpn", "params": {"sums": 32, "products": 7}, **ROW, "train": 1.0},
}


@pytest.fixture(autouse=True)
def beside_the_toy_models(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "costs.yaml"
    path.write_text(yaml.safe_dump({"machine": "m", "date": "d", "command": "c", "models": MODELS}))
    return path


def plan(models, seeds=2, **changes):
    outliers = {"datasets": ["mnist"], "models": list(models)}
    return Plan({"profile": "p", "seeds": seeds, "protocols": ["clean"], "models": models,
                 "experiments": {"outliers": outliers}, **changes})  # fmt: skip


def estimate(table, models, **changes):
    return Estimate(plan(models, **changes), Prices(table=table))


def test_training_and_scoring_of_a_measured_model(table):
    found = estimate(table, {"dcgmm-a": {"params": {"epochs": 10}}})
    train = 5 + 45_000 * 10 / 1000 * 0.2
    score = 5 + 20_000 / 1000 * 0.01
    rows = {row["stage"]: row for row in found.stages()}
    assert rows["train"]["jobs"] == rows["score"]["jobs"] == 2
    assert rows["train"]["cpu_hours"] == pytest.approx(2 * train / 3600)
    assert rows["score"]["cpu_hours"] == pytest.approx(2 * score / 3600)
    assert rows["all"]["jobs"] == 4
    assert rows["all"]["memory_mb"] == 900
    assert rows["train"]["disk_mb"] == 4
    assert rows["all"]["gpu_hours_of_them"] == rows["all"]["cpu_hours"]  # DCGMMs gain from a GPU
    assert found.wall_hours(1) == pytest.approx(2 * (OVERHEAD_SECONDS + train + score) / 3600)
    assert found.wall_hours(2) == pytest.approx((OVERHEAD_SECONDS + train + score) / 3600)
    assert found.wall_hours(50) == found.wall_hours(2)
    assert found.overhead_share() == pytest.approx(OVERHEAD_SECONDS / (OVERHEAD_SECONDS + train + score))


def test_packing_pays_the_start_once(table):
    packed = estimate(table, {"dcgmm-a": {"params": {"epochs": 10}}}, packing={"seeds_per_job": 2})
    rows = {row["stage"]: row for row in packed.stages()}
    assert rows["train"]["jobs"] == 1
    assert rows["train"]["cpu_hours"] == pytest.approx((5 + 2 * 90) / 3600)


def test_a_grid_point_costs_as_its_operations(table):
    found = estimate(table, {"rat-spn": {"params": {"epochs": 1}, "grid": {"sums": [20]}}}, seeds=1)
    more = rat_spn_cost((28, 28, 1), **{**RAT, "sums": 20}).step_flops / rat_spn_cost((28, 28, 1), **RAT).step_flops
    assert more > 2
    row = found.stages()[0]
    assert row["cpu_hours"] == pytest.approx((5 + 45 * 0.2 * more) / 3600)
    assert row["gpu_hours_of_them"] == row["cpu_hours"]


def test_a_power_goes_through_two_measured_points(table):
    found = estimate(
        table, {"dgc-spn": {"params": {"epochs": 1}, "grid": {"sums": [64]}, "train_images": 1000}}, seeds=1
    )
    assert found.stages()[0]["cpu_hours"] == pytest.approx((5 + 0.2 * 5**2) / 3600)  # 0.2, 1.0, then 5.0 for 16, 32, 64


def test_a_dcgmm_costs_as_its_multiplications(table):
    found = estimate(table, {"dcgmm-b": {"params": {"epochs": 1}}}, seeds=1)
    a = 28 * 28 * 49
    b = 11 * 11 * (8 * 8) * 49 + (11 * 11 * 49) * 49  # F(8,2)-G(49)-F(11,1)-G(49)
    assert dcgmm_cost((28, 28, 1), config="F(28,1)-G(49)").step_flops == 8 * a
    assert found.stages()[0]["cpu_hours"] == pytest.approx((5 + 45 * 0.2 * b / a) / 3600)


def test_what_was_not_measured_is_named(table):
    found = estimate(table, {"gmm": {}, "dgc-spn": {"params": {"leaves": 2}, "grid": {}}, "dcgmm-a": {}})
    assert found.unknown == ["gmm", "dgc-spn@clean"]


@pytest.mark.parametrize(("images", "price"), [(1000, 0.2), (45_000, 2.0)], ids=["too short to count", "long enough"])
def test_a_training_that_is_there_gives_the_price(images, price, table, tmp_path):
    directory = tmp_path / "quick/models/mnist/not0/dcgmm-a/seed0"
    directory.mkdir(parents=True)
    record = {"factory": "dcgmm:DCGMM", "params": {"config": "F(28,1)-G(49)", "epochs": 2}, "dataset": "mnist"}
    record |= {"subset": "not0", "train_images": images, "seconds": 2.0 * images * 2 / 1000}
    (directory / "bench.json").write_text(json.dumps(record))
    model = plan({"dcgmm-a": {}}).variants["dcgmm-a"]
    assert Prices([tmp_path / "quick"], table).of(model).train == pytest.approx(price)


def asked(found, **options):
    (job,) = found.jobs.all()
    return (
        found.minutes("train", job, **options),
        found.minutes("score", job, **options),
        found.megabytes(job, **options),
    )


def test_a_job_asks_for_the_estimate_whatever_the_catalogue_says(table):
    found = estimate(table, {"dcgmm-a": {"params": {"epochs": 100}}}, seeds=1)
    stated = found.plan.catalogue.model("dcgmm-a").resources
    assert (stated.mem_mb, stated.minutes) == (2000, 60)
    assert asked(found) == (46, LEAST_MINUTES, 1525)  # 3 · (5 + 45 · 100 · 0.2) / 60; 1.25 · 900 + 400; rounded up
    assert asked(found, attempt=2) == (68, 23, 2288)
    assert asked(estimate(table, {"dcgmm-a": {"params": {"epochs": 1}}}, seeds=1))[0] == LEAST_MINUTES


def test_a_grid_point_asks_for_what_its_operations_and_parameters_take(table):
    sizes = {"grid": {"sums": [5, 40], "depth": [1, 9], "repetitions": [40]}}
    found = estimate(table, {"rat-spn": sizes}, seeds=1)
    packs = {job.variant.partition("+")[2]: job for job in found.jobs.all()}
    small, large = packs["depth=1+repetitions=40+sums=5"], packs["depth=9+repetitions=40+sums=40"]
    assert LEAST_MB + RUNNER_MB <= found.megabytes(small) < 1.25 * 950 + RUNNER_MB
    assert found.megabytes(large) > 1.3e9 * 4 / 2**20  # its parameters alone
    assert found.minutes("train", large) > 100 * found.minutes("train", small)


def test_larger_images_take_more_memory(table):
    assert images_mb("mnist") == images_mb("photos") == images_mb("digits") == 0
    larger = 8 * (63_257 * 32 * 32 * 3 - 50_000 * 28 * 28) / 2**20
    assert images_mb("svhn") == pytest.approx(larger)
    config = {"datasets": ["svhn"], "models": ["dcgmm-a"]}
    found = Estimate(Plan({"profile": "p", "seeds": 1, "experiments": {"outliers": config}}), Prices(table=table))
    shapes = [dcgmm_cost(shape, config="F(28,1)-G(49)").peak_bytes for shape in ((32, 32, 3), (28, 28, 1))]
    arrays = (shapes[0] - shapes[1]) / 2**20
    assert asked(found)[2] == pytest.approx(1.25 * (900 + larger + arrays) + RUNNER_MB, abs=1)


def test_larger_images_take_more_operations(table):
    config = {"datasets": ["mnist", "svhn"], "models": ["rat-spn"]}
    models = {"rat-spn": {"params": {"epochs": 1}, "grid": {}}}
    profile = {"profile": "p", "seeds": 1, "protocols": ["clean"], "models": models}
    found = Estimate(Plan({**profile, "experiments": {"outliers": config}}), Prices(table=table))
    seconds = {job.dataset: found.priced("train", job).seconds - 5 for job in found.jobs.all()}
    images = 63_257 / 50_000
    step = rat_spn_cost((32, 32, 3), **RAT).step_flops / rat_spn_cost((28, 28, 1), **RAT).step_flops
    assert seconds["svhn"] == pytest.approx(seconds["mnist"] * images * step)


def test_without_a_price_a_job_asks_for_what_the_catalogue_says(table):
    assert asked(estimate(table, {"gmm": {}}, seeds=1)) == (5 + 10, FOLLOWING_MINUTES, 3000)
    own = {"mine": {"factory": "toy_models:Brightness", "resources": {"mem_mb": 700, "minutes": 20}}}
    packed = estimate(table, own, packing={"seeds_per_job": 2})
    assert asked(packed) == (5 + 2 * 20, FOLLOWING_MINUTES, 700)
    assert asked(packed, attempt=3) == (102, 135, 1575)
    unsaid = {"mine": {"factory": "toy_models:Brightness"}}
    assert asked(estimate(table, unsaid, seeds=1)) == (
        65,
        FOLLOWING_MINUTES,
        2000,
    )


def test_what_a_profile_says_goes_before_the_estimate(table):
    said = {"params": {"epochs": 100}, "resources": {"minutes": 2}}
    assert asked(estimate(table, {"dcgmm-a": said}, seeds=1)) == (5 + 2, LEAST_MINUTES, 1525)
    assert asked(estimate(table, {"dcgmm-a": {"resources": {"mem_mb": 5000}}}, seeds=1))[2] == 5000


def test_parameters_that_an_entry_leaves_out_have_their_defaults(table):
    """An entry of a family without a parent in the catalogue, which would have them all."""
    profile = {"x": {"family": "rat-spn", "label": "x", "params": {"depth": 2, "epochs": 1}}}
    same = {"x": {"family": "rat-spn", "label": "x", "params": {**RAT, "depth": 2, "epochs": 1}}}
    seconds = [estimate(table, models, seeds=1).stages()[0]["cpu_hours"] for models in (profile, same)]
    assert seconds[0] == seconds[1] > 0
    assert estimate(table, {"y": {"family": "pd-spn", "label": "y"}}).unknown == ["y"]  # no PD-SPN in this table
    assert not Estimate(plan({"y": {"family": "pd-spn", "label": "y"}}), Prices()).unknown


def test_image_epochs():
    assert image_epochs("mnist", "all", {"epochs": 3}) == 150_000
    assert image_epochs("mnist", "only7", {"epochs": 3}) == pytest.approx(15_000)
    assert image_epochs("mnist", "not7", {"epochs": 3}, at_most=100) == 300
    assert image_epochs("mnist", "not7", {}) == pytest.approx(45_000)
    assert image_epochs("photos", "only0", {"iterations": 600, "epochs": 120}) == 60_000  # epochs do not count then
    assert image_epochs("mnist", "all", {"iterations": 600, "batch_size": 50}) == 30_000


def test_classes_of_an_own_data_set_are_as_large_as_they_are_many(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    np.savez(tmp_path / "two.npz", x=np.full((40, 6, 6), 255, np.uint8), y=np.arange(40) % 2)
    everything = image_epochs("two", "all", {})
    assert [image_epochs("two", part, {}) for part in ("not0", "only1")] == [everything / 2, everything / 2]


def test_a_model_without_epochs_trains_as_long_as_its_class_does(table):
    """An own entry of a family was priced as one epoch, and Slurm killed it."""
    prices = [
        estimate(table, {"mine": {"family": "rat-spn", "label": "Mine", "params": {**RAT, **epochs}}}, seeds=1)
        for epochs in ({}, {"epochs": families()["rat-spn"].parameters["epochs"].default})
    ]
    assert prices[0].stages()[0]["cpu_hours"] == prices[1].stages()[0]["cpu_hours"]


def test_a_resumed_training_gives_no_price(table, tmp_path):
    directory = tmp_path / "quick/models/mnist/not0/dcgmm-a/seed0"
    directory.mkdir(parents=True)
    record = {"factory": "dcgmm:DCGMM", "params": {"config": "F(28,1)-G(49)", "epochs": 2}, "dataset": "mnist"}
    (directory / "bench.json").write_text(json.dumps({**record, "subset": "not0", "seconds": None}))
    assert not Prices([tmp_path / "quick"], table).trained


@pytest.mark.parametrize("record", [{}, {"dataset": "mnist", "subset": "all", "params": {}, "seconds": 1.0}, []])
def test_a_record_that_lacks_something_is_named(record, table, tmp_path, capsys):
    """`bench plan --measured` of a folder with such a bench.json ended in a KeyError."""
    directory = tmp_path / "quick/models/mnist/not0/dcgmm-a/seed0"
    directory.mkdir(parents=True)
    (directory / "bench.json").write_text(json.dumps(record))
    assert main(["plan", "--profile", "smoke", "--measured", str(tmp_path / "quick")]) == 2
    error = capsys.readouterr().err
    assert f"{directory / 'bench.json'} is damaged: it has no " in error and "factory" in error
    assert error.endswith("; remove it and train the model again\n") and error.count("\n") == 1


@pytest.mark.parametrize(
    "wrong", [{"seconds": "long"}, {"params": 3}, {"dataset": []}, {"subset": 1}, {"params": {"epochs": "many"}}]
)
def test_a_record_of_values_of_other_kinds_is_named(wrong, table, tmp_path):
    """`bench plan --measured` of a folder with such a bench.json ended in a traceback."""
    directory = tmp_path / "quick/models/mnist/not0/dcgmm-a/seed0"
    directory.mkdir(parents=True)
    record = {"factory": "dcgmm:DCGMM", "params": {"config": "F(28,1)-G(49)", "epochs": 2}, "dataset": "mnist"}
    (directory / "bench.json").write_text(json.dumps({**record, "subset": "not0", "seconds": 9.0, **wrong}))
    with pytest.raises(UserError, match=r"seed0/bench\.json is damaged: .*; remove it and train the model again"):
        Prices([tmp_path / "quick"], table)


def test_workers_without_work_take_no_memory():
    """`bench plan --workers 100000000000` made a list of so many."""
    assert wall_seconds([1.0, 2.0], 10**11) == wall_seconds(iter([1.0, 2.0]), 2) == OVERHEAD_SECONDS + 2
    assert wall_seconds([], 10**11) == wall_seconds([], 1) == 0


def test_the_command_prints_every_stage_and_worker(capsys):
    assert main(["plan", "--configfile", "config/quick.yaml", "--workers", "1", "7", "--measured"]) == 0
    printed = capsys.readouterr().out
    for word in ("train", "score", "all", "1 worker:", "7 workers:", "CPU hours"):
        assert word in printed
    assert "not in the estimate" not in printed


def test_the_table_says_where_it_comes_from():
    content = yaml.safe_load(TABLE.read_text())
    assert {"machine", "date", "command"} <= content.keys()
    for name, row in content["models"].items():
        assert {"factory", "params", "start", "train", "memory_mb", "disk_mb"} <= row.keys(), name
