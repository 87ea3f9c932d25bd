"""Training: all layers in parallel, each by its own closed-form gradient (Sec. III-G; method of arXiv 1912.09379).

One compiled step holds a whole batch for all layers; a compiled loop runs steps until something outside the step
changes: a window of the annealing ends, a layer starts to learn, a measurement is due.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from dcgmm.annealing import Annealing
from dcgmm.history import History, HistoryRow
from dcgmm.layers import cgmm, classifier
from dcgmm.network import Stage, forward
from dcgmm.notation import Architecture
from dcgmm.storage import DamagedFileError, read_tensors, write_tensors

CHUNK_BYTES = 32 * 2**20  # of images handed to one call of the compiled loop
CHECKPOINT_SECONDS = 30.0


class TrainingDiverged(ArithmeticError):
    """The loss of a layer is not a number any more."""


@dataclass(frozen=True)
class TrainingOptions:
    """Constants of training; the defaults are the paper's (see docs/errata.md for what it leaves to its references).

    Attributes:
        epochs: passes over the training images.
        iterations: number of training steps, instead of `epochs`.
        batch_size: images per step.
        learning_rate, learning_rate_end: start and floor of the SGD rate.
        rate_mu, rate_s, rate_w: factors on the gradients of centroids, inverse standard deviations, weights.
        sigma_end: floor of the smoothing width; its start is 0.25·√(2K).
        window: learning iterations per window of the annealing control.
        delay: layer L starts to learn after the fraction delay·L of training.
        classifier_rate: SGD rate of a classifier layer, on the mean log-probability of a batch's labels.
        measurements: how many times the log-likelihoods are recorded after the start of training; 0: never.
        measured_images: how many images of each split a record is computed from (the first ones).
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
        for name in ("epochs", "batch_size", "learning_rate", "sigma_end", "window", "measured_images"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}={getattr(self, name)!r} must be positive")
        for name in ("rate_mu", "rate_s", "rate_w", "delay", "classifier_rate", "measurements"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}={getattr(self, name)!r} must not be negative")
        if self.iterations is not None and self.iterations < 1:
            raise ValueError(f"iterations={self.iterations!r} must be at least 1, or None to count in epochs")


class CompiledTraining:
    """The compiled steps of one architecture, one for each number of learning layers, and one for annealed layers."""

    def __init__(self, chain: tuple[Stage, ...], options: TrainingOptions, classifier_sources: int = 0) -> None:
        self.chain = chain
        self.options = options
        self.classifier_sources = classifier_sources
        self._loops: dict[tuple[int, bool, bool], Callable[..., Any]] = {}

    def step(self, learning: int, annealed: bool) -> Callable[..., Any]:
        """A function (batch, parameters, smoothings, rates) → (parameters, losses) for one batch, uncompiled.

        The lowest `learning` layers learn, layers above are left out; once all are `annealed`, G is the identity.
        """
        chain, factors = self.chain[:learning], (self.options.rate_mu, self.options.rate_s, self.options.rate_w)

        def step(batch: tf.Tensor, parameters: Any, smoothings: Any, rates: tf.Tensor) -> Any:
            images = batch.shape[0]
            updated, losses = [], []
            for i, (stage, x, log_p, _) in enumerate(forward(chain, parameters, batch)):
                axis, own = stage.patches.component_axis, parameters[i]
                smoothing = None if annealed else smoothings[i]
                scores = log_p if smoothing is None else cgmm.smooth(log_p, smoothing, axis=axis)
                winner, best = cgmm.winners(scores, axis=axis)
                sums = cgmm.winner_sums(x, winner, stage.components, stage.patches)
                h, w = stage.patches.grid
                direction = cgmm.gradient(own, sums, smoothing, images * h * w / stage.layer.positions)
                updated.append(cgmm.ascend(own, direction, tuple(rates[i] * factor for factor in factors)))
                losses.append(tf.reduce_mean(best))
            return tuple(updated), tf.stack(losses)

        return step

    def classify(self, batch: Any, labels: Any, parameters: Any, weights: Any) -> Any:
        """One SGD step of the classifier's (W, b) on the activities of the highest cGMM layers, uncompiled."""
        features = classifier_features(self.chain, parameters, batch, self.classifier_sources)
        d_weights, d_bias, _ = classifier.gradient(features, labels, *weights)
        rate = self.options.classifier_rate
        return weights[0] + rate * d_weights, weights[1] + rate * d_bias

    def loop(self, learning: int, annealed: bool, classifying: bool = False) -> Callable[..., Any]:
        """The compiled loop over the steps of a chunk.

        (batches (n, N, H, W, C), labels (n, N), parameters, weights, smoothings, rates) → (parameters, weights,
        losses (n, L)). The classifier is a compiled step of its own, so that the cGMM layers' step, and with it every
        bit of their parameters, is the same with and without a classifier.
        """
        key = (learning, annealed, classifying)
        if key not in self._loops:
            step = tf.function(self.step(learning, annealed), jit_compile=True, autograph=False)
            classify = tf.function(self.classify, jit_compile=True, autograph=False)

            def loop(batches: Any, labels: Any, parameters: Any, weights: Any, smoothings: Any, rates: Any) -> Any:
                count = tf.shape(batches)[0]
                losses = tf.TensorArray(tf.float32, count, element_shape=(learning,))

                def body(i: Any, parameters: Any, weights: Any, losses: Any) -> Any:
                    if classifying:
                        weights = classify(batches[i], labels[i], parameters, weights)
                    parameters, loss = step(batches[i], parameters, smoothings, rates)
                    return i + 1, parameters, weights, losses.write(i, loss)

                _, parameters, weights, losses = tf.while_loop(
                    lambda i, *_: i < count, body, (0, parameters, weights, losses), parallel_iterations=1
                )
                return parameters, weights, losses.stack()

            # A partial is a function of its own to TensorFlow, which else warns of "retracing" when a layer starts.
            self._loops[key] = tf.function(functools.partial(loop), reduce_retracing=True, autograph=False)
        return self._loops[key]


