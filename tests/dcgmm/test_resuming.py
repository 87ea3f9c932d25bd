"""Trainings that were interrupted at awkward moments: between two models, on another device, before the first step."""

import numpy as np
import pytest

from dcgmm import DCGMM, checkpoint, fitting
from dcgmm.training import Alone, Stacked, Trainer, TrainingDiverged
from tests.dcgmm.test_fit_many import CONFIGS, OPTIONS, SHAPE, X, assert_close, assert_same_bits, new

TRAINING = {name: value for name, value in OPTIONS.items() if name != "progress"}
COUNT = 2
IN_THE_SECOND = 25  # the number of a window; a model has 19


def fit(models, folder=None, runner=Alone, **options):
    return fitting.fit_models(models, X, progress=False, checkpoint=folder, training=TRAINING, runner=runner, **options)


@pytest.fixture(scope="module")
def whole():
    models = new(CONFIGS["shared"], COUNT)
    return models, fit(models)


def interrupted(monkeypatch, folder, where, at, **options):
    """Models whose training Ctrl-C ended in the call number `at` of Trainer.`where`, a second Ctrl-C: at once."""
    models, original, calls = new(CONFIGS["shared"], COUNT), getattr(Trainer, where), []

    def stopping(*arguments, **keywords):
        calls.append(1)
        if len(calls) == at:
            raise KeyboardInterrupt
        return original(*arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, where, stopping)
        with pytest.raises(KeyboardInterrupt):
            fit(models, folder, **options)
    return models


@pytest.mark.parametrize("windows", [3, 12, IN_THE_SECOND], ids=["in the first model", "later in it", "in the second"])
def test_a_checkpoint_of_models_one_by_one_is_resumed_side_by_side(windows, whole, monkeypatch, tmp_path):
    """Begun on a CPU, ended on a GPU: models that had not come equally far stayed where they were, or went astray."""
    expected, histories = whole
    stopped = interrupted(monkeypatch, tmp_path, "_window", windows)
    assert stopped[0]._iteration != stopped[1]._iteration
    resumed = new(CONFIGS["shared"], COUNT)
    found = fit(resumed, tmp_path, Stacked)
    assert [[row[:3] for row in own] for own in found] == [[row[:3] for row in own] for own in histories]
    for own, other in zip(resumed, expected, strict=True):
        assert own._iteration == other._iteration
        assert_close(own, other)


def test_models_that_have_not_come_equally_far_are_no_stack():
    states = [fitting._start(model, model.options, {}, False) for model in new(CONFIGS["shared"], COUNT)]
    states[1] = fitting.TrainingState(states[1].parameters, (), states[1].annealing, 10)
    model = new(CONFIGS["shared"], 1)[0]
    with pytest.raises(ValueError, match=r"\[0, 10\]"):
        Trainer(
            model._chain, 0, model.options, total=20, first=0, states=states,
            batches=[fitting.Batches(np.arange(9), 3, 0)],
            data=fitting.Data(X, np.zeros(60, np.int32)), measure=[], runner=Stacked, device=model._device,
        )  # fmt: skip


def test_ctrl_c_between_two_models_mixes_nothing(whole, monkeypatch, tmp_path):
    """The second model got the parameters of the first, and so did the checkpoint."""
    expected, histories = whole
    models = interrupted(monkeypatch, tmp_path, "__init__", 2)
    assert [model._iteration for model in models] == [TRAINING["iterations"], 0]
    assert_same_bits(models[0], expected[0])
    assert_same_bits(models[1], DCGMM(CONFIGS["shared"], SHAPE, seed=1))
    resumed = new(CONFIGS["shared"], COUNT)
    assert fit(resumed, tmp_path) == histories
    for own, other in zip(resumed, expected, strict=True):
        assert_same_bits(own, other)


