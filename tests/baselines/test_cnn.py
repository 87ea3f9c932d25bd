"""The judge's classifier: learns, resumes exactly, survives saving, says when it diverged and only then."""

import numpy as np
import pytest

pytest.importorskip("keras")

from baselines.cnn import Cnn, DivergedError


@pytest.fixture(scope="module")
def bars():
    """Bright bars at three heights, noisy: (90, 28, 28, 1) and their labels."""
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    x = rng.uniform(0.0, 0.3, (90, 28, 28, 1)).astype(np.float32)
    for image, label in zip(x, labels, strict=True):
        image[4 + 8 * label : 8 + 8 * label] += 0.7
    return x, labels


def make(**params):
    return Cnn(
        (28, 28, 1), **{"seed": 3, "classes": 3, "epochs": 2, "batch_size": 10, "learning_rate": 0.001, **params}
    )


def test_table_vii_parameters():
    # 3·3·1·64+64, three times 3·3·64·64+64, flattened·350+350, 2·(350·350+350), 350·10+10
    without_first_dense = 640 + 3 * 36928 + 2 * 122850 + 3510
    flattened = {"same": 3 * 3 * 64, "valid": 64}  # 28 → 14 → 7 → 3, and 28 → 26 → 24 → 12 → 10 → 5 → 3 → 1
    for padding, values in flattened.items():
        assert Cnn((28, 28, 1), padding=padding).count_params() == without_first_dense + 350 * (values + 1)


def test_learns_and_survives_saving(bars, tmp_path):
    x, labels = bars
    model = make(epochs=4)
    history = model.fit(x, labels=labels, validation=(x, labels), progress=False)
    assert [row.split for row in history] == ["train", "validation"] * 4
    assert model.accuracies_[-1].accuracy > 90
    assert model.accuracies_[-1].accuracy == pytest.approx(100 * np.mean(model.predict(x) == labels))
    of_labels = model.predict_proba(x)[np.arange(len(x)), labels]
    assert history[-1].log_likelihood == pytest.approx(np.log(of_labels).mean(), rel=1e-5)
    model.save(tmp_path / "judge")
    loaded = Cnn.load(tmp_path / "judge")
    np.testing.assert_array_equal(model.predict_proba(x), loaded.predict_proba(x))
    assert loaded.accuracies_ == model.accuracies_
    assert loaded.features(x).shape == (90, 350)
    np.testing.assert_allclose(loaded.predict_proba(x).sum(axis=1), 1.0)


def test_a_refused_training_leaves_the_model_as_it_is(bars, tmp_path):
    x, labels = bars
    model = make(epochs=1)
    model.fit(x, labels=labels, progress=False, checkpoint=tmp_path / "one")
    make(epochs=2).fit(x, labels=labels, progress=False, checkpoint=tmp_path / "two")
    before, accuracies = model.predict_proba(x), list(model.accuracies_)
    with pytest.raises(ValueError, match="has more than the 1 epochs given"):
        model.fit(x, labels=labels, progress=False, checkpoint=tmp_path / "two")
    with pytest.raises(ValueError, match="other images"):
        model.fit(1 - x, labels=labels, progress=False, checkpoint=tmp_path / "one")
    np.testing.assert_array_equal(model.predict_proba(x), before)
    assert model.accuracies_ == accuracies != []


def test_the_means_of_an_epoch_are_those_of_all_batches(bars):
    x, labels = (part[:85] for part in bars)  # the last batch is smaller
    trained, model = make(epochs=4), make(epochs=1, learning_rate=1e-12, dropout=0.0)
    trained.fit(x, labels=labels, progress=False)
    weights = trained._networks["network"].get_weights()
    model._initialise = lambda: model._networks["network"].set_weights(weights)
    (row,) = model.fit(x, labels=labels, progress=False)
    of_labels = model.predict_proba(x)[np.arange(len(x)), labels]
    assert row.log_likelihood == pytest.approx(np.log(of_labels).mean(), rel=1e-4)
    assert model.accuracies_[0].accuracy == pytest.approx(100 * np.mean(model.predict(x) == labels))


def test_interrupted_training_gives_the_same_model(bars, tmp_path):
    x, labels = bars
    whole = make(epochs=2)
    whole.fit(x, labels=labels, progress=False)
    make(epochs=1).fit(x, labels=labels, progress=False, checkpoint=tmp_path / "state")
    resumed = make(epochs=2)
    history = resumed.fit(x, labels=labels, progress=False, checkpoint=tmp_path / "state")
    assert [row.step for row in history] == [9, 18]
    np.testing.assert_allclose(resumed.predict_proba(x), whole.predict_proba(x), atol=1e-5)


def test_divergence_is_an_error_that_names_the_seed(bars):
    x, labels = bars
    with pytest.raises(DivergedError, match="seed 3 diverged"):
        make(learning_rate=1e20).fit(x, labels=labels, progress=False)


