"""Outlier detection measured from scores."""

import numpy as np
import pandas as pd
import pytest

from evaluation.base.errors import UserError
from evaluation.measures.outliers import inliers_and_outliers, outlier_class, outlier_rows
from evaluation.measures.roc import auroc
from tests.evaluation.made_up import RECORD, scores


def test_the_class_left_out_is_the_outlier():
    frame = scores()
    inliers, outliers = inliers_and_outliers(frame, "test", "not0")
    test = frame[frame["split"] == "test"]
    assert sorted(inliers) == sorted(test["score"][test["label"] != 0])
    assert sorted(outliers) == sorted(test["score"][test["label"] == 0])
    assert outlier_class("not7") == 7
    for subset in ("all", "only3", "not"):
        with pytest.raises(UserError, match=subset):
            outlier_class(subset)


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


def test_outliers_from_the_command_line(tmp_path):
    from evaluation.cli import main
    from evaluation.jobs.score import read_scores, write_scores

    for seed in (0, 1):
        path = tmp_path / f"scores/mnist/not0/dcgmm-a/seed{seed}.parquet"
        write_scores(path, scores(seed), {**RECORD, "seed": seed})
        pd.testing.assert_frame_equal(read_scores(path)[0], scores(seed))
    where = ["--scores", str(tmp_path / "scores"), "--out", str(tmp_path / "o.parquet")]
    common = ["outliers", "--dataset", "mnist", *where]
    assert main([*common, "--run", "dcgmm-a:not0:0,1"]) == 0
    frame = pd.read_parquet(tmp_path / "o.parquet")
    assert list(frame["seed"].unique()) == [0, 1]
    assert set(frame["params"]) == {'{"outlier_class":0}'}
    assert np.isfinite(frame["value"]).all()
    assert main([*common, "--run", "dcgmm-a:not0:0,1,2"]) != 0
