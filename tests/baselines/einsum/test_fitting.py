"""`fit` and `fit_many`: where they start, what they resume, what they refuse, how they end."""

import copy
import os
import signal
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from baselines.einsum import EinsumSpn, PdSpn, RatSpn, fitting, joint, random_binary_trees
from baselines.einsum.training import e_step, m_step, online_step
from dcgmm.checkpoint import OtherTrainingError

SHAPE = (6, 8, 1)
SMALL = {"sums": 3, "depth": 2, "repetitions": 2, "epochs": 3, "batch_size": 16, "device": "cpu"}
LEARNING = [{"learning": "em"}, {"learning": "em", "frequency": 2}, {"learning": "full_em"}, {"learning": "gradient"}]


def rat(**more):
    return RatSpn(SHAPE, **{**SMALL, "leaf": "normal", **more})


def same(a, b):
    states = a.circuit.state_dict(), b.circuit.state_dict()
    return all(torch.equal(x, y) for x, y in zip(*(s.values() for s in states), strict=True))


class Interrupted:
    """Sends SIGINT to this process at the n-th call of a function."""

    def __init__(self, monkeypatch, module, name, calls):
        self.left, self.function = calls, getattr(module, name)
        monkeypatch.setattr(module, name, self)

    def __call__(self, *arguments, **more):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return self.function(*arguments, **more)


@pytest.mark.parametrize("learning", LEARNING, ids=lambda v: "-".join(map(str, v.values())))
def test_interrupted_and_resumed_is_the_same_as_straight(learning, tmp_path, images, monkeypatch):
    x = images()
    straight = rat(**learning)
    history = straight.fit(x, validation=x[:5], progress=False)
    model = rat(**learning)
    with monkeypatch.context() as patch:
        gradient = learning["learning"] == "gradient"
        Interrupted(patch, fitting.training, "class_log_likelihood" if gradient else "e_step", 5)
        with pytest.raises(KeyboardInterrupt):
            model.fit(x, validation=x[:5], progress=False, checkpoint=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["state.safetensors"]
    assert len(model.history) == (4 if learning["learning"] == "full_em" else 2)
    assert np.isfinite(model.score_samples(x)).all()
    resumed = rat(**learning)
    assert resumed.fit(x, validation=x[:5], progress=False, checkpoint=tmp_path) == history
    assert same(resumed, straight)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_model_keeps_what_it_has_learnt(images, monkeypatch):
    x, model = images(), rat(epochs=50)
    Interrupted(monkeypatch, fitting.training, "e_step", 20)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, progress=False)
    assert len(model.history) == 6  # three batches an epoch
    assert model.score_samples(x).mean() > model.history[0].log_likelihood


def test_fit_starts_from_the_initial_parameters(images):
    x = images()
    fresh, again = rat(), rat()
    again.fit(images(30, seed=5), progress=False)
    assert again.fit(x, progress=False) == fresh.fit(x, progress=False)
    assert same(again, fresh)


@pytest.mark.parametrize(
    ("change", "data", "said"),
    [
        ({"seed": 5}, lambda x: x, "seed 0, not 5"),
        ({"sums": 2}, lambda x: x, "sums 3, not 2"),
        ({"min_variance": 1e-5}, lambda x: x, "min_variance"),
        ({}, lambda x: x[::-1].copy(), "other images"),
        ({}, lambda x: x[:-1], "other images"),
        ({}, lambda x: 1 - x, "other images"),
    ],
)
def test_the_checkpoint_of_another_training_is_refused(change, data, said, tmp_path, images, monkeypatch):
    x = images()
    with monkeypatch.context() as patch:
        Interrupted(patch, fitting.training, "e_step", 4)
        with pytest.raises(KeyboardInterrupt):
            rat().fit(x, progress=False, checkpoint=tmp_path)
    before = (tmp_path / "state.safetensors").read_bytes()
    with pytest.raises(OtherTrainingError, match=said):
        rat(**change).fit(data(x), progress=False, checkpoint=tmp_path)
    with pytest.raises(ValueError, match="has 1 epochs, more than the 0"):
        rat(epochs=0).fit(x, progress=False, checkpoint=tmp_path)
    assert (tmp_path / "state.safetensors").read_bytes() == before


