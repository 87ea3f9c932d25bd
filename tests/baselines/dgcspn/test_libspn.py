"""DGC-SPN on libspn-keras: our own against it, with the same parameters; what all models share: tests/contract.

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
    with pytest.raises(ValueError, match="expected one of 'global', 'sample'"):
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

    options = {**params, "alpha": 0.1, "dropout": 0.0, "learning_rate": 0.05, "batch_size": 16, "epochs": 0}
    theirs, ours = DgcSpnLibspn(shape, **options), DgcSpn(shape, **options)
    leaves = 2 * int(np.prod(ours._architecture.leaf_shape))
    assert ours.count_params() == sum(v.numpy().size for v in theirs._network._variables()) + leaves
    x = np.random.default_rng(0).random((48, *shape), dtype=np.float32)
    for model in (theirs, ours):
        model.fit(x, progress=False)  # no epochs: constants, and the initial weights of the seed
    weights = [w.copy() for w in ours._network.weights]
    for own, other in zip(weights, theirs._network.weights, strict=True):
        np.testing.assert_array_equal(own, other)
    np.testing.assert_allclose(ours.score_samples(x), theirs.score_samples(x), rtol=1e-4)
    for step in range(3):
        batch = x[16 * step : 16 * step + 16]
        np.testing.assert_allclose(ours._step(batch, step), theirs._step(batch, step), rtol=1e-4)
    for before, own, other in zip(weights, ours._network.weights, theirs._network.weights, strict=True):
        assert np.abs(own / before - 1).max() > 1e-2
        assert np.abs(own - other).max() < 2e-5 and np.mean(np.abs(own - other) > 2e-6) < 1e-3


@inside
@pytest.mark.parametrize("normalization", ["global", "sample"])
def test_our_own_leaves_have_its_log_densities(images, normalization):
    """Means of quantiles as written down here, log-densities by the package's layer."""
    from baselines.dgcspn.leaves import NormalLeaves
    from baselines.dgcspn.libspn import import_libspn

    _, spn = import_libspn()
    leaves = NormalLeaves((4, 4, 1), 3, normalization)
    leaves.adapt(images)
    axes = (1, 2, 3) if normalization == "sample" else None
    x = (images - images.mean(axes, keepdims=True)) / (images.std(axes, keepdims=True) + 1e-8)
    means = np.stack([part.mean(axis=0) for part in np.array_split(np.sort(x, axis=0), 3)], axis=-2)
    np.testing.assert_allclose(leaves.means, means, atol=1e-5)
    layer = spn.layers.NormalLeaf(num_components=3, location_trainable=False)
    layer(x)
    layer.loc.assign(means[None])
    np.testing.assert_allclose(np.moveaxis(leaves.log_values(images), -1, 0), layer(x).numpy(), rtol=1e-4, atol=1e-4)


# --- itself ----------------------------------------------------------------------------------------------------------


@inside
def test_density_is_normalised(trained):
    nothing_seen = np.zeros((4, 4, 2, 1), np.float32)
    assert trained._network.log_density(nothing_seen) == pytest.approx(0.0, abs=1e-4)


@inside
def test_training_raises_the_likelihood(trained, images):
    train = [row.log_likelihood for row in trained.history if row.split == "train"]
    assert train[-1] > train[0]
    assert np.isfinite(trained.score_samples(images)).all()
    upside_down = np.ascontiguousarray(images[:, ::-1, ::-1])
    assert trained.score_samples(images).mean() > trained.score_samples(upside_down).mean() + 1.0


@inside
def test_samples_and_completions_are_those_of_our_own_with_its_weights(trained, images):
    from baselines.dgcspn import DgcSpn

    params = {name: value for name, value in trained.get_params().items() if name != "image_shape"}
    ours = DgcSpn((4, 4, 1), **params)
    ours._set_tensors(trained._tensors(moments=False), trained._constants(), "theirs")
    np.testing.assert_array_equal(trained.sample(50, seed=0), ours.sample(50, seed=0))
    known = np.ones((4, 4), bool)
    known[2:] = False
    filled = trained.inpaint(images, known, seed=1)
    np.testing.assert_array_equal(filled, ours.inpaint(images, known, seed=1))
    assert np.abs(filled - images)[:, 2:].mean() < np.abs(images[::-1] - images)[:, 2:].mean()


@inside
def test_dropout_changes_training_not_scores(images):
    model = tiny(epochs=0, dropout=0.5)
    model.fit(images, progress=False)
    np.testing.assert_array_equal(model.score_samples(images), model.score_samples(images))
    without = tiny(epochs=0, dropout=0.0)
    without.fit(images, progress=False)
    assert np.abs(model._step(images[:20], 0) - without._step(images[:20], 0)).max() > 0.1
