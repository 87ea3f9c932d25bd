"""Models that break the promises of the interface: named, and before they are trained where that is possible."""

import numpy as np
import pytest

from evaluation.base.errors import ModelError, UserError
from evaluation.models.calling import (
    check_model,
    completions,
    history_rows,
    independent_scores,
    layer_scores,
    samples,
)
from evaluation.models.registry import build

X = np.full((3, 4, 4, 1), 0.5, np.float32)
KNOWN = np.ones((3, 4, 4), bool)


class Mine:
    """Whatever is given replaces a method."""

    def __init__(self, **methods):
        for name, value in methods.items():
            setattr(self, name, value)

    def fit(self, x, *, validation=None, progress=True):
        return []

    def score_samples(self, x):
        return np.zeros(len(x))

    def count_params(self):
        return np.int64(3)

    def save(self, path):
        return None

    @classmethod
    def load(cls, path):
        return cls()


def function(image_shape, seed=0):
    return Mine()


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ({"count_params": lambda: None}, "mine: count_params gives None"),
        ({"count_params": lambda: float("nan")}, "count_params gives nan"),
        ({"count_params": 5}, "mine has no method count_params"),
        ({"save": None}, "mine has no method save"),
        ({"fit": lambda x: []}, "fit has no argument 'validation'"),
    ],
)
def test_before_it_is_trained(methods, said):
    check_model(Mine(), "mine")
    check_model(Mine(fit=lambda x, **options: []), "mine")
    check_model(Mine(count_params=lambda: 1 / 0), "mine")  # some know it only when they are trained
    with pytest.raises(ModelError) as raised:
        check_model(Mine(**methods), "mine")
    assert said in str(raised.value)


@pytest.mark.parametrize("found", ["done", 5, [(1, 2.0)], [("a", 0, "train", 1.0)], [(float("inf"), 0, "a", 1.0)]])
def test_a_history_is_rows(found):
    assert history_rows(None, "mine") == []
    assert history_rows([(np.int64(1), 0, "train", np.float32(2))], "mine") == [(1, 0, "train", 2.0)]
    with pytest.raises(ModelError, match=r"mine: fit gives .*; rows \(step, layer, split, log_likelihood\)"):
        history_rows(found, "mine")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ("x", "sample gives str, which is no array of numbers"),
        (np.full((3, 4, 4, 1), 200, np.uint8), "sample gives pixels from 200 to 200; 0 to 1 is expected"),
        (-X, "sample gives pixels from -0.5 to -0.5"),
        (X[0], "sample gives an array of shape"),
        (X * np.nan, "pixels that are no numbers"),
        (X + 0j, "sample gives complex64; real numbers are expected"),
        ((X + 0j).tolist(), "sample gives complex128; real numbers are expected"),
        (X.astype(str), "sample gives ndarray, which is no array of numbers"),
        (np.ma.masked_array(X, X > 0), "sample gives MaskedArray, which is no array of numbers"),
    ],
)
def test_samples_are_images(found, said):
    with pytest.raises(ModelError) as raised:
        samples(Mine(sample=lambda n, seed: found), 3, 0, {}, "mine")
    assert said in str(raised.value)


def test_known_pixels_come_back():
    with pytest.raises(ModelError, match="mine: inpaint changes pixels that are known"):
        completions(Mine(inpaint=lambda x, known, seed: x * 0), X, KNOWN, 0, {}, "mine")
    assert (completions(Mine(inpaint=lambda x, known, seed: x), X, KNOWN, 0, {}, "mine") == X).all()


def test_a_model_does_not_see_what_it_is_to_find():
    """One that gives its input back had an error of 0."""
    known = KNOWN.copy()
    known[:, :, 2:] = False
    found = completions(Mine(inpaint=lambda x, known, seed: x), X, known, 0, {}, "mine")
    assert (found[known] == 0.5).all() and (found[~known] == 0).all()


def test_a_model_may_complete_images_in_place():
    """The originals were overwritten, and every completion was perfect."""

    def inpaint(x, known, seed):
        x[~known] = 0.0
        known[:] = True
        return x

    x, known = X.copy(), KNOWN.copy()
    assert (completions(Mine(inpaint=inpaint), x, known, 0, {}, "mine")[~KNOWN] == 0).all()
    assert (x == X).all() and (known == KNOWN).all()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (X * 3, "mine: inpaint gives pixels from 1.5 to 1.5; 0 to 1 is expected"),
        (X - 1, "mine: inpaint gives pixels from -0.5 to -0.5; 0 to 1 is expected"),
        (X + 1j, "mine: inpaint gives complex64; real numbers are expected"),
        (X * np.inf, "mine: inpaint gives pixels that are no numbers"),
    ],
)
def test_completions_are_images(found, said):
    with pytest.raises(ModelError) as raised:
        completions(Mine(inpaint=lambda x, known, seed: found), X, ~KNOWN, 0, {}, "mine")
    assert said in str(raised.value)


