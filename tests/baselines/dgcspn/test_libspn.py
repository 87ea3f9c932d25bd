"""DGC-SPN on libspn-keras: our own against it, with the same parameters; and itself, on tiny images.

TensorFlow's Keras 2 must be chosen before TensorFlow is imported, so the tests run in a process of their own.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
INSIDE = "DGCSPN_TEST_PROCESS"
NEVER = -60.0  # log-value of a component that is ruled out; the package multiplies it by 0, which -inf is not made for
inside = pytest.mark.skipif(INSIDE not in os.environ, reason="runs in the process that the first test starts")


def python(*arguments, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_NUM_INTRAOP_THREADS": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=clean | quiet | environment, capture_output=True, text=True)


@pytest.mark.skipif(INSIDE in os.environ, reason="this is the process")
def test_all_in_a_process_of_its_own():
    result = python("-m", "pytest", __file__, "-p", "no:cacheprovider", "-p", "no:randomly", **{INSIDE: "1"})
    assert result.returncode == 0, result.stdout[-4000:]
    assert " passed" in result.stdout


@pytest.mark.skipif(INSIDE in os.environ, reason="needs a fresh process")
def test_refuses_keras_3():
    code = "import tensorflow, baselines.dgcspn.libspn as d; d.DgcSpnLibspn((4, 4, 1), products=3, sums=2)"
    result = python("-c", code)
    assert result.returncode != 0
    assert "already imported with Keras 3" in result.stderr.splitlines()[-1]


@pytest.mark.skipif(INSIDE in os.environ, reason="no TensorFlow wanted")
def test_impossible_architectures_are_refused_before_tensorflow_is_needed():
    from baselines.dgcspn.libspn import DgcSpnLibspn

    with pytest.raises(ValueError, match="take more products"):
        DgcSpnLibspn((28, 28, 1), products=5)
    with pytest.raises(ValueError, match="'global' or 'sample'"):
        DgcSpnLibspn((28, 28, 1), normalization="none")


# --- inside the process --------------------------------------------------------------------------------------------


def tiny(**params):
    from baselines.dgcspn.libspn import DgcSpnLibspn

    defaults = {"seed": 1, "sums": 3, "leaves": 2, "products": 3, "epochs": 4, "batch_size": 20, "alpha": 1.0}
    return DgcSpnLibspn((4, 4, 1), **(defaults | params))


@pytest.fixture(scope="module")
def trained(images):
    model = tiny(epochs=30, learning_rate=0.1, dropout=0.1)
    model.history = model.fit(images, validation=images, progress=False)
    return model


# --- our own against it ----------------------------------------------------------------------------------------------

SHAPES = [((4, 4, 1), {"sums": 3, "leaves": 2, "products": 3}), ((6, 5, 2), {"sums": 8, "leaves": 3, "products": 4}),
          ((28, 28, 1), {"sums": 16, "leaves": 4, "products": 7})]  # fmt: skip


@inside
@pytest.mark.parametrize("shape, params", SHAPES)
def test_our_own_has_its_log_likelihoods_and_its_em_step(shape, params):
    """The oracle: same parameters, same log-likelihoods (1e-4 relative) and the same step, dropout off."""
    from baselines.dgcspn import DgcSpn
    from baselines.dgcspn.libspn import DgcSpnLibspn

    options = {**params, "alpha": 0.1, "dropout": 0.0, "learning_rate": 0.05, "batch_size": 16, "epochs": 1}
    theirs, ours = DgcSpnLibspn(shape, **options), DgcSpn(shape, **options)
    assert theirs.count_params() == ours.count_params()
    x = np.random.default_rng(0).random((48, *shape), dtype=np.float32)
    theirs._adapt(x)
    ours._leaves.adapt(x)
    np.testing.assert_allclose(ours._leaves.means, theirs._leaf.loc.numpy()[0], atol=1e-5)
    weights = [w.numpy().reshape(s) for w, s in zip(theirs._weights(), ours._architecture.weight_shapes, strict=True)]
    ours._kept = ours._place([w.copy() for w in weights])
    np.testing.assert_allclose(ours.score_samples(x), theirs.score_samples(x), rtol=1e-4)
    for step in range(3):
        batch = x[16 * step : 16 * step + 16]
        density = theirs._step(theirs._normalize(batch)).numpy()
        assert ours._step(batch, step).mean() == pytest.approx(float(density), rel=1e-4)
    for before, own, other in zip(weights, ours._network.weights, theirs._weights(), strict=True):
        other = other.numpy().reshape(own.shape)
        assert np.abs(own / before - 1).max() > 1e-2
        assert np.abs(own - other).max() < 2e-5 and np.mean(np.abs(own - other) > 2e-6) < 1e-3


# --- itself ----------------------------------------------------------------------------------------------------------


@inside
def test_density_is_normalised(trained):
    nothing_seen = np.zeros((1, 4, 4, 2), np.float32)
    assert trained._log_density(nothing_seen).numpy() == pytest.approx(0.0, abs=1e-4)


@inside
def test_training_raises_the_likelihood(trained, images):
    train = [row.log_likelihood for row in trained.history if row.split == "train"]
    assert train[-1] > train[0]
    assert np.isfinite(trained.score_samples(images)).all()
    assert trained.score_samples(images).mean() > trained.score_samples(images[:, ::-1, ::-1]).mean() + 1.0


@inside
def test_global_scores_are_densities_of_pixels(trained, images):
    values = np.linspace(-3.0, 4.0, 1401)
    x = np.repeat(images[:1], len(values), axis=0)
    x[:, 3, 3, 0] = values
    integral = np.trapezoid(np.exp(trained.score_samples(x)), values)
    log_leaves = trained._leaf(trained._normalize(images[:1])).numpy()
    log_leaves[0, 3, 3] = 0.0
    marginal = trained._log_density(log_leaves).numpy()[0] - 15 * np.log(trained.std_ + 1e-8)
    assert np.log(integral) == pytest.approx(marginal, abs=1e-3)


@inside
def test_drawn_components_follow_the_exact_conditional(trained, images):
    known = np.ones((4, 4), bool)
    known[3, 3] = False
    log_leaves = np.where(known[..., None], trained._leaf(trained._normalize(images[:1])).numpy(), 0.0)
    forced = np.repeat(log_leaves, 2, axis=0).astype(np.float32)
    forced[0, 3, 3] = [0.0, NEVER]
    forced[1, 3, 3] = [NEVER, 0.0]
    joint = trained._log_density(forced).numpy()
    exact = float(np.exp(joint[1] - np.logaddexp(*joint)))
    many = np.repeat(log_leaves, 4000, axis=0).astype(np.float32)
    drawn = trained._components(many, np.random.default_rng(0))[:, 3, 3].mean()
    assert 0.02 < exact < 0.98
    assert drawn == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 4000))


@inside
def test_unconditional_pairs_follow_the_exact_joint(trained):
    pairs = np.zeros((4, 4, 4, 2), np.float32)
    for index in range(4):
        for pixel, component in (((0, 0), index // 2), ((3, 3), index % 2)):
            pairs[index][pixel] = NEVER
            pairs[index][pixel][component] = 0.0
    exact = np.exp(trained._log_density(pairs).numpy())
    drawn = trained._components(np.zeros((6000, 4, 4, 2), np.float32), np.random.default_rng(0))
    observed = np.bincount(2 * drawn[:, 0, 0] + drawn[:, 3, 3], minlength=4) / 6000
    np.testing.assert_allclose(observed, exact, atol=0.03)


@inside
def test_sampling_and_inpainting(trained, images):
    samples = trained.sample(7, seed=0)
    assert samples.shape == (7, 4, 4, 1) and samples.dtype == np.float32
    assert samples.min() >= 0 and samples.max() <= 1
    np.testing.assert_array_equal(samples, trained.sample(7, seed=0))
    assert np.abs(samples - trained.sample(7, seed=1)).max() > 0
    known = np.ones((4, 4), bool)
    known[2:] = False
    filled = trained.inpaint(images, known, seed=1)
    np.testing.assert_array_equal(filled[:, :2], images[:, :2])
    hidden = np.where(known[..., None], images, 0.5)
    np.testing.assert_array_equal(filled, trained.inpaint(hidden, known, seed=1))
    assert np.abs(filled - images)[:, 2:].mean() < np.abs(images[::-1] - images)[:, 2:].mean()


@inside
def test_sample_wise_normalisation_leaks_hidden_pixels(images):
    model = tiny(normalization="sample", epochs=2)
    model.fit(images, progress=False)
    known = np.ones((4, 4), bool)
    known[2:] = False
    hidden = np.where(known[..., None], images, 0.5)
    assert np.abs(model.inpaint(images, known, seed=1) - model.inpaint(hidden, known, seed=1)).max() > 0.01


@inside
def test_saved_and_resumed(trained, images, tmp_path):
    from baselines.dgcspn.libspn import DgcSpnLibspn

    trained.save(tmp_path / "model")
    loaded = DgcSpnLibspn.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.score_samples(images), trained.score_samples(images))
    options = {"dropout": 0.0, "learning_rate": 0.1}
    whole, first, second = tiny(epochs=2, **options), tiny(epochs=1, **options), tiny(epochs=2, **options)
    whole.fit(images, progress=False)
    first.fit(images, progress=False, checkpoint=tmp_path / "state")
    history = second.fit(images, progress=False, checkpoint=tmp_path / "state")
    assert [row.step for row in history] == [10, 20]
    np.testing.assert_allclose(second.score_samples(images), whole.score_samples(images), rtol=1e-4)
