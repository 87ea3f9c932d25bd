"""Trainings that are done together, as on a GPU: what an interruption leaves, and who resumes it."""

import numpy as np
import pytest

from dcgmm.training import Trainer
from evaluation.datasets import load_dataset
from evaluation.jobs.train import Place, train_all
from evaluation.models.registry import load_model
from evaluation.plan.training import Training

PARAMS = {"config": "F(28,1)-G(4)", "iterations": 30, "window": 5, "batch_size": 10, "measurements": 0}


def places(folder, seeds, **changes):
    def training(seed):
        return Training("a", "dcgmm-a", "dcgmm:DCGMM", PARAMS, "digits", "not0", seed, **changes)

    return [Place(training(seed), folder / f"seed{seed}") for seed in seeds]


def trained(folder, seeds, together, **changes):
    wanted = places(folder, seeds, **changes)
    train_all(wanted, load_dataset("digits"), together=together)
    return [load_model(place.directory).get_parameters()[0]["mu"] for place in wanted]


@pytest.fixture
def interrupted(monkeypatch):
    """Begins trainings that Ctrl-C ends in their fourth window."""
    window, calls = Trainer._window, []

    def stopping(self):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return window(self)

    def begin(folder, seeds, together, **changes):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Trainer, "_window", stopping)
            trained(folder, seeds, together, **changes)
        assert list(folder.glob(".seed0.*.checkpoint/state.safetensors"))

    return begin


@pytest.mark.parametrize(("seeds", "together"), [((0,), False), ((0, 1, 2), True), ((0, 1), True)])
def test_an_interrupted_training_of_two_does_not_stop_another_grouping(seeds, together, tmp_path, interrupted):
    """Begun together on a GPU, the retry of a CPU found the checkpoint of both, was refused, and so was every retry."""
    interrupted(tmp_path / "begun", (0, 1), True)
    for own, other in zip(
        trained(tmp_path / "begun", seeds, together), trained(tmp_path / "anew", seeds, together), strict=True
    ):
        np.testing.assert_array_equal(own, other)
    assert not list((tmp_path / "begun").glob(".*checkpoint"))


@pytest.mark.parametrize("begun", [True, False])
def test_a_course_that_is_asked_for_in_between_does_not_stop_a_training(begun, tmp_path, interrupted):
    interrupted(tmp_path, (0,), False, course=begun)
    (resumed,) = trained(tmp_path, (0,), False, course=not begun)
    (anew,) = trained(tmp_path / "anew", (0,), False)
    np.testing.assert_array_equal(resumed, anew)
