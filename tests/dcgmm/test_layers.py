"""Folding, pooling, mixtures and classifier as functions, against the plain forms in float64."""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import naive_dcgmm as plain
from dcgmm.layers import cgmm, classifier, forms
from dcgmm.layers.folding import copies, fold, unfold
from dcgmm.layers.pooling import pool, pool_by_rows, upsample
from dcgmm.notation import Folding, Pooling

RNG = np.random.default_rng(3)
START = RNG.bit_generator.state
FOLDINGS = [((6, 5, 2), 2, 1), ((7, 9, 1), 3, 2), ((8, 8, 3), 2, 2), ((4, 4, 5), 4, 1), ((5, 5, 1), 1, 1)]


@pytest.fixture(autouse=True)
def _the_same_numbers_whatever_ran_before():
    RNG.bit_generator.state = START


# ------------------------------------------------------------------------------------------------- folding


@pytest.mark.parametrize(("shape", "f", "stride"), FOLDINGS)
def test_folding_follows_eq_9(shape, f, stride):
    x = RNG.uniform(size=(3, *shape)).astype(np.float32)
    np.testing.assert_array_equal(fold(jnp.asarray(x), f, stride), plain.fold(x, f, stride))


@pytest.mark.parametrize(("shape", "f", "stride"), FOLDINGS)
def test_folding_backwards_averages_over_the_copies(shape, f, stride):
    h, w = (1 + (n - f) // stride for n in shape[:2])
    t = RNG.uniform(size=(3, h, w, f * f * shape[2])).astype(np.float32)
    back = unfold(jnp.asarray(t), Folding(f, stride), shape)
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
    layer, expected = Pooling(f, stride, valid), plain.pool(x, f, stride, valid)
    np.testing.assert_array_equal(pool(jnp.asarray(x), layer), expected)
    by_rows = pool_by_rows(jnp.asarray(x.transpose(1, 2, 3, 0)), layer)
    np.testing.assert_array_equal(np.asarray(by_rows).transpose(3, 0, 1, 2), expected)


def test_pooling_backwards_repeats():
    t = np.arange(1.0, 5.0, dtype=np.float32).reshape(1, 2, 2, 1)
    cut = upsample(jnp.asarray(t), Pooling(2, 2), (3, 4, 1))[0, :, :, 0]
    np.testing.assert_array_equal(cut, [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4]])
    dropped = upsample(jnp.asarray(t), Pooling(2, 2, True), (5, 4, 1))[0, :, :, 0]
    np.testing.assert_array_equal(dropped, [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4], [3, 3, 4, 4]])


@pytest.mark.parametrize("valid", [False, True])
@pytest.mark.parametrize(("f", "stride"), POOLINGS)
def test_what_pooling_sends_back_pools_to_itself_or_more(f, stride, valid):
    layer, shape = Pooling(f, stride, valid), (7, 6, 2)
    h, w, c = layer.output_shape(shape)
    t = RNG.uniform(size=(2, h, w, c)).astype(np.float32)
    again = np.asarray(pool(upsample(jnp.asarray(t), layer, shape), layer))
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
SOME = (0, 1, 5)  # of them, in the fast lane
EACH = [layer if i in SOME else pytest.param(*layer, marks=pytest.mark.slow) for i, layer in enumerate(LAYERS)]


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


def as_arrays(parameters):
    return cgmm.Parameters(**{name: jnp.asarray(value) for name, value in parameters.items()})


def forms_of(patches):
    """Every form that can compute the layer, not only the one that it gets."""
    shared = [forms.Rows, forms.Columns, forms.Convolution, *([] if patches.size % patches.stride else [forms.Blocks])]
    able = [forms.Independent] if patches.independent else shared
    return [form(replace(patches, platform=platform)) for form in able for platform in ("cpu", "gpu")]


@functools.partial(jax.jit, static_argnums=0)
def densities(form, x, parameters):
    """(N, h, w, K)"""
    return form.by_image(form.log_densities(form.prepare(x), cgmm.quadratic_form(parameters)))


@functools.partial(jax.jit, static_argnums=0)
def loss_and_gradient(form, x, parameters, smoothing):
    """The smoothed loss, and its gradient by the closed form."""
    prepared = form.prepare(x)
    log_p = form.log_densities(prepared, cgmm.quadratic_form(parameters))
    winner, best = form.winners(log_p if smoothing is None else cgmm.smooth(log_p, smoothing, form))
    sums = form.winner_sums(prepared, winner, 9)
    return best.mean(), cgmm.gradient(parameters, sums, smoothing, best.size / form.patches.sets)


