"""Trainings that were interrupted at awkward moments: between two models, on another device, before the first step."""

import numpy as np
import pytest

from dcgmm import DCGMM, checkpoint, fitting
from dcgmm.training import Alone, Stacked, Trainer
from tests.dcgmm.test_fit_many import CONFIGS, OPTIONS, SHAPE, X, assert_close, assert_same_bits, new

TRAINING = {name: value for name, value in OPTIONS.items() if name != "progress"}
COUNT = 2


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


@pytest.mark.parametrize("windows", [3, 12], ids=["within the first model", "within the second model"])
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
