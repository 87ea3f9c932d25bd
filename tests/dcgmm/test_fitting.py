"""What `fit` refuses, what it follows, and in which order it sees images."""

import numpy as np
import pytest

from dcgmm import DCGMM
from dcgmm.batches import Batches
from dcgmm.history import History
from dcgmm.options import TrainingOptions
from dcgmm.training import TrainingDiverged
from tests.dcgmm.test_training import SHAPE, TINY, distance, noise


def test_a_loss_that_is_not_a_number_stops_training():
    model = DCGMM(TINY, input_shape=SHAPE)
    start = model.get_parameters()
    with pytest.raises(TrainingDiverged, match=r"layer 0 .* iteration \d+ .* learning rate 1e\+30"):
        model.fit(noise(40), epochs=10, batch_size=8, learning_rate=1e30, progress=False)
    assert max(distance(model.get_parameters(), start)[0].values()) == 0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("epochs", 0),
        ("batch_size", -1),
        ("batch_size", 2.5),
        ("learning_rate", 0.0),
        ("learning_rate_end", float("inf")),
        ("iterations", 0),
        ("iterations", True),
        ("delay", -0.1),
        ("window", 0),
        ("window", 0.5),
        ("sigma_end", float("nan")),
        ("rate_mu", "1"),
        ("measurements", None),
    ],
)
def test_options_outside_their_range_are_refused(option, value):
    with pytest.raises(ValueError, match=option):
        TrainingOptions(**{option: value})


def test_a_misspelt_option_is_refused_with_its_name():
    with pytest.raises(TypeError, match="'epoch'"):
        DCGMM(TINY, input_shape=SHAPE, epoch=3)


def test_batches_depend_on_seed_and_step_alone():
    rows = np.arange(100, 123, dtype=np.int32)
    batches = Batches(rows, 5, seed=2)
    epoch = np.concatenate([batches.indices(step) for step in range(4)])
    assert len(set(epoch.tolist())) == 20  # nobody twice in an epoch, the rest is left out
    assert set(epoch.tolist()) <= set(rows.tolist())
    again = Batches(rows, 5, seed=2)
    np.testing.assert_array_equal(again.indices(7), batches.indices(7))
    np.testing.assert_array_equal(again.indices(2), epoch[10:15])
    assert not np.array_equal(Batches(rows, 5, seed=3).indices(0), epoch[:5])
    np.testing.assert_array_equal(batches.window(1, 3).ravel(), epoch[5:20])


def test_other_numbers_are_followed_beside_log_likelihoods():
    x, seen = noise(40), []
    model = DCGMM(TINY, input_shape=SHAPE)

    def largest(scores):
        seen.append(scores)
        return scores.max(axis=0)

    history = model.fit(
        x, validation=x, measures={"largest": (x, largest)}, iterations=20, measurements=2, batch_size=8
    )
    rows = [row for row in history if row.split == "largest"]
    assert [(row.step, row.layer) for row in rows] == [
        (s, layer) for s in (0, 10, 20) for layer in range(len(seen[0].T))
    ]
    assert seen[0].dtype == np.float64
    np.testing.assert_allclose([r.log_likelihood for r in rows if r.step == 20], model.score_layers(x).max(axis=0))
    plain = DCGMM(TINY, input_shape=SHAPE)
    assert plain.fit(x, validation=x, iterations=20, measurements=2, batch_size=8) == [
        r for r in history if r not in rows
    ]
    with pytest.raises(ValueError, match="gave 1 numbers for"):
        model.fit(x, measures={"one": (x, lambda scores: [0.0])}, iterations=2)
    with pytest.raises(ValueError, match="'validation', which is a split"):
        model.fit(x, validation=x, measures={"validation": (x, largest)}, iterations=2)


@pytest.mark.parametrize(
    ("measures", "said"),
    [
        (5, "measures=5: expected a mapping of names to"),
        ({"mean": noise(4)}, r"measures\['mean'\] is ndarray: expected images and a function of their scores"),
        ({"mean": (noise(4), 3)}, r"measures\['mean'\] is tuple: expected images and a function of their scores"),
    ],
)
def test_numbers_to_follow_are_images_and_a_function(measures, said):
    """They were tracebacks, the last one when the first step had been compiled."""
    with pytest.raises(ValueError, match=said):
        DCGMM(TINY, input_shape=SHAPE).fit(noise(8), measures=measures, iterations=2, progress=False)


@pytest.mark.parametrize("layer", [1.0, True, "1", None, 2, -3])
def test_layers_are_named_by_integers(layer):
    with pytest.raises(ValueError, match=f"layer={layer!r} is not a cGMM layer of .*, which has 2"):
        DCGMM(TINY, input_shape=SHAPE).activities(noise(2), layer=layer)


def test_history_of_an_untrained_layer_is_there_too():
    model = DCGMM(TINY, input_shape=SHAPE)
    x = noise(40)
    before = model.score_layers(x).mean(axis=0)
    history = model.fit(x, validation={"validation": x, "test": x[::-1]}, iterations=20, measurements=4, batch_size=8)
    assert isinstance(history, History)
    assert {row.split for row in history} == {"train", "validation", "test"}
    assert sorted({row.step for row in history}) == [0, 5, 10, 15, 20]
    first = [row.log_likelihood for row in history if row.step == 0 and row.split == "validation"]
    last = [row.log_likelihood for row in history if row.step == 20 and row.split == "train"]
    np.testing.assert_allclose(first, before, rtol=1e-5)
    np.testing.assert_allclose(last, model.score_layers(x).mean(axis=0), rtol=1e-5)
    assert last[0] > first[0]


def test_the_model_tells_how_far_its_annealing_came(tmp_path):
    model = DCGMM("F(8,1)-G(4)", (8, 8, 1), window=2, measurements=0)
    assert model.sigmas_ == []
    x = np.random.default_rng(0).random((40, 8, 8, 1), dtype=np.float32)
    model.fit(x, iterations=3, batch_size=10, progress=False)
    start = 0.25 * np.sqrt(2 * 4)
    assert model.sigmas_ == pytest.approx([start])  # no third window yet
    model.fit(x, iterations=400, batch_size=10, progress=False)
    assert model.sigmas_[0] < start
    model.save(tmp_path)
    assert DCGMM.load(tmp_path).sigmas_ == model.sigmas_
