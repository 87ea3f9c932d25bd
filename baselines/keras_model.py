"""What the models on Keras (2 or 3) share: the constructor's arguments, checks, and trainings that can be continued."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from baselines.keras_variables import load_variables, save_variables
from dcgmm.history import History

STATE = "state.safetensors"


class KerasModel:
    """Base of `Cnn`, `Vae` and `DgcSpn`. A model stores each argument of its constructor under the argument's name."""

    def __init__(
        self, image_shape: tuple[int, int, int], *, seed: int, epochs: int, batch_size: int, learning_rate: float
    ) -> None:
        self.image_shape = tuple(image_shape)
        self.seed = seed
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate

    def get_params(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def _check(self, x: np.ndarray) -> None:
        if x.shape[1:] != self.image_shape:
            raise ValueError(f"images of shape {x.shape[1:]} given, {self.image_shape} expected.")

    def _steps(self, epochs: int, images: int) -> int:
        """Batches of so many epochs."""
        return epochs * math.ceil(images / self.batch_size)

    # --- interrupted trainings -----------------------------------------------------------------------------------

    def _training_state(self) -> dict[str, list[Any]]:
        """The variables without which a training cannot go on, by group."""
        raise NotImplementedError

    def _resume(self, checkpoint: str | Path | None) -> tuple[History, Mapping[str, Any]]:
        """The history so far and the note of `_keep` ("epochs": how many are done), from where the training stopped."""
        history = History()
        if checkpoint is None or not (Path(checkpoint) / STATE).exists():
            return history, {"epochs": 0}
        note = load_variables(Path(checkpoint) / STATE, self._training_state())
        for row in note["history"]:
            history.add(*row)
        return history, note

    def _keep(self, checkpoint: str | Path | None, history: History, epochs: int, **more: Any) -> None:
        """Write the state after so many epochs, if a directory for it is given."""
        if checkpoint is not None:
            note = {"epochs": epochs, "history": history, **more}
            save_variables(Path(checkpoint) / STATE, self._training_state(), note)
