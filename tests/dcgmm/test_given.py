"""What is given is used, or refused in a sentence: never ignored."""

import numpy as np
import pytest

from dcgmm import DCGMM, score_many
from dcgmm.annealing import Annealing
from dcgmm.training import TrainingDiverged
from tests.dcgmm.test_training import SHAPE, TINY, distance, noise


def model(**options):
    return DCGMM(TINY, SHAPE, **({"batch_size": 8, "measurements": 0, "iterations": 20, "delay": 0.0} | options))


def test_epochs_given_to_fit_count_though_the_constructor_was_given_iterations():
    ours = model(iterations=200, measurements=1)
    assert ours.fit(noise(16), epochs=3, progress=False)[-1].step == 6
    assert ours.fit(noise(16), iterations=4, progress=False)[-1].step == 4
    assert ours.fit(noise(16), progress=False)[-1].step == 200
    with pytest.raises(ValueError, match="epochs=3 and iterations=4: give one"):
        ours.fit(noise(16), epochs=3, iterations=4, progress=False)


@pytest.mark.parametrize("changed", [{"learning_rate": 1e-9, "learning_rate_end": 1e-9}, {"sigma_end": 0.4}])
def test_a_warm_start_takes_the_constants_that_it_is_given(changed):
    ours, x = model(), noise(8)
    ours.fit(x, progress=False)
    before = ours.get_parameters()
    ours.fit(x, warm_start=True, progress=False, **changed)
    for control in ours._annealing:
        assert {name: getattr(control, name) for name in changed} == changed
    if "learning_rate" in changed:
        assert max(max(own.values()) for own in distance(ours.get_parameters(), before)) < 1e-6


def test_a_warm_start_keeps_the_annealing_where_nothing_is_given():
    ours, x = model(), noise(8)
    ours.fit(x, progress=False, sigma_end=0.3, learning_rate_end=0.005)
    ours.fit(x, warm_start=True, progress=False, window=7)
    for control in ours._annealing:
        assert (control.sigma_end, control.learning_rate_end, control.window) == (0.3, 0.005, 7)


def test_a_learning_rate_and_a_sigma_below_their_floors_stay():
    ours, x = model(learning_rate=1e-4, window=2), noise(16)
    ours.fit(x, iterations=60, sigma_end=0.5, progress=False)
    assert [control.learning_rate for control in ours._annealing] == [1e-4, 1e-4]
    before = ours.sigmas_
    assert max(before) < 0.7  # of 0.71 at the start: windows were stationary
    ours.fit(x, iterations=60, sigma_end=0.8, warm_start=True, progress=False)
    assert ours.sigmas_ == before


def test_layers_that_have_learnt_learn_in_every_step_of_a_warm_start():
    """The delay, a share of all steps, stopped them until it was over for the larger number."""
    x, y, after = noise(8), np.arange(8) % 3, []
    for delay in (0.3, 0.0):
        ours = DCGMM(f"{TINY}-C(3)", SHAPE, batch_size=8, measurements=0, delay=0.3)
        ours.fit(x, labels=y, iterations=20, progress=False)
        assert [len(control.losses) for control in ours._annealing] == [20, 14]
        ours.fit(x, labels=y, iterations=60, warm_start=True, delay=delay, progress=False)
        assert [len(control.losses) for control in ours._annealing] == [80, 74]
        after.append(ours.get_parameters())
    assert max(max(own.values()) for own in distance(*after)) == 0


def test_layers_that_have_learnt_go_on_at_once_with_another_window_too(tmp_path):
    """Its losses were the only sign that a layer had begun, and another window starts without them."""
    ours, x = model(delay=0.3), noise(8)
    ours.fit(x, progress=False)
    ours.save(tmp_path)
    for warm in (DCGMM.load(tmp_path), ours):
        for steps in (60, 200):  # no window is complete the first time
            warm.fit(x, iterations=steps, warm_start=True, window=steps + 1, progress=False)
            assert [len(control.losses) for control in warm._annealing] == [steps, steps]


def test_a_layer_of_an_older_version_has_begun_where_its_losses_say_so():
    said = [{"losses": [1.0]}, {"first": 1.0}, {}]
    assert [Annealing(4, **own).begun for own in said] == [True, True, False]


def test_a_layer_that_has_not_learnt_waits_in_a_warm_start():
    ours = model(delay=0.5)
    with pytest.warns(UserWarning, match="cGMM layer 1 would begin after the last"):
        ours.fit(noise(8), delay=1.0, progress=False)
    ours.fit(noise(8), warm_start=True, progress=False)
    assert [len(control.losses) for control in ours._annealing] == [40, 20]


def test_a_training_that_diverges_in_its_last_step_is_noticed():
    ours, start = model(), model().get_parameters()
    with pytest.raises(TrainingDiverged, match="cGMM layer 0 of the model with seed 0 are not finite after the last"):
        ours.fit(noise(8), iterations=1, learning_rate=1e38, rate_mu=1e3, progress=False)
    assert max(distance(ours.get_parameters(), start)[0].values()) == 0


