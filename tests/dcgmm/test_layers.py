"""Folding, pooling, mixtures and classifier as functions, against the plain forms in float64."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import naive_dcgmm as plain
from dcgmm.layers import cgmm, classifier
from dcgmm.layers.folding import copies, fold, unfold
from dcgmm.layers.pooling import pool, upsample
from dcgmm.notation import Folding, Pooling

RNG = np.random.default_rng(3)
FOLDINGS = [((6, 5, 2), 2, 1), ((7, 9, 1), 3, 2), ((8, 8, 3), 2, 2), ((4, 4, 5), 4, 1), ((5, 5, 1), 1, 1)]


# ------------------------------------------------------------------------------------------------- folding


@pytest.mark.parametrize(("shape", "f", "stride"), FOLDINGS)
def test_folding_follows_eq_9(shape, f, stride):
    x = RNG.uniform(size=(3, *shape)).astype(np.float32)
    np.testing.assert_array_equal(fold(tf.constant(x), f, stride), plain.fold(x, f, stride))


@pytest.mark.parametrize(("shape", "f", "stride"), FOLDINGS)
def test_folding_backwards_averages_over_the_copies(shape, f, stride):
    h, w = (1 + (n - f) // stride for n in shape[:2])
    t = RNG.uniform(size=(3, h, w, f * f * shape[2])).astype(np.float32)
    back = unfold(tf.constant(t), Folding(f, stride), shape)
    np.testing.assert_allclose(back, plain.fold_backward(t, shape, f, stride), rtol=1e-6)
    index = plain.fold_indices(*shape, f, stride)
    counted = np.zeros(shape)
    np.add.at(counted, tuple(np.moveaxis(index, -1, 0)), 1)
    np.testing.assert_array_equal(np.broadcast_to(copies(Folding(f, stride), shape), shape), counted)


# ------------------------------------------------------------------------------------------------- pooling


POOLINGS = [(2, 2), (3, 2), (3, 3), (2, 1)]


@pytest.mark.parametrize("valid", [False, True])
@pytest.mark.parametrize(("f", "stride"), POOLINGS)
@pytest.mark.parametrize("shape", [(6, 6, 2), (7, 5, 3), (3, 3, 1)])
def test_pooling_cuts_or_drops_the_last_window(shape, f, stride, valid):
    x = RNG.normal(size=(2, *shape)).astype(np.float32) - 5  # negative: padding with zeros would show
    np.testing.assert_array_equal(pool(tf.constant(x), Pooling(f, stride, valid)), plain.pool(x, f, stride, valid))


def test_pooling_backwards_repeats():
    t = np.arange(1.0, 5.0, dtype=np.float32).reshape(1, 2, 2, 1)
    cut = upsample(tf.constant(t), Pooling(2, 2), (3, 4, 1))[0, :, :, 0]
    np.testing.assert_array_equal(cut, [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4]])
    dropped = upsample(tf.constant(t), Pooling(2, 2, True), (5, 4, 1))[0, :, :, 0]
    np.testing.assert_array_equal(dropped, [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4], [3, 3, 4, 4]])


@pytest.mark.parametrize("valid", [False, True])
@pytest.mark.parametrize(("f", "stride"), POOLINGS)
def test_what_pooling_sends_back_pools_to_itself_or_more(f, stride, valid):
    layer, shape = Pooling(f, stride, valid), (7, 6, 2)
    h, w, c = layer.output_shape(shape)
    t = RNG.uniform(size=(2, h, w, c)).astype(np.float32)
    again = pool(upsample(tf.constant(t), layer, shape), layer).numpy()
    if f == stride:
        np.testing.assert_array_equal(again, t)
    else:  # windows overlap: a place belongs to several, a window's maximum may be its neighbour's
        assert np.all(again >= t)


# ------------------------------------------------------------------------------------------------- mixtures


LAYERS = [  # size, stride, input shape: every way in which densities and sums are computed
    (3, 1, (6, 7, 1)),
    (2, 2, (6, 6, 3)),
    (6, 2, (10, 10, 1)),
    (5, 5, (10, 15, 2)),
    (3, 1, (7, 6, 8)),
    (4, 2, (8, 10, 6)),
    (3, 2, (7, 7, 5)),
    (5, 1, (5, 5, 7)),
    (7, 1, (7, 7, 1)),
    (1, 1, (3, 4, 6)),
    (1, 1, (1, 1, 9)),
]


def setting(size, stride, shape, independent, *, k=9, n=5, seed=0):
    """Patches, parameters anywhere in their range, inputs in [0, 1] with many exact zeros and ones."""
    rng = np.random.default_rng(seed)
    patches = cgmm.Patches(size, stride, shape, independent)
    p = patches.grid[0] * patches.grid[1] if independent else 1
    d = size * size * shape[2]
    parameters = {
        "mu": rng.uniform(-0.1, 1.0, (p, k, d)),
        "s": rng.uniform(0.05, plain.S_MAX, (p, k, d)),
        "w": rng.normal(size=(p, k)),
    }
    parameters["s"][rng.uniform(size=(p, k, d)) < 0.3] = plain.S_MAX
    parameters = {name: value.astype(np.float32) for name, value in parameters.items()}
    x = np.clip(rng.uniform(-0.5, 1.5, (n, *shape)), 0, 1).astype(np.float32)
    return patches, parameters, x


def as_tensors(parameters):
    return cgmm.Parameters(**{name: tf.constant(value) for name, value in parameters.items()})


def densities(patches, parameters, x):
    """(N, h, w, K), wherever the library keeps the component axis."""
    log_p = cgmm.log_densities(tf.constant(x), cgmm.quadratic_form(as_tensors(parameters)), patches).numpy()
    return np.moveaxis(log_p, 0, -1) if patches.component_axis == 0 else log_p


@pytest.mark.parametrize("independent", [False, True])
@pytest.mark.parametrize(("size", "stride", "shape"), LAYERS)
def test_log_densities_in_float32_against_float64(size, stride, shape, independent):
    patches, parameters, x = setting(size, stride, shape, independent)
    expected = plain.log_densities(plain.fold(x, size, stride), **parameters)
    np.testing.assert_allclose(densities(patches, parameters, x), expected, rtol=2e-5, atol=2e-3)


@pytest.mark.parametrize(("size", "shape"), [(28, (28, 28, 1)), (12, (12, 12, 25)), (32, (32, 32, 3))])
def test_expanding_the_square_loses_nothing_that_matters(size, shape):
    """The hardest case: centroids next to the inputs, s at its bound, so that large terms cancel."""
    rng = np.random.default_rng(1)
    x = np.clip(rng.uniform(-1, 2, (4, *shape)), 0, 1).astype(np.float32)
    if shape[2] == 25:  # responsibilities: about one-hot
        x = np.eye(25, dtype=np.float32)[rng.integers(0, 25, (4, 12, 12))]
    d = x[0].size
    mu = x.reshape(1, 4, d) + rng.normal(scale=0.02, size=(1, 4, d)).astype(np.float32)
    parameters = {"mu": mu, "s": np.full((1, 4, d), plain.S_MAX, np.float32), "w": np.zeros((1, 4), np.float32)}
    expected = plain.log_densities(plain.fold(x, size, 1), **parameters)
    got = densities(cgmm.Patches(size, 1, shape, False), parameters, x)
    error = np.abs(got - expected)[np.arange(4), 0, 0, np.arange(4)]  # of the component next to each input
    assert error.max() < 0.02  # nats, of a log-likelihood of hundreds to thousands


@pytest.mark.parametrize("axis", [-1, 0])
def test_responsibilities_sum_to_one_and_hold_no_denormal(axis):
    rng = np.random.default_rng(2)
    log_p = rng.normal(size=(6, 3, 3, 25)) * rng.choice([1, 30, 300, 1e4], (6, 3, 3, 1)) - 5000
    given = np.moveaxis(log_p, -1, 0) if axis == 0 else log_p
    got = cgmm.responsibilities(tf.constant(given, tf.float32), axis=axis).numpy()
    np.testing.assert_allclose(got, plain.responsibilities(log_p.astype(np.float32)), atol=1e-5)
    np.testing.assert_allclose(got.sum(-1), 1, rtol=1e-5)
    assert np.all((got == 0) | (got**2 >= np.finfo(np.float32).tiny))  # nor does its square
    assert np.any(got == 0)


@pytest.mark.parametrize("axis", [-1, 0])
@pytest.mark.parametrize("mode", ["max", "exact"])
def test_log_likelihood_of_an_image(axis, mode):
    log_p = np.random.default_rng(2).normal(size=(6, 3, 2, 9)) * 20 - 1000
    given = np.moveaxis(log_p, -1, 0) if axis == 0 else log_p
    got = cgmm.log_likelihood(tf.constant(given, tf.float32), axis=axis, mode=mode)
    np.testing.assert_allclose(got, plain.scores(log_p, mode), rtol=1e-6)
    assert np.all(plain.scores(log_p, "exact") >= plain.scores(log_p, "max"))


@pytest.mark.parametrize("sigma", [1.7, 0.4, None])
@pytest.mark.parametrize("independent", [False, True])
@pytest.mark.parametrize(("size", "stride", "shape"), LAYERS)
def test_closed_form_gradient_against_automatic_differentiation(size, stride, shape, independent, sigma):
    patches, parameters, x = setting(size, stride, shape, independent, n=4)
    config = f"F({size},{stride})-G(9{',independent' if independent else ''})"
    oracle = plain.NaiveDCGMM(config, shape, dtype="float64", compiled=False)
    oracle.set_parameters([parameters])
    oracle.cgmms[0]["annealing"].sigma = sigma or plain.SIGMA_END
    (loss,) = oracle.train_step(x)

    axis = patches.component_axis
    tensors = as_tensors(parameters)
    smoothing = None if sigma is None else tf.constant(plain.smoothing_matrix(9, sigma), tf.float32)
    log_p = cgmm.log_densities(tf.constant(x), cgmm.quadratic_form(tensors), patches)
    smoothed = log_p if smoothing is None else cgmm.smooth(log_p, smoothing, axis=axis)
    winner, best = cgmm.winners(smoothed, axis=axis)
    assert float(tf.reduce_mean(best)) == pytest.approx(loss, rel=1e-5)
    sums = cgmm.winner_sums(tf.constant(x), winner, 9, patches)
    per_set = len(x) * (1 if independent else patches.grid[0] * patches.grid[1])
    ours = cgmm.gradient(tensors, sums, smoothing, float(per_set))
    for name, a, b in zip(cgmm.Parameters._fields, ours, oracle.gradients[0], strict=True):
        scale = np.abs(b).max()
        np.testing.assert_allclose(a / scale, b / scale, atol=2e-5, err_msg=name)


def test_the_first_of_equal_winners_wins_and_nan_gives_a_valid_index():
    scores = tf.constant([[1.0, 3.0, 3.0], [np.nan, np.nan, np.nan], [-np.inf, -5.0, -7.0]], tf.float32)
    index, best = cgmm.winners(scores[:, None, None, :])
    assert index.numpy().ravel().tolist()[::2] == [1, 1]
    assert 0 <= int(index[1, 0, 0]) < 3
    assert best.numpy().ravel()[[0, 2]].tolist() == [3.0, -5.0]


def test_a_step_keeps_s_within_its_bounds():
    shape = (1, 2, 2)
    before = cgmm.Parameters(tf.zeros(shape), tf.fill(shape, 4.4), tf.zeros((1, 2)))
    change = tf.reshape(tf.constant([1.0, -1.0, -100.0, 0.01]), shape)
    after = cgmm.ascend(before, cgmm.Parameters(change, change, tf.ones((1, 2))), (2.0, 1.0, 0.5))
    np.testing.assert_allclose(after.mu.numpy().ravel(), [2, -2, -200, 0.02])
    np.testing.assert_allclose(after.s.numpy().ravel(), [plain.S_MAX, 3.4, after.s.numpy().min(), 4.41], rtol=1e-6)
    assert after.s.numpy().min() > 0
    np.testing.assert_allclose(after.w, [[0.5, 0.5]])


# ------------------------------------------------------------------------------------------------- classifier


def test_classifier_gradient_against_automatic_differentiation():
    x, y = tf.constant(RNG.uniform(size=(8, 6)), tf.float32), tf.constant(RNG.integers(0, 4, 8))
    w, b = tf.Variable(RNG.normal(size=(6, 4)), dtype=tf.float32), tf.Variable(RNG.normal(size=4), dtype=tf.float32)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, classifier.logits(x, w, b)))
    expected = tape.gradient(loss, [w, b])
    d_w, d_b, mean = classifier.gradient(x, y, w, b)
    np.testing.assert_allclose(d_w, -expected[0], atol=1e-6)
    np.testing.assert_allclose(d_b, -expected[1], atol=1e-6)
    assert float(mean) == pytest.approx(-float(loss), rel=1e-5)


def test_classifier_backwards_is_positive_and_asks_for_its_class():
    w = tf.constant(RNG.normal(size=(200, 10)), tf.float32)  # nearly orthogonal columns
    b = tf.constant(RNG.normal(size=10), tf.float32)
    wanted = np.eye(10, dtype=np.float32)
    features = classifier.invert(tf.constant(wanted), w, b, 200)
    assert features.shape == (10, 200) and np.all(features.numpy() > 0)
    centred = features - tf.reduce_mean(features, -1, keepdims=True)
    np.testing.assert_array_equal(tf.argmax(tf.matmul(centred, w), -1), np.arange(10))


def test_classifier_backwards_leaves_no_pedestal_at_any_position():
    w = tf.constant(RNG.normal(size=(3, 4, 5)) + np.array([-9, 0, 9])[:, None, None], tf.float32)
    features = classifier.invert(tf.eye(5), tf.reshape(w, (12, 5)), tf.zeros(5), 4).numpy().reshape(5, 3, 4)
    lowest, highest = features.min(-1), features.max(-1)
    assert (lowest > 0).all() and (lowest < 1e-5 * highest).all()
