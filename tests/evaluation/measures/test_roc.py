"""Areas under the ROC curve against counting, and a plain loop over thresholds."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.base.errors import UserError
from evaluation.measures.roc import auroc, auroc_100_thresholds, kept_and_rejected

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