@pytest.mark.parametrize("epochs", [1, 3])
@pytest.mark.parametrize("monitored", [True, False])
def test_a_collapse_in_the_last_epoch_is_a_divergence(bars, monkeypatch, epochs, monitored):
    """All weights of the last layer become 0 in the last epoch: one class for every image, and a finite loss."""
    x, labels = bars
    model = make(epochs=epochs)
    measured = model._measure

    def measure(epoch, step, means):
        if epoch + 1 == epochs:
            last = model._networks["network"].layers[-1]
            last.set_weights([0 * weights for weights in last.get_weights()])
        return measured(epoch, step, means)

    monkeypatch.setattr(model, "_measure", measure)
    with pytest.raises(DivergedError, match=f"in epoch {epochs} of {epochs}: final accuracy 33.3 %"):
        model.fit(x, labels=labels, validation=(x, labels) if monitored else None, progress=False)


def test_a_short_training_is_no_divergence(bars):
    """Four steps an epoch, still near chance, but not lost: it learns when it is given more epochs."""
    x, labels = bars
    slow = make(learning_rate=1e-5, batch_size=25, epochs=3)
    slow.fit(x, labels=labels, progress=False)
    assert max(row.accuracy for row in slow.accuracies_) < 60  # twice chance is 66.7 %
    model = make(batch_size=25, epochs=8)
    model.fit(x, labels=labels, progress=False)
    assert np.mean(model.predict(x) == labels) > 0.8


def test_low_accuracy_after_many_steps_is_a_divergence(bars):
    x, labels = bars
    model = make(learning_rate=1e-9, batch_size=1, epochs=3)
    with pytest.raises(DivergedError, match=r"in epoch . of 3: \w+ accuracy"):
        model.fit(x, labels=labels, progress=False)


def test_the_last_look_is_at_images_of_all_classes(bars, monkeypatch):
    """Of images sorted by class not the first ones are looked at, but some of all."""
    from baselines import cnn

    x, labels = bars
    order, seen = np.argsort(labels, kind="stable"), []
    monkeypatch.setattr(cnn, "MONITORED", 20)
    model = make(epochs=1)
    evaluate = model._evaluate
    monkeypatch.setattr(model, "_evaluate", lambda x, y: seen.append(set(y)) or evaluate(x, y))
    model.fit(x[order], labels=labels[order], progress=False)
    assert seen == [{0, 1, 2}]


def test_one_class_alone_is_no_divergence(bars):
    """All images rightly get the same class."""
    x, labels = bars
    model = make(epochs=3)
    model.fit(x[labels == 1], labels=labels[labels == 1], progress=False)
    assert (model.predict(x[labels == 1]) == 1).all()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda y: y + 1, "have values from 1 to 3: expected classes from 0 to 2"),
        (lambda y: y[:5], r"have shape \(5,\): expected \(90,\), one integer per image"),
        (lambda y: y[:, None], r"have shape \(90, 1\): expected \(90,\)"),
        (lambda y: y.astype(float), "have type float64: expected integers"),
    ],
)
def test_bad_labels_are_refused(bars, wrong, said):
    x, labels = bars
    with pytest.raises(ValueError, match=f"^labels {said}"):
        make().fit(x, labels=wrong(labels), progress=False)
    with pytest.raises(ValueError, match=f"^validation labels {said}"):
        make().fit(x, labels=labels, validation=(x, wrong(labels)), progress=False)


def test_validation_images_need_labels(bars):
    x, labels = bars
    with pytest.raises(ValueError, match=r"pass \(images, labels\)"):
        make().fit(x, labels=labels, validation=x, progress=False)


@pytest.mark.parametrize(
    ("shape", "params", "said"),
    [
        ((7, 28, 1), {}, "padding='same' needs at least 8×8 pixels"),
        ((23, 23, 1), {"padding": "valid"}, "padding='valid' needs at least 24×24 pixels"),
        ((28, 28, 1), {"padding": "full"}, "padding='full': expected one of 'same', 'valid'"),
        ((28, 28, 1), {"classes": 1}, "classes=1: expected an integer of at least 2"),
        ((28, 28, 1), {"dropout": 1.0}, "dropout=1.0: expected a finite number of at least 0 and below 1"),
        ((28, 28, 1), {"learning_rate": float("nan")}, "learning_rate=nan"),
    ],
)
def test_bad_parameters_are_refused(shape, params, said):
    with pytest.raises(ValueError, match=said):
        Cnn(shape, **params)


def test_the_smallest_images_are_classified():
    assert Cnn((8, 8, 1)).predict(np.zeros((1, 8, 8, 1), np.float32)).shape == (1,)
    assert Cnn((24, 24, 1), padding="valid").predict(np.zeros((1, 24, 24, 1), np.float32)).shape == (1,)


def test_bytes_are_not_classified(bars):
    x, _ = bars
    with pytest.raises(ValueError, match="expected floats"):
        make().predict((255 * x).clip(0, 255).astype(np.uint8))


def test_is_no_density_model():
    with pytest.raises(NotImplementedError):
        make().sample(3, seed=0)
