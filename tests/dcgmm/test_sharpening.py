"""Sharpening: it climbs the target loss, by the step that is promised, whatever the mini-batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from dcgmm import DCGMM, sampling
from dcgmm.layers import cgmm
from dcgmm.network import stages
from dcgmm.sharpening import SharpeningDiverged, log_likelihood, sharpen, target_loss

CONFIG = "F(3,1)-G(25)-P(2,2)-F(5,1)-G(16)"
SHAPE = (12, 12, 1)


def strokes(n, seed=0):
    """(n, 12, 12, 1) black images with a white horizontal and a white vertical line, two pixels wide."""
    rng = np.random.default_rng(seed)
    x = np.zeros((n, 12, 12, 1), np.float32)
    for image, row, column in zip(x, rng.integers(1, 10, n), rng.integers(1, 10, n), strict=True):
        image[row : row + 2] = 1.0
        image[:, column : column + 2] = 1.0
    return x


@pytest.fixture(scope="module")
def trained():
    """A model of strokes: the lower centroids are all their 25 patches, the upper ones activities of 16 images."""
    model = DCGMM(CONFIG, SHAPE)
    lower, upper = model.get_parameters()
    patches = sliding_window_view(strokes(300)[..., 0], (3, 3), axis=(1, 2)).reshape(-1, 9)
    lower["mu"] = np.unique(patches, axis=0)[None]
    lower["s"][:], upper["s"][:] = 4.0, 4.0
    model.set_parameters([lower, upper])
    chain = stages(model.architecture)
    upper["mu"] = np.asarray(chain[1].transform(model.activities(strokes(16, seed=1), 0))).reshape(1, 16, -1)
    model.set_parameters([lower, upper])
    return model


def test_iteration_is_step_over_100_times_the_gradient_of_the_images_own_loss():
    model = DCGMM("F(2,1)-G(4)", (3, 3, 1), seed=1)
    chain, parameters = stages(model.architecture), model._parameters
    x = jnp.asarray(np.random.default_rng(0).uniform(size=(5, 3, 3, 1)), jnp.float32)

    def loss(t):
        return target_loss(chain, parameters, t)

    moved, trace = sharpen(loss, x, 1, 2.0, 2)
    for image in range(5):
        # By hand: the winner of each of the 4 patches pulls with s²(mu - x), mean over positions.
        mu, s = (np.asarray(value)[0].reshape(4, 2, 2) for value in parameters[0][:2])
        pull = np.zeros((3, 3))
        for i in range(2):
            for j in range(2):
                patch = np.asarray(x)[image, i : i + 2, j : j + 2, 0]
                winner = np.argmax([-0.5 * (s[k] ** 2 * (patch - mu[k]) ** 2).sum() for k in range(4)])
                pull[i : i + 2, j : j + 2] += s[winner] ** 2 * (mu[winner] - patch) / 4
        np.testing.assert_allclose(moved[image, ..., 0], x[image, ..., 0] + 2.0 / 100 * pull, atol=1e-5)
    np.testing.assert_allclose(trace[0], loss(x)[0], rtol=1e-5)
    np.testing.assert_allclose(trace[1], loss(moved)[0], rtol=1e-5)


def test_trace_rises_at_every_folding_and_losses_approach_those_of_training(trained):
    options = dict(seed=1, top_s=2, divisor=5.0)
    plain = trained.sample(40, **options)
    images, traces = trained.sample_traced(40, **options, sharpen=True, sharpen_iterations=100, sharpen_step=3.0)
    assert set(traces) == {0, 3} and traces[0].shape == (101, 40)
    for trace in traces.values():
        mean = trace.mean(1)
        assert mean[-1] > mean[0] + 0.1
        assert (np.diff(mean) > -1e-3 * abs(mean[0])).all()
    real = trained.score_layers(strokes(40, seed=9))[:, 0].mean()
    before, after = (trained.score_layers(x)[:, 0].mean() for x in (plain, images))
    assert abs(after - real) < 0.5 * abs(before - real)


def test_a_folding_of_single_positions_is_sharpened_too():
    """F(1,1) changes no shape; a cGMM layer above it was sampled unsharpened without a word."""
    model = DCGMM("F(6,6)-G(5)-F(1,1)-G(4)", SHAPE, seed=1)
    parameters, rng = model.get_parameters(), np.random.default_rng(0)
    model.set_parameters(
        [own | {"mu": rng.uniform(size=own["mu"].shape), "s": own["s"] * 0 + 4.0} for own in parameters]
    )
    options = dict(seed=1, sharpen_iterations=4)
    images, traces = model.sample_traced(8, **options, sharpen=True)
    assert set(traces) == {0, 2} and (traces[2][-1] > traces[2][0]).all()
    assert not np.array_equal(images, model.sample(8, **options))
    bare = DCGMM("F(6,6)-G(5)-G(4)", SHAPE, seed=1)
    bare.set_parameters(model.get_parameters())
    np.testing.assert_array_equal(bare.score_layers(strokes(4)), model.score_layers(strokes(4)))
    np.testing.assert_array_equal(bare.sample(8, seed=1), model.sample(8, seed=1))


def test_statistics_of_the_control_signal_move_toward_training(trained):
    """A blurred image is no mixture of sharp patches: sharpening gives it the mean and contrast of training back."""
    real = strokes(60, seed=3)
    around = sliding_window_view(np.pad(real, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=np.nan), (3, 3), (1, 2))
    blurred = jnp.asarray(np.nanmean(around, (4, 5)))
    chain, parameters = stages(trained.architecture)[:1], trained._parameters[:1]
    sharpened, _ = sharpen(lambda t: target_loss(chain, parameters, t), blurred, 200, 10.0, 201)

    def statistics(signal):
        signal = np.asarray(signal)
        steps = np.abs(np.diff(signal, axis=1)).mean() + np.abs(np.diff(signal, axis=2)).mean()
        return np.array([signal.mean(), signal.std(), steps, (np.abs(signal - 0.5) > 0.4).mean()])

    before, after = (np.abs(statistics(signal) - statistics(real)) for signal in (blurred, sharpened))
    assert after[0] < 0.02  # the mean was right before
    assert (after[1:] < 0.2 * before[1:]).all()


def test_result_does_not_depend_on_the_mini_batch(trained):
    options = dict(seed=4, top_s=1, divisor=5.0, sharpen=True, sharpen_iterations=20, sharpen_step=3.0)
    np.testing.assert_allclose(trained.sample(4, **options), trained.sample(15, **options)[:4], atol=2e-5)


def test_target_may_be_a_higher_layer(trained):
    options = dict(seed=4, top_s=1, divisor=5.0, sharpen=True, sharpen_iterations=40, sharpen_step=0.02)
    _, own = trained.sample_traced(6, **options)
    _, higher = trained.sample_traced(6, **options, layer_options={0: {"sharpen_target": 1}})
    np.testing.assert_allclose(own[3], higher[3], rtol=1e-4)
    assert abs(own[0][0] - higher[0][0]).min() > 1
    assert (higher[0][-1] > higher[0][0]).all()


def test_a_step_that_is_too_large_is_refused_and_not_drawn(trained):
    options = dict(seed=0, divisor=5.0, sharpen=True, sharpen_iterations=300)
    with pytest.raises(SharpeningDiverged, match=r"sharpening diverged .* lower sharpen_step=500.0"):
        trained.sample(3, **options, sharpen_step=500.0)


def test_iterations_do_not_compile_anew(trained):
    options = dict(seed=4, top_s=1, divisor=5.0, sharpen=True, sharpen_step=3.0)
    _, long = trained.sample_traced(4, **options, sharpen_iterations=20)
    before = sampling._compiled.cache_info().misses
    _, short = trained.sample_traced(4, **options, sharpen_iterations=7)
    assert sampling._compiled.cache_info().misses == before
    assert short[3].shape == (8, 4)
    np.testing.assert_array_equal(short[3], long[3][:8])
    _, more = trained.sample_traced(4, **options, sharpen_iterations=1024)
    assert more[3].shape == (1025, 4) and (more[3] != 0).all()


def test_no_iterations_change_nothing(trained):
    plain = trained.sample(3, seed=0, divisor=5.0)
    np.testing.assert_array_equal(plain, trained.sample(3, seed=0, divisor=5.0, sharpen=True, sharpen_iterations=0))


@pytest.mark.parametrize("config", ["F(3,2)-G(4)", "F(3,2)-G(4,independent)", "G(4)", "F(7,1)-G(4)"])
def test_closed_form_of_the_gradient_is_that_of_automatic_differentiation(config):
    shape = (7, 7, 2)
    (stage,) = stages(DCGMM(config, shape).architecture)
    rng = np.random.default_rng(0)
    low_high = ((0.0, 1.0), (0.5, 4.0), (-1.0, 1.0))
    shapes = stage.parameter_shapes
    own = cgmm.Parameters(
        *(jnp.asarray(rng.uniform(*r, size), jnp.float32) for r, size in zip(low_high, shapes, strict=True))
    )
    x = jnp.asarray(rng.uniform(size=(3, *shape)), jnp.float32)

    def plain(x):
        return cgmm.log_likelihood(cgmm.log_densities(x, cgmm.quadratic_form(own), stage.patches), stage.patches)

    closed, gradient = log_likelihood(x, own, stage.patches)
    np.testing.assert_allclose(closed, plain(x), rtol=1e-6)
    np.testing.assert_allclose(gradient, jax.grad(lambda x: plain(x).sum())(x), rtol=1e-4, atol=1e-5)


def test_gradient_through_the_layers_between_is_that_of_automatic_differentiation():
    model = DCGMM("F(3,1)-G(4)-P(2,2)-F(2,1)-G(9)", (7, 7, 1), seed=2)
    chain, parameters = stages(model.architecture), model._parameters
    x = jnp.asarray(np.random.default_rng(1).uniform(size=(3, 7, 7, 1)), jnp.float32)

    def plain(x):
        for stage, own in zip(chain, parameters, strict=True):
            log_p = cgmm.log_densities(stage.transform(x), cgmm.quadratic_form(own), stage.patches)
            x = cgmm.responsibilities(log_p, stage.patches)
        return cgmm.log_likelihood(log_p, chain[-1].patches)

    loss, gradient = target_loss(chain, parameters, x)
    np.testing.assert_allclose(loss, plain(x), rtol=1e-6)
    expected = jax.grad(lambda x: plain(x).sum())(x)
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-4 * float(abs(expected).max()))
