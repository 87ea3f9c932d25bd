"""Results made up for the tests of tables and report: of the size of a real run, with numbers that mean nothing."""

import itertools

import numpy as np
import pandas as pd

from evaluation.measures.metrics import tidy_frame, tidy_row
from evaluation.plan.config import Plan

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
    for dataset, subset, name, seed in plan.runs("outliers"):
        variant = plan.variants[name]
        common = {"protocol": variant.protocol, "dataset": dataset, "model": variant.model.name, "seed": seed}
        params = {"outlier_class": int(subset[3:]), **dict(variant.point)}
        for metric in ("auroc", "auroc_100_thresholds", "auroc_validation", "auroc_layer_0", "parameters"):
            value = rng.uniform(50, 100)
            rows.append(tidy_row(experiment="outliers", params=params, metric=metric, value=value, **common))
    measures = ("judge_accuracy", "frechet_distance", "precision", "recall", "nearest_neighbour_distance")
    judged = {(name, seed) for _, _, name, seed in plan.runs("judge")}
    for (name, seed), judge, metric in itertools.product(sorted(judged), (0, 1), measures):
        variant = plan.variants[name]
        common = {"protocol": variant.protocol, "dataset": "mnist", "model": variant.model.name, "seed": seed}
        value = rng.uniform(50, 100)
        rows.append(tidy_row(experiment="judge", params={"judge": judge}, metric=metric, value=value, **common))
    for seed in (0, 1):
        common = {"protocol": "both", "dataset": "mnist", "model": "dcgmm-b-classifier", "seed": seed}
        rows.append(tidy_row(experiment="classification", metric="accuracy", value=rng.uniform(97, 99), **common))
    return tidy_frame(rows)
