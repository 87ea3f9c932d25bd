"""The rule of the verdicts: each branch, its edges, and what has no interval."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.results.verdicts import (
    CLOSE,
    NOT_REPRODUCED,
    NOT_RUN,
    REPRODUCED,
    UNDECIDED,
    _verdict,
    judge,
)

NAN = math.nan


def verdict(published, ours, **more):
    return judge(published, ours, **more).verdict


@pytest.mark.parametrize(
    ("difference", "low", "high", "expected"),
    [
        (0.2, -1.0, 1.4, REPRODUCED),
        (0.0, -3.0, 3.0, REPRODUCED),  # both edges count
        (0.0, 0.0, 0.0, REPRODUCED),
        (1.5, 0.0, 3.0, REPRODUCED),
        (0.5, -2.2, 3.2, CLOSE),  # wider than the band: the estimate alone is near
        (0.7, 0.2, 1.2, CLOSE),  # significant, and small
        (3.0, 2.0, 4.0, CLOSE),
        (-2.9, -3.9, -1.9, CLOSE),  # first of the rules that hold, though the interval lies outside ±1
        (3.1, 1.1, 5.1, NOT_REPRODUCED),
        (-10.0, -12.0, -8.0, NOT_REPRODUCED),
        (3.1, 1.0, 5.2, UNDECIDED),  # its interval reaches ±1
        (4.0, -20.0, 28.0, UNDECIDED),
    ],
)
def test_the_rule(difference, low, high, expected):
    assert _verdict(difference, low, high) == expected
    assert _verdict(-difference, -high, -low) == expected


@pytest.mark.parametrize("mean", [95.4, 90.0, 20.0])
def test_a_single_seed_decides_nothing(mean):
    assert verdict((95.4, 0.2, 5), (mean, NAN, 1)) == UNDECIDED
    assert not judge((95.4, 0.2, 5), (mean, NAN, 1)).interval


def test_the_interval_is_welchs_of_five_printed_runs():
    judged = judge((95.4, 0.2, 5), (95.0, 0.3, 5))
    assert (judged.difference, judged.verdict) == (pytest.approx(-0.4), CLOSE)
    assert judged.interval == pytest.approx((-0.78, -0.02), abs=0.01)  # 2.36 √(0.04 / 5 + 0.09 / 5), 6.97 degrees
    unsaid = judge((95.4, 0.2, 0), (95.0, 0.3, 5))
    assert unsaid == judged


def test_more_seeds_decide():
    """The same mean and spread: two seeds leave it open, five find it."""
    assert verdict((92.8, 0.4, 5), (88.0, 1.0, 2)) == UNDECIDED
    assert verdict((92.8, 0.4, 5), (88.0, 1.0, 5)) == NOT_REPRODUCED


def test_a_wide_spread_reproduces_nothing():
    """Before, 3.4 points away with a spread of 10 were "reproduced"."""
    assert verdict((95.4, 0.2, 5), (92.0, 9.9, 2)) == UNDECIDED


def test_a_number_without_a_spread_is_taken_as_it_stands():
    assert verdict((91.0, NAN, 0), (91.2, 0.3, 5)) == REPRODUCED
    assert verdict((91.0, NAN, 0), (79.0, 0.3, 5)) == NOT_REPRODUCED


def test_of_a_lower_bound_only_what_falls_short_counts():
    assert verdict((99.0, NAN, 0), (99.9, 0.01, 5), at_least=True) == REPRODUCED
    assert verdict((90.0, NAN, 0), (99.2, 0.1, 5), at_least=True) == REPRODUCED
    assert verdict((90.0, NAN, 0), (99.2, 0.1, 5)) == NOT_REPRODUCED
    below = [verdict((99.0, NAN, 0), (ours, 0.1, 5), at_least=True) for ours in (98.0, 90.0)]
    assert below == [CLOSE, NOT_REPRODUCED]


def test_counts_are_equal_or_not():
    assert verdict((38416, NAN, 0), (38416, NAN, 1), unit="count") == REPRODUCED
    assert verdict((38416, NAN, 0), (38417, NAN, 1), unit="count") == NOT_REPRODUCED
    assert verdict((38416, NAN, 0), (NAN, NAN, 1), unit="count") == NOT_RUN


def test_nothing_is_not_run():
    assert verdict((95.4, 0.2, 5), (NAN, NAN, 0)) == NOT_RUN


@given(st.floats(-20, 20), st.floats(0, 10), st.floats(0, 10))
def test_reproduced_is_never_far_and_not_reproduced_never_near(difference, below, above):
    low, high = difference - below, difference + above
    found = _verdict(difference, low, high)
    if found == REPRODUCED:
        assert abs(difference) <= 3.001
    if found == NOT_REPRODUCED:
        assert abs(difference) > 3 and not low <= 0 <= high