def test_rounding_leaves_pixels_between_0_and_1():
    """What is kept is read again, and refused there for one digit too much."""
    x = np.linspace(-5e-6, 1 + 5e-6, 48, dtype=np.float32).reshape(3, 4, 4, 1)
    for images in (
        samples(Mine(sample=lambda n, seed: x), 3, 0, {}, "mine"),
        completions(Mine(inpaint=lambda x_, known, seed: x), X, ~KNOWN, 0, {}, "mine"),
    ):
        assert images.min() == 0 and images.max() == 1
        np.testing.assert_array_equal(images, x.clip(0, 1))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([0, np.inf, 1], "mine: score_samples gives inf for 1 of 3 images; finite log-likelihoods, or -inf, are"),
        (np.zeros(3) + 1j, "mine: score_samples gives complex128; real numbers are expected"),
        (["1", "2", "3"], "mine: score_samples gives list, which is no array of numbers"),
        ([0.0, np.nan, 1.0], "mine: 1 of 3 scores are NaN"),
    ],
)
def test_scores_are_real(found, said):
    with pytest.raises(ModelError) as raised:
        layer_scores(Mine(score_samples=lambda x: found), X, "mine")
    assert said in str(raised.value)


def test_an_image_of_probability_0_has_a_score():
    scores = layer_scores(Mine(score_samples=lambda x: [-np.inf, 0, 1]), X, "mine")
    np.testing.assert_array_equal(scores, [[-np.inf], [0], [1]])


MANY = np.random.default_rng(0).random((40, 4, 4, 1), dtype=np.float32)


def brightness(x):
    return np.asarray(x, np.float64).mean((1, 2, 3))


@pytest.mark.parametrize(
    "scores",
    [
        lambda x: brightness(x) - brightness(x).mean(),
        lambda x: np.argsort(np.argsort(brightness(x))).astype(float),
        lambda x: np.where(brightness(x) > np.median(brightness(x)), 0.0, -np.inf),
    ],
)
def test_scores_that_depend_on_the_other_images_are_refused(scores):
    """One that clustered the test images found the outliers by 99.98 %, its honest form by 53.54 %."""
    with pytest.raises(ModelError, match="mine: an image has other scores alone than beside others: "):
        independent_scores(Mine(score_samples=scores), MANY, "mine")


@pytest.mark.parametrize(
    "scores",
    [
        lambda x: brightness(x) + 1e-6 * len(x),  # rounding
        lambda x: np.where(brightness(x) > 0.5, brightness(x), -np.inf),
        lambda x: np.full(len(x), -np.inf),
        lambda x: np.zeros((len(x), 1)),
    ],
)
def test_scores_of_each_image_alone_are_taken(scores):
    found = independent_scores(Mine(score_samples=scores), MANY, "mine")
    np.testing.assert_array_equal(found, np.asarray(scores(MANY)).reshape(-1, 1))


def test_the_last_layer_is_the_models_score():
    def layers(x):
        return np.stack([brightness(x), 2 * brightness(x)], 1)

    with pytest.raises(ModelError, match="score_layers ends with other scores than score_samples gives"):
        independent_scores(Mine(score_layers=layers, score_samples=brightness), MANY, "mine")
    double = Mine(score_layers=layers, score_samples=lambda x: 2 * brightness(x))
    assert independent_scores(double, MANY, "mine").shape == (40, 2)


def test_a_matrix_is_no_score():
    """A sum was forgotten: the last of 28 columns was taken for the score."""
    with pytest.raises(
        ModelError, match=r"gives an array of shape \(40, 4\) for 40 images; one log-likelihood for each"
    ):
        layer_scores(Mine(score_samples=lambda x: x.mean((1, 3))), MANY, "mine")


def test_tensors_with_gradients_are_named():
    import torch

    with pytest.raises(ModelError, match="mine: score_samples gives Tensor, which is no array of numbers"):
        layer_scores(Mine(score_samples=lambda x: torch.zeros(3, requires_grad=True)), X, "mine")
    assert layer_scores(Mine(score_samples=lambda x: torch.zeros(3)), X, "mine").shape == (3, 1)


@pytest.mark.parametrize("found", [["a", "b", "c"], np.zeros((3, 0)), None, 1.0, np.zeros(2)])
def test_scores_are_numbers(found):
    with pytest.raises(ModelError, match="mine: score_samples gives"):
        layer_scores(Mine(score_samples=lambda x: found), X, "mine")


def test_a_factory_is_a_class():
    with pytest.raises(UserError, match="has no method load"):
        build(f"{__name__}:function", {}, (4, 4, 1), 0)
    with pytest.raises(UserError, match="which is no class"):
        build(f"{__name__}:X", {}, (4, 4, 1), 0)
