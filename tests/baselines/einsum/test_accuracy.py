"""Log-likelihoods in float32 against float64 with the same parameters, and of one image in batches of all sizes."""

import copy

import numpy as np
import pytest
import torch

from baselines.einsum import PdSpn, RatSpn

SHAPE = (16, 16, 1)
LEAVES = [
    {"leaf": "normal"},
    {"leaf": "binomial"},
    {"leaf": "binomial", "pixels": "unit"},
    {"leaf": "categorical", "trials": 15},
]
MODELS = {
    "rat": lambda **more: RatSpn(SHAPE, sums=4, depth=2, repetitions=3, epochs=8, batch_size=50, device="cpu", **more),
    "pd": lambda **more: PdSpn(SHAPE, sums=4, delta=4, epochs=8, batch_size=50, device="cpu", **more),
}


def clothes(n, seed=0):
    """Images with what makes variances tiny: pixels that are 0 or 1 in most images, and means far from the median."""
    rng = np.random.default_rng(seed)
    x = np.zeros((n, *SHAPE))
    for image in x:
        top, left, height, width = rng.integers(0, 4), rng.integers(0, 4), rng.integers(8, 13), rng.integers(8, 13)
        image[top : top + height, left : left + width] = 1.0 if rng.random() < 0.6 else rng.random()
    speckled = rng.random((n, 1, 1, 1)) < 0.2
    x = np.where(speckled & (rng.random(x.shape) < 0.1), rng.random(x.shape), x)
    return np.clip(x, 0, 1).astype(np.float32)


@pytest.fixture(scope="module", params=[(m, i) for m in MODELS for i in range(len(LEAVES))], ids=str)
def trained(request):
    kind, number = request.param
    model = MODELS[kind](**LEAVES[number])
    model.fit(clothes(500), progress=False)
    return model


def test_scores_are_those_of_double_precision(trained):
    x = np.concatenate([clothes(300, seed=1), np.zeros((1, *SHAPE)), np.ones((1, *SHAPE))]).astype(np.float32)
    exact = copy.deepcopy(trained.circuit).double()(trained._variables(x).double())[:, 0].numpy()
    scores = trained.score_samples(x)
    assert scores.dtype == np.float64
    assert np.abs(scores - exact).max() < 0.01


def test_the_score_of_an_image_is_independent_of_its_batch(trained):
    x = clothes(100, seed=2)
    scores = trained.score_samples(x)
    assert np.allclose(scores[:10], np.concatenate([trained.score_samples(x[i : i + 1]) for i in range(10)]), atol=1e-4)
    assert np.allclose(scores[40:73], trained.score_samples(x[40:73]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("leaf", ["binomial", "categorical"])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_no_probability_is_above_one(leaf, value):
    x = np.full((100, *SHAPE), value, np.float32)
    model = MODELS["pd"](leaf=leaf, learning="full_em")
    model.fit(x, progress=False)
    score = model.score_samples(x[:1])[0]
    assert -0.1 < score <= 0


@pytest.mark.parametrize("kind", MODELS)
def test_full_em_climbs_where_pixels_are_constant(kind):
    model = MODELS[kind](leaf="normal", learning="full_em")
    train = np.array([row.log_likelihood for row in model.fit(clothes(200), progress=False)])
    assert (np.diff(train) > -1e-3).all()
    assert train[-1] > train[0] + 50
    assert {0.0, 1.0} <= set(model.circuit.centre.tolist())


def test_marginals_are_exact_in_single_precision(trained):
    x, known = clothes(50, seed=3), np.arange(256).reshape(16, 16) % 3 > 0
    double = copy.deepcopy(trained.circuit).double()
    mask = torch.from_numpy(known.reshape(1, -1)).expand(50, -1)
    exact = double(trained._variables(x).double(), mask)[:, 0].numpy()
    assert np.abs(trained.marginal_log_likelihood(x, known) - exact).max() < 0.01