@pytest.mark.parametrize("joint", [False, True])
def test_a_checkpoint_from_within_an_epoch_that_was_not_asked_for_is_refused(joint, tmp_path, images, monkeypatch):
    x = images()

    def fit(model):
        arguments = {"validation": None, "progress": False, "checkpoint": tmp_path, "joint": joint}
        return fitting.fit_models([model], x, None, **arguments)

    with monkeypatch.context() as patch:
        Interrupted(patch, fitting.training, "e_step", 5)  # the second batch of the second epoch
        with pytest.raises(KeyboardInterrupt):
            fit(rat())
    before = (tmp_path / "state.safetensors").read_bytes()
    said = "has 1 epochs and 2 batches of the next, more than the 1 given: raise epochs, or remove it"
    model = rat(epochs=1)
    model.fit(x, progress=False)
    scores = model.score_samples(x)
    with pytest.raises(ValueError, match=said):
        fit(model)
    assert np.array_equal(model.score_samples(x), scores)  # refused before anything was done
    assert (tmp_path / "state.safetensors").read_bytes() == before
    assert len(fit(rat(epochs=2))[0]) == 2


@pytest.mark.parametrize("size", [601, 650])
def test_a_small_last_batch_does_no_harm(size, images):
    x = images(650)
    model = rat(batch_size=100, epochs=4)
    whole = model.fit(x[:600], progress=False)
    assert rat(batch_size=100, epochs=4).fit(x[:size], progress=False)[-1].log_likelihood > whole[-1].log_likelihood - 5
    assert (model.fit(x[:size], progress=False), model.score_samples(x).mean())[1] > whole[-1].log_likelihood - 5


def test_images_weigh_the_same_in_batches_of_all_sizes():
    assert online_step(0.1, 100, 100) == pytest.approx(0.1)
    assert online_step(1.0, 7, 100) == 1.0
    assert online_step(0.1, 1, 100) == pytest.approx(0.1 / 90.1)
    # a batch of 100, after which the statistics are worth 900 images, in two pieces of 50: shares of the new images
    first = online_step(0.1, 50, 100)
    old = (1 - first) * (1 - 50 / (900 + 50 + 50))
    assert old == pytest.approx(900 / 1000)


def test_many_are_what_each_is_alone(images):
    x = images(60)
    rows = [np.arange(60), np.flatnonzero(np.arange(60) % 3), np.arange(40)]
    models = [rat(seed=k) for k in range(3)]
    histories = RatSpn.fit_many(models, x, rows, validation=x[:7], progress=False)
    for seed, (model, own, history) in enumerate(zip(models, rows, histories, strict=True)):
        alone = rat(seed=seed)
        assert alone.fit(x[own], validation=x[:7], progress=False) == history == model.history
        assert same(alone, model)


def test_many_are_resumed(images, tmp_path, monkeypatch):
    x = images(60)
    straight = [rat(seed=k) for k in range(3)]
    histories = RatSpn.fit_many(straight, x, progress=False)
    with monkeypatch.context() as patch:
        Interrupted(patch, fitting.training, "e_step", 18)  # in the second one's second epoch
        with pytest.raises(KeyboardInterrupt):
            RatSpn.fit_many([rat(seed=k) for k in range(3)], x, progress=False, checkpoint=tmp_path)
    models = [rat(seed=k) for k in range(3)]
    assert RatSpn.fit_many(models, x, progress=False, checkpoint=tmp_path) == histories
    assert all(same(*pair) for pair in zip(models, straight, strict=True))


@pytest.mark.parametrize(
    "variant", [*LEARNING[:3], {"leaf": "binomial"}, {"leaf": "categorical", "trials": 7}], ids=str
)
@pytest.mark.parametrize("kind", ["rat", "pd"])
def test_one_plan_of_all_circuits_trains_them_alike(kind, variant, images):
    x = images(90)
    rows = [np.arange(90), np.arange(85), np.arange(40), np.arange(7)]  # other numbers of batches, smaller last ones

    def make(seed):
        if kind == "rat":
            return rat(seed=seed, min_variance=1e-3, **variant)
        params = {
            "sums": 3,
            "delta": 2,
            "min_variance": 1e-3,
            "axes": ("vertical", "horizontal"),
            "leaf": "normal",
            "epochs": 3,
        }
        return PdSpn(SHAPE, **{**params, "batch_size": 16, "device": "cpu", **variant}, seed=seed)

    together, alone = ([make(seed) for seed in range(4)] for _ in range(2))
    arguments = {"validation": x[:5], "progress": False, "checkpoint": None}
    ours = fitting.fit_models(together, x, rows, joint=True, **arguments)
    theirs = fitting.fit_models(alone, x, rows, joint=False, **arguments)
    for a, b, model, other in zip(ours, theirs, together, alone, strict=True):
        assert [row[:3] for row in a] == [row[:3] for row in b]
        assert np.allclose([row[3] for row in a], [row[3] for row in b], rtol=1e-3, atol=0.05)
        assert np.allclose(model.score_samples(x), other.score_samples(x), rtol=1e-3, atol=0.05)


