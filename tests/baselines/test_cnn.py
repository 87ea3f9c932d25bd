"""The judge's classifier: learns, resumes exactly, survives saving, says when it diverged."""

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


def test_the_means_of_an_epoch_are_those_of_all_batches(bars):
    x, labels = (part[:85] for part in bars)  # the last batch is smaller
    trained, model = make(epochs=4), make(epochs=1, learning_rate=1e-12, dropout=0.0)
    trained.fit(x, labels=labels, progress=False)
    model._network.set_weights(trained._network.get_weights())
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
    trained = model._epoch

    def epoch(x, labels, number, progress):
        result = trained(x, labels, number, progress)
        if number + 1 == epochs:
            last = model._network.layers[-1]
            last.set_weights([0 * weights for weights in last.get_weights()])
        return result

    monkeypatch.setattr(model, "_epoch", epoch)
    with pytest.raises(DivergedError, match=f"in epoch {epochs} of {epochs}: final accuracy 33.3 %"):
        model.fit(x, labels=labels, validation=(x, labels) if monitored else None, progress=False)


def test_bad_labels_are_refused(bars):
    x, labels = bars
    with pytest.raises(ValueError, match="0 to 2 expected"):
        make().fit(x, labels=labels + 1, progress=False)
    with pytest.raises(ValueError, match="one label per image"):
        make().fit(x, labels=labels[:5], progress=False)
    with pytest.raises(ValueError, match="pass \\(images, labels\\)"):
        make().fit(x, labels=labels, validation=x, progress=False)


def test_is_no_density_model():
    with pytest.raises(NotImplementedError):
        make().sample(3, seed=0)