@pytest.mark.parametrize("independent", [False, True])
@pytest.mark.parametrize(("size", "stride", "shape"), EACH)
def test_log_densities_in_float32_against_float64(size, stride, shape, independent):
    patches, parameters, x = setting(size, stride, shape, independent)
    expected = plain.log_densities(plain.fold(x, size, stride), **parameters)
    for form in forms_of(patches)[::2]:  # platforms differ in sums only
        got = densities(form, x, as_arrays(parameters))
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-3, err_msg=str(form))


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
    patches = cgmm.Patches(size, 1, shape, False)
    log_p = cgmm.log_densities(jnp.asarray(x), cgmm.quadratic_form(as_arrays(parameters)), patches)
    got = forms.form_of(patches).by_image(log_p)
    error = np.abs(got - expected)[np.arange(4), 0, 0, np.arange(4)]  # of the component next to each input
    assert error.max() < 0.02  # nats, of a log-likelihood of hundreds to thousands


LAYOUTS = [  # one layer for each order of axes
    cgmm.Patches(2, 1, (4, 4, 1), False),
    cgmm.Patches(2, 1, (4, 4, 6), False),
    cgmm.Patches(2, 1, (4, 4, 6), True),
]


def in_the_order_of(patches, by_image):
    """(N, h, w, K) → as the layer's form has it."""
    n, h, w, k = by_image.shape
    form = forms.form_of(patches)
    if isinstance(form, forms.Columns):
        return np.moveaxis(by_image, -1, 0).reshape(k, -1)
    return by_image.reshape(n, h * w, k).transpose(1, 2, 0) if isinstance(form, forms.Independent) else by_image


def test_the_layouts_are_different_ones():
    assert len({type(forms.form_of(patches)) for patches in LAYOUTS}) == 3


@pytest.mark.parametrize("patches", LAYOUTS)
def test_responsibilities_sum_to_one_and_hold_no_denormal(patches):
    rng = np.random.default_rng(2)
    log_p = rng.normal(size=(6, 3, 3, 25)) * rng.choice([1, 30, 300, 1e4], (6, 3, 3, 1)) - 5000
    given = jnp.asarray(in_the_order_of(patches, log_p), jnp.float32)
    got = np.asarray(cgmm.responsibilities(given, patches))
    np.testing.assert_allclose(got, plain.responsibilities(log_p.astype(np.float32)), atol=1e-5)
    np.testing.assert_allclose(got.sum(-1), 1, rtol=1e-5)
    assert np.all((got == 0) | (got**2 >= np.finfo(np.float32).tiny))  # nor does its square
    assert np.any(got == 0)


@pytest.mark.parametrize("patches", LAYOUTS)
@pytest.mark.parametrize("mode", ["max", "exact"])
def test_log_likelihood_of_an_image(patches, mode):
    log_p = np.random.default_rng(2).normal(size=(6, 3, 3, 9)) * 20 - 1000
    got = cgmm.log_likelihood(jnp.asarray(in_the_order_of(patches, log_p), jnp.float32), patches, mode)
    np.testing.assert_allclose(got, plain.scores(log_p, mode), rtol=1e-6)
    assert np.all(plain.scores(log_p, "exact") >= plain.scores(log_p, "max"))


@pytest.mark.parametrize("patches", LAYOUTS)
def test_winners_by_image(patches):
    log_p = np.random.default_rng(2).normal(size=(6, 3, 3, 9)).astype(np.float32)
    winner, best = cgmm.winners(jnp.asarray(in_the_order_of(patches, log_p)), patches)
    np.testing.assert_array_equal(winner, log_p.argmax(-1))
    np.testing.assert_array_equal(best, log_p.max(-1))


