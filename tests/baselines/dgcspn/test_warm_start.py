"""A warm start of a DGC-SPN: what it continues, how it is resumed, what a saved model remembers of its training."""

import copy

import numpy as np
import pytest

from baselines.dgcspn import DgcSpn
from baselines.dgcspn import model as model_module
from dcgmm.checkpoint import OtherTrainingError
from dcgmm.storage import DamagedFileError, read_json, read_tensors, write_json, write_tensors


def tiny(**params):
    defaults = {"seed": 1, "sums": 3, "leaves": 2, "products": 3, "epochs": 4, "batch_size": 20, "alpha": 1.0}
    return DgcSpn((4, 4, 1), **(defaults | params))


def same(one, two):
    return all(np.array_equal(a, b) for a, b in zip(one._network.weights, two._network.weights, strict=True))


@pytest.mark.parametrize("kept", ["in memory", "in a file", "copied"])
@pytest.mark.parametrize("learning", ["em", "gradient"])
@pytest.mark.parametrize("operators", [False, True], ids=["kernels", "operators"])
def test_a_warm_start_goes_on_to_the_same_bits(images, tmp_path, monkeypatch, operators, learning, kept):
    """Order of images, noise of dropout, Adam's moments and number of steps: as of one training of both lengths."""
    if operators:  # those of the GPU, here on the CPU
        monkeypatch.setattr(model_module, "on_gpu", lambda device: True)
        monkeypatch.setattr(model_module, "CUDA", "cpu")
    options = {"learning": learning, "learning_rate": 0.1, "dropout": 0.2}
    whole, model = tiny(**options, epochs=4), tiny(**options, epochs=2)
    expected = whole.fit(images, progress=False)
    history = model.fit(images, progress=False)
    if kept == "in a file":
        model.save(tmp_path)
        model = DgcSpn.load(tmp_path)
    model = copy.deepcopy(model) if kept == "copied" else model
    history += model.fit(images, progress=False, warm_start=True)
    assert history == expected
    assert same(whole, model)


def stopping_at(monkeypatch, last):
    """Steps with this number or more are interrupted."""
    step = DgcSpn._step

    def interrupted(self, x, number):
        if number >= last:
            raise KeyboardInterrupt
        return step(self, x, number)

    monkeypatch.setattr(DgcSpn, "_step", interrupted)


def test_a_warm_start_after_an_interruption_begins_the_next_epoch(images, monkeypatch):
    model, seen = tiny(epochs=3), []
    with monkeypatch.context() as patch:
        stopping_at(patch, 14)  # in the midst of the second epoch of ten steps
        with pytest.raises(KeyboardInterrupt):
            model.fit(images, progress=False)
    monkeypatch.setattr(DgcSpn, "_step", lambda self, x, number: seen.append((number, x)) or np.zeros(len(x)))
    model.fit(images, progress=False, warm_start=True)
    order = np.random.default_rng([model_module.ORDER, 1, 2]).permutation(len(images))
    np.testing.assert_array_equal(seen[0][1], images[order[:20]])
    assert [number for number, _ in seen] == list(range(14, 44))


@pytest.mark.parametrize("learning", ["em", "gradient"])
def test_an_interrupted_warm_start_is_resumed(images, tmp_path, monkeypatch, learning):
    options = {"learning": learning, "learning_rate": 0.1, "epochs": 2}
    begun = tiny(**options)
    begun.fit(images, progress=False)
    whole, stopped, resumed = (copy.deepcopy(begun) for _ in range(3))
    expected = whole.fit(images, progress=False, warm_start=True)
    with monkeypatch.context() as patch:
        stopping_at(patch, 34)  # the second fit's second epoch
        with pytest.raises(KeyboardInterrupt):
            stopped.fit(images, progress=False, warm_start=True, checkpoint=tmp_path)
    with pytest.raises(OtherTrainingError, match="other start"):
        whole.fit(images, progress=False, warm_start=True, checkpoint=tmp_path)
    assert resumed.fit(images, progress=False, warm_start=True, checkpoint=tmp_path) == expected
    assert same(resumed, whole)
    whole.fit(images, progress=False, warm_start=True)
    resumed.fit(images, progress=False, warm_start=True)
    assert same(resumed, whole)


def test_a_warm_start_of_an_untrained_model_is_a_cold_one(images, tmp_path):
    cold, scored = tiny(), tiny()
    expected = cold.fit(images, progress=False)
    scored.score_samples(images)  # makes its initial weights
    scored.save(tmp_path)
    for model in (scored, DgcSpn.load(tmp_path), tiny()):
        assert model.fit(images, progress=False, warm_start=True) == expected
        assert same(model, cold)
    with pytest.raises(ValueError, match="warm_start='no': expected True or False"):
        cold.fit(images, progress=False, warm_start="no")


def test_files_that_do_not_know_their_steps_are_read(images, tmp_path):
    """Those of earlier versions: their epochs are taken as done, Adam begins anew."""
    model = tiny(learning="gradient", epochs=2)
    model.fit(images, progress=False)
    model.save(tmp_path)
    tensors, _ = read_tensors(tmp_path / "network.safetensors")
    write_tensors(
        tmp_path / "network.safetensors", {k: v for k, v in tensors.items() if not k.startswith("moments")}, {}
    )
    content = read_json(tmp_path / "model.json")
    write_json(tmp_path / "model.json", {k: v for k, v in content.items() if k != "trained"})
    older = DgcSpn.load(tmp_path)
    np.testing.assert_array_equal(older.score_samples(images), model.score_samples(images))
    history = older.fit(images, progress=False, warm_start=True)
    assert history[-1].log_likelihood > model.score_samples(images).mean() - 1.0
    assert older._past == (4, 20)


def test_moments_of_another_model_are_refused(images, tmp_path):
    model = tiny(learning="gradient", epochs=1)
    model.fit(images, progress=False)
    model.save(tmp_path)
    tensors, _ = read_tensors(tmp_path / "network.safetensors")
    del tensors["moments/00"]
    write_tensors(tmp_path / "network.safetensors", tensors, {})
    with pytest.raises(DamagedFileError, match="weights of another model"):
        DgcSpn.load(tmp_path)