@functools.lru_cache(maxsize=8)
def compiled_training(
    chain: tuple[Stage, ...], factors: tuple[float, ...], classifier_rate: float, sources: int, batch_size: int
) -> CompiledTraining:
    """Compiled steps, shared by the trainings of a process that differ in seed, images or length alone.

    The batch size is part of the key so that every loop sees batches of one shape.
    """
    mu, s, w = factors
    options = TrainingOptions(rate_mu=mu, rate_s=s, rate_w=w, classifier_rate=classifier_rate, batch_size=batch_size)
    return CompiledTraining(chain, options, sources)


@dataclass
class TrainingState:
    """Everything that a resumed training needs."""

    parameters: list[cgmm.Parameters]
    classifier: tuple[tf.Tensor, ...]  # (W, b), or () without a classifier
    annealing: list[Annealing]
    iteration: int = 0
    history: History = field(default_factory=History)

    def write(self, path: Path, identity: dict[str, Any]) -> None:
        tensors = {
            f"{i}.{name}": value.numpy()
            for i, own in enumerate(self.parameters)
            for name, value in own._asdict().items()
        }
        tensors |= {f"classifier.{n}": value.numpy() for n, value in zip("Wb", self.classifier, strict=False)}
        description = {
            "identity": identity,
            "iteration": self.iteration,
            "annealing": [asdict(control) for control in self.annealing],
            "history": [list(row) for row in self.history],
        }
        write_tensors(path, tensors, description)

    @classmethod
    def read(cls, path: Path, identity: dict[str, Any]) -> TrainingState:
        """Read a checkpoint.

        Raises:
            DamagedFileError: the file is truncated or altered.
            ValueError: it belongs to another training.
        """
        tensors, description = read_tensors(path)
        if description["identity"] != identity:
            differing = [k for k in identity if description["identity"].get(k) != identity[k]]
            raise ValueError(
                f"the checkpoint {path} belongs to a training with another {', '.join(differing) or 'setting'}: "
                "delete it, or train with the settings that it was written with"
            )
        layers = len(description["annealing"])
        return cls(
            [cgmm.Parameters(*(tf.constant(tensors[f"{i}.{n}"]) for n in ("mu", "s", "w"))) for i in range(layers)],
            tuple(tf.constant(tensors[f"classifier.{n}"]) for n in "Wb" if f"classifier.{n}" in tensors),
            [Annealing(**control) for control in description["annealing"]],
            description["iteration"],
            History(HistoryRow(*row) for row in description["history"]),
        )