@pytest.mark.parametrize("sigma", [1.7, 0.4, None])
@pytest.mark.parametrize("independent", [False, True])
@pytest.mark.parametrize(("size", "stride", "shape"), EACH)
def test_closed_form_gradient_against_automatic_differentiation(size, stride, shape, independent, sigma):
    patches, parameters, x = setting(size, stride, shape, independent, n=60 if sigma == 1.7 else 4)  # many rows, few
    config = f"F({size},{stride})-G(9{',independent' if independent else ''})"
    oracle = plain.NaiveDCGMM(config, shape, dtype="float64", compiled=False)
    oracle.set_parameters([parameters])
    oracle.cgmms[0]["annealing"].sigma = sigma or plain.SIGMA_END
    (loss,) = oracle.train_step(x)

    smoothing = None if sigma is None else jnp.asarray(plain.smoothing_matrix(9, sigma), jnp.float32)
    for form in forms_of(patches) if sigma == 1.7 else [forms.form_of(patches)]:
        value, ours = loss_and_gradient(form, x, as_arrays(parameters), smoothing)
        assert float(value) == pytest.approx(loss, rel=1e-5)
        for name, a, b in zip(cgmm.Parameters._fields, ours, oracle.gradients[0], strict=True):
            scale = np.abs(b).max()
            np.testing.assert_allclose(a / scale, b / scale, atol=2e-5, err_msg=f"{name} {form}")


def test_the_first_of_equal_winners_wins_and_nan_gives_a_valid_index():
    scores = jnp.asarray([[1.0, 3.0, 3.0], [np.nan, np.nan, np.nan], [-np.inf, -5.0, -7.0]], jnp.float32)
    index, best = forms.Rows(cgmm.Patches(2, 1, (2, 2, 1), False)).winners(scores)
    assert index[::2].tolist() == [1, 1]
    assert 0 <= int(index[1]) < 3
    assert best[::2].tolist() == [3.0, -5.0]


def test_a_step_keeps_s_within_its_bounds():
    shape = (1, 2, 2)
    before = cgmm.Parameters(jnp.zeros(shape), jnp.full(shape, 4.4), jnp.zeros((1, 2)))
    change = jnp.asarray([1.0, -1.0, -100.0, 0.01]).reshape(shape)
    after = cgmm.ascend(before, cgmm.Parameters(change, change, jnp.ones((1, 2))), (2.0, 1.0, 0.5))
    np.testing.assert_allclose(after.mu.ravel(), [2, -2, -200, 0.02])
    np.testing.assert_allclose(after.s.ravel(), [plain.S_MAX, 3.4, after.s.min(), 4.41], rtol=1e-6)
    assert after.s.min() > 0
    np.testing.assert_allclose(after.w, [[0.5, 0.5]])


# ------------------------------------------------------------------------------------------------- classifier


def test_classifier_gradient_against_automatic_differentiation():
    x, y = jnp.asarray(RNG.uniform(size=(8, 6)), jnp.float32), jnp.asarray(RNG.integers(0, 4, 8), jnp.int32)
    w, b = jnp.asarray(RNG.normal(size=(6, 4)), jnp.float32), jnp.asarray(RNG.normal(size=4), jnp.float32)

    def log_probability(w, b):
        return jax.nn.log_softmax(classifier.logits(x, w, b))[jnp.arange(8), y].mean()

    mean, expected = jax.value_and_grad(log_probability, (0, 1))(w, b)
    d_w, d_b, ours = classifier.gradient(x, y, w, b)
    np.testing.assert_allclose(d_w, expected[0], atol=1e-6)
    np.testing.assert_allclose(d_b, expected[1], atol=1e-6)
    assert float(ours) == pytest.approx(float(mean), rel=1e-5)


def test_classifier_backwards_is_positive_and_asks_for_its_class():
    w = jnp.asarray(RNG.normal(size=(200, 10)), jnp.float32)  # nearly orthogonal columns
    b = jnp.asarray(RNG.normal(size=10), jnp.float32)
    features = classifier.invert(jnp.eye(10), w, b, 200)
    assert features.shape == (10, 200) and np.all(features > 0)
    centred = features - features.mean(-1, keepdims=True)
    np.testing.assert_array_equal((centred @ w).argmax(-1), np.arange(10))


def test_classifier_backwards_leaves_no_pedestal_at_any_position():
    w = jnp.asarray(RNG.normal(size=(3, 4, 5)) + np.array([-9, 0, 9])[:, None, None], jnp.float32)
    features = classifier.invert(jnp.eye(5), w.reshape(12, 5), jnp.zeros(5), 4).reshape(5, 3, 4)
    lowest, highest = features.min(-1), features.max(-1)
    assert (lowest > 0).all() and (lowest < 1e-5 * highest).all()
