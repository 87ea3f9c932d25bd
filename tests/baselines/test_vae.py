"""The VAE, an eighth as wide: shapes, bounds, divergence, saving, completion."""

import os
import subprocess
import sys

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
    with pytest.raises(ValueError, match="'poisson': expected one of 'bernoulli', 'gaussian'"):
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
    elbo = [
        trained._map(trained._trained, images, rng.standard_normal((60, 4), np.float32))[0].mean() for _ in range(15)
    ]
    single = [trained.score_samples(images, draws=1, seed=s).mean() for s in range(15)]
    error = np.sqrt((np.var(elbo) + np.var(single)) / 15)
    assert np.mean(single) == pytest.approx(np.mean(elbo), abs=5 * error)


def test_the_bound_is_the_mean_of_the_weights_not_their_sum(trained, images):
    """Equal draws have equal weights, so that any number of them says the same as one."""
    once = np.random.default_rng(0).standard_normal((1, len(images), 4)).astype(np.float32)
    one, eight = (trained._importance_bound(images, np.repeat(once, k, axis=0)) for k in (1, 8))
    np.testing.assert_allclose(eight, one, rtol=1e-5)
    assert np.log(8) > 100 * np.abs(one).max() * 1e-5  # the sum would be seen


def test_bernoulli_likelihood_is_a_cross_entropy(images):
    from scipy.special import log_expit

    output = 20.0 * np.random.default_rng(0).standard_normal(images.shape).astype(np.float32)
    expected = (images * log_expit(output) + (1 - images) * log_expit(-output)).sum(axis=(1, 2, 3))
    model = make()
    found = model._keras.ops.convert_to_numpy(model._log_likelihood(images, output))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_gaussian_likelihood_is_a_normal_density(images):
    from scipy.stats import norm

    model = make(likelihood="gaussian", std=0.2)
    output = np.random.default_rng(0).standard_normal(images.shape).astype(np.float32)
    expected = norm.logpdf(images, 1 / (1 + np.exp(-output)), 0.2).sum(axis=(1, 2, 3))
    found = model._keras.ops.convert_to_numpy(model._log_likelihood(images, output))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


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


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("learning_rate", [1e6, 1.0])  # 1.0 leaves finite numbers, far below the first ones
def test_divergence_is_an_error(images, likelihood, learning_rate):
    model = make(likelihood=likelihood, learning_rate=learning_rate)
    with pytest.raises(ArithmeticError, match=r"seed 2 diverged: .*learning_rate is .*, try a smaller"):
        model.fit(images, progress=False)


def test_learning_nothing_is_no_divergence(images):
    history = make(learning_rate=1e-12, epochs=1).fit(images, progress=False)
    assert history[-1].log_likelihood == pytest.approx(-543, abs=2)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"batch_size": -5}, "batch_size=-5: expected an integer of at least 1"),
        ({"learning_rate": float("nan")}, "learning_rate=nan: expected a finite number above 0"),
        ({"epochs": 2.5}, "epochs=2.5: expected an integer of at least 0"),
        ({"latent": 0}, "latent=0"),
        ({"std": float("inf")}, "std=inf"),
        ({"draws": 0}, "draws=0"),
        ({"width": 0}, "width=0"),
        ({"seed": None}, "seed=None"),
    ],
)
def test_bad_parameters_are_refused_before_anything_is_built(params, said):
    with pytest.raises(ValueError, match=said):
        make(**params)


def test_an_image_has_its_own_draws(trained, images):
    """The bound of an image is the same alone, in other company, and with the images in another order."""
    different = np.clip(images[:5] + np.linspace(0, 0.05, 5, dtype=np.float32)[:, None, None, None], 0, 1)
    together = trained.score_samples(different)
    alone = np.concatenate([trained.score_samples(different[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(alone, together, rtol=1e-5)
    np.testing.assert_allclose(trained.score_samples(different[::-1])[::-1], together, rtol=1e-5)


@pytest.mark.parametrize("setting", [None, "1"])
def test_needs_no_legacy_keras_and_sets_none(setting):
    """Whatever TF_USE_LEGACY_KERAS says, the VAE is one of Keras 3; only a DgcSpnLibspn that is made sets it."""
    program = """
import os, sys
before = os.environ.get("TF_USE_LEGACY_KERAS")
import baselines.dgcspn.libspn, baselines.vae
vae = baselines.vae.Vae((28, 28, 1), latent=2, width=0.01, epochs=1)
vae.fit(vae.sample(4, seed=0), progress=False)
import keras
assert keras.__version__.startswith("3."), keras.__version__
assert isinstance(vae._networks["encoder"], keras.Model)
assert "tf_keras" not in sys.modules or before
assert os.environ.get("TF_USE_LEGACY_KERAS") == before
if before:
    baselines.dgcspn.libspn.DgcSpnLibspn((28, 28, 1), sums=2, products=6)
else:
    try:
        baselines.dgcspn.libspn.DgcSpnLibspn((28, 28, 1), sums=2, products=6)
    except RuntimeError as error:
        assert "already imported with Keras 3" in str(error)
    else:
        raise AssertionError("a DGC-SPN beside Keras 3")
assert os.environ.get("TF_USE_LEGACY_KERAS") == before
"""
    run_alone(program, setting)


def test_a_dgcspn_of_libspn_sets_legacy_keras_when_it_is_made_not_before():
    program = """
import os
import baselines.dgcspn.libspn
assert "TF_USE_LEGACY_KERAS" not in os.environ
baselines.dgcspn.libspn.DgcSpnLibspn((28, 28, 1), sums=2, products=6)
assert os.environ["TF_USE_LEGACY_KERAS"] == "1"
"""
    run_alone(program, None)


def run_alone(program, setting):
    """Run Python in a process of its own, with TF_USE_LEGACY_KERAS set or not."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_USE_LEGACY_KERAS": setting or ""}
    if setting is None:
        del environment["TF_USE_LEGACY_KERAS"]
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
