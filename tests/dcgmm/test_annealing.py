"""The control of sigma and learning rate, against the plain form that keeps every loss."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import naive_dcgmm as plain
from dcgmm.annealing import SIGMA_END, Annealing, smoothing_matrix


@pytest.mark.parametrize("k", [1, 4, 9, 25, 49, 64, 121])
@pytest.mark.parametrize("sigma", [2.5, 0.7, 0.3, SIGMA_END])
def test_smoothing_matrix(k, sigma):
    g = smoothing_matrix(k, sigma)
    np.testing.assert_allclose(g, plain.smoothing_matrix(k, sigma), rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(g.sum(axis=1), 1)
    if sigma == SIGMA_END:
        np.testing.assert_array_equal(g, np.eye(k))


def test_a_grid_that_is_no_square_is_a_torus_too():
    g = smoothing_matrix(6, 0.8)  # 2 × 3
    np.testing.assert_allclose(g.sum(axis=1), 1)
    np.testing.assert_allclose(g, g.T)
    assert g[0, 1] == g[0, 2] == pytest.approx(g[0, 3])  # left, right across the border, below


def feed(annealing, losses):
    """Hand the losses over in pieces, as training does, never past a window's end."""
    taken, trace = 0, []
    pieces = np.random.default_rng(0)
    while taken < len(losses):
        n = min(int(pieces.integers(1, 60)), annealing.until_window_end, len(losses) - taken)
        annealing.observe([float(v) for v in losses[taken : taken + n]])
        taken += n
        trace.append((taken, annealing.sigma, annealing.learning_rate))
    return trace


@given(st.integers(0, 2**32 - 1), st.sampled_from([4, 25, 49]), st.floats(0.5, 200.0))
def test_control_is_the_plain_one(seed, k, time_constant):
    rng, t = np.random.default_rng(seed), np.arange(2500)
    losses = 50 * (1 - np.exp(-t / time_constant)) + rng.normal(size=len(t)) * rng.uniform(0, 20)
    simple, ours, done = plain.Annealing(k), Annealing(k), 0
    assert ours.sigma == pytest.approx(0.25 * np.sqrt(2 * k))
    for taken, sigma, learning_rate in feed(ours, losses):
        for loss in losses[done:taken]:
            simple.update(float(loss))
        done = taken
        assert sigma == pytest.approx(simple.sigma, rel=1e-12)
        assert learning_rate == pytest.approx(simple.learning_rate, rel=1e-12)


def windows(annealing, *means):
    for mean in means:
        annealing.observe([mean] * annealing.window)
    return annealing.sigma / Annealing(annealing.components).sigma


def test_nothing_shrinks_before_the_third_window_nor_while_the_loss_climbs():
    assert windows(Annealing(25), 0.0, 10.0) == 1.0
    assert windows(Annealing(25), 0.0, 10.0, 10.51) == 1.0  # gained 5.1 % of what was gained before
    assert windows(Annealing(25), 0.0, 10.0, 8.9) == 1.0  # fell by 11 %
    assert windows(Annealing(25), 0.0, 10.0, 10.49) == pytest.approx(0.9)
    assert windows(Annealing(25), 0.0, 10.0, 9.1) == pytest.approx(0.9)
    assert windows(Annealing(25), 0.0, 10.0, 10.4, 10.5) == pytest.approx(0.81)


def test_floors():
    annealing = Annealing(25)
    windows(annealing, 0.0, *[10.0] * 80)
    assert annealing.sigma == SIGMA_END and annealing.finished
    assert annealing.learning_rate == 0.01


@pytest.mark.parametrize("below", [{"learning_rate": 1e-4}, {"sigma": 0.2, "sigma_end": 0.5}])
def test_nothing_rises_to_its_floor(below):
    annealing = Annealing(25, **below)
    windows(annealing, 0.0, *[10.0] * 5)
    assert {name: getattr(annealing, name) for name in below} == below
    assert annealing.finished == ("sigma" in below)


def test_losses_past_a_window_are_refused():
    with pytest.raises(ValueError, match="101"):
        Annealing(4).observe([0.0] * 101)


def test_a_constant_loss_divides_by_nothing():
    assert windows(Annealing(4), 3.0, 3.0, 3.0, 3.0) == 1.0
