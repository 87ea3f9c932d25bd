"""In-painting: known pixels untouched, the conditional variant exact, masks per image."""

import numpy as np
import pytest

from dcgmm import DCGMM
from dcgmm.inpainting import conditional_control
from dcgmm.layers.cgmm import S_MAX
from tests.dcgmm.test_sampling import one_layer, random_model

VARIANTS = ["paper", "conditional"]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("each", [False, True])
def test_known_pixels_come_back_bit_for_bit(variant, each):
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(13, 8, 8, 2)).astype(np.float32)
    known = rng.random((13, 8, 8) if each else (8, 8)) < 0.5
    hidden = np.broadcast_to(~known, (13, 8, 8))
    given = np.where(hidden[..., None], np.float32(np.nan), x)
    result = random_model().inpaint(given, known, seed=0, variant=variant, divisor=5.0)
    assert result.dtype == np.float32 and result.shape == x.shape
    assert (result.view(np.uint32) == x.view(np.uint32))[~hidden].all()
    assert np.isfinite(result).all() and result.min() >= 0 and result.max() <= 1
    assert (result != x)[hidden].mean() > 0.9


def test_conditional_of_one_layer_is_the_conditional_mixture():
    model, own = one_layer()
    n, divisor = 40_000, 4.0
    known = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 0]], bool)
    k = known.ravel()
    one = np.random.default_rng(4).uniform(0.2, 0.8, (1, 3, 3, 1)).astype(np.float32)
    mu, s, w = (own[name][0] for name in ("mu", "s", "w"))
    log_p = w + (np.log(s) - 0.5 * (s * (one.reshape(1, 9) - mu)) ** 2)[:, k].sum(1)
    r = np.exp(log_p - log_p.max())
    r /= r.sum()
    assert r.max() < 0.9  # a mixture, not one component
    x = model.inpaint(np.repeat(one, n, 0), known, seed=0, variant="conditional", divisor=divisor)
    unknown = x.reshape(n, 9)[:, ~k].astype(np.float64)
    mean = r @ mu[:, ~k]
    var = (s[:, ~k] * divisor) ** -2.0
    centred = mu[:, ~k] - mean
    covariance = np.diag(r @ var) + (r[:, None] * centred).T @ centred
    scale = np.sqrt(np.diag(covariance)).max()
    np.testing.assert_allclose(unknown.mean(0), mean, atol=5 * scale / np.sqrt(n))
    np.testing.assert_allclose(np.cov(unknown.T), covariance, atol=8 * scale**2 / np.sqrt(n))


def control(model, x, known):
    return conditional_control(model._chain, model._parameters, x, known)


def test_conditional_responsibilities_of_one_layer_by_hand():
    model, own = one_layer()
    rng = np.random.default_rng(1)
    x = rng.uniform(size=(6, 3, 3, 1)).astype(np.float32)
    known = rng.random((6, 3, 3)) < 0.5
    mu, s, w = (own[name][0] for name in ("mu", "s", "w"))
    terms = np.log(s) - 0.5 * (s * (x.reshape(6, 1, 9) - mu)) ** 2
    log_p = w + np.where(known.reshape(6, 1, 9), terms, 0).sum(2)
    expected = np.exp(log_p) / np.exp(log_p).sum(1, keepdims=True)
    np.testing.assert_allclose(control(model, x, known).reshape(6, 4), expected, atol=1e-5)


@pytest.mark.parametrize("config", ["F(3,1)-G(4)-P(2,2)-F(2,1)-G(9,independent)-F(2,1)-G(4)", "P(2,2)-F(4,1)-G(4)"])
def test_with_every_pixel_known_the_conditional_variant_is_forward_mode(config):
    model = random_model(config)
    x = np.random.default_rng(2).uniform(size=(5, 8, 8, 2)).astype(np.float32)
    np.testing.assert_allclose(control(model, x, np.ones((5, 8, 8), bool)), model.activities(x), atol=2e-4)


def test_with_no_pixel_known_the_conditional_variant_is_the_prior():
    model = random_model()
    x = np.random.default_rng(2).uniform(size=(2, 8, 8, 2)).astype(np.float32)
    w = model.get_parameters()[-1]["w"][0]
    expected = np.broadcast_to(np.exp(w) / np.exp(w).sum(), (2, 1, 1, 4))
    np.testing.assert_allclose(control(model, x, np.zeros((2, 8, 8), bool)), expected, atol=1e-5)


def test_unknown_pixels_have_no_influence_and_each_image_its_own_mask():
    model = random_model()
    rng = np.random.default_rng(3)
    x, other = rng.uniform(size=(2, 4, 8, 8, 2)).astype(np.float32)
    known = rng.random((4, 8, 8)) < 0.5
    changed = np.where(known[..., None], x, other)
    for variant in VARIANTS:
        options = dict(seed=1, variant=variant, divisor=5.0)
        np.testing.assert_array_equal(model.inpaint(x, known, **options), model.inpaint(changed, known, **options))
        alone = model.inpaint(x[:1], known[0], **options)
        np.testing.assert_allclose(model.inpaint(x, known, **options)[:1], alone, atol=1e-6)


def test_paper_variant_uses_the_activities_of_the_blackened_image():
    model = random_model()
    x = np.random.default_rng(5).uniform(size=(6, 8, 8, 2)).astype(np.float32)
    known = np.arange(8)[None, :] < np.full((8, 1), 4)
    layers = model.get_parameters()
    for layer in layers:
        layer["s"][:] = S_MAX  # no noise
    model.set_parameters(layers)
    black = np.where(known[..., None], x, 0)
    result = model.inpaint(x, known, seed=0, top_s=1, from_layer=0)
    winner = model.activities(black, 0).argmax(-1)
    folded = layers[0]["mu"][0][winner].reshape(6, 6, 6, 3, 3, 2)
    total, count = np.zeros((6, 8, 8, 2)), np.zeros((8, 8, 1))
    for i in range(6):
        for j in range(6):
            total[:, i : i + 3, j : j + 3] += folded[:, i, j]
            count[i : i + 3, j : j + 3] += 1
    np.testing.assert_allclose(result[:, :, 4:], (total / count)[:, :, 4:], atol=1e-5)


@pytest.mark.parametrize(
    ("known", "options", "message"),
    [
        (np.ones((8, 8), bool), {"variant": "exact"}, "variant='exact'"),
        (np.ones((8, 8)), {}, "boolean"),
        (np.ones((7, 8), bool), {}, r"\(7, 8\)"),
        (np.ones((3, 8, 8), bool), {}, r"\(3, 8, 8\)"),
        (np.ones((8, 8), bool), {"layer_options": {2: {"component": "cycle"}}}, "component"),
    ],
)
def test_wrong_arguments_are_refused(known, options, message):
    with pytest.raises(ValueError, match=message):
        random_model().inpaint(np.zeros((2, 8, 8, 2), np.float32), known, seed=0, **options)


def test_images_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 9, 8, 2\)"):
        DCGMM("F(8,1)-G(4)", (8, 8, 2)).inpaint(np.zeros((2, 9, 8, 2), np.float32), np.ones((9, 8), bool), seed=0)


def test_bytes_are_refused():
    with pytest.raises(ValueError, match="divide bytes by 255"):
        random_model().inpaint(np.zeros((2, 8, 8, 2), np.uint8), np.ones((8, 8), bool), seed=0)
