"""What is measured: areas under curves, tidy rows of results, and their statistics over seeds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.base.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

METRIC_COLUMNS = ("protocol", "experiment", "dataset", "model", "params", "seed", "metric", "value")
SCRIPT_THRESHOLDS = 100  # in the authors' scripts
RESAMPLES = 10_000
CONFIDENCE = 95.0  # percent
# Percent of `bootstrap_interval`s of n normal values that hold their true mean: those of few values are too narrow.
COVERAGE = {2: 50, 3: 75, 4: 81, 5: 84, 6: 86, 7: 88, 8: 88, 9: 89, 10: 90}


# --- outlier detection ----------------------------------------------------------------------------------------------


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


# --- tidy rows ------------------------------------------------------------------------------------------------------


def tidy_row(
    *,
    protocol: str,
    experiment: str,
    dataset: str,
    model: str,
    seed: int,
    metric: str,
    value: float,
    params: Mapping[str, Any] | str | None = None,
) -> dict[str, Any]:
    """One result. `params` is what the row varies (a grid point, an option), stored as canonical JSON.

    Percent for areas and accuracies, nats for log-likelihoods, bits/dim where the metric's name says so.
    """
    text = params if isinstance(params, str) else canonical_params(params or {})
    values = (protocol, experiment, dataset, model, text, int(seed), metric, float(value))
    return dict(zip(METRIC_COLUMNS, values, strict=True))


def canonical_params(params: Mapping[str, Any]) -> str:
    """JSON with sorted keys and no spaces, so that equal parameters give equal text."""
    return json.dumps(params, sort_keys=True, separators=(",", ":"))


def tidy_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of `tidy_row` as a frame with the columns of `METRIC_COLUMNS` and their types, also when there is no row."""
    import pandas as pd

    frame = pd.DataFrame(list(rows), columns=list(METRIC_COLUMNS))
    texts = {name: "str" for name in METRIC_COLUMNS if name not in ("seed", "value")}
    return frame.astype({**texts, "seed": "int64", "value": "float64"})


# --- statistics over seeds ------------------------------------------------------------------------------------------


def bootstrap_interval(values: Sequence[float] | np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Bounds of the 95 % bootstrap interval (percentiles) of the mean of `values`; NaN for fewer than two values.

    The same numbers as scipy.stats.bootstrap(method="percentile") with this seed, in a third of its time.
    """
    return _bootstrap_interval(tuple(np.asarray(values, dtype=np.float64).tolist()), seed)


def coverage_words(counts: Iterable[int]) -> str:
    """A sentence about the intervals of so many seeds; empty where they are as wide as they should be, or are none."""
    known = [f"{COVERAGE[n]} % with {n} seeds" for n in sorted(set(counts)) if n in COVERAGE]
    if not known:
        return ""
    return f"Intervals of few seeds are too narrow: they hold the true mean in {', '.join(known)}, not in 95 %."


def with_coverage(caption: str, counts: Iterable[int]) -> str:
    """A table's caption, and what is to be known about its intervals."""
    return f"{caption} {coverage_words(counts)}".strip()


@cache  # the tables of one page ask for the same results again and again
def _bootstrap_interval(values: tuple[float, ...], seed: int) -> tuple[float, float]:
    if len(values) < 2:
        return float("nan"), float("nan")
    drawn = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    tail = (100.0 - CONFIDENCE) / 2
    low, high = np.percentile(np.array(values)[drawn].mean(axis=1), [tail, 100.0 - tail])
    return float(low), float(high)


def over_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per result, seeds taken together: `n`, `mean`, `std`, and `low`, `high` of the 95 % bootstrap interval.

    `frame` has the columns of `METRIC_COLUMNS`. `std` is the sample standard deviation (n - 1), NaN for one seed.
    """
    keys = [name for name in METRIC_COLUMNS if name not in ("seed", "value")]
    groups = frame.groupby(keys, sort=False)["value"]
    summary = groups.agg(n="count", mean="mean", std="std").reset_index()
    bounds = [bootstrap_interval(values.to_numpy()) for _, values in groups]
    summary["low"] = [low for low, _ in bounds]
    summary["high"] = [high for _, high in bounds]
    return summary


@dataclass(frozen=True)
class PairedComparison:
    """Differences first - second between results of equal seeds.

    n: pairs; mean, low, high: of the differences, with the 95 % bootstrap interval; wins: pairs in which the first is
    higher; p_value: two-sided sign-flip test, exact: with n pairs it cannot be below 2 / 2**n.
    """

    n: int
    mean: float
    low: float
    high: float
    wins: int
    p_value: float


def paired_comparison(first: Mapping[int, float], second: Mapping[int, float]) -> PairedComparison:
    """Compare two models seed by seed; `first` and `second` give the value of each seed.

    Seeds that only one of them has are left out. Raises UserError when they share none.
    """
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        raise UserError(f"no seed in common: {sorted(first)} and {sorted(second)}; train both with the same seeds")
    differences = np.array([first[seed] - second[seed] for seed in seeds])
    low, high = bootstrap_interval(differences)
    wins = int((differences > 0).sum())
    return PairedComparison(len(seeds), float(differences.mean()), low, high, wins, sign_flip_p_value(differences))


def sign_flip_p_value(differences: np.ndarray) -> float:
    """Two-sided p-value of "the signs of the differences are a coin's", over all 2**n sign patterns (n at most 20)."""
    n = len(differences)
    if n > 20:
        raise UserError(f"{n} pairs give 2**{n} sign patterns; the exact test takes at most 20 pairs")
    patterns = np.arange(2**n)
    sums = np.zeros(2**n)
    for bit, difference in enumerate(differences):
        sums += np.where(patterns >> bit & 1, difference, -difference)
    observed = abs(differences.sum())
    return float((np.abs(sums) >= observed * (1 - 1e-12)).mean())