class Batches:
    """Batches of shuffled epochs; which images make step i depends on seed and i alone."""

    def __init__(self, x: np.ndarray, batch_size: int, seed: int) -> None:
        self.x = x
        self.size = min(batch_size, len(x))
        self.per_epoch = len(x) // self.size
        self.seed = seed
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def indices(self, step: int) -> np.ndarray:
        epoch, within = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, np.random.default_rng([self.seed, epoch]).permutation(len(self.x))
        return self._order[within * self.size : (within + 1) * self.size]

    def chunk(self, start: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Images (count, N, H, W, C) and indices (count, N) of the steps from `start` on."""
        indices = np.stack([self.indices(step) for step in range(start, start + count)])
        return self.x[indices], indices


class Trainer:
    """Runs a training from a state to its end."""

    def __init__(
        self,
        architecture: Architecture,
        chain: tuple[Stage, ...],
        options: TrainingOptions,
        state: TrainingState,
        *,
        batches: Batches,
        labels: np.ndarray | None,
        measure: Callable[[list[cgmm.Parameters]], list[tuple[int, str, float]]],
        checkpoint: Path | None,
        identity: dict[str, Any],
    ) -> None:
        self.chain, self.options, self.state, self.batches = chain, options, state, batches
        self.labels, self.measure, self.checkpoint, self.identity = labels, measure, checkpoint, identity
        placed = architecture.classifier
        sources = placed.spec.sources if placed is not None else 0  # type: ignore[union-attr]
        factors = (options.rate_mu, options.rate_s, options.rate_w)
        self.compiled = compiled_training(chain, factors, options.classifier_rate, sources, batches.size)
        self.total = options.iterations or max(1, round(options.epochs * batches.per_epoch))
        self.starts = [min(round(options.delay * i * self.total), self.total) for i in range(len(chain))]
        self.measure_at = (
            {round(i * self.total / options.measurements) for i in range(options.measurements + 1)}
            if (options.measurements)
            else set()
        )
        self.classifier_start = min(round(options.delay * len(chain) * self.total), self.total)

    def run(self, on_progress: Callable[[int, np.ndarray], None]) -> None:
        """Train to the end; `on_progress` gets the iterations done and the last losses of the learning layers."""
        if self.state.iteration == 0 and self.measure_at:
            self._record()
        saved = time.monotonic()
        while self.state.iteration < self.total:
            losses = self._chunk()
            if self.state.iteration in self.measure_at:
                self._record()
            if self.checkpoint is not None and time.monotonic() - saved > CHECKPOINT_SECONDS:
                self.state.write(self.checkpoint, self.identity)
                saved = time.monotonic()
            on_progress(self.state.iteration, losses[-1])

    def _record(self) -> None:
        for layer, split, value in self.measure(self.state.parameters):
            self.state.history.add(self.state.iteration, layer, split, value)

    def _steps_to_next_event(self, learning: int) -> int:
        now = self.state.iteration
        events = [self.total, *(s for s in (*self.starts, self.classifier_start) if s > now)]
        events += [m for m in self.measure_at if m > now]
        windows = [control.until_window_end for control in self.state.annealing[:learning]]
        batch_bytes = self.batches.x[: self.batches.size].nbytes
        return max(1, min(*(event - now for event in events), *windows, CHUNK_BYTES // batch_bytes))

    def _chunk(self) -> np.ndarray:
        state = self.state
        learning = sum(start <= state.iteration for start in self.starts)
        count = self._steps_to_next_event(learning)
        batches, indices = self.batches.chunk(state.iteration, count)
        controls = state.annealing[:learning]
        smoothings = [control.smoothing().astype(np.float32) for control in controls]
        annealed = all(np.array_equal(g, np.eye(len(g), dtype=g.dtype)) for g in smoothings)
        classifying = bool(state.classifier) and state.iteration >= self.classifier_start
        loop = self.compiled.loop(learning, annealed, classifying)
        updated, weights, losses = loop(
            tf.constant(batches),
            tf.constant(self.labels[indices] if classifying and self.labels is not None else indices),
            tuple(state.parameters[:learning]),
            state.classifier,
            tuple(map(tf.constant, smoothings)),
            tf.constant([control.learning_rate for control in controls], tf.float32),
        )
        losses = losses.numpy()
        self._check(losses)
        state.parameters[:learning] = [cgmm.Parameters(*own) for own in updated]
        state.classifier = tuple(weights)
        for control, column in zip(controls, losses.T, strict=True):
            control.observe([float(value) for value in column])
        state.iteration += count
        return losses

    def _check(self, losses: np.ndarray) -> None:
        if np.isfinite(losses).all():
            return
        step, layer = np.argwhere(~np.isfinite(losses))[0]
        raise TrainingDiverged(
            f"the loss of cGMM layer {layer} is {losses[step, layer]} at iteration {self.state.iteration + step} "
            f"with learning rate {self.state.annealing[layer].learning_rate:g}: "
            "lower learning_rate or its factors rate_mu, rate_s, rate_w, and check that images are in [0, 1]"
        )


def classifier_features(chain: tuple[Stage, ...], parameters: Any, x: tf.Tensor, sources: int) -> tf.Tensor:
    """Flattened activities of the `sources` highest cGMM layers, lower layer first: (N, D)."""
    every = [a for *_, a in forward(chain, parameters, x, last_activities=True)]
    activities = [a for a in every[-sources:] if a is not None]
    return tf.concat([tf.reshape(a, (tf.shape(x)[0], a.shape[1] * a.shape[2] * a.shape[3])) for a in activities], -1)


def resume_or_start(path: Path | None, identity: dict[str, Any], start: TrainingState) -> tuple[TrainingState, str]:
    """The state in the checkpoint file where there is a sound one, else `start`; and a remark on what was done."""
    if path is None or not path.is_file():
        return start, ""
    try:
        return TrainingState.read(path, identity), f"resumed from {path}"
    except DamagedFileError as error:
        return start, f"{error}; training starts from the beginning"
