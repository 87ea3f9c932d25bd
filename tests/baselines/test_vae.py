"""The VAE, an eighth as wide: shapes, bounds, resuming, saving, completion."""

import numpy as np
import pytest

pytest.importorskip("keras")

from baselines.vae import Vae


def make(side=28, channels=1, **params):
    defaults = {
        "seed": 2,
        "latent": 4,
        "epochs": 2,
        "batch_size": 20,
        "learning_rate": 3e-3,
        "width": 0.0625,
        "draws": 5,
    }
    return Vae((side, side, channels), **(defaults | params))


@pytest.fixture(scope="module")
def images():
    """Bright bars at one of four places: (60, 28, 28, 1)."""
    x = np.full((60, 28, 28, 1), 0.05, np.float32)
    for index, image in enumerate(x):
        image[7 * (index % 4) : 7 * (index % 4) + 5] = 0.95
    return x


@pytest.fixture(scope="module")
def trained(images):
    model = make(epochs=40, batch_size=10, learning_rate=5e-3)
    model.history = model.fit(images, validation=images, progress=False)
    return model


@pytest.mark.parametrize(("side", "channels"), [(32, 3), (28, 1)])
def test_samples_have_the_images_shape(side, channels):
    samples = make(side, channels).sample(3, seed=0)
    assert samples.shape == (3, side, side, channels)
    assert samples.dtype == np.float32 and samples.min() >= 0 and samples.max() <= 1


def test_other_sizes_and_likelihoods_are_refused():
    with pytest.raises(ValueError, match="28×28 and 32×32"):
        make(24)
    with pytest.raises(ValueError, match="'bernoulli' or 'gaussian'"):
        make(likelihood="poisson")


def test_training_raises_the_bound(trained, images):
    train = [row.log_likelihood for row in trained.history if row.split == "train"]
    assert train[-1] > train[0] + 100
    assert np.abs(trained.reconstruct(images) - images).mean() < 0.1


def test_more_draws_give_a_higher_bound(trained, images):
    few = trained.score_samples(images, draws=1, seed=0).mean()
    assert trained.score_samples(images, draws=64, seed=0).mean() > few
    np.testing.assert_array_equal(trained.score_samples(images), trained.score_samples(images))
    upside = 1.0 - images
    assert trained.score_samples(upside).mean() < few


def test_one_draw_is_the_elbo_in_the_mean(trained, images):
    rng = np.random.default_rng(0)
    elbo = [float(trained._elbo(images, rng.standard_normal((60, 4)).astype(np.float32))) for _ in range(15)]
    single = [trained.score_samples(images, draws=1, seed=s).mean() for s in range(15)]
    error = np.sqrt((np.var(elbo) + np.var(single)) / 15)
    assert np.mean(single) == pytest.approx(np.mean(elbo), abs=5 * error)


def test_gaussian_likelihood_is_a_normal_density(images):
    from scipy.stats import norm

    model = make(likelihood="gaussian", std=0.2)
    output = np.random.default_rng(0).standard_normal(images.shape).astype(np.float32)
    expected = norm.logpdf(images, 1 / (1 + np.exp(-output)), 0.2).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(model._log_likelihood(images, output).numpy(), expected, rtol=1e-4)


def test_completion_keeps_known_pixels(trained, images):
    known = np.zeros((28, 28), bool)
    known[:, :14] = True
    filled = trained.inpaint(images, known, seed=0, steps=8)
    np.testing.assert_array_equal(filled[:, :, :14], images[:, :, :14])
    hidden = np.where(known[..., None], images, 0.5).astype(np.float32)
    np.testing.assert_array_equal(filled, trained.inpaint(hidden, known, seed=0, steps=8))
    assert np.abs(filled - images)[:, :, 14:].mean() < 0.2


def test_saved_and_resumed(trained, images, tmp_path):
    trained.save(tmp_path / "model")
    np.testing.assert_allclose(
        Vae.load(tmp_path / "model").score_samples(images), trained.score_samples(images), rtol=1e-5
    )
    whole, first, second = make(), make(epochs=1), make()
    whole.fit(images, progress=False)
    first.fit(images, progress=False, checkpoint=tmp_path / "state")
    history = second.fit(images, progress=False, checkpoint=tmp_path / "state")
    assert [row.step for row in history] == [3, 6]
    np.testing.assert_allclose(second.reconstruct(images), whole.reconstruct(images), atol=1e-4)
