"""The adapter of SPFlow keeps the interface; runs where SPFlow 1.1 is installed."""

import numpy as np
import pytest

pytest.importorskip("spflow")

from baselines.spflow_einet import SpflowEinet

SMALL = {"sums": 4, "depth": 2, "repetitions": 3, "epochs": 4, "learning_rate": 0.05}


def images(n=200):
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 1, 8)[None, None, :, None] * (rng.random((n, 1, 1, 1)) < 0.5)
    return np.clip(ramp + 0.1 * rng.random((n, 8, 8, 1)), 0, 1).astype(np.float32)


def test_the_interface(tmp_path):
    x = images()
    model = SpflowEinet((8, 8, 1), **SMALL)
    history = model.fit(x, validation=x[:20], progress=False)
    assert [row.split for row in history] == ["train", "validation"] * 4
    assert history[-1].log_likelihood > history[0].log_likelihood
    scores = model.score_samples(x)
    assert scores.shape == (200,)
    assert scores.dtype == np.float64
    assert SpflowEinet((8, 8, 1), **SMALL).fit(x, validation=x[:20], progress=False) == history
    assert model.fit(x, validation=x[:20], progress=False) == history  # from the initial parameters
    model.save(tmp_path)
    again = SpflowEinet.load(tmp_path)
    assert np.array_equal(again.score_samples(x), scores)
    assert np.array_equal(again.sample(3, seed=1), model.sample(3, seed=1))
    assert not np.array_equal(again.sample(3, seed=1), again.sample(3, seed=2))
    known = np.arange(64).reshape(8, 8) % 8 < 4
    filled = model.inpaint(x[:4], known, seed=0)
    assert np.array_equal(filled[:, known], x[:4][:, known])
    assert filled.dtype == np.float32
    assert model.sample(0, seed=0).shape == (0, 8, 8, 1)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="sums=0"):
        SpflowEinet((8, 8, 1), sums=0)
    with pytest.raises(ValueError, match="uint8"):
        SpflowEinet((8, 8, 1), **SMALL).fit((255 * images(4)).astype(np.uint8))
