"""Areas, tidy rows, statistics over seeds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.base.errors import UserError
from evaluation.measures.metrics import (
    COVERAGE,
    METRIC_COLUMNS,
    RESAMPLES,
    auroc,
    auroc_100_thresholds,
    bootstrap_interval,
    coverage_words,
    kept_and_rejected,
    over_seeds,
    paired_comparison,
    sign_flip_p_value,
    tidy_frame,
    tidy_row,
)

scores = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=30)


def by_counting(inliers, outliers) -> float:
    """The definition: pairs in which the outlier is lower, ties half."""
    i, o = np.asarray(inliers)[:, None], np.asarray(outliers)[None, :]
    return 100 * float(np.mean((o < i) + 0.5 * (o == i)))


@settings(max_examples=50, deadline=None)
@given(scores, scores)
def test_auroc_counts_pairs(inliers, outliers):
    assert auroc(np.array(inliers), np.array(outliers)) == pytest.approx(by_counting(inliers, outliers))


def test_auroc_has_the_right_sign():
    assert auroc([1.0, 2.0], [-1.0, 0.0]) == 100.0
    assert auroc([-1.0, 0.0], [1.0, 2.0]) == 0.0
    high, low = np.linspace(1, 2, 500), np.linspace(-1, 0, 500)
    assert auroc_100_thresholds(high, low) == pytest.approx(97.0, abs=1.1)  # the highest threshold is not used
    assert auroc_100_thresholds(low, high) == 0.0


def test_minus_infinity_is_the_lowest_score():
    assert auroc([0.0, 1.0], [-np.inf, 0.0]) == 87.5
    assert np.isfinite(auroc_100_thresholds([0.0, 1.0, 2.0], [-np.inf, 0.0]))


@pytest.mark.parametrize("area", [auroc, auroc_100_thresholds])
def test_areas_refuse(area):
    with pytest.raises(UserError, match="1 of 2 scores of outliers are NaN"):
        area([0.0], [0.0, np.nan])
    with pytest.raises(UserError, match="no scores of inliers"):
        area([], [0.0])


def test_curve_counts_strictly():
    kept, rejected = kept_and_rejected(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 2.0]), np.array([2.0, 0.0, 9.0]))
    assert kept.tolist() == [0.5, 1.0, 0.0]
    assert rejected.tolist() == [0.5, 0.0, 1.0]


def test_100_thresholds_agree_with_a_loop():
    """The same area written as the plain loop over thresholds."""
    rng = np.random.default_rng(0)
    inliers, outliers = rng.normal(1.0, 1.0, 700), rng.normal(0.0, 2.0, 300)
    low, high = outliers.min(), max(inliers.max(), outliers.max())
    points = [
        (np.mean(inliers > t), np.mean(outliers < t)) for t in (low + step * (high - low) / 100 for step in range(100))
    ]
    area = sum((a - b) * (c + d) / 2 for (a, c), (b, d) in itertools.pairwise(points))
    assert auroc_100_thresholds(inliers, outliers) == pytest.approx(100 * area, rel=1e-12)


def test_100_thresholds_come_near_the_exact_area_unless_scores_are_skewed():
    rng = np.random.default_rng(1)
    inliers, outliers = rng.normal(1.0, 1.0, 5000), rng.normal(0.0, 1.0, 5000)
    assert auroc_100_thresholds(inliers, outliers) == pytest.approx(auroc(inliers, outliers), abs=0.2)
    # One very low score stretches the thresholds: the last one no longer reaches most of the inliers.
    skewed = np.append(outliers, -1e4)
    assert auroc(inliers, skewed) == pytest.approx(auroc(inliers, outliers), abs=0.1)
    assert auroc_100_thresholds(inliers, skewed) < 1.0


# --- tidy rows


def row(**changes):
    default = dict(
        protocol="paper", experiment="outliers", dataset="mnist", model="A", seed=0, metric="auroc", value=95
    )
    return tidy_row(**{**default, **changes})


def test_rows_have_the_schema():
    frame = tidy_frame([row(params={"b": 1, "a": [2]}), row(seed=np.int64(1), value=np.float32(0.5))])
    assert tuple(frame.columns) == METRIC_COLUMNS
    assert frame["params"].tolist() == ['{"a":[2],"b":1}', "{}"]
    assert frame["seed"].dtype == np.int64 and frame["value"].dtype == np.float64


def test_empty_frame_has_the_schema_and_survives_a_file(tmp_path):
    import pandas as pd

    frame = tidy_frame([])
    frame.to_parquet(tmp_path / "empty.parquet")
    back = pd.read_parquet(tmp_path / "empty.parquet")
    assert back.dtypes.equals(tidy_frame([row()]).dtypes)
    assert over_seeds(frame).empty


# --- statistics


def test_over_seeds():
    frame = tidy_frame([row(seed=s, value=v) for s, v in enumerate([1.0, 2.0, 4.0])] + [row(model="B", value=7.0)])
    summary = over_seeds(frame).set_index("model")
    assert summary.loc["A", "mean"] == pytest.approx(7 / 3)
    assert summary.loc["A", "std"] == pytest.approx(np.std([1, 2, 4], ddof=1)) and summary.loc["A", "n"] == 3
    assert 1.0 <= summary.loc["A", "low"] < 7 / 3 < summary.loc["A", "high"] <= 4.0
    assert np.isnan(summary.loc["B", ["std", "low", "high"]].astype(float)).all()


def test_bootstrap_interval_covers_as_it_should():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        low, high = bootstrap_interval(rng.normal(size=30))
        covered += low <= 0.0 <= high
    assert 84 <= covered <= 99  # 95 % less the known shortfall of percentiles at n = 30
    assert bootstrap_interval([1.0, 2.0, 3.0]) == bootstrap_interval([1.0, 2.0, 3.0])


@pytest.mark.parametrize("n", [2, 3, 5])
def test_intervals_of_few_seeds_cover_as_the_tables_say(n):
    values = np.random.default_rng(n).normal(size=(600, n))
    covered = np.mean([low <= 0.0 <= high for low, high in map(bootstrap_interval, values)])
    assert 100 * covered == pytest.approx(COVERAGE[n], abs=6)  # three standard errors


def test_the_words_about_intervals_name_the_numbers_of_seeds():
    assert coverage_words([5, 2, 2, 1]).endswith(
        "hold the true mean in 50 % with 2 seeds, 84 % with 5 seeds, not in 95 %."
    )
    assert coverage_words([1, 50]) == ""


@pytest.mark.parametrize("values", [[1.0, 2.0], [3.0, 3.0, 3.0], [92.4, 92.9, 93.1, 92.5, 92.7]])
def test_bootstrap_interval_is_scipys(values):
    rng = np.random.default_rng(0)
    found = scipy.stats.bootstrap(
        (np.array(values),), np.mean, n_resamples=RESAMPLES, confidence_level=0.95, method="percentile", rng=rng
    ).confidence_interval
    assert bootstrap_interval(values) == pytest.approx((found.low, found.high), rel=1e-12)


def test_paired_comparison_uses_common_seeds_only():
    result = paired_comparison({0: 1.0, 1: 3.0, 2: 2.0, 9: 50.0}, {0: 0.5, 1: 2.0, 2: 2.5, 8: -50.0})
    assert (result.n, result.wins) == (3, 2)
    assert result.mean == pytest.approx((0.5 + 1.0 - 0.5) / 3)
    with pytest.raises(UserError, match="no seed in common"):
        paired_comparison({0: 1.0}, {1: 1.0})


def test_sign_flip_p_value_is_exact():
    assert sign_flip_p_value(np.array([1.0, 2.0, 3.0])) == 2 / 8
    assert sign_flip_p_value(np.array([1.0, -1.0])) == 1.0
    # |sum| >= 4 of ±1 ±2 ±3: (+++), (-++) and their mirror images
    assert sign_flip_p_value(np.array([-1.0, 2.0, 3.0])) == 4 / 8
    with pytest.raises(UserError, match="21 pairs"):
        sign_flip_p_value(np.ones(21))