def test_a_layer_that_never_begins_is_named():
    ours = DCGMM(f"{TINY}-C(3)", SHAPE, delay=0.5, iterations=20, batch_size=8)
    with pytest.warns(UserWarning, match="delay=0.5: the classifier would begin after the last of 20 iterations"):
        ours.fit(noise(8), labels=np.arange(8) % 3, progress=False)
    layers = ours.get_parameters()
    assert len(layers) == 3 and not layers[-1]["W"].any()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("mu", 1e300, "not finite in float32"),
        ("s", 1e-60, "not positive in float32"),
        ("mu", 1j, "type complex128: expected real numbers"),
        ("mu", "a", "type <U1: expected real numbers"),
    ],
)
def test_parameters_that_float32_cannot_hold_are_refused(name, value, said):
    ours = model()
    before, given = ours.get_parameters(), ours.get_parameters()
    given[0][name] = np.full(given[0][name].shape, value)
    with pytest.raises(ValueError, match=f"{name} of trainable layer 0 .*{said}"):
        ours.set_parameters(given)
    assert max(max(own.values()) for own in distance(ours.get_parameters(), before)) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"divisor": 1e-60}, "divisor=1e-60 .*float32"),
        ({"power": 1e39}, "power=1e.39 .*float32"),
        ({"sharpen": True, "sharpen_step": 1e-60}, "sharpen_step=1e-60 .*float32"),
        ({"sharpen": True, "sharpen_iterations": 2**31}, "sharpen_iterations=2147483648 must be at most 2147483647"),
    ],
)
def test_options_that_float32_cannot_hold_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        model().sample(2, seed=0, **options)


@pytest.mark.parametrize(
    ("labels", "said"),
    [(np.ma.array([0, 1], mask=[False, True]), "labels are a masked array"), ([0, [1]], "labels are no array")],
)
def test_classes_to_generate_are_all_given(labels, said):
    with pytest.raises(ValueError, match=said):
        DCGMM(f"{TINY}-C(3)", SHAPE).sample(2, seed=0, labels=labels)


def test_what_a_model_without_a_classifier_cannot_do():
    ours = model()
    for ask in (
        lambda: ours.predict(noise(2)),
        lambda: ours.predict_proba(noise(2)),
        lambda: ours.sample(1, seed=0, labels=0),
    ):
        with pytest.raises(NotImplementedError, match="has no classifier layer: end the configuration with C"):
            ask()


def test_a_classifier_that_fits_no_memory_is_refused():
    with pytest.raises(ValueError, match="take a smaller model"):
        DCGMM(f"{TINY}-C(99999999999999)", SHAPE)


def test_a_classifier_that_diverges_is_noticed_at_once_and_its_own_rate_named():
    ours = DCGMM(f"{TINY}-C(3)", SHAPE, delay=0, iterations=500, batch_size=8, classifier_rate=3.4e38)
    with pytest.raises(TrainingDiverged, match=r"the classifier .* not finite after iteration \d{1,2}: lower classif"):
        ours.fit(noise(8), labels=np.arange(8) % 3, progress=False)


@pytest.mark.parametrize(("name", "value"), [("mu", 1e20), ("s", 1e20), ("s", 1e10)])
def test_parameters_without_a_finite_density_are_refused(name, value):
    ours, given = model(), model().get_parameters()
    given[0][name] = np.full(given[0][name].shape, value)
    given[0]["mu"] = given[0]["mu"] + (1e15 if value == 1e10 else 0)
    with pytest.raises(ValueError, match="mu and s of trainable layer 0 are so large that densities are not finite"):
        ours.set_parameters(given)


def test_parameters_of_somebody_else_begin_the_annealing_anew():
    """They took up the former ones' small sigma and did not spread over the components."""
    ours, fresh = model(), model()
    ours.fit(noise(8), progress=False, iterations=400, window=5)
    assert ours.sigmas_[0] < Annealing(ours._chain[0].components).sigma
    ours.set_parameters(fresh.get_parameters())
    assert ours.sigmas_ == []
    for one in (ours, fresh):
        one.fit(noise(8), progress=False, warm_start=True)
    assert ours.sigmas_ == fresh.sigmas_
    assert max(max(own.values()) for own in distance(ours.get_parameters(), fresh.get_parameters())) == 0


@pytest.mark.parametrize("name", ["learning_rate", "rate_s", "sigma_end", "delay", "classifier_rate"])
def test_constants_beyond_float32_are_refused(name):
    with pytest.raises(ValueError, match=rf"{name}=1e\+200: expected a finite number"):
        model(**{name: 1e200})


@pytest.mark.parametrize("labels", ["nonsense", np.arange(3), np.zeros(8)])
def test_labels_of_a_model_without_a_classifier_are_checked_too(labels):
    with pytest.raises(ValueError, match="labels have"):
        model().fit(noise(8), labels=labels, progress=False)


@pytest.mark.parametrize("given", [None, [1, 2], {"mu": 1}, "ab"])
def test_what_is_no_list_of_layers_is_refused(given):
    with pytest.raises(ValueError, match=r"expected a (list with a )?mapping|was given int"):
        model().set_parameters(given)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: score_many([], noise(8)), "there are no models to score"),
        (lambda: score_many(model(), noise(8)), "expected a list of DCGMM"),
        (lambda: DCGMM.instance(["A"]), r"there is no instance \['A'\]"),
        (lambda: model().fit(noise(8), checkpoint=3), "checkpoint=3: expected a directory"),
        (lambda: model().fit(noise(8), progress="no"), "progress='no': expected True or False"),
        (
            lambda: model(measurements=1).fit(noise(8), progress=False, measures={"q": (noise(8), lambda s: 1.0)}),
            "gave 1.0 for 2",
        ),
        (
            lambda: model(measurements=1).fit(noise(8), progress=False, measures={"q": (noise(8), lambda s: None)}),
            "gave None for 2",
        ),
    ],
)
def test_what_ended_in_a_traceback_is_refused_in_a_sentence(call, said):
    with pytest.raises(ValueError, match=said):
        call()
