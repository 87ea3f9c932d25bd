"""The state of an unfinished training: what it belongs to, when it is written, and how training resumes.

checkpoint = Checkpoint(directory, identity("baselines.vae:Vae", parameters, seed, x))
state = checkpoint.read()                       # None: start from the beginning
with checkpoint.kept(state_now) as after_step:  # state_now() gives tensors and progress
    while ...:
        step()
        after_step()                            # writes twice a minute; Ctrl-C takes effect here, after a write
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dcgmm.storage import DamagedFileError, Tensors, array_digest, read_tensors, write_tensors

STATE_FILE = "state.safetensors"
SECONDS = 30.0  # between two writes

State = tuple[Mapping[str, Any], Mapping[str, Any]]  # tensors by name, and whatever else is needed, JSON-able


class OtherTrainingError(ValueError):
    """A checkpoint that belongs to another training; the message says what differs."""


def identity(
    model: str, parameters: Mapping[str, Any], seed: int | Sequence[int], x: Any, labels: Any = None
) -> dict[str, Any]:
    """What identifies a training: only the same one resumes its checkpoint.

    Args:
        model: the class, as "package.module:Class".
        parameters: all that determine the steps of the training, without the seed, JSON-able. Leave out the length
            where a shorter training is the beginning of a longer one.
        seed: of the training; several where several models are trained together.
        x: the images in the order in which the training sees them, as the model computes with them.
        labels: (n,), None without.
    """
    seeds = [seed] if isinstance(seed, int | np.integer) else list(seed)
    described = {
        "class": model,
        "parameters": dict(parameters),
        "seed": seeds[0] if len(seeds) == 1 else seeds,
        "images": array_digest(np.asarray(x)),
        "labels": None if labels is None else array_digest(np.asarray(labels)),
    }
    return json.loads(json.dumps(described, default=lambda value: value.tolist()))


class Checkpoint:
    """The state of one training, `state.safetensors` in a directory; without a directory nothing is ever written."""

    def __init__(self, directory: str | Path | None, identity: Mapping[str, Any]) -> None:
        if not isinstance(directory, str | os.PathLike | None):
            raise ValueError(f"checkpoint={directory!r}: expected a directory")
        self.path = None if directory is None else Path(directory) / STATE_FILE
        self.identity = dict(identity)
        self._written = time.monotonic()

    def read(self) -> tuple[Tensors, dict[str, Any]] | None:
        """Tensors and progress of the last `write`; None where there is none, or, with a warning, a damaged one.

        Raises OtherTrainingError for the checkpoint of another training, ValueError where none could be written.
        """
        self._refuse_place()
        if self.path is None or not self.path.is_file():
            return None
        try:
            tensors, description = read_tensors(self.path)
            other, progress = description["identity"], description["progress"]
        except (DamagedFileError, KeyError, TypeError) as error:
            reason = str(error) if isinstance(error, DamagedFileError) else f"{self.path} is no checkpoint"
            warnings.warn(f"{reason.split(': remove it')[0]}; training starts from the beginning", stacklevel=2)
            return None
        if other != self.identity:
            said = "; ".join(differences(other, self.identity))
            raise OtherTrainingError(
                f"the checkpoint {self.path} belongs to another training ({said}): remove it, or train as it was begun"
            )
        return tensors, progress

    def _refuse_place(self) -> None:
        """Raise ValueError for a directory that is none, cannot be made or cannot be written to; nothing is made."""
        if self.path is None:
            return
        place = next(path for path in self.path.absolute().parents if path.exists())
        if not place.is_dir():
            raise ValueError(
                f"checkpoint={str(self.path.parent)!r}: {place} is a file: give a directory, which is made"
            )
        if not os.access(place, os.W_OK | os.X_OK):
            raise ValueError(
                f"checkpoint={str(self.path.parent)!r}: {place} cannot be written to: give another directory"
            )

    def write(self, state: State) -> None:
        """Keep the state (tensors by name, JSON-able progress) in place of the last one."""
        if self.path is not None:
            tensors, progress = state
            write_tensors(self.path, tensors, {"identity": self.identity, "progress": dict(progress)})
            self._written = time.monotonic()

    @contextmanager
    def kept(self, state: Callable[[], State], *, always_whole: bool = False) -> Iterator[Callable[[], None]]:
        """A block of training steps; call what it gives after each of them.

        That writes what `state()` returns if the last write is half a minute ago. Ctrl-C ends the block after the
        step that runs, with the state written first; KeyboardInterrupt then goes on to the caller. One that comes in
        the midst of a step (a second Ctrl-C, a handler of the program's own) leaves the last write as it is, unless
        `state()` is `always_whole`: that of whole steps at any moment.
        """
        whole = always_whole
        try:
            with held_interrupts() as stop_if_asked:

                def after_step() -> None:
                    nonlocal whole
                    whole = True
                    if self.path is not None and time.monotonic() - self._written > SECONDS:
                        self.write(state())
                    stop_if_asked()
                    whole = always_whole

                yield after_step
                whole = True
        except KeyboardInterrupt:
            if self.path is not None and whole:
                self.write(state())
            raise

    def remove(self) -> None:
        """Forget the state: the training is complete."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """What tells two identities apart, in words: "seed 3, not 4", "other images"."""
    pairs = [(key, theirs.get(key), ours.get(key)) for key in ("class", "seed", "images", "labels")]
    old, new = theirs.get("parameters") or {}, ours.get("parameters") or {}
    pairs += [(name, old.get(name), new.get(name)) for name in sorted({*old, *new})]
    words = []
    for name, before, now in pairs:
        readable = name not in ("images", "labels") and len(repr(before)) < 60 > len(repr(now))  # not hashes
        if before != now:
            words.append(f"{name} {before!r}, not {now!r}" if readable else f"other {name}")
    return words


@contextmanager
def held_interrupts() -> Iterator[Callable[[], None]]:
    """Hold Ctrl-C back inside the block; the function that it gives raises KeyboardInterrupt if one has come.

    So a step is never left half done, and a counter never disagrees with the parameters. A second Ctrl-C takes effect
    at once. Outside the main thread, and where the program has a handler of its own, nothing is changed.
    """
    came = threading.Event()

    def stop_if_asked() -> None:
        if came.is_set():
            raise KeyboardInterrupt

    ordinary = signal.default_int_handler
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not ordinary:
        yield stop_if_asked
        return

    def note(*_: Any) -> None:
        came.set()
        signal.signal(signal.SIGINT, ordinary)

    signal.signal(signal.SIGINT, note)
    try:
        yield stop_if_asked
        stop_if_asked()
    finally:
        signal.signal(signal.SIGINT, ordinary)