def spoilt(monkeypatch, models, at, error, folder=None, runner=Alone, **options):
    """Train them until the window number `at` raises an error."""
    original, calls = Trainer._window, []

    def stopping(trainer):
        calls.append(1)
        if len(calls) == at:
            raise error
        return original(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_window", stopping)
        with pytest.raises(type(error)):
            fit(models, folder, runner, **options)


def kept(model):
    return model.get_parameters(), model.sigmas_, model._iteration, model._annealing


def assert_kept(model, before):
    for own, former in zip(model.get_parameters(), before[0], strict=True):
        for name in own:
            np.testing.assert_array_equal(own[name], former[name], err_msg=name)
    assert kept(model)[1:] == before[1:]


@pytest.mark.parametrize("at", [1, 3], ids=["before the first step", "within the first model"])
@pytest.mark.parametrize("warm_start", [False, True])
def test_ctrl_c_leaves_trained_models_that_it_had_not_reached(at, warm_start, monkeypatch):
    """They lost their training: they were given the initial parameters from which theirs would have begun."""
    models = new(CONFIGS["shared"], COUNT)
    fit(models)
    before = [kept(model) for model in models]
    spoilt(monkeypatch, models, at, KeyboardInterrupt(), warm_start=warm_start)
    assert_kept(models[1], before[1])
    if at == 1:
        assert_kept(models[0], before[0])
    else:
        assert 0 < models[0]._iteration != TRAINING["iterations"]


def test_ctrl_c_keeps_what_the_checkpoint_knows_of_a_model(whole, monkeypatch, tmp_path):
    expected, _ = whole
    interrupted(monkeypatch, tmp_path, "_window", IN_THE_SECOND)
    models = new(CONFIGS["shared"], COUNT)
    spoilt(monkeypatch, models, 1, KeyboardInterrupt(), tmp_path)
    assert_same_bits(models[0], expected[0])
    assert 0 < models[1]._iteration < TRAINING["iterations"]


@pytest.mark.parametrize("error", [TrainingDiverged("at model 1"), OSError("no space left")])
def test_a_failure_leaves_the_trainings_that_were_complete(error, whole, monkeypatch):
    """On a CPU models train one after another: hours of the first ones were lost where a later one diverged."""
    expected, _ = whole
    models = new(CONFIGS["shared"], COUNT)
    before = kept(models[1])
    spoilt(monkeypatch, models, IN_THE_SECOND, error)
    assert_same_bits(models[0], expected[0])
    assert models[0]._iteration == TRAINING["iterations"] and models[0].sigmas_ == expected[0].sigmas_
    assert_kept(models[1], before)


def test_a_failure_of_models_side_by_side_leaves_them_as_they_were(monkeypatch):
    models = new(CONFIGS["shared"], COUNT)
    before = [kept(model) for model in models]
    spoilt(monkeypatch, models, 5, TrainingDiverged("at both"), runner=Stacked)
    for model, former in zip(models, before, strict=True):
        assert_kept(model, former)


def test_what_was_measured_before_the_first_step_is_not_measured_again(whole, monkeypatch, tmp_path):
    interrupted(monkeypatch, tmp_path, "_window", 1)
    assert list(tmp_path.iterdir())
    assert fit(new(CONFIGS["shared"], COUNT), tmp_path) == whole[1]


def test_a_history_is_of_the_same_images_from_its_beginning_to_its_end(monkeypatch, tmp_path):
    interrupted(monkeypatch, tmp_path, "_window", 3, validation=X)
    for other in (1 - X, {"validation": X, "test": X}, None):
        with pytest.raises(ValueError, match=r"belongs to another training \(other measured images"):
            fit(new(CONFIGS["shared"], COUNT), tmp_path, validation=other)
    fit(new(CONFIGS["shared"], COUNT), tmp_path, validation=X)


def test_a_checkpoint_is_read(monkeypatch, tmp_path):
    """Training anew gives the same numbers as going on: here the steps are counted."""
    interrupted(monkeypatch, tmp_path, "_window", 5)
    steps, run = [], Alone.run

    def counted(*arguments):
        steps.append(arguments[4])
        return run(*arguments)

    monkeypatch.setattr(Alone, "run", staticmethod(counted))
    fit(new(CONFIGS["shared"], COUNT), tmp_path)
    assert 0 < sum(steps) < COUNT * TRAINING["iterations"]


def test_a_killed_save_is_noticed(tmp_path, whole, monkeypatch):
    """parameters.safetensors is written first: a kill left them under the former description."""
    former, later = DCGMM(CONFIGS["shared"], SHAPE, seed=7), whole[0][0]
    former.save(tmp_path)
    monkeypatch.setattr("dcgmm.stack.write_json", lambda *arguments: None)
    later.save(tmp_path)
    with pytest.raises(
        ValueError, match=r"parameters of another model than model.json describes.*save the model again"
    ):
        DCGMM.load(tmp_path)
    monkeypatch.undo()
    later.save(tmp_path)
    assert_same_bits(DCGMM.load(tmp_path), later)


def test_the_state_of_a_finished_training_is_gone(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SECONDS", -1.0)
    assert fit(new(CONFIGS["shared"], COUNT), tmp_path) == whole[1]
    assert not list(tmp_path.iterdir())


def test_a_warm_start_does_not_resume_that_of_a_model_that_came_less_far(monkeypatch, tmp_path):
    """Equal parameters, another annealing: it took up the other's steps, and ended without one of its own."""
    model = new(CONFIGS["shared"], 1)[0]
    model.fit(X, **OPTIONS)
    other = new(CONFIGS["shared"], 1)[0]
    other.set_parameters(model.get_parameters())
    with monkeypatch.context() as patch:
        calls, original = [], Trainer._window

        def stopping(trainer):
            calls.append(1)
            if len(calls) == 4:
                raise KeyboardInterrupt
            return original(trainer)

        patch.setattr(Trainer, "_window", stopping)
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, warm_start=True, checkpoint=tmp_path, **OPTIONS)
    with pytest.raises(checkpoint.OtherTrainingError, match="other start"):
        other.fit(X, warm_start=True, checkpoint=tmp_path, **OPTIONS)
