"""The convolutional classifier of Table VII, the judge of generated images (Keras 3 on TensorFlow)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from baselines.keras_model import KerasModel
from baselines.keras_variables import import_keras, load_variables, save_variables, write_json
from dcgmm.history import History

MONITORED = 2_000  # training images looked at in the end, where there are no others


class AccuracyRow(NamedTuple):
    """Accuracy in percent after `step` training steps, on the split "train" (running mean) or "validation"."""

    step: int
    split: str
    accuracy: float


class DivergedError(RuntimeError):
    """Training left the region in which the classifier learns: repeat it with another seed."""


class Cnn(KerasModel):
    """Classifier of Table VII: four 3×3 convolutions of 64 channels, three poolings, three dense layers of 350.

    Padding is not in the table. "same" leaves 3×3×64 of 28×28 pixels before the dense layers; "valid", Keras's default,
    leaves 1×1×64, and the paper's 91 % on Fashion-MNIST out of reach (docs/judging.md). Images are float32
    (n, H, W, C) in [0, 1], fed as they are.

    Parameters: `classes`; `epochs`, `batch_size`, `learning_rate` (Adam) and `dropout` as in the appendix;
    `padding` "same" or "valid". Training is deterministic in `seed` up to the rounding of the convolutions, and
    also when it is interrupted and resumed. Adam at 0.01 can kill all rectifiers at once: `fit` then raises
    DivergedError instead of going on to the end (loss not finite, or accuracy below twice chance in two successive
    epochs, or after the last one: on the validation images if there are some, otherwise on the first training images).
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        seed: int = 0,
        classes: int = 10,
        epochs: int = 15,
        batch_size: int = 100,
        learning_rate: float = 0.01,
        dropout: float = 0.1,
        padding: str = "same",
    ) -> None:
        super().__init__(image_shape, seed=seed, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate)
        self.classes = classes
        self.dropout = dropout
        self.padding = padding
        self.accuracies_: list[AccuracyRow] = []
        self._keras = import_keras()
        self._network = self._build()
        features = self._network.layers[-2].output
        self._features = self._keras.Model(self._network.inputs, [features, *self._network.outputs])

    def _build(self) -> Any:
        """Table VII from top to bottom; the softmax is in the loss, the last layer gives logits."""
        layers = self._keras.layers
        seeds = iter(np.random.SeedSequence(self.seed).generate_state(16).tolist())

        def kernel() -> Any:
            return self._keras.initializers.GlorotUniform(seed=next(seeds))

        def convolution() -> Any:
            return layers.Conv2D(64, 3, activation="relu", padding=self.padding, kernel_initializer=kernel())

        def dense() -> Any:
            return layers.Dense(350, activation="relu", kernel_initializer=kernel())

        return self._keras.Sequential(
            [
                self._keras.Input(self.image_shape),
                layers.Dropout(self.dropout, seed=next(seeds)),
                convolution(),
                convolution(),
                layers.MaxPooling2D(2),
                convolution(),
                layers.MaxPooling2D(2),
                convolution(),
                layers.MaxPooling2D(2),
                layers.Flatten(),
                dense(),
                layers.Dropout(self.dropout, seed=next(seeds)),
                dense(),
                dense(),
                layers.Dense(self.classes, kernel_initializer=kernel()),
            ]
        )

    def fit(
        self,
        x: np.ndarray,
        *,
        labels: np.ndarray,
        validation: tuple[np.ndarray, np.ndarray] | None = None,
        progress: bool = True,
        checkpoint: str | Path | None = None,
    ) -> History:
        """Train on images x (n, H, W, C) and integer labels (n,).

        validation: (images, labels), measured after each epoch. checkpoint: a directory that is written after each
        epoch; if it holds a state, training goes on from there. The history's log-likelihood is the mean of
        log p(label | image) in nats. Raises ValueError for bad labels, DivergedError (see the class).
        """
        self._check(x)
        self._check_labels(x, labels)
        if isinstance(validation, np.ndarray):
            raise ValueError("validation images without labels given: pass (images, labels), or none (--monitor none).")
        keras = self._keras
        self._network.compile(
            keras.optimizers.Adam(self.learning_rate),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=False,  # XLA makes the convolutions slower on CPUs
        )
        self._network.optimizer.build(self._network.trainable_variables)
        history, note = self._resume(checkpoint)
        self.accuracies_ = [AccuracyRow(*row) for row in note.get("accuracies", [])]
        for epoch in range(note["epochs"], self.epochs):
            loss, accuracy = self._epoch(x, labels, epoch, progress)
            step = self._steps(epoch + 1, len(x))
            self._record(history, step, "train", -loss, accuracy)
            if validation is not None:
                self._record(history, step, "validation", *self._evaluate(*validation))
            self._refuse_divergence(history, epoch, *(validation or (x[:MONITORED], labels[:MONITORED])))
            self._keep(checkpoint, history, epoch + 1, accuracies=self.accuracies_)
        return history

    def _epoch(self, x: np.ndarray, labels: np.ndarray, epoch: int, progress: bool) -> tuple[float, float]:
        """One pass over the images; means of loss and accuracy as they were met.

        Batch by batch: Keras's own loop waits for its data pipeline after an epoch, up to a minute with one thread.
        """
        from rich.progress import track

        order = np.random.default_rng([self.seed, epoch]).permutation(len(x))
        totals = np.zeros(2)
        label = f"classifier, epoch {epoch + 1} of {self.epochs}"
        for start in track(range(0, len(x), self.batch_size), label, disable=not progress):
            rows = order[start : start + self.batch_size]
            self._network.reset_metrics()  # Keras's own numbers would run on, or not, depending on its version
            found = self._network.train_on_batch(x[rows], labels[rows], return_dict=True)
            totals += len(rows) * np.array([float(found["loss"]), float(found["accuracy"])])
        loss, accuracy = totals / len(x)
        return float(loss), float(accuracy)

    def _evaluate(self, x: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
        """Mean log-likelihood of the labels in nats, and accuracy (a share)."""
        from scipy.special import log_softmax

        logits = self.predict_logits_and_features(x)[0].astype(np.float64)
        log_likelihood = log_softmax(logits, axis=1)[np.arange(len(x)), labels]
        return float(log_likelihood.mean()), float((logits.argmax(axis=1) == labels).mean())

    def _check_labels(self, x: np.ndarray, labels: np.ndarray) -> None:
        if len(labels) != len(x):
            raise ValueError(f"{len(labels)} labels given for {len(x)} images: give one label per image.")
        if labels.min() < 0 or labels.max() >= self.classes:
            raise ValueError(f"labels from {labels.min()} to {labels.max()} given, 0 to {self.classes - 1} expected.")

    def _record(self, history: History, step: int, split: str, log_likelihood: float, accuracy: float) -> None:
        history.add(step, 0, split, log_likelihood)
        self.accuracies_.append(AccuracyRow(step, split, 100.0 * float(accuracy)))

    def _refuse_divergence(self, history: History, epoch: int, x: np.ndarray, labels: np.ndarray) -> None:
        """Raise DivergedError after an epoch that says so; x, labels: what is looked at after the last one."""
        seen = [row.accuracy for row in self.accuracies_ if row.split == "train"][-2:]
        learnt = 100.0 * min(2 / self.classes, (1 + 1 / self.classes) / 2)  # twice chance, for two classes 75 %
        finite, kind, accuracy = math.isfinite(history[-1].log_likelihood), "training", seen[-1]
        lost = len(seen) == 2 and max(seen) < learnt
        if finite and epoch + 1 == self.epochs:
            # Rectifiers that die in the last epoch, or in the only one, leave no two epochs to look at; and the running
            # mean of a short training is low although the classifier has learnt.
            kind, accuracy = "final", 100.0 * self._evaluate(x, labels)[1]
            lost = accuracy < learnt
        if not finite or lost:
            raise DivergedError(
                f"training with seed {self.seed} diverged in epoch {epoch + 1} of {self.epochs}: {kind} accuracy "
                f"{accuracy:.1f} %, mean log-likelihood {history[-1].log_likelihood:.3g} nats; repeat it with another "
                "seed."
            )

    def _training_state(self) -> dict[str, list[Any]]:
        noise = [layer.seed_generator.state for layer in self._network.layers if hasattr(layer, "seed_generator")]
        return {"network": self._network.weights, "noise": noise, "optimizer": self._network.optimizer.variables}

    def predict_logits_and_features(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits (n, classes) and the last hidden layer's activities (n, 350), both float32."""
        parts = [self._features.predict_on_batch(x[start : start + 500]) for start in range(0, max(len(x), 1), 500)]
        features, logits = (np.concatenate(values) for values in zip(*parts, strict=True))
        return logits, features

    def features(self, x: np.ndarray) -> np.ndarray:
        """Activities of the penultimate layer, (n, 350) float32."""
        return self.predict_logits_and_features(x)[1]

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Class probabilities, (n, classes) float64."""
        from scipy.special import softmax

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

    def count_params(self) -> int:
        """Number of trainable parameters."""
        return int(sum(math.prod(v.shape) for v in self._network.trainable_variables))

    def save(self, path: str | Path) -> None:
        """Write `network.safetensors` and `cnn.json` into the directory `path`."""
        save_variables(Path(path) / "network.safetensors", {"network": self._network.weights}, {})
        write_json(Path(path) / "cnn.json", {"params": self.get_params(), "accuracies": self.accuracies_})

    @classmethod
    def load(cls, path: str | Path) -> Cnn:
        """The model that `save` wrote into the directory `path`."""
        content = json.loads((Path(path) / "cnn.json").read_text())
        params = content["params"]
        model = cls(tuple(params.pop("image_shape")), **params)
        load_variables(Path(path) / "network.safetensors", {"network": model._network.weights})
        model.accuracies_ = [AccuracyRow(*row) for row in content["accuracies"]]
        return model
