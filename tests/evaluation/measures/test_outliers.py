"""Outlier detection measured from scores."""

import pytest

from evaluation.base.errors import UserError
from evaluation.datasets.subsets import left_out_class
from evaluation.measures.outliers import inliers_and_outliers, outlier_rows
from evaluation.measures.roc import auroc
from tests.evaluation.made_up import RECORD, scores


def test_the_class_left_out_is_the_outlier():
    frame = scores()
    inliers, outliers = inliers_and_outliers(frame, "test", "not0")
    test = frame[frame["split"] == "test"]
    assert sorted(inliers) == sorted(test["score"][test["label"] != 0])
    assert sorted(outliers) == sorted(test["score"][test["label"] == 0])
    assert left_out_class("not7") == 7
    for subset in ("all", "only3", "not"):
        with pytest.raises(UserError, match=subset):
            left_out_class(subset)


def test_every_layer_has_its_row():
    frame = scores()
    values = {row["metric"]: row["value"] for row in outlier_rows(frame, RECORD)}
    assert values["auroc"] == values["auroc_layer_1"] == auroc(*inliers_and_outliers(frame, "test", "not0"))
    assert values["auroc_layer_0"] == auroc(*inliers_and_outliers(frame, "test", "not0", "layer_0"))
    assert values["auroc_validation"] == auroc(*inliers_and_outliers(frame, "validation", "not0"))
    assert values["auroc_validation"] != values["auroc"]
    assert values["log_likelihood"] == inliers_and_outliers(frame, "test", "not0")[0].mean()
    assert {"auroc_100_thresholds", "auroc_100_thresholds_layer_0", "parameters", "seconds"} <= values.keys()
    annealed = {row["metric"]: row["value"] for row in outlier_rows(frame, {**RECORD, "sigmas": [0.01, 0.5]})}
    assert (annealed["sigma_layer_0"], annealed["sigma_layer_1"]) == (0.01, 0.5)
    assert not any(metric.startswith("sigma") for metric in values)
