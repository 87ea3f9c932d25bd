"""The verdict on a printed number: one rule, stated here and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.measures.statistics import Interval, welch_interval

REPRODUCED, CLOSE, NOT_REPRODUCED = "reproduced", "close", "not reproduced"
UNDECIDED, NOT_RUN = "undecided", "not run"
VERDICTS = (REPRODUCED, CLOSE, NOT_REPRODUCED, UNDECIDED, NOT_RUN)
NEAR = 3.0  # points
SMALL = 1.0  # points
PAPERS_RUNS = 5  # behind a printed ± where the paper does not say how many: its Sec. V has five everywhere
ROUNDING = 1e-9  # printed values have one decimal: a difference of exactly 3.0 must not fail by a rounding error
RULE = (
    "The difference, ours minus the paper's, has a 95 % interval (Welch), from our spread (of judged samples: over "
    "trainings and over judges) and the printed one. "
    f"Reproduced: the interval includes 0 and lies within ±{NEAR:g} points. Else close: the difference is within "
    f"±{NEAR:g}. Else not reproduced: the interval lies outside ±{SMALL:g}. The rest, and any single seed, is "
    "undecided. Counts are equal, or not."
)


@dataclass(frozen=True)
class Judged:
    """difference: ours minus the paper's; interval: its 95 % bounds, NaN where there are none; verdict."""

    difference: float
    interval: Interval
    verdict: str


def judge(
    published: tuple[float, float, int],
    ours: tuple[float, float, int],
    unit: str = "percent",
    *,
    at_least: bool = False,
    judges: Sequence[tuple[float, int]] = (),
) -> Judged:
    """The verdict on a number, by the first of these that holds:

    1. not run: we have none.
    2. A count: "reproduced" if equal, else "not reproduced".
    3. undecided: there is only one value of ours, so its spread is unknown.
    4. reproduced: the 95 % interval of the difference includes 0 and lies within ±3 points.
    5. close: the difference itself is within ±3 points, whatever its interval: small, or not known well.
    6. not reproduced: the difference is larger, and its interval lies wholly above 1 or below -1.
    7. undecided: the rest. More seeds may settle it.

    The interval is Welch's, of two independent means: the printed one with its ± as the standard deviation of so many
    runs, and ours. A printed number without ± is taken as it stands: the interval is then that of our mean.
    Of a printed lower bound ("> 99 %") only what falls short counts; nothing above it is a difference.

    Args:
        published: mean, standard deviation (NaN: none is printed) and runs (0: not said, taken for `PAPERS_RUNS`).
        ours: mean (NaN: not run), standard deviation and number of seeds.
        unit: "percent" or "count".
        at_least: `published` is a lower bound.
        judges: of judged samples, `over_judges`: the printed ± is one over judges, so ours counts beside the one over
            seeds.
    """
    (printed, printed_std, runs), (mean, std, n) = published, ours
    difference = mean - printed
    nothing = Interval(math.nan, math.nan)
    if math.isnan(mean):
        return Judged(math.nan, nothing, NOT_RUN)
    if unit == "count":
        return Judged(difference, nothing, REPRODUCED if difference == 0 else NOT_REPRODUCED)
    interval = welch_interval((mean, std, n), (printed, printed_std, runs or PAPERS_RUNS), judges)
    if not interval:
        return Judged(difference, interval, UNDECIDED)
    counted, low, high = difference, interval.low, interval.high
    if at_least:
        counted, low, high = (min(value, 0.0) for value in (difference, low, high))
    return Judged(difference, interval, _verdict(counted, low, high))


def over_judges(std: float, judges: int) -> tuple[tuple[float, int], ...]:
    """What the interval of a mean over judges has beside the spread over seeds: the standard deviation over the judges
    (of the mean over seeds), and their number; nothing for one judge, and for what is not judged (0)."""
    return ((std, judges),) if judges > 1 else ()


def _verdict(difference: float, low: float, high: float) -> str:
    """Rules 4 to 7."""
    if low <= ROUNDING and high >= -ROUNDING and low >= -NEAR - ROUNDING and high <= NEAR + ROUNDING:
        return REPRODUCED
    if abs(difference) <= NEAR + ROUNDING:
        return CLOSE
    return NOT_REPRODUCED if low > SMALL or high < -SMALL else UNDECIDED
