"""Files, copies and checkpoints of every model."""

import contextlib
import copy
import inspect
import os
import signal
import sys
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

import dcgmm.checkpoint
from tests.contract.families import ROOT, SLOW, TINY, data, every, fit, make, same, says, trained

# --- files, copies, NumPy's numbers ----------------------------------------------------------------------------------


@every
def test_a_saved_model_comes_back(name, tmp_path):
    model, _ = trained(name)
    x, side = data(name)[0], TINY[name][0]
    before = os.umask(0o022)
    try:
        model.save(tmp_path / "deep" / "model")
    finally:
        os.umask(before)
    files = [file for file in (tmp_path / "deep" / "model").rglob("*") if file.is_file()]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o644}
    loaded = type(model).load(tmp_path / "deep" / "model")
    np.testing.assert_allclose(says(name, loaded, x), says(name, model, x), rtol=1e-6)
    assert loaded.count_params() == model.count_params()
    if name != "cnn":
        known = np.arange(side * side).reshape(side, side) % 2 == 0
        np.testing.assert_allclose(loaded.sample(2, seed=1), model.sample(2, seed=1), atol=1e-6)
        np.testing.assert_allclose(loaded.inpaint(x[:2], known, seed=1), model.inpaint(x[:2], known, seed=1), atol=1e-6)
    fit(name, loaded)  # what is loaded can be trained again
    same(name, says(name, loaded, x), says(name, model, x))


@every
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damaged_files_are_named(name, damage, tmp_path):
    trained(name)[0].save(tmp_path)
    for file in [file for file in tmp_path.rglob("*") if file.is_file()]:
        content = bytearray(file.read_bytes())
        middle = len(content) * 3 // 4
        content[middle] ^= 1
        file.write_bytes(content if damage == "flipped" else content[:middle])
        with pytest.raises(ValueError, match=file.name):
            type(trained(name)[0]).load(tmp_path)
        content[middle] ^= 1
        file.write_bytes(content)
    type(trained(name)[0]).load(tmp_path)


@every
def test_no_model_there_is_said(name, tmp_path):
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        type(trained(name)[0]).load(tmp_path)


@every
def test_the_directory_of_another_class_is_refused(name, tmp_path):
    from dcgmm.storage import write_json

    trained(name)[0].save(tmp_path)
    if not (tmp_path / "model.json").is_file():
        pytest.skip("keeps its description with its tensors")
    write_json(tmp_path / "model.json", {"class": "my.module:Model", "seed": 0})
    with pytest.raises(ValueError, match=r"my\.module:Model"):
        type(trained(name)[0]).load(tmp_path)


@every
def test_a_saved_model_is_known_by_its_class_and_its_seed(name, tmp_path):
    from evaluation.models.registry import load_model, read_record

    trained(name)[0].save(tmp_path)
    if not (tmp_path / "model.json").is_file():
        pytest.skip("keeps its description with its tensors")
    assert read_record(tmp_path)["seed"] == 3
    assert type(load_model(tmp_path)) is type(trained(name)[0])


@every
def test_a_deep_copy_is_a_model_of_its_own(name):
    model, _ = trained(name)
    x, _ = data(name)
    expected = says(name, model, x)
    twin = copy.deepcopy(model)
    same(name, says(name, twin, x), expected)
    fit(name, twin, 1 - x)
    assert not np.allclose(says(name, twin, x), expected, rtol=1e-3)
    np.testing.assert_array_equal(says(name, model, x), expected)


@every
def test_numbers_of_numpy_are_numbers(name, tmp_path):
    kinds = {int: np.int64, float: np.float64}
    params = {k: kinds.get(type(v), lambda v: v)(v) for k, v in TINY[name][1].items()}
    model = make(name, **params, **{"seed": np.int64(3)})
    fit(name, model)
    model.save(tmp_path)
    loaded, x = type(model).load(tmp_path), data(name)[0]
    same(name, says(name, loaded, x), says(name, trained(name)[0], x))


# --- checkpoints -----------------------------------------------------------------------------------------------------


