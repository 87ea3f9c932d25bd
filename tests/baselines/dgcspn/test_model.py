"""DgcSpn behind the model interface, on tiny images: densities, marginals, draws, training, files."""

import os
import signal

import numpy as np
import pytest
import torch

from baselines.dgcspn import DgcSpn
from baselines.dgcspn import model as model_module
from baselines.dgcspn.operators import OperatorNetwork
from dcgmm.checkpoint import OtherTrainingError
from dcgmm.storage import DamagedFileError


def tiny(**params):
    defaults = {"seed": 1, "sums": 3, "leaves": 2, "products": 3, "epochs": 4, "batch_size": 20, "alpha": 1.0}
    return DgcSpn((4, 4, 1), **(defaults | params))


@pytest.fixture(scope="module")
def trained(images):
    model = tiny(epochs=30, learning_rate=0.1, dropout=0.1)
    model.history = model.fit(images, validation=images, progress=False)
    return model


def weights_of(model):
    return [np.array(weights) for weights in model._network.weights]


def same(one, two):
    return all(np.array_equal(a, b) for a, b in zip(weights_of(one), weights_of(two), strict=True))


# --- densities -------------------------------------------------------------------------------------------------------


def test_training_raises_the_likelihood(trained, images):
    train = [row.log_likelihood for row in trained.history if row.split == "train"]
    assert train[-1] > train[0]
    assert [row.step for row in trained.history][-1] == 300
    last = [row.log_likelihood for row in trained.history if row.split == "validation"][-1]
    scores = trained.score_samples(images)
    assert scores.dtype == np.float64 and last == pytest.approx(scores.mean())
    assert scores.mean() > trained.score_samples(images[:, ::-1, ::-1]).mean() + 1.0


def test_gradient_ascent_learns_too(images):
    model = tiny(learning="gradient", epochs=20, learning_rate=0.05, dropout=0.0)
    before = model.score_samples(images).mean()
    model.fit(images, progress=False)
    assert model.score_samples(images).mean() > before + 1.0


def test_global_scores_are_densities_of_pixels(trained, images):
    """The integral over one pixel is the marginal of the others, in units of pixels."""
    values = np.linspace(0.0, 1.0, 401).astype(np.float32)  # the leaves have scale std: most mass lies outside
    x = np.repeat(images[:1], len(values), axis=0)
    x[:, 3, 3, 0] = values
    known = np.ones((4, 4), bool)
    known[3, 3] = False
    inside = np.trapezoid(np.exp(trained.score_samples(x)), values)
    wide = np.linspace(-4.0, 5.0, 3601)
    log_leaves = np.repeat(trained._leaves.log_values(images[:1]), len(wide), axis=-1)
    normalized = (wide - trained._leaves.mean) / (trained._leaves.std + 1e-8)
    distance = normalized - trained._leaves.means[3, 3, :, 0, None]
    log_leaves[3, 3] = -0.5 * np.log(2 * np.pi) - 0.5 * distance**2
    volume = 16 * np.log(trained._leaves.std + 1e-8)
    integral = np.trapezoid(np.exp(trained._network.log_density(log_leaves) - volume), wide)
    assert np.log(integral) == pytest.approx(trained.score_known(images[:1], known)[0], abs=1e-3)
    assert inside < integral


def test_nothing_known_has_probability_one(trained, images):
    assert trained.score_known(images[:3], np.zeros((4, 4), bool)) == pytest.approx([0.0] * 3, abs=1e-4)


def test_everything_known_is_the_score(trained, images):
    np.testing.assert_allclose(
        trained.score_known(images, np.ones((4, 4), bool)), trained.score_samples(images), rtol=1e-6, atol=1e-5
    )


# --- draws -----------------------------------------------------------------------------------------------------------


def forced(log_leaves, place, component):
    """Log-values of the leaves with the component of one pixel given."""
    found = log_leaves.copy()
    found[place] = -np.inf
    found[place][component] = log_leaves[place][component]
    return found


def test_drawn_components_follow_the_exact_conditional(trained, images):
    known = np.ones((1, 4, 4), bool)
    known[0, 3, 3] = False
    log_leaves = trained._leaves.log_values(images[:1], known)
    joint = [trained._network.log_density(forced(log_leaves, (3, 3), k))[0] for k in range(2)]
    exact = float(np.exp(joint[1] - np.logaddexp(*joint)))
    drawn = trained._draw(log_leaves, np.zeros(4000, np.intp), np.random.default_rng(0))[:, 3, 3].mean()
    assert 0.02 < exact < 0.98
    assert drawn == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 4000))