class Killed(Exception):
    """Ends a training without a last write."""


@contextmanager
def killed(self, state):
    """`Checkpoint.kept` that writes after each of five updates and then ends."""
    calls = []

    def after_step():
        calls.append(1)
        self.write(state())
        if len(calls) == 5:
            raise Killed

    yield after_step


@pytest.mark.parametrize("seconds", [1e9, -1.0])  # written when interrupted, and after every update
def test_the_plan_of_all_circuits_is_resumed(seconds, images, tmp_path, monkeypatch):
    x = images(60)
    arguments = {"validation": None, "progress": False, "joint": True}
    straight = [rat(seed=k) for k in range(2)]
    histories = fitting.fit_models(straight, x, None, checkpoint=None, **arguments)
    with monkeypatch.context() as patch:
        Interrupted(patch, joint.training, "e_step", 6)
        if seconds < 0:  # the process is killed: what was written last is all there is
            patch.setattr("dcgmm.checkpoint.Checkpoint.kept", killed)
        with pytest.raises((KeyboardInterrupt, Killed)):
            fitting.fit_models([rat(seed=k) for k in range(2)], x, None, checkpoint=tmp_path, **arguments)
    models = [rat(seed=k) for k in range(2)]
    assert fitting.fit_models(models, x, None, checkpoint=tmp_path, **arguments) == histories
    assert all(same(*pair) for pair in zip(models, straight, strict=True))


def test_a_batch_twice_the_size_is_two_batches_gathered(images):
    x = images(32)
    circuits = [rat().circuit for _ in range(2)]
    values = rat()._variables(x)
    m_step(circuits[0], e_step(circuits[0], values)[1], 0.3)
    total, found = e_step(circuits[1], values[:16])
    more, other = e_step(circuits[1], values[16:])
    m_step(circuits[1], found.add_(other), 0.3)
    assert torch.isfinite(total + more).all()
    for a, b in zip(circuits[0].state_dict().values(), circuits[1].state_dict().values(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_a_copy_is_a_model_of_its_own(images):
    x, model = images(), rat()
    model.fit(x, progress=False)
    twin = copy.deepcopy(model)
    assert np.array_equal(twin.score_samples(x), model.score_samples(x))
    scores = model.score_samples(x)
    twin.fit(1 - x, progress=False)
    assert np.array_equal(model.score_samples(x), scores)


def grown(depth, repetitions, seed=0):
    return EinsumSpn(SHAPE, random_binary_trees(48, depth, repetitions, seed), sums=2, epochs=1, seed=seed)


def test_random_trees_of_other_seeds_train_together(images):
    EinsumSpn.fit_many([grown(2, 2, seed) for seed in range(3)], images(10), progress=False)


def test_validation_images_of_one_model_may_be_a_list(images):
    x = images(8)
    assert rat().fit(x, validation=list(x[:3]), progress=False) == rat().fit(x, validation=x[:3], progress=False)
    assert len(rat().fit(x, validation=list(x[:1]), progress=False)) == 2 * len(rat().fit(x, progress=False))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: RatSpn.fit_many([], x), "no models"),
        (lambda x: RatSpn.fit_many([rat()] * 2, x), "given twice"),
        (lambda x: RatSpn.fit_many([rat(), rat(sums=2)], x), "another sums"),
        (lambda x: EinsumSpn.fit_many([grown(2, 2), grown(3, 1)], x), "another region graph than model 0"),
        (lambda x: EinsumSpn.fit_many([grown(2, 2), grown(2, 3)], x), "another region graph than model 0"),
        (lambda x: RatSpn.fit_many([rat()], x, [[]]), r"rows\[0\]"),
        (lambda x: RatSpn.fit_many([rat()], x, [[40]]), "from 0 to 39"),
        (lambda x: RatSpn.fit_many([rat()], x, [[0], [1]]), "rows has 2 entries"),
        (lambda x: RatSpn.fit_many([rat()], x, [np.ma.array([0, 1], mask=[0, 1])]), r"rows\[0\] are a masked array"),
        (lambda x: RatSpn.fit_many([rat()], x, 5), "rows=5: expected for each model its images"),
        (lambda x: RatSpn.fit_many([rat()], x, validation=[x, x]), "validation has 2 entries"),
    ],
)
def test_models_that_cannot_train_together_are_refused(call, message, images):
    with pytest.raises(ValueError, match=message):
        call(images())
