"""Areas under the ROC curve of outlier detection, and the curve itself."""

from __future__ import annotations

import numpy as np

from evaluation.base.errors import UserError

SCRIPT_THRESHOLDS = 100  # in the authors' scripts


def auroc(inliers: np.ndarray, outliers: np.ndarray) -> float:
    """Exact area under the ROC curve in percent: the chance that an outlier scores below an inlier, ties count half.

    inliers, outliers: (n,) and (m,) log-likelihoods; -inf is allowed. Raises UserError for empty sets and NaN.
    """
    from scipy.stats import rankdata
    from sklearn.metrics import roc_auc_score

    inliers, outliers = _scores(inliers, outliers)
    is_inlier = np.concatenate([np.ones(len(inliers)), np.zeros(len(outliers))])
    ranks = rankdata(np.concatenate([inliers, outliers]))  # the area depends on the order only; ranks are finite
    return 100.0 * float(roc_auc_score(is_inlier, ranks))


def auroc_100_thresholds(inliers: np.ndarray, outliers: np.ndarray) -> float:
    """The area in percent as the authors' public scripts measure it.

    100 equally spaced thresholds from the lowest score on, the highest not included; trapezoids under the curve of
    outliers rejected (score < threshold) over inliers kept (score > threshold). What lies left of the last point is not
    counted, so the area is a lower bound that falls short when the scores are skewed. Arguments as for `auroc`; -inf
    is taken for the lowest finite score.
    """
    inliers, outliers = _scores(inliers, outliers)
    finite = np.concatenate([inliers, outliers])
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        raise UserError("every score is infinite; expected log-likelihoods of which some are finite")
    thresholds = np.linspace(finite.min(), finite.max(), SCRIPT_THRESHOLDS, endpoint=False)
    floor = finite.min()
    kept, rejected = kept_and_rejected(np.maximum(inliers, floor), np.maximum(outliers, floor), thresholds)
    return 100.0 * float(np.trapezoid(rejected[::-1], kept[::-1]))


def kept_and_rejected(
    inliers: np.ndarray, outliers: np.ndarray, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The curve of Fig. 10: for each threshold the fraction of inliers above it and of outliers below it, both (t,)."""
    kept = 1.0 - np.searchsorted(np.sort(inliers), thresholds, side="right") / len(inliers)
    rejected = np.searchsorted(np.sort(outliers), thresholds, side="left") / len(outliers)
    return kept, rejected


def _scores(inliers: np.ndarray, outliers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    checked = []
    for kind, scores in (("inliers", inliers), ("outliers", outliers)):
        values = np.asarray(scores, dtype=np.float64).reshape(-1)
        if not len(values):
            raise UserError(f"there are no scores of {kind}; expected at least one")
        if np.isnan(values).any():
            raise UserError(f"{np.isnan(values).sum()} of {len(values)} scores of {kind} are NaN; the model diverged")
        checked.append(values)
    return checked[0], checked[1]
