"""Results made up for the tests of tables and report: of the size of a real run, with numbers that mean nothing."""

import itertools

import numpy as np
import pandas as pd

from evaluation.measures.tidy import tidy_frame, tidy_row
from evaluation.plan.plan import Plan
from evaluation.results.results import Results

SETTINGS = {
    "profile": "made-up",
    "title": "made-up profile (50 % & more_)",
    "seeds": 3,
    "experiments": {
        "outliers": {
            "datasets": ["mnist", "fashion_mnist"],
            "models": [*(f"dcgmm-{letter}" for letter in "abcdefg"), "gmm", "rat-spn", "pd-spn-normal", "dgc-spn"],
            "all_classes": ["dcgmm-a"],
        },
        "judge": {"datasets": ["mnist"], "models": ["dcgmm-a", "rat-spn"], "seeds": 2, "judges": {"seeds": 2}},
        "classification": {"datasets": ["mnist"], "models": ["dcgmm-b-classifier"], "seeds": 2},
    },
}


def made_up_plan() -> Plan:
    return Plan(SETTINGS)


def made_up_metrics() -> pd.DataFrame:
    """Tidy rows of every training of the plan."""
    plan, rng, rows = made_up_plan(), np.random.default_rng(0), []
    for key in plan.keys("outliers"):
        dataset, subset, seed, variant = key.dataset, key.subset, key.seed, plan.variant(key)
        common = {"protocol": variant.protocol, "dataset": dataset, "model": variant.model.name, "seed": seed}
        params = {"outlier_class": int(subset[3:]), **dict(variant.point)}
        for metric in ("auroc", "auroc_100_thresholds", "auroc_validation", "auroc_layer_0", "parameters"):
            value = rng.uniform(50, 100)
            rows.append(tidy_row(experiment="outliers", params=params, metric=metric, value=value, **common))
    measures = ("judge_accuracy", "frechet_distance", "precision", "recall", "nearest_neighbour_distance")
    judged = {(key.variant, key.seed) for key in plan.keys("judge")}
    for (name, seed), judge, metric in itertools.product(sorted(judged), (0, 1), measures):
        variant = plan.variants[name]
        common = {"protocol": variant.protocol, "dataset": "mnist", "model": variant.model.name, "seed": seed}
        value = rng.uniform(50, 100)
        rows.append(tidy_row(experiment="judge", params={"judge": judge}, metric=metric, value=value, **common))
    for seed in (0, 1):
        common = {"protocol": "both", "dataset": "mnist", "model": "dcgmm-b-classifier", "seed": seed}
        rows.append(tidy_row(experiment="classification", metric="accuracy", value=rng.uniform(97, 99), **common))
    return tidy_frame(rows)


# --- small cases -----------------------------------------------------------------------------------------------------


def rows(model, values, dataset="mnist", protocol="both", metric="auroc", **point):
    """Tidy rows of outlier detection, one for each seed."""
    params = {"outlier_class": 0, **point}
    facts = {"protocol": protocol, "experiment": "outliers", "dataset": dataset, "model": model, "params": params}
    return [tidy_row(**facts, seed=seed, metric=metric, value=value) for seed, value in enumerate(values)]


def judged(model, value, dataset="mnist", seed=0, judge=0, protocol="both", metric="judge_accuracy", **point):
    """What one judge says of the samples of one training."""
    return tidy_row(
        protocol=protocol, experiment="judge", dataset=dataset, model=model, params={**point, "judge": judge},
        seed=seed, metric=metric, value=value,
    )  # fmt: skip


def plan(changes=(), **outliers):
    """A plan of outlier detection; `changes`: of models of the catalogue."""
    settings = {"datasets": ["mnist"], "models": ["dcgmm-a", "dcgmm-e", "gmm"], **outliers}
    return Plan({"profile": "test", "seeds": 2, "models": dict(changes), "experiments": {"outliers": settings}})


def validated(found):
    """The rows, and as many of the validation images' area, which choosing a point needs."""
    return [*found, *({**row, "metric": "auroc_validation"} for row in found if row["metric"] == "auroc")]


def two_models():
    """DCGMM-A and a mixture on MNIST, two seeds each."""
    found = rows("dcgmm-a", [95.0, 96.0]) + rows("dcgmm-a", [94.0, 95.0], metric="auroc_100_thresholds")
    found += rows("dcgmm-a", [90, 90], metric="auroc_validation") + rows("gmm", [88.0, 88.0])
    found += rows("gmm", [80, 80], metric="auroc_validation")
    return tidy_frame(found)


def grid():
    """Point 1 is best on test, point 2 on validation; point 3 has the best single seed."""
    test = {1: [80, 82], 2: [70, 72], 3: [10, 99]}
    validation = {1: [60, 60], 2: [65, 65], 3: [1, 1]}
    found = []
    for depth in (1, 2, 3):
        found += rows("gmm", test[depth], depth=depth)
        found += rows("gmm", validation[depth], depth=depth, metric="auroc_validation")
    return tidy_frame(found)


def results(metrics, of=None):
    """Results of a frame or of rows; `of`: the plan, without it one of MNIST and Fashion-MNIST."""
    frame = metrics if isinstance(metrics, pd.DataFrame) else tidy_frame(metrics)
    return Results(frame, of or plan(datasets=["mnist", "fashion_mnist"]))


RECORD = {  # bench.json of a model
    "name": "dcgmm-a",
    "model": "dcgmm-a",
    "protocol": "both",
    "point": {},
    "dataset": "mnist",
    "subset": "not0",
    "seed": 0,
    "parameters": 10,
    "seconds": 1.5,
}


def scores(seed=0, shift=1.0):
    """Scores of two layers, as `bench score` gives them; class 0 is lower by `shift` in the upper one."""
    rng = np.random.default_rng(seed)
    label = np.tile(np.arange(10), 40)
    frame = pd.DataFrame({"split": np.repeat(["validation", "test"], 200), "label": label})
    frame["layer_0"] = rng.normal(size=400)
    frame["score"] = frame["layer_1"] = rng.normal(size=400) + shift * (label != 0)
    return frame
