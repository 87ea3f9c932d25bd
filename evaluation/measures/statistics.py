"""Statistics over seeds: intervals, paired comparisons, and the difference to a printed number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from evaluation.base.errors import UserError
from evaluation.measures.tidy import METRIC_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

RESAMPLES = 10_000
CONFIDENCE = 0.95
MOST_PAIRS = 20  # of the exact test: 2**20 sign patterns
SIGN_PATTERNS = 100_000  # that are drawn in place of all, of more pairs
SIGNS_AT_ONCE = 1_000_000
# Percent of `bootstrap_interval`s of n normal values that hold their true mean: those of few values are too narrow.
COVERAGE = {2: 50, 3: 75, 4: 81, 5: 84, 6: 86, 7: 88, 8: 88, 9: 89, 10: 90}


# --- intervals -------------------------------------------------------------------------------------------------------


@cache
def _bootstrap(values: tuple[float, ...]) -> tuple[float, float]:
    from scipy.stats import bootstrap

    found = bootstrap(
        (np.array(values),), np.mean, n_resamples=RESAMPLES, confidence_level=CONFIDENCE, method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    return float(found.low), float(found.high)


def bootstrap_interval(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Bounds of the 95 % bootstrap interval (percentiles) of the mean of `values`; NaN for fewer than two values."""
    numbers = tuple(np.asarray(values, dtype=np.float64).tolist())
    return _bootstrap(numbers) if len(numbers) > 1 else (math.nan, math.nan)


def coverage_words(counts: Iterable[int]) -> str:
    """A sentence about the intervals of so many seeds; empty where they are as wide as they should be, or are none."""
    known = [f"{COVERAGE[n]} % with {n} seeds" for n in sorted(set(counts)) if n in COVERAGE]
    if not known:
        return ""
    return f"Intervals of few seeds are too narrow: they hold the true mean in {', '.join(known)}, not in 95 %."


def with_coverage(caption: str, counts: Iterable[int]) -> str:
    """A table's caption, and what is to be known about its intervals."""
    return f"{caption} {coverage_words(counts)}".strip()


class Interval(NamedTuple):
    """Bounds; NaN where there is none."""

    low: float
    high: float

    def __bool__(self) -> bool:
        return not (math.isnan(self.low) or math.isnan(self.high))


def welch_interval(
    first: tuple[float, float, int],
    second: tuple[float, float, int],
    further: Sequence[tuple[float, int]] = (),
    confidence: float = CONFIDENCE,
) -> Interval:
    """Welch's t interval of the difference first - second of two means of independent samples.

    Args:
        first, second: mean, sample standard deviation (NaN: not known, taken for 0) and number of values of each.
        further: other independent spreads of one of the means: standard deviation and number of values.

    Returns:
        NaN bounds where one of them has a single value, whose spread nobody knows.
    """
    from scipy.stats import t

    if min(first[2], second[2]) < 2:
        return Interval(math.nan, math.nan)
    spreads = [first[1:], second[1:], *further]
    variances = [0.0 if math.isnan(std) else std**2 / n for std, n in spreads]
    difference, variance = first[0] - second[0], sum(variances)
    if variance == 0.0:
        return Interval(difference, difference)
    # Welch and Satterthwaite's degrees of freedom
    degrees = variance**2 / sum(v**2 / (n - 1) for v, (_, n) in zip(variances, spreads, strict=True))
    half = float(t.ppf((1 + confidence) / 2, degrees)) * math.sqrt(variance)
    return Interval(difference - half, difference + half)


# --- seeds taken together --------------------------------------------------------------------------------------------


def over_seeds(frame: pd.DataFrame, by: Sequence[str] | None = None) -> pd.DataFrame:
    """One row per result, seeds taken together: `n`, `mean`, `std`, and `low`, `high` of the 95 % bootstrap interval.

    frame: the columns of `METRIC_COLUMNS`. by: what tells results apart; without it, every column but seed and value.
    `std` is the sample standard deviation (n - 1), NaN for one seed.
    """
    keys = list(by or (name for name in METRIC_COLUMNS if name not in ("seed", "value")))
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
    higher; p_value: two-sided sign-flip test, exact up to 20 pairs (with n pairs it cannot be below 2 / 2**n), of more
    pairs over drawn sign patterns (`drawn_sign_flip_p_value`).
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
    p_value = sign_flip_p_value if len(seeds) <= MOST_PAIRS else drawn_sign_flip_p_value
    return PairedComparison(len(seeds), float(differences.mean()), low, high, wins, p_value(differences))


def paired_interval(
    first: Mapping[int, float],
    second: Mapping[int, float],
    further: Sequence[tuple[Mapping[int, float], Mapping[int, float]]] = (),
) -> Interval:
    """Student's t interval of the mean difference first - second between results of equal seeds.

    Args:
        first, second: seed → value.
        further: other independent spreads of the difference, by the same pairs: judge → value of the first, of the
            second, where all of a model's results are by the same judges.

    Returns:
        NaN bounds where they share fewer than two seeds.
    """
    (n, mean, std), *others = (_differences(*pair) for pair in [(first, second), *further])
    return welch_interval((mean, std, n), (0.0, math.nan, n), [(std, n) for n, _, std in others if n > 1])


def _differences(first: Mapping[int, float], second: Mapping[int, float]) -> tuple[int, float, float]:
    """Number, mean and standard deviation of the differences of what both have; NaN where there are too few."""
    values = np.array([first[key] - second[key] for key in sorted(first.keys() & second.keys())])
    n = len(values)
    return n, float(values.mean()) if n else math.nan, float(values.std(ddof=1)) if n > 1 else math.nan


def sign_flip_p_value(differences: np.ndarray) -> float:
    """Two-sided p-value of "the signs of the differences are a coin's", over all 2**n sign patterns.

    Raises:
        UserError: more than 20 differences.
    """
    from scipy.stats import permutation_test

    n = len(differences)
    if n > MOST_PAIRS:
        raise UserError(f"{n} pairs give 2**{n} sign patterns; the exact test takes at most {MOST_PAIRS} pairs")
    if n == 1:
        return 1.0  # both patterns are as extreme; SciPy wants two values
    found: Any = permutation_test(
        (np.asarray(differences, float),), np.mean, permutation_type="samples", n_resamples=2**n, vectorized=True
    )
    return float(found.pvalue)


def drawn_sign_flip_p_value(differences: np.ndarray) -> float:
    """The same over 100,000 drawn sign patterns, equal ones for equal numbers of differences (Monte Carlo).

    (1 + hits) / (1 + draws), hits being patterns whose mean is at least as far from 0: never 0, and valid as a test.
    """
    numbers = np.asarray(differences, float)
    rng, hits, left = np.random.default_rng(0), 0, SIGN_PATTERNS
    observed = abs(numbers.sum()) - 1e-12 * np.abs(numbers).sum()  # sums of the same numbers differ by rounding
    while left:
        n = min(left, max(1, SIGNS_AT_ONCE // len(numbers)))
        flipped = rng.integers(2, size=(n, len(numbers)), dtype=np.uint8)
        hits += int((np.abs(numbers.sum() - 2 * (flipped @ numbers)) >= observed).sum())
        left -= n
    return (1 + hits) / (1 + SIGN_PATTERNS)
