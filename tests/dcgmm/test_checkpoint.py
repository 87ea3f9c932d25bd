"""Checkpoints: taken up by the same training alone; Ctrl-C takes effect between two steps and keeps the state."""

import os
import signal
import threading

import numpy as np
import pytest

from dcgmm import checkpoint
from dcgmm.checkpoint import Checkpoint, OtherTrainingError, held_interrupts, identity

X = np.random.default_rng(0).random((5, 2, 2, 1), np.float32)
Y = np.arange(5)


def of(model="m:A", parameters=None, seed=1, x=X, labels=Y):
    return identity(model, {"rate": 0.1, "shape": (2, 2)} if parameters is None else parameters, seed, x, labels)


def test_the_same_training_goes_on(tmp_path):
    assert Checkpoint(tmp_path / "new", of()).read() is None
    Checkpoint(tmp_path / "new", of()).write(({"w": X}, {"epoch": 3}))
    parameters = {"rate": np.float64(0.1), "shape": [2, np.int64(2)]}
    tensors, progress = Checkpoint(tmp_path / "new", of(parameters=parameters, x=X.copy(), seed=[1])).read()
    np.testing.assert_array_equal(tensors["w"], X)
    assert progress == {"epoch": 3}
    Checkpoint(tmp_path / "new", of()).remove()
    assert Checkpoint(tmp_path / "new", of()).read() is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model": "m:B"}, r"class 'm:A', not 'm:B'"),
        ({"seed": 2}, r"seed 1, not 2"),
        ({"seed": [1, 2]}, r"seed 1, not \[1, 2\]"),
        ({"parameters": {"rate": 0.2, "shape": (2, 2)}}, r"rate 0\.1, not 0\.2"),
        ({"parameters": {"shape": (2, 2)}}, r"rate 0\.1, not None"),
        ({"x": X[::-1]}, r"other images"),
        ({"x": X[:4]}, r"other images"),
        ({"x": X + np.float32(1e-7)}, r"other images"),
        ({"labels": Y[::-1]}, r"other labels"),
        ({"labels": None}, r"other labels"),
        ({"seed": 2, "x": X[:4]}, r"seed 1, not 2; other images"),
        ({"parameters": {"rate": 0.1, "shape": (2, 2), "rows": ["a" * 64]}}, r"other rows"),
    ],
)
def test_another_training_is_refused_and_told_what_differs(tmp_path, changed, said):
    Checkpoint(tmp_path, of()).write(({}, {}))
    with pytest.raises(OtherTrainingError, match=rf"state\.safetensors belongs to another training \({said}\): remove"):
        Checkpoint(tmp_path, of(**changed)).read()


@pytest.mark.parametrize("damage", ["cut", "flip", "foreign"])
def test_a_damaged_checkpoint_is_named_and_left_out(tmp_path, damage):
    kept = Checkpoint(tmp_path, of())
    kept.write(({"w": X}, {"epoch": 3}))
    content = kept.path.read_bytes()
    if damage == "foreign":
        from dcgmm.storage import write_tensors

        write_tensors(kept.path, {"w": X}, {})
    else:
        kept.path.write_bytes(
            content[:-9] if damage == "cut" else content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
        )
    with pytest.warns(UserWarning, match=r"state\.safetensors .*training starts from the beginning"):
        assert kept.read() is None


def test_without_a_directory_nothing_is_written():
    nowhere = Checkpoint(None, of())
    nowhere.write(({"w": X}, {}))
    assert nowhere.read() is None
    nowhere.remove()


@pytest.mark.parametrize("inside", ["", "run/one"])
def test_a_place_that_can_hold_no_checkpoint_is_refused_before_the_training(tmp_path, inside):
    """It was noticed when half a minute, or the whole training, was over, and in a traceback."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match=r"checkpoint=.*file.* is a file: give a directory, which is made"):
        Checkpoint(tmp_path / "file" / inside, of()).read()
    assert (tmp_path / "file").read_text() == "mine"


def test_a_directory_that_cannot_be_written_is_refused_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    with pytest.raises(ValueError, match=r"checkpoint=.*one.*: .* cannot be written to: give another directory"):
        Checkpoint(tmp_path / "run" / "one", of()).read()
    assert list(tmp_path.iterdir()) == []


class Counter:
    """A training of ten steps that can be interrupted at step 4."""

    def __init__(self, interrupt):
        self.done, self.interrupt = 0, interrupt

    def state(self):
        return {"done": np.array(self.done)}, {"done": self.done}

    def run(self, kept, **options):
        with kept.kept(self.state, **options) as after_step:
            while self.done < 10:
                if self.done == 4:
                    self.interrupt()
                self.done += 1
                after_step()


def raise_interrupt():
    raise KeyboardInterrupt


def send_interrupt():
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(("interrupt", "done"), [(send_interrupt, 5), (raise_interrupt, 4)])
def test_ctrl_c_keeps_the_state_of_a_whole_step(tmp_path, interrupt, done):
    training, kept = Counter(interrupt), Checkpoint(tmp_path, of())
    with pytest.raises(KeyboardInterrupt):
        training.run(kept, always_whole=True)
    assert training.done == done and kept.read()[1] == {"done": done}
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(("interrupt", "written"), [(send_interrupt, 5), (raise_interrupt, 2)])
def test_an_interrupt_in_the_midst_of_a_step_leaves_the_last_write(tmp_path, interrupt, written):
    training, kept = Counter(interrupt), Checkpoint(tmp_path, of())
    kept.write(({"done": np.array(2)}, {"done": 2}))
    with pytest.raises(KeyboardInterrupt):
        training.run(kept)
    assert kept.read()[1] == {"done": written}


def test_ctrl_c_without_a_checkpoint_still_stops():
    training = Counter(send_interrupt)
    with pytest.raises(KeyboardInterrupt):
        training.run(Checkpoint(None, of()))
    assert training.done == 5


def test_ctrl_c_after_the_last_check_is_not_swallowed_and_a_second_one_does_not_wait():
    with pytest.raises(KeyboardInterrupt), held_interrupts():
        send_interrupt()
    reached = []
    with pytest.raises(KeyboardInterrupt), held_interrupts():
        send_interrupt()
        reached.append(1)
        send_interrupt()
        reached.append(2)
    assert reached == [1]


def test_the_state_is_written_when_it_is_due(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: clock[0])
    kept, written = Checkpoint(tmp_path, of()), []
    with kept.kept(lambda: ({}, {"at": clock[0]})) as after_step:
        for second in range(70):
            clock[0] = float(second)
            after_step()
            written.append(kept.path.exists() and kept.read()[1]["at"])
    assert written[30] is False and written[31] == 31.0 and written[61] == 31.0 and written[62] == 62.0


def test_other_threads_and_other_handlers_are_left_alone():
    def inside():
        with held_interrupts() as stop_if_asked:
            stop_if_asked()
            seen.append(signal.getsignal(signal.SIGINT))

    seen = []
    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    own = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        inside()
    finally:
        signal.signal(signal.SIGINT, own)
    assert seen == [signal.default_int_handler, signal.SIG_IGN]