def test_unconditional_pairs_follow_the_exact_joint(trained):
    nothing = np.zeros((4, 4, 2, 1), np.float32)
    pairs = [forced(forced(nothing, (0, 0), k), (3, 3), m) for k in range(2) for m in range(2)]
    exact = [np.exp(trained._network.log_density(pair)[0]) for pair in pairs]
    drawn = trained._draw(nothing, np.zeros(6000, np.intp), np.random.default_rng(0))
    observed = np.bincount(2 * drawn[:, 0, 0] + drawn[:, 3, 3], minlength=4) / 6000
    np.testing.assert_allclose(observed, exact, atol=0.03)


def test_every_pixel_of_every_image_has_its_own_draw(images):
    """Components of all pixels against their marginals, for images with different known pixels in one batch."""
    model = tiny(leaves=3, epochs=3, learning_rate=0.2)
    model.fit(images, progress=False)
    known = np.zeros((2, 4, 4), bool)
    known[0, :2], known[1, :, 2:] = True, True
    log_leaves = model._leaves.log_values(images[[0, 1]], known)
    source = np.repeat([0, 1], 3000)
    drawn = model._draw(log_leaves, source, np.random.default_rng(0))
    for row, column in ((3, 0), (2, 1)):
        joint = np.array([model._network.log_density(forced(log_leaves, (row, column), k)) for k in range(3)])
        exact = np.exp(joint - np.logaddexp.reduce(joint, axis=0))
        for image in range(2):
            observed = np.bincount(drawn[source == image, row, column], minlength=3) / 3000
            np.testing.assert_allclose(observed, exact[:, image], atol=0.04)


def test_sampling_and_inpainting(trained, images):
    samples = trained.sample(7, seed=0)
    assert samples.shape == (7, 4, 4, 1) and samples.dtype == np.float32
    assert samples.min() >= 0 and samples.max() <= 1
    np.testing.assert_array_equal(samples, trained.sample(7, seed=0))
    assert np.abs(samples - trained.sample(7, seed=1)).max() > 0
    assert trained.sample(0, seed=0).shape == (0, 4, 4, 1)
    known = np.ones((4, 4), bool)
    known[2:] = False
    filled = trained.inpaint(images, known, seed=1)
    np.testing.assert_array_equal(filled[:, :2], images[:, :2])
    hidden = np.where(known[..., None], images, 0.5)
    np.testing.assert_array_equal(filled, trained.inpaint(hidden, known, seed=1))
    assert np.abs(filled - images)[:, 2:].mean() < np.abs(images[::-1] - images)[:, 2:].mean()
    noisy = trained.inpaint(images, known, seed=1, draw_leaves=True)
    assert np.abs(noisy - filled)[:, 2:].mean() > 0.05


