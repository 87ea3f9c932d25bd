"""Normalisation of images that hardly vary, or not at all."""

import numpy as np
import pytest

from baselines.dgcspn import DgcSpn
from baselines.dgcspn.leaves import NormalLeaves

GREYS = np.linspace(0.0, 1.0, 41)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
def test_a_constant_image_is_zeros(shape, kind):
    leaves = NormalLeaves(shape, 2, "sample")
    x = np.broadcast_to(GREYS.astype(kind)[:, None, None, None], (41, *shape))
    assert not leaves._normalize(x).any()
    assert not leaves._normalize(x, 3).any()
    mean, std = leaves.statistics(x)
    np.testing.assert_allclose(mean[:, 0, 0, 0], GREYS, atol=1e-6)
    assert not std.any()


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3)])
def test_one_step_of_one_pixel_is_no_rounding(shape):
    """What is left as it was: all images of eight bits."""
    x = np.full((5, *shape), 0.7, np.float32)
    x[:, 0, 0, 0] += np.float32(1 / 255)
    mean, std = x.mean((1, 2, 3), keepdims=True), x.std((1, 2, 3), keepdims=True)
    np.testing.assert_array_equal(NormalLeaves(shape, 2, "sample")._normalize(x), (x - mean) / (std + 1e-8))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_constant_images_have_one_score(kind):
    shape = (28, 28, 1)
    model = DgcSpn(shape, sums=2, leaves=2, products=6, epochs=0, normalization="sample")
    model.fit(np.random.default_rng(0).random((8, *shape), np.float32), progress=False)
    x = np.broadcast_to(GREYS.astype(kind)[:, None, None, None], (41, *shape))
    np.testing.assert_allclose(model.score_samples(x), model.score_samples(np.zeros((1, *shape)))[0], rtol=1e-6)
    known = np.arange(784).reshape(28, 28) % 2 == 0
    np.testing.assert_allclose(model.inpaint(x, known, seed=0), x, atol=1e-6)
