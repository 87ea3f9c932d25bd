"""The plain forms of benchmarks/naive_dcgmm.py, checked against other people's code before they judge ours."""

import itertools

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from benchmarks import naive_dcgmm as plain

RNG = np.random.default_rng(7)
START = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def _the_same_numbers_whatever_ran_before():
    RNG.bit_generator.state = START


@pytest.mark.parametrize(("shape", "f", "stride"), [((6, 5, 3), 2, 1), ((7, 7, 1), 3, 2), ((4, 4, 2), 4, 1)])
def test_eq_9_is_a_sliding_window(shape, f, stride):
    x = RNG.uniform(size=(2, *shape))
    windows = np.lib.stride_tricks.sliding_window_view(x, (f, f), axis=(1, 2))[:, ::stride, ::stride]
    expected = np.moveaxis(windows, 3, -1).reshape(*windows.shape[:3], -1)
    np.testing.assert_array_equal(plain.fold(x, f, stride), expected)
    np.testing.assert_allclose(plain.fold_backward(plain.fold(x, f, stride), shape, f, stride), x)


def test_log_densities_are_those_of_scipy():
    x, mu, w = RNG.uniform(size=(2, 1, 2, 3)), RNG.normal(size=(2, 4, 3)), RNG.normal(size=(2, 4))
    s = RNG.uniform(0.5, 4.0, (2, 4, 3))
    log_p = plain.log_densities(x, mu, s, w)
    for position in range(2):
        expected = norm.logpdf(x[:, 0, position, None], mu[position], 1 / s[position]).sum(-1)
        expected = expected + w[position] - logsumexp(w[position])
        np.testing.assert_allclose(log_p[:, 0, position], expected)
    np.testing.assert_allclose(plain.exact_log_likelihood(log_p), logsumexp(log_p, axis=-1))
    np.testing.assert_allclose(plain.responsibilities(log_p).sum(-1), 1)


def test_smoothing_matrix_is_a_torus_and_ends_as_the_identity():
    g = plain.smoothing_matrix(25, 1.3)
    np.testing.assert_allclose(g.sum(1), 1)
    assert g[0, 4] == g[0, 1] == g[0, 5] == g[0, 20]  # neighbours across the border
    np.testing.assert_array_equal(plain.smoothing_matrix(25, plain.SIGMA_END), np.eye(25))


@pytest.mark.parametrize("pooling", ["P(2,2)", "P(2,2,valid)", "P(3,2)"])
@pytest.mark.parametrize("sharing", ["", ",independent"])
def test_tensorflow_half_agrees_with_numpy_half(pooling, sharing):
    config = f"F(3,1)-G(4{sharing})-{pooling}-F(2,1)-G(9{sharing})"
    model = plain.NaiveDCGMM(config, (9, 9, 1), dtype="float64", compiled=False, seed=3)
    x = RNG.uniform(size=(3, 9, 9, 1))
    before = model.get_parameters()
    losses = model.train_step(x)
    for log_p, loss, k in zip(plain.forward(config, before, x), losses, (4, 9), strict=True):
        sigma = 0.25 * np.sqrt(2 * k)
        assert plain.smoothed_max_loss(log_p, plain.smoothing_matrix(k, sigma)) == pytest.approx(loss, rel=1e-12)


def test_training_ascends():
    model = plain.NaiveDCGMM("F(2,1)-G(4)", (4, 4, 1), compiled=False)
    x = RNG.uniform(size=(20, 4, 4, 1)).astype(np.float32)
    losses = [model.train_step(x)[0] for _ in range(20)]
    assert all(later > earlier for earlier, later in itertools.pairwise(losses))
