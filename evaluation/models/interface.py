"""What a model is: the methods that every one has, and those that are used where one has them.

Images are float32 NHWC in [0, 1], whatever a model does with them inside. The constructor takes the shape of an
image as `image_shape` (or `input_shape`), a `seed`, and parameters by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

History = Sequence[tuple[int, int, str, float]]  # rows (step, layer, split, log_likelihood)


class Model(Protocol):
    """A density of images. `fit` takes `labels` (n,) or a `checkpoint` (a directory) too, where its class says so."""

    def fit(self, x: np.ndarray, *, validation: np.ndarray | None = None, progress: bool = True) -> History:
        """Train on x (n, H, W, C) from the initial parameters."""

    def score_samples(self, x: np.ndarray) -> np.ndarray:
        """(n,) float64 log-likelihoods in nats."""

    def sample(self, n: int, *, seed: int, **options: Any) -> np.ndarray:
        """(n, H, W, C) float32."""

    def inpaint(self, x: np.ndarray, known: np.ndarray, *, seed: int, **options: Any) -> np.ndarray:
        """x completed, (n, H, W, C) float32; known: (n, H, W) bool, known pixels come back untouched.

        The benchmark gives x with unknown pixels 0.
        """

    def count_params(self) -> int:
        """Every trainable number."""

    def save(self, path: Path) -> None:
        """Write the model into a directory, in safe formats only."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """The model that `save` wrote."""


@runtime_checkable
class Layered(Protocol):
    """A model with several densities."""

    def score_layers(self, x: np.ndarray) -> np.ndarray:
        """(n, layers); the last column is that of `score_samples`."""


@runtime_checkable
class Classifier(Protocol):
    """A model that knows classes."""

    def predict(self, x: np.ndarray) -> np.ndarray:
        """(n,) classes."""


class TrainsMany(Protocol):
    """A class that trains several models in one program."""

    @classmethod
    def fit_many(
        cls,
        models: Sequence[Any],
        x: np.ndarray,
        rows: Sequence[np.ndarray],
        *,
        validation: Any = None,
        progress: bool = True,
        checkpoint: Any = None,
    ) -> list[History]:
        """rows[i]: the images of x that model i sees; each model's result is that of its own `fit`."""


TRAINS_MANY = "fit_many"
MEASURES = "measures"  # an argument of `fit`: numbers to follow in training, made from scores
OPTIONAL = ("labels", "checkpoint")  # arguments of `fit` that are given to a model that takes them


def takes(method: Callable[..., Any], argument: str) -> bool:
    """Whether a method names an argument (`**anything` does not)."""
    return argument in inspect.signature(method).parameters


def options_of(method: Callable[..., Any]) -> list[str] | None:
    """The options by keyword that a method names; None for one that takes any."""
    parameters = inspect.signature(method).parameters.values()
    if any(p.kind == p.VAR_KEYWORD for p in parameters):
        return None
    return [p.name for p in parameters if p.kind == p.KEYWORD_ONLY]