def interrupted(name, monkeypatch, folder):
    """A model whose training was ended by Ctrl-C after its first step."""
    model, asked = make(name), []

    def clock():
        asked.append(1)  # by the checkpoint when it is made, then after each step
        if len(asked) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return 0.0

    with monkeypatch.context() as patch:
        patch.setattr(dcgmm.checkpoint, "time", SimpleNamespace(monotonic=clock))
        with pytest.raises(KeyboardInterrupt):
            fit(name, model, checkpoint=folder)
    return model


def needs_checkpoint(name):
    if "checkpoint" not in inspect.signature(make(name).fit).parameters:
        pytest.skip("trains in seconds, without a checkpoint")


@every
def test_ctrl_c_keeps_what_was_learnt(name, monkeypatch, tmp_path):
    needs_checkpoint(name)
    x, _ = data(name)
    stopped = interrupted(name, monkeypatch, tmp_path / "state")
    assert np.isfinite(says(name, stopped, x)).all()
    assert not np.array_equal(says(name, stopped, x), says(name, make(name), x))  # it has taken its step
    assert list((tmp_path / "state").glob("*.safetensors"))
    read, found = dcgmm.checkpoint.Checkpoint.read, []
    monkeypatch.setattr(dcgmm.checkpoint.Checkpoint, "read", lambda self: found.append(read(self)) or found[-1])
    resumed = make(name)
    history = fit(name, resumed, checkpoint=tmp_path / "state")
    same(name, says(name, resumed, x), says(name, trained(name)[0], x))
    assert [row[:3] for row in history] == [row[:3] for row in trained(name)[1]]
    assert found and found[0] is not None  # and has not begun anew


@every
def test_the_checkpoint_of_another_training_is_refused(name, monkeypatch, tmp_path):
    needs_checkpoint(name)
    x, labels = data(name)
    interrupted(name, monkeypatch, tmp_path)
    file = next(tmp_path.glob("*.safetensors"))
    before = file.read_bytes()
    for said, other, changed in [
        ("other images", make(name), {"x": x[::-1].copy()}),
        ("other images", make(name), {"x": x[:-1], "labels": labels[:-1]}),
        ("seed 3, not 4", make(name, seed=4), {}),
        *([("batch_size 20, not 19", make(name, batch_size=19), {})] if name != "dcgmm" else []),
        *([("other labels", make(name), {"labels": labels[::-1].copy()})] if name == "cnn" else []),
    ]:
        with pytest.raises(ValueError, match=rf"belongs to another training \({said}.*remove it, or train"):
            fit(name, other, checkpoint=tmp_path, **changed)
    assert file.read_bytes() == before


@every
@pytest.mark.parametrize("part", [0.3, 0.42, 0.54, 0.66, 0.78, 0.9])
def test_a_second_ctrl_c_in_the_midst_of_a_step_spoils_nothing(name, part, tmp_path):
    """Half a step was written: what is updated layer by layer was resumed to another model."""
    needs_checkpoint(name)
    if name in SLOW:
        pytest.skip("a compiled step calls none of our functions: nothing could be cut here")
    stopped, left = make(name), int(part * called(name))

    def interrupt(frame, event, _):
        nonlocal left
        left -= event == "call" and is_ours(frame)
        if left == 0:
            left = -1
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with contextlib.suppress(KeyboardInterrupt), profiled(interrupt):
        fit(name, stopped, checkpoint=tmp_path)
    assert left < 0
    resumed = make(name)
    history = fit(name, resumed, checkpoint=tmp_path)
    same(name, says(name, resumed, data(name)[0]), says(name, trained(name)[0], data(name)[0]))
    assert [row[:3] for row in history] == [row[:3] for row in trained(name)[1]]


def is_ours(frame):
    return frame.f_code.co_filename.startswith((str(ROOT / "baselines"), str(ROOT / "dcgmm")))


@contextlib.contextmanager
def profiled(function):
    sys.setprofile(function)
    try:
        yield
    finally:
        sys.setprofile(None)


@cache
def called(name):
    """How many functions of ours a training calls."""
    count = 0

    def counted(frame, event, _):
        nonlocal count
        count += event == "call" and is_ours(frame)

    trained(name)  # what is called in the first training alone does not count
    model = make(name)
    with profiled(counted):
        fit(name, model)
    return count
