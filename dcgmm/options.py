"""The constants of training, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dcgmm import checks

_POSITIVE = ("learning_rate", "learning_rate_end", "sigma_end")
_NOT_NEGATIVE = ("rate_mu", "rate_s", "rate_w", "delay", "classifier_rate")
_COUNTS = {"batch_size": 1, "window": 1, "measurements": 0, "measured_images": 1}


@dataclass(frozen=True)
class TrainingOptions:
    """Constants of training; the defaults are the paper's (see docs/errata.md for what it leaves to its references).

    Attributes:
        epochs: passes over the training images, each of n // batch_size steps: the rest of a pass, drawn anew in each,
            is not seen in it.
        iterations: number of training steps, instead of `epochs`.
        batch_size: images per step.
        learning_rate, learning_rate_end: start and floor of the SGD rate; a start below the floor stays.
        rate_mu, rate_s, rate_w: factors on the gradients of centroids, inverse standard deviations, weights.
        sigma_end: floor of the smoothing width; its start is 0.25·√(2K).
        window: learning iterations per window of the annealing control.
        delay: layer L starts to learn after the fraction delay·L of training; a classifier counts as the layer
            after the last, so it starts when all that it reads have begun.
        classifier_rate: SGD rate of a classifier layer, on the mean log-probability of a batch's labels.
        measurements: how many times the log-likelihoods are recorded after the start of training; 0: never.
        measured_images: how many images of each split a record is computed from (the first ones).

    Raises:
        ValueError: a value of another type or outside its range, not a number, or beyond float32; the
            message names it.
    """

    epochs: float = 10
    iterations: int | None = None
    batch_size: int = 100
    learning_rate: float = 0.011
    learning_rate_end: float = 0.01
    rate_mu: float = 1.0
    rate_s: float = 0.1
    rate_w: float = 0.0
    sigma_end: float = 0.01
    window: int = 100
    delay: float = 0.1
    classifier_rate: float = 2.0
    measurements: int = 20
    measured_images: int = 1000

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            self._set(name, checks.number(getattr(self, name), name=name, above=0, at_most=checks.FLOAT_MAX))
        for name in _NOT_NEGATIVE:
            self._set(name, checks.number(getattr(self, name), name=name, at_least=0, at_most=checks.FLOAT_MAX))
        for name, least in _COUNTS.items():
            self._set(name, checks.integer(getattr(self, name), name=name, at_least=least))
        self._set("epochs", checks.number(self.epochs, name="epochs", above=0, at_most=checks.MOST_EPOCHS))
        if self.iterations is not None:
            self._set("iterations", checks.integer(self.iterations, name="iterations"))

    def _set(self, name: str, value: float) -> None:
        object.__setattr__(self, name, value)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> TrainingOptions:
        """From names and values.

        Raises:
            TypeError: an unknown name.
            ValueError: a value that the class refuses.
        """
        known = cls.__dataclass_fields__
        for name in values:
            if name not in known:
                raise TypeError(f"there is no training constant {name!r}: choose from {', '.join(known)}")
        return cls(**values)
