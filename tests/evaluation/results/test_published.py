"""The paper's printed numbers."""

import math
from dataclasses import asdict

import numpy as np
import pandas as pd

from evaluation.results.published import published as numbers
from evaluation.results.published import published_number


def published():
    return pd.DataFrame(map(asdict, numbers()))


def test_every_number_is_there_once():
    frame = published()
    assert not frame.duplicated(["table", "metric", "dataset", "model"]).any()
    counts = frame.groupby(["table", "metric"]).size().to_dict()
    assert counts == {
        ("table_1", "auroc"): 14,
        ("table_2", "auroc"): 8,
        ("table_3", "judge_accuracy"): 14,
        ("table_3", "parameters"): 7,
        ("table_4", "accuracy"): 6,
        ("table_5", "parameters"): 7,
        ("appendix", "cnn_test_accuracy"): 2,
    }


def test_numbers_that_appear_twice_agree():
    """DCGMM-E's areas are in Tables I and II; the parameter counts in III and V differ for E alone (a known slip)."""
    frame = published().set_index(["table", "metric", "dataset", "model"])["mean"].sort_index()
    for dataset in ("mnist", "fashion_mnist"):
        assert frame["table_1", "auroc", dataset, "DCGMM-E"] == frame["table_2", "auroc", dataset, "DCGMM-E"]
    third, fifth = frame["table_3", "parameters", "any"], frame["table_5", "parameters", "any"]
    common = third.index.intersection(fifth.index)
    assert [model for model in common if third[model] != fifth[model]] == ["DCGMM-E"]


def test_literature_values_are_marked():
    frame = published()
    quoted = frame[frame["literature"]]
    assert set(quoted["table"]) == {"table_4"} and set(quoted["model"]) == {"RAT-SPN", "DGC-SPN"} and len(quoted) == 4
    assert quoted["std"].isna().all()


def test_what_is_printed_as_a_lower_bound_is_marked():
    frame = published()
    bounds = frame[frame["at_least"]]
    assert list(zip(bounds["metric"], bounds["dataset"], strict=True)) == [("cnn_test_accuracy", "mnist")]


def test_percentages_are_percentages():
    frame = published()
    percent = frame[frame["unit"] == "percent"]
    assert percent["mean"].between(30, 100).all() and percent["std"].dropna().between(0, 10).all()
    assert np.array_equal(frame.loc[frame["unit"] == "count", "mean"] % 1, np.zeros(14))


def test_what_is_not_printed_has_no_number():
    assert published_number("table_1", "auroc", "mnist", "DCGMM-A").mean == 95.4
    assert math.isnan(published_number("table_1", "auroc", "digits", "DCGMM-A").mean)
