"""The plain Gaussian mixture: densities against scipy, exact completion, files."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

import baselines.gmm
from baselines.gmm import GaussianMixture


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((200, 4, 3, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def model(images):
    model = GaussianMixture((4, 3, 1), seed=1, components=3, max_iter=10)
    model.history = model.fit(images, validation=images[:50], progress=False)
    return model


def joint(model, x):
    """(n, K) log of weight times density, by scipy."""
    m = model.mixture
    densities = norm.logpdf(x.reshape(len(x), 1, -1), m.means_, np.sqrt(m.covariances_))
    return np.log(m.weights_) + densities.sum(-1)


def test_scores_are_the_mixture_density(model, images):
    np.testing.assert_allclose(model.score_samples(images), logsumexp(joint(model, images), axis=1), rtol=1e-9)
    assert model.score_samples(images).dtype == np.float64


def test_history_has_both_splits(model):
    assert [(row.layer, row.split) for row in model.history] == [(0, "train"), (0, "validation")]


def test_completion_follows_the_exact_conditional(model, images):
    """Mean of many completions of one image = conditional mean of the mixture (cut at [0, 1] rarely matters here)."""
    known = np.zeros((4, 3), bool)
    known[:2] = True
    m = model.mixture
    one = images[:1].astype(float).reshape(1, -1)
    mask = known.reshape(-1)
    log_weights = np.log(m.weights_) + norm.logpdf(one, m.means_, np.sqrt(m.covariances_))[:, mask].sum(1)
    weights = np.exp(log_weights - logsumexp(log_weights))
    rng = np.random.default_rng(5)
    k = rng.choice(3, p=weights, size=40_000)
    expected = rng.normal(m.means_[k], np.sqrt(m.covariances_[k])).clip(0, 1).mean(0)[~mask]
    drawn = model.inpaint(np.repeat(images[:1], 40_000, axis=0), known, seed=3)
    np.testing.assert_array_equal(drawn[:, known], np.repeat(images[:1], 40_000, axis=0)[:, known])
    np.testing.assert_allclose(drawn.reshape(40_000, -1)[:, ~mask].mean(0), expected, atol=0.01)


def test_masks_may_differ_per_image(model, images):
    known = np.random.default_rng(2).random((20, 4, 3)) < 0.5
    drawn = model.inpaint(images[:20], known, seed=0)
    np.testing.assert_array_equal(drawn[known], images[:20][known])
    assert not np.array_equal(drawn[~known], images[:20][~known])


def test_samples(model):
    drawn = model.sample(20_000, seed=1)
    assert drawn.shape == (20_000, 4, 3, 1)
    assert drawn.dtype == np.float32
    np.testing.assert_array_equal(drawn, model.sample(20_000, seed=1))
    assert not np.array_equal(drawn, model.sample(20_000, seed=2))
    m = model.mixture
    np.testing.assert_allclose(drawn.reshape(20_000, -1).mean(0), m.weights_ @ m.means_, atol=0.03)


def test_no_samples_are_an_empty_array(model):
    assert model.sample(0, seed=1).shape == (0, 4, 3, 1)


def test_save_and_load(model, images, tmp_path):
    model.save(tmp_path / "m")
    again = GaussianMixture.load(tmp_path / "m")
    np.testing.assert_array_equal(again.score_samples(images), model.score_samples(images))
    assert again.count_params() == model.count_params() == 3 * (12 + 12 + 1)


def test_an_unknown_start_is_refused_by_name(images):
    with pytest.raises(ValueError, match="'kmean'"):
        GaussianMixture((4, 3, 1), init="kmean").fit(images, progress=False)


@pytest.mark.parametrize(
    "use",
    [
        lambda model, x, path: model.sample(2, seed=0),
        lambda model, x, path: model.inpaint(x, np.ones((4, 3), bool), seed=0),
        lambda model, x, path: model.save(path),
    ],
    ids=["sample", "inpaint", "save"],
)
def test_an_untrained_mixture_says_so(use, images, tmp_path):
    with pytest.raises(ValueError, match="GaussianMixture is not trained: call fit first") as raised:
        use(GaussianMixture((4, 3, 1)), images[:2], tmp_path / "mixture")
    assert not isinstance(raised.value, AttributeError)
    assert not (tmp_path / "mixture").exists()
    with pytest.raises(ValueError, match=r"is not fitted yet. Call 'fit'"):  # scikit-learn's words
        GaussianMixture((4, 3, 1)).score_samples(images)


def test_completion_is_exact_with_small_variances():
    """The square of a pixel in float32, times the difference of two precisions, was off by more than the truth."""
    model = GaussianMixture((1, 13, 1), components=2, min_variance=1e-9)
    pixels = np.linspace(0.75, 1.0, 1000, dtype=np.float32)
    pixels = pixels[np.argsort(pixels * pixels - pixels.astype(float) ** 2)[-12:]]
    means = np.array([[*pixels.astype(float), 0.2], [*pixels.astype(float), 0.8]])
    covariances = np.full((2, 13), 1e-8) * [[1], [10]]
    found = {"means_": means, "covariances_": covariances, "weights_": np.array([0.5, 0.5])}
    vars(model.mixture).update(found)
    x = np.zeros((100, 1, 13, 1), np.float32)
    x[:, 0, :12, 0] = pixels
    drawn = model.inpaint(x, np.arange(13)[None] < 12, seed=0)
    assert (drawn[:, 0, 12] < 0.5).mean() > 0.99  # 10^6 : 1, each pixel is at the mean of the narrower component


def test_a_model_file_fits_on_a_screen():
    assert len(Path(baselines.gmm.__file__).read_text().splitlines()) <= 60


def test_seeds_of_64_bits_are_seeds():
    """scikit-learn refused what every other model takes."""
    x = np.random.default_rng(0).random((20, 4, 4, 1), np.float32)
    scores = []
    for seed in (3, 2**32 + 3, 2**62):
        model = GaussianMixture((4, 4, 1), seed=seed, components=3, init="random", max_iter=2)
        model.fit(x, progress=False)
        scores.append(model.score_samples(x).tolist())
    assert len({tuple(some) for some in scores}) == 3
