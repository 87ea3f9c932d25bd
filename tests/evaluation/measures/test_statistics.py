"""Statistics over seeds against SciPy, closed forms and all sign patterns."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_ind_from_stats

from evaluation.base.errors import UserError
from evaluation.measures.statistics import (
    COVERAGE,
    bootstrap_interval,
    coverage_words,
    drawn_sign_flip_p_value,
    over_seeds,
    paired_comparison,
    paired_interval,
    sign_flip_p_value,
    welch_interval,
)
from evaluation.measures.tidy import tidy_frame, tidy_row


def row(**changes):
    default = dict(
        protocol="paper", experiment="outliers", dataset="mnist", model="A", seed=0, metric="auroc", value=95
    )
    return tidy_row(**{**default, **changes})


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
def test_bootstrap_interval_is_that_of_10000_plain_resamples(values):
    """The same draws without SciPy: numbers in the committed results were made so."""
    drawn = np.random.default_rng(0).integers(len(values), size=(10_000, len(values)))
    expected = np.percentile(np.array(values)[drawn].mean(axis=1), [2.5, 97.5])
    assert bootstrap_interval(values) == pytest.approx(expected, rel=1e-12)


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
    assert sign_flip_p_value(np.array([7.0])) == 1.0
    with pytest.raises(UserError, match="21 pairs"):
        sign_flip_p_value(np.ones(21))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-9, 9).map(float), min_size=2, max_size=7))
def test_sign_flip_p_value_is_that_of_all_patterns(differences):
    sums = [abs(np.dot(signs, differences)) for signs in itertools.product([1, -1], repeat=len(differences))]
    expected = np.mean(np.array(sums) >= abs(sum(differences)) - 1e-9)
    assert sign_flip_p_value(np.array(differences)) == pytest.approx(expected)


def test_beyond_20_pairs_sign_patterns_are_drawn():
    """A profile may have 25 seeds: the table of pairs ended in an error after all of its trainings."""
    rng = np.random.default_rng(0)
    first = dict(enumerate(rng.normal(0.4, 1.0, 25)))
    pair = paired_comparison(first, dict.fromkeys(range(25), 0.0))
    # of all patterns, counted by sums that meet in the middle
    halves = [np.array([np.dot(s, d) for s in itertools.product([1, -1], repeat=len(d))]) for d in
              (list(first.values())[:12], list(first.values())[12:])]  # fmt: skip
    upper, bound = np.sort(halves[1]), abs(sum(first.values())) - 1e-9
    exact = 2 * (len(upper) - np.searchsorted(upper, bound - halves[0])).sum() / 2**25
    assert (pair.n, pair.p_value) == (25, pytest.approx(exact, abs=4 * math.sqrt(exact / 100_000)))
    assert pair.p_value == paired_comparison(first, dict.fromkeys(range(25), 0.0)).p_value
    assert paired_comparison(first, first).p_value == 1.0
    sure = paired_comparison(dict.fromkeys(range(400), 1.0), dict.fromkeys(range(400), 0.0))
    assert sure.p_value == 1 / 100_001


@pytest.mark.parametrize("differences", [[1.0, 2.0, 3.0], [-1.0, 2.0, 3.0], [1.0, -1.0], [0.1, 0.2, -0.3, 0.4, 2.0]])
def test_drawn_patterns_give_nearly_the_exact_p_value(differences):
    exact = sign_flip_p_value(np.array(differences))
    assert drawn_sign_flip_p_value(np.array(differences)) == pytest.approx(exact, abs=0.007)  # four standard errors


# --- Welch


@settings(max_examples=50, deadline=None)
@given(
    st.floats(50, 99), st.floats(0.05, 5), st.integers(2, 9), st.floats(50, 99), st.floats(0.05, 5), st.integers(2, 9)
)
def test_the_interval_holds_zero_where_welchs_test_does_not_reject(mean_a, std_a, n_a, mean_b, std_b, n_b):
    low, high = welch_interval((mean_a, std_a, n_a), (mean_b, std_b, n_b))
    p = ttest_ind_from_stats(mean_a, std_a, n_a, mean_b, std_b, n_b, equal_var=False).pvalue
    assert (low + high) / 2 == pytest.approx(mean_a - mean_b, abs=1e-9)
    if abs(p - 0.05) > 1e-9:
        assert (low <= 0 <= high) == (p > 0.05)


def test_welchs_interval_covers_as_it_says():
    rng, covered = np.random.default_rng(0), 0
    for _ in range(1000):
        a, b = rng.normal(3.0, 1.0, 5), rng.normal(1.0, 4.0, 5)
        low, high = welch_interval((a.mean(), a.std(ddof=1), 5), (b.mean(), b.std(ddof=1), 5))
        covered += low <= 2.0 <= high
    assert 0.93 <= covered / 1000 <= 0.97


def test_of_trainings_under_the_same_judges_both_spreads_count():
    """A judge's deviation is common to all trainings: their own spread alone covers 40 %, not 95."""
    rng, covered = np.random.default_rng(0), np.zeros(2)
    for _ in range(1000):
        judged = 90.0 + rng.normal(0.0, 0.5, (5, 1)) + rng.normal(0.0, 1.0, 5)
        by_training, by_judge = judged.mean(1), judged.mean(0)
        ours, printed = (judged.mean(), by_training.std(ddof=1), 5), rng.normal(88.0, 0.2, 5)
        for number, further in enumerate([(), [(by_judge.std(ddof=1), 5)]]):
            low, high = welch_interval(ours, (printed.mean(), printed.std(ddof=1), 5), further)
            covered[number] += low <= 2.0 <= high
    assert covered[0] < 800 and 930 <= covered[1] <= 990


def test_of_pairs_under_the_same_judges_both_spreads_count():
    """What a judge gives to both models alike is no spread; what it gives to one of them is."""
    rng, covered = np.random.default_rng(0), np.zeros(2)
    for _ in range(1000):
        first, second = (rng.normal(0.0, 0.5, (5, 1)) + rng.normal(0.0, 1.0, 5) for _ in range(2))
        lenient = rng.normal(0.0, 9.0, 5)
        judged = [90.0 + first + lenient, 88.0 + second + lenient]
        by_seed, by_judge = ([dict(enumerate(values.mean(axis))) for values in judged] for axis in (1, 0))
        for number, further in enumerate([[], [tuple(by_judge)]]):
            low, high = paired_interval(*by_seed, further)
            covered[number] += low <= 2.0 <= high
    assert covered[0] < 800 and 930 <= covered[1] <= 990


def test_pairs_without_a_spread_have_no_interval():
    assert not paired_interval({0: 1.0}, {0: 2.0}) and not paired_interval({0: 1.0}, {1: 2.0})
    assert paired_interval({0: 3.0, 1: 4.0}, {0: 1.0, 1: 2.0, 2: 9.0}) == (2.0, 2.0)


def test_a_single_value_has_no_interval_and_an_unknown_spread_is_none():
    assert not welch_interval((95.0, math.nan, 1), (94.0, 0.2, 5))
    one_sample = welch_interval((95.0, 1.0, 5), (94.0, math.nan, 5))
    assert one_sample == pytest.approx((1 - 2.776445 / math.sqrt(5), 1 + 2.776445 / math.sqrt(5)), abs=1e-6)
    assert welch_interval((95.0, 0.0, 5), (94.0, 0.0, 5)) == (1.0, 1.0)
