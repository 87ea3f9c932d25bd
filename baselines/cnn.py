"""The convolutional classifier of Table VII, the judge of generated images, on Keras 3 and any of its backends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, softmax

from baselines.keras_backend import COMPILED
from baselines.keras_network import ORDER, DivergedError, Images, KerasNetwork
from dcgmm import checks
from dcgmm.history import History, HistoryRow

__all__ = ["AccuracyRow", "Cnn", "DivergedError"]

MONITORED = 2_000  # training images looked at where there are no others
PATIENCE = 200  # training steps before a classifier that is no better than chance is called diverged
SCORED = 500  # images in a call of the trained network
SMALLEST = {"same": 8, "valid": 24}  # pixels a side that leave one before the dense layers


class AccuracyRow(NamedTuple):
    """Accuracy in percent after `step` training steps, on the split "train" (running mean) or "validation"."""

    step: int
    split: str
    accuracy: float


class Cnn(KerasNetwork):
    """Classifier of Table VII: four 3×3 convolutions of 64 channels, three poolings, three dense layers of 350.

    Padding is not in the table. "same" leaves 3×3×64 of 28×28 pixels before the dense layers; "valid", Keras's default,
    leaves 1×1×64, and the paper's 91 % on Fashion-MNIST out of reach (docs/judging.md). Images are floats
    (n, H, W, C) in [0, 1], fed as they are.

    Parameters: `classes`; `epochs`, `batch_size`, `learning_rate` (Adam) and `dropout` as in the appendix;
    `padding` "same" or "valid". Training is deterministic in `seed` up to the rounding of the convolutions, and
    also when it is interrupted and resumed; initial parameters and batches are the same on every backend, dropout is
    the backend's own. Adam at 0.01 can kill all rectifiers at once: `fit` then raises DivergedError instead of going on
    to the end. It does so when the loss is not finite, and when after an epoch the accuracy is below twice chance and
    all images get the same logits, or still is after 200 steps: for two epochs on the batches as they were met, or
    after the last epoch on the validation images, else on 2,000 training images.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        *,
        seed: int = 0,
        classes: int = 10,
        epochs: int = 15,
        batch_size: int = 100,
        learning_rate: float = 0.01,
        dropout: float = 0.1,
        padding: str = "same",
    ) -> None:
        self.classes = checks.integer(classes, name="classes", at_least=2)
        self.dropout = checks.number(dropout, name="dropout", at_least=0, below=1)
        self.padding = checks.choice(padding, tuple(SMALLEST), name="padding")
        super().__init__(image_shape, seed=seed, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate)
        if min(self.image_shape[:2]) < SMALLEST[self.padding]:
            side = SMALLEST[self.padding]
            raise ValueError(f"image_shape={self.image_shape}: padding={padding!r} needs at least {side}×{side} pixels")
        self.accuracies_: list[AccuracyRow] = []  # of the training, so far
        network = self._build()
        self._networks = {"network": network}
        self._initialise()
        self._features = self._model(network.inputs, [network.layers[-2].output, *network.outputs])

    def _build(self) -> Any:
        """Table VII from top to bottom; the softmax is in the loss, the last layer gives logits."""
        layers = self._keras.layers

        def convolution() -> Any:
            return layers.Conv2D(64, 3, activation="relu", padding=self.padding)

        return self._keras.Sequential(
            [
                self._keras.Input(self.image_shape),
                layers.Dropout(self.dropout, seed=0),  # seeds are set by `_initialise`
                convolution(),
                convolution(),
                layers.MaxPooling2D(2),
                convolution(),
                layers.MaxPooling2D(2),
                convolution(),
                layers.MaxPooling2D(2),
                layers.Flatten(),
                layers.Dense(350, activation="relu"),
                layers.Dropout(self.dropout, seed=0),
                layers.Dense(350, activation="relu"),
                layers.Dense(350, activation="relu"),
                layers.Dense(self.classes),
            ]
        )

    def _initialise(self) -> None:
        super()._initialise()
        self.accuracies_ = []

    # --- training ------------------------------------------------------------------------------------------------

    def fit(
        self,
        x: np.ndarray,
        *,
        labels: np.ndarray,
        validation: tuple[np.ndarray, np.ndarray] | None = None,
        progress: bool = True,
        checkpoint: str | Path | None = None,
    ) -> History:
        """Train on images x (n, H, W, C) and integer labels (n,), from the initial parameters.

        validation: (images, labels), measured after each epoch. checkpoint: a directory, from which
        an interrupted training resumes. The history's log-likelihood is the mean of log p(label | image) in nats.

        Raises ValueError for images, labels or a checkpoint that do not fit, DivergedError (see the class).
        """
        x = checks.images(x, self.image_shape)
        self._labels = checks.labels(labels, len(x), self.classes)
        if isinstance(validation, np.ndarray):
            raise ValueError("validation images without labels given: pass (images, labels), or none (--monitor none).")
        chosen = np.sort(np.random.default_rng([ORDER, self.seed]).permutation(len(x))[:MONITORED])
        self._monitored = x[chosen], self._labels[chosen]
        if validation is not None:
            images = checks.images(validation[0], self.image_shape, name="validation images")
            self._monitored = images, checks.labels(validation[1], len(images), self.classes, name="validation labels")
        self._validated = validation is not None
        network = self._networks["network"]
        network.compile(
            self._keras.optimizers.Adam(self.learning_rate),
            self._keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=COMPILED[self._keras.backend.backend()],
        )
        try:
            return self._train(network, x, self._labels, checkpoint, progress=progress)
        finally:
            del self._labels, self._monitored

    def _step(self, x: Images, rows: npt.NDArray[np.int64], epoch: int, number: int) -> Mapping[str, float]:
        # Batch by batch: Keras's own loop waits for its data pipeline after an epoch, up to a minute with one thread.
        network = self._networks["network"]
        network.reset_metrics()  # Keras's own numbers would run on, or not, depending on its version
        found = network.train_on_batch(x[rows], self._labels[rows], return_dict=True)
        return {"loss": float(found["loss"]), "accuracy": float(found["accuracy"])}

    def _measure(self, epoch: int, step: int, means: Mapping[str, float]) -> list[HistoryRow]:
        log_likelihood, accuracy = -means["loss"], 100.0 * means["accuracy"]
        found = [HistoryRow(step, 0, "train", log_likelihood)]
        accuracies = [AccuracyRow(step, "train", accuracy)]
        if self._validated:
            log_likelihood, accuracy, _ = self._evaluate(*self._monitored)
            found.append(HistoryRow(step, 0, "validation", log_likelihood))
            accuracies.append(AccuracyRow(step, "validation", accuracy))
        self.accuracies_ += accuracies
        self._refuse_divergence(epoch, step)
        return found

    def _evaluate(self, x: Images, labels: npt.NDArray[np.int64]) -> tuple[float, float, bool]:
        """Mean log-likelihood of the labels in nats, accuracy in percent, whether all images get the same logits."""
        logits = self._map(self._features, x, size=SCORED)[1].astype(np.float64)
        log_likelihood = log_softmax(logits, axis=1)[np.arange(len(x)), labels]
        accuracy = 100.0 * float((logits.argmax(axis=1) == labels).mean())
        return float(log_likelihood.mean()), accuracy, bool(np.ptp(logits, axis=0).max() < 1e-6)

    def _refuse_divergence(self, epoch: int, step: int) -> None:
        """Raise DivergedError after an epoch (number `epoch`, `step` steps since the start) that says so."""
        met = [row.accuracy for row in self.accuracies_ if row.split == "train"][-2:]
        learnt = 100.0 * min(2 / self.classes, (1 + 1 / self.classes) / 2)  # twice chance, for two classes 75 %
        last = epoch + 1 == self.epochs
        # The running mean of a short training is low although the classifier has learnt, and rectifiers that die in the
        # last epoch, or in the only one, leave no two epochs to look at.
        if max(met) >= learnt and not last:
            return
        log_likelihood, accuracy, constant = self._evaluate(*self._monitored)
        kind, low = "final" if last else "present", accuracy < learnt
        if not last and len(met) == 2 and step // (epoch + 1) * 2 >= PATIENCE and max(met) < learnt:
            kind, accuracy, low, constant = "training", met[-1], True, True
        if low and (constant or (last and step >= PATIENCE)):
            raise DivergedError(
                f"training with seed {self.seed} diverged in epoch {epoch + 1} of {self.epochs}: {kind} accuracy "
                f"{accuracy:.1f} %, mean log-likelihood {log_likelihood:.3g} nats; repeat it with another seed."
            )

    def _set_results(self, results: Mapping[str, Any]) -> None:
        self.accuracies_ = [AccuracyRow(*row) for row in results["accuracies_"]]

    # --- what the trained classifier says ------------------------------------------------------------------------

    def predict_logits_and_features(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits (n, classes) and the last hidden layer's activities (n, 350), both float32."""
        features, logits = self._map(self._features, checks.images(x, self.image_shape), size=SCORED)
        return logits, features

    def features(self, x: np.ndarray) -> np.ndarray:
        """Activities of the penultimate layer, (n, 350) float32."""
        return self.predict_logits_and_features(x)[1]

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Class probabilities, (n, classes) float64."""
        return np.asarray(softmax(self.predict_logits_and_features(x)[0].astype(np.float64), axis=1))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Most probable class, (n,) int64."""
        return self.predict_logits_and_features(x)[0].argmax(axis=1).astype(np.int64)

    def score_samples(self, x: np.ndarray) -> np.ndarray:
        raise NotImplementedError("A classifier has no density of images.")

    def sample(self, n: int, *, seed: int, **options: Any) -> np.ndarray:
        raise NotImplementedError("A classifier cannot sample images.")

    def inpaint(self, x: np.ndarray, known: np.ndarray, *, seed: int, **options: Any) -> np.ndarray:
        raise NotImplementedError("A classifier cannot complete images.")
