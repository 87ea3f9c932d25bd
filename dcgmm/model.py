"""DCGMM: a stack of convolutional Gaussian mixture layers as one model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from dcgmm import checks
from dcgmm.fitting import fit_models
from dcgmm.generation import Generation
from dcgmm.history import History
from dcgmm.instances import INSTANCES, instance_config

Validation = np.ndarray | Mapping[str, np.ndarray] | None
Measures = Mapping[str, tuple[np.ndarray, Callable[[np.ndarray], Sequence[float]]]] | None


class DCGMM(Generation):
    """Deep Convolutional Gaussian Mixture Model (Gepperth: A new perspective on probabilistic image modeling).

    Args:
        config: layers in the paper's notation, bottom first, e.g. "F(3,1)-G(25)-F(4,2)-G(25)-F(12,1)-G(49)".
        input_shape: (H, W, C) of the images.
        seed: of the initial parameters and of the order of training images.
        device: where it computes: "cpu", "gpu", or "auto" for a GPU where JAX finds one.
        **training: constants of training, see `dcgmm.options.TrainingOptions`.

    Attributes:
        sigmas_: width of the smoothing of each cGMM layer when training ended, bottom first; `sigma_end` (0.01) where
            the annealing has ended; otherwise scores may still change by points. Empty before training.

    Images are float32 (N, H, W, C) in [0, 1]. Densities are continuous: a cGMM layer's log-likelihood is in nats per
    patch, the mean over its positions; scores of layers with different patch sizes are not comparable.

    Raises:
        dcgmm.notation.ConfigurationError: the layers cannot be built; the message names layer, shapes and reason.
        TypeError, ValueError: an unknown training constant, or one outside its range; no such device.
    """

    @classmethod
    def instance(
        cls, name: str, input_shape: Sequence[int] = (28, 28, 1), *, sharing: str = "shared", **kwargs: Any
    ) -> Self:
        """A named instance of the paper: "A" to "G" of Table V (A, B also for 32×32 images), or "B-classifier".

        Args:
            sharing: "shared" as in Table V, or "independent" parameters in all cGMM layers below the top.
            **kwargs: as for the constructor; they override the instance's own training constants.
        """
        input_shape = checks.image_shape(input_shape, name="input_shape")
        config = instance_config(name, input_shape, sharing=sharing)
        return cls(config, input_shape, **(INSTANCES[name].params | kwargs))

    def fit(
        self,
        x: np.ndarray,
        *,
        labels: np.ndarray | None = None,
        validation: Validation = None,
        measures: Measures = None,
        progress: bool = True,
        checkpoint: str | Path | None = None,
        warm_start: bool = False,
        **training: Any,
    ) -> History:
        """Train all layers in parallel from the initial parameters (Sec. III-G).

        If it is interrupted (Ctrl-C), the checkpoint is written and the model keeps its current parameters: those of
        before until the first steps are done. If training fails, it stays as it was.

        Args:
            x: (n, H, W, C) training images.
            labels: (n,) integer classes, for a model with a classifier layer; of no effect for others.
            validation: images whose log-likelihoods are recorded as split "validation", or several by split name.
            measures: other numbers to follow, by name: images, and a function from their scores (n, L) float64 (as of
                `score_layers`) to a number for each of the L layers. They are recorded where log-likelihoods are,
                with the name as split and the number in the last column. Resume a checkpoint with the same function.
            progress: show a progress bar with the estimated time left on standard error.
            checkpoint: a directory for the state of an unfinished training. An existing state is resumed, with the
                same numbers as an uninterrupted run; it is removed when training is complete. A warm start is resumed
                by the model as it was before (load it again), since an interrupted one has gone on.
            warm_start: continue from the current parameters and annealing instead: so many more
                epochs or iterations, counted from the end of the former ones (so is the order of images). Layers that
                have learnt go on at once; the delay of others is a fraction of all steps, the former ones included.
            **training: constants of training that replace those of the constructor.

        Returns:
            History rows (step, layer, split, log_likelihood in nats), for each cGMM layer.

        Raises:
            dcgmm.training.TrainingDiverged: a layer's loss has become NaN or infinite.
            ValueError: images or labels do not fit, or the checkpoint belongs to another training.
        """
        (history,) = fit_models(
            [self],
            x,
            labels=labels,
            validation=validation,
            measures=measures,
            progress=progress,
            checkpoint=checkpoint,
            warm_start=warm_start,
            training=training,
        )
        return history

    @classmethod
    def fit_many(
        cls,
        models: Sequence[DCGMM],
        x: np.ndarray,
        rows: Sequence[np.ndarray] | None = None,
        *,
        labels: np.ndarray | None = None,
        validation: Validation | Sequence[Validation] = None,
        measures: Measures | Sequence[Measures] = None,
        progress: bool = True,
        checkpoint: str | Path | None = None,
        warm_start: bool = False,
        **training: Any,
    ) -> list[History]:
        """Train several models of one configuration, which differ in seeds and images.

        On a GPU they are one compiled program; those whose rows make other numbers of steps or smaller batches than
        the rest are another one. Model i becomes what `models[i].fit(x[rows[i]])` makes of it: to the bit on a CPU, up
        to rounding on a GPU.

        If it is interrupted or fails, models whose training is complete keep it; those that it had not reached stay as
        they were.

        Args:
            models: at least one.
            x: (n, H, W, C) images of all models.
            rows: for each model the indices (or n booleans) of the images that it sees; None: all of them.
            labels: (n,) integer classes, for models with a classifier layer; of images in no `rows`, any integer.
            validation, measures: as for `fit`, for all models; or a list with one for each.
            progress, checkpoint, warm_start, **training: as for `fit`; the checkpoint is of all models together.

        Returns:
            The history of each model.

        Raises:
            dcgmm.training.TrainingDiverged, ValueError: as for `fit`; models that differ in more than the seed.
        """
        return fit_models(
            models,
            x,
            rows,
            labels=labels,
            validation=validation,
            measures=measures,
            progress=progress,
            checkpoint=checkpoint,
            warm_start=warm_start,
            training=training,
        )


def fit_many(models: Sequence[DCGMM], x: np.ndarray, rows: Sequence[np.ndarray] | None = None, **options: Any) -> Any:
    """`DCGMM.fit_many` as a function."""
    return DCGMM.fit_many(models, x, rows, **options)


def score_many(models: Sequence[DCGMM], x: np.ndarray, *, mode: str = "max") -> np.ndarray:
    """`score_layers` of several models, (models, n, layers) float64 in nats."""
    given = checks.several(models, DCGMM, called="DCGMM")
    if not given:
        raise ValueError("there are no models to score: give at least one")
    return np.stack([model.score_layers(x, mode=mode) for model in given])
