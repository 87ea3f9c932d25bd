"""The classifier layer: it learns, it can be inverted, and the unsupervised layers do not notice it."""

import numpy as np
import pytest

from dcgmm import DCGMM

CONFIG = "F(4,2)-G(9)-F(3,1)-G(9)"
SHAPE = (8, 8, 1)


def digits(classes=4):
    from sklearn.datasets import load_digits

    data = load_digits()
    chosen = data.target < classes
    x = (data.images[chosen] / 16.0).astype(np.float32)[..., None]
    return x[:500], data.target[chosen][:500], x[500:], data.target[chosen][500:]


@pytest.fixture(scope="module")
def pair():
    """The same training with and without a classifier on the two highest cGMM layers."""
    x, y, _, _ = digits()
    constants = dict(seed=3, iterations=1200, batch_size=20, measurements=0, classifier_rate=0.5)
    plain, classifying = DCGMM(CONFIG, SHAPE, **constants), DCGMM(CONFIG + "-C(4,2)", SHAPE, **constants)
    plain.fit(x, progress=False)
    classifying.fit(x, labels=y, progress=False)
    return plain, classifying


def test_classification_changes_no_bit_of_the_unsupervised_parameters(pair):
    plain, classifying = (model.get_parameters() for model in pair)
    assert np.abs(classifying[2]["W"]).max() > 0.1  # it has learnt
    for without, with_classifier in zip(plain, classifying[:2], strict=True):
        for name, value in without.items():
            assert (value.view(np.uint32) == with_classifier[name].view(np.uint32)).all(), name


def test_predictions_are_right_and_are_probabilities(pair):
    _, model = pair
    _, _, x, y = digits()
    p = model.predict_proba(x)
    assert p.shape == (len(x), 4)
    np.testing.assert_allclose(p.sum(1), 1.0, atol=1e-5)
    np.testing.assert_array_equal(model.predict(x), p.argmax(1))
    assert (model.predict(x) == y).mean() > 0.7


def test_conditional_samples_are_of_the_class(pair):
    _, model = pair
    labels = np.repeat(np.arange(4), 50)
    x = model.sample(200, seed=0, labels=labels, top_s=1, divisor=10.0)
    assert (model.predict(x) == labels).mean() > 0.6
    np.testing.assert_array_equal(model.sample(3, seed=0, labels=2), model.sample(3, seed=0, labels=[2, 2, 2]))


def test_conditional_samples_vary_within_a_class_by_a_power_of_the_control_signal(pair):
    """A class has several components of the highest layer: they are drawn in proportion, not the best one alone."""
    _, model = pair
    labels = np.repeat(np.arange(4), 100)
    top = len(model.get_parameters()) - 2
    options = dict(divisor=10.0, top_s=1, layer_options={top: {"top_s": None, "power": 8.0}})
    x = model.sample(400, seed=0, labels=labels, **options)
    assert (model.predict(x) == labels).mean() > 0.5  # chance: 0.25
    winners = model.activities(x).argmax(-1).ravel()
    assert min(len(set(winners[labels == label])) for label in range(4)) > 1
    flat = model.sample(400, seed=0, labels=labels, **(options | {"layer_options": {top: {"top_s": None}}}))
    assert (model.predict(x) == labels).mean() > (model.predict(flat) == labels).mean() + 0.1


def test_same_samples_with_and_without_the_classifier(pair):
    plain, model = pair
    np.testing.assert_array_equal(plain.sample(5, seed=1, divisor=10.0), model.sample(5, seed=1, divisor=10.0))


def test_labels_in_painting(pair):
    _, model = pair
    _, _, x, y = digits()
    known = np.zeros((8, 8), bool)
    done = model.inpaint(x[:100], known, seed=0, labels=y[:100], variant="conditional", top_s=1, divisor=10.0)
    assert (model.predict(done) == y[:100]).mean() > 0.6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": 4}, "from 0 to 3"),
        ({"labels": [0, 1]}, r"shape \(2,\)"),
        ({"labels": 1.5}, "float64"),
        ({"labels": 1, "from_layer": 0}, "from_layer"),
        ({"labels": 1, "layer_options": {-1: {"component": 2}}}, "component=2"),
    ],
)
def test_labels_that_do_not_fit_are_refused(pair, options, message):
    with pytest.raises(ValueError, match=message):
        pair[1].sample(3, seed=0, **options)