def test_sample_wise_normalisation_does_not_see_hidden_pixels(images):
    """The mean and the standard deviation of the whole image told how dark the hidden part is."""
    model = tiny(normalization="sample", epochs=2)
    model.fit(images, progress=False)
    known = np.ones((4, 4), bool)
    known[2:] = False
    mean, std = model._leaves.statistics(images, np.broadcast_to(known, images.shape[:3]))
    np.testing.assert_allclose(mean[:, 0, 0, 0], images[:, :2].mean((1, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(std[:, 0, 0, 0], images[:, :2].std((1, 2, 3)), rtol=1e-5)
    for value in (0.5, 1.0, np.nan):
        hidden = np.where(known[..., None], images, np.float32(value))
        np.testing.assert_array_equal(model.inpaint(images, known, seed=1), model.inpaint(hidden, known, seed=1))
        np.testing.assert_array_equal(model.score_known(images, known), model.score_known(hidden, known))
    each = np.stack([known, ~known, known | True, known & False])
    expected = [model.score_samples(images[2:3])[0], 0.0]  # all known, nothing known
    np.testing.assert_allclose(model.score_known(images[:4], each)[2:], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(model.inpaint(images[:4], each, seed=1)[2], images[2])


def test_colours_and_oblong_images():
    x = np.random.default_rng(0).random((30, 5, 3, 3), dtype=np.float32)
    model = DgcSpn((5, 3, 3), sums=2, products=4, leaves=2, epochs=2, batch_size=8)
    history = model.fit(x, progress=False)
    assert [row.step for row in history] == [4, 8]
    assert np.isfinite(model.score_samples(x)).all()
    assert model.sample(2, seed=0).shape == (2, 5, 3, 3)


def test_leaf_means_are_those_of_quantiles():
    x = np.linspace(0, 1, 12, dtype=np.float32).reshape(12, 1, 1, 1)
    model = DgcSpn((1, 1, 1), sums=2, products=2, leaves=3, epochs=0)
    model.fit(x[::-1], progress=False)
    expected = [(x[part].mean() - x.mean()) / x.std() for part in (slice(4), slice(4, 8), slice(8, 12))]
    np.testing.assert_allclose(model._leaves.means[0, 0, :, 0], expected, rtol=1e-5, atol=1e-6)
    model.fit(x[:2], progress=False)  # fewer images than leaves
    assert np.isfinite(model.score_samples(x)).all()


# --- training --------------------------------------------------------------------------------------------------------


def test_seeds_and_fresh_starts(images):
    one, two, other = tiny(), tiny(), tiny(seed=2)
    for model in (one, two, other):
        model.fit(images, progress=False)
    assert same(one, two) and not same(one, other)
    one.fit(images, progress=False)
    assert same(one, two)  # from the initial weights again
    one.fit(images, progress=False, warm_start=True)
    assert not same(one, two)
    assert one.score_samples(images).mean() > two.score_samples(images).mean()


@pytest.mark.parametrize("learning", ["em", "gradient"])
def test_interrupted_and_continued_to_the_same_bits(images, tmp_path, monkeypatch, learning):
    options = {"learning": learning, "learning_rate": 0.1, "epochs": 3}
    whole, stopped, resumed = tiny(**options), tiny(**options), tiny(**options)
    expected = whole.fit(images, validation=images, progress=False)
    step = DgcSpn._step

    def interrupted(self, x, number):
        if number == 14:  # in the midst of the second epoch
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, x, number)

    monkeypatch.setattr(DgcSpn, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(images, validation=images, progress=False, checkpoint=tmp_path)
    monkeypatch.setattr(DgcSpn, "_step", step)
    history = resumed.fit(images, validation=images, progress=False, checkpoint=tmp_path)
    assert history == expected
    assert same(whole, resumed)


def test_a_training_that_diverges_says_so():
    """Where nearly all pixels are alike, only the nearest of a pixel's leaves has a value that is not 0 in float32."""
    x = np.zeros((40, 12, 12, 1), np.float32)
    x[::2, 5, 6] = 1.0
    model = DgcSpn((12, 12, 1), sums=2, leaves=2, products=5, epochs=2, dropout=0.9, batch_size=20, device="cpu")
    said = r"-inf in batch 2 of epoch 2: .*seed 0 has diverged, learning_rate is 0\.01 and dropout 0\.9; try smaller"
    with pytest.raises(ValueError, match=said):
        model.fit(x, progress=False)
    assert all(np.isfinite(weights).all() for weights in weights_of(model))
    model.dropout = 0.0
    assert np.isfinite(model.fit(x, progress=False)[-1].log_likelihood)


def test_checkpoints_of_other_trainings_are_refused(images, tmp_path):
    tiny(epochs=1).fit(images, progress=False, checkpoint=tmp_path)
    with pytest.raises(OtherTrainingError, match="other images"):
        tiny(epochs=1).fit(images[::-1], progress=False, checkpoint=tmp_path)
    with pytest.raises(OtherTrainingError, match=r"dropout 0\.1, not 0\.2"):
        tiny(epochs=1, dropout=0.2).fit(images, progress=False, checkpoint=tmp_path)
    with pytest.raises(ValueError, match="has more than the 0 epochs given"):
        tiny(epochs=0).fit(images, progress=False, checkpoint=tmp_path)
    longer = tiny(epochs=2)
    longer.fit(images, progress=False, checkpoint=tmp_path)
    whole = tiny(epochs=2)
    whole.fit(images, progress=False)
    assert same(longer, whole)


def test_saved_and_loaded(trained, images, tmp_path):
    trained.save(tmp_path)
    loaded = DgcSpn.load(tmp_path)
    np.testing.assert_array_equal(loaded.score_samples(images), trained.score_samples(images))
    np.testing.assert_array_equal(loaded.sample(3, seed=4), trained.sample(3, seed=4))
    assert loaded.get_params() == trained.get_params()
    other = tiny(sums=2)
    other.save(tmp_path / "other")
    (tmp_path / "other/network.safetensors").replace(tmp_path / "network.safetensors")
    with pytest.raises(DamagedFileError, match="weights of another model"):
        DgcSpn.load(tmp_path)


@pytest.mark.parametrize(("made", "loaded"), [("cpu", "cpu"), ("auto", "auto"), ("gpu", "auto")])
def test_a_model_of_the_cpu_stays_there(made, loaded, tmp_path, monkeypatch):
    monkeypatch.setattr(model_module, "on_gpu", lambda device: False)
    tiny(device=made, threads=2).save(tmp_path)
    assert DgcSpn.load(tmp_path).get_params() == tiny(device=loaded).get_params()


def test_initial_weights_before_training(images):
    model = tiny()
    assert np.isfinite(model.score_samples(images)).all()
    assert same(model, tiny()) and not same(model, tiny(seed=3))
    assert model.count_params() == 5**2 * 16 * 3 + 7**2 * 3 * 3 + 4 * 4 * 3 + 4 * 4 * 2 * 2


def test_numpy_scalars_and_refused_arguments(images):
    model = tiny(sums=np.int64(3), epochs=np.int32(1), learning_rate=np.float32(0.1), seed=np.uint8(1))
    model.fit(images, progress=False)
    for wrong, message in (
        ({"products": 2}, "no room for more than 3 rows"),
        ({"normalization": "none"}, "expected one of 'global', 'sample'"),
        ({"learning": "sgd"}, "expected one of 'em', 'gradient'"),
        ({"sums": 0}, "sums=0: expected an integer of at least 1"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"alpha": 0}, "alpha=0"),
        ({"epochs": 1.5}, "epochs=1.5"),
        ({"threads": 0}, "threads=0"),
        ({"device": "tpu"}, "expected one of 'auto', 'cpu', 'gpu'"),
    ):
        with pytest.raises(ValueError, match=message):
            tiny(**wrong)
    with pytest.raises(ValueError, match="expected floats"):
        model.score_samples((images * 255).astype(np.uint8))
    with pytest.raises(ValueError, match=r"expected \(n, 4, 4, 1\)"):
        model.fit(images[:, :3], progress=False)
    with pytest.raises(ValueError, match="expected booleans"):
        model.inpaint(images, np.ones((4, 4)), seed=0)
    with pytest.raises(ValueError, match="expected an integer from 0"):
        model.sample(3, seed=-1)


# --- on a GPU --------------------------------------------------------------------------------------------------------


def test_a_gpu_that_is_not_there_is_named(images):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ValueError, match="PyTorch finds no CUDA GPU here; take device='cpu'"):
        tiny(device="gpu").score_samples(images)
    assert not model_module.on_gpu("auto")


def test_the_operators_of_the_gpu_do_the_same(images, monkeypatch, tmp_path):
    """The whole interface on PyTorch's operators, here on the CPU; dropout aside, which has noise of its own."""
    kernels = tiny(dropout=0.0, learning_rate=0.1)
    kernels.fit(images, progress=False)
    operators = tiny(dropout=0.0, learning_rate=0.1)
    monkeypatch.setattr(model_module, "on_gpu", lambda device: True)
    monkeypatch.setattr(model_module, "CUDA", "cpu")
    history = operators.fit(images, progress=False, checkpoint=tmp_path)
    assert isinstance(operators._network, OperatorNetwork)
    for ours, theirs in zip(weights_of(kernels), weights_of(operators), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    np.testing.assert_allclose(kernels.score_samples(images), operators.score_samples(images), atol=1e-3)
    known = np.zeros((4, 4), bool)
    known[:2] = True
    alike = np.isclose(kernels.inpaint(images, known, seed=1), operators.inpaint(images, known, seed=1), atol=1e-3)
    assert alike.mean() > 0.99  # a draw at the border between two components may fall otherwise
    assert tiny(dropout=0.0, learning_rate=0.1).fit(images, progress=False, checkpoint=tmp_path) == history
    noisy = tiny(dropout=0.3)
    noisy.fit(images, progress=False)
    assert np.isfinite(noisy.score_samples(images)).all()
