"""Training of several models of one architecture, side by side, from a state to its end (method of arXiv 1912.09379).

All models take the same number of steps at a time, by one program with a model axis; each has its own images,
smoothing widths and learning rates. A single model has a program without that axis: CPUs train models one by one.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import jax
import numpy as np

from dcgmm.annealing import Annealing
from dcgmm.batches import Batches
from dcgmm.history import History
from dcgmm.layers.parameters import Parameters
from dcgmm.network import Stage
from dcgmm.options import TrainingOptions
from dcgmm.programs import Program, compiled, compiled_for_many

LONGEST_WINDOW = 1000  # steps in one call of a program
WINDOW_BYTES = 16 * 2**20  # of images that a CPU gets in one call

CURE = "learning_rate or its factors rate_mu, rate_s, rate_w, and check that images are in [0, 1]"

OnProgress = Callable[[int, np.ndarray], None]


class TrainingDiverged(ArithmeticError):
    """The loss of a layer, or a parameter, has become NaN or infinite."""


@dataclass(frozen=True)
class TrainingState:
    """How far the training of one model has come: everything that going on needs."""

    parameters: Sequence[Parameters]
    classifier: tuple[Any, ...]  # (W, b), or () without a classifier
    annealing: Sequence[Annealing]
    iteration: int = 0
    history: History = field(default_factory=History)

    @property
    def begun(self) -> tuple[bool, ...]:
        """Whether each cGMM layer has learnt; and whether the classifier has, which starts at zero and after them."""
        layers = [control.begun for control in self.annealing]
        return *layers, all(layers) and any(np.asarray(value).any() for value in self.classifier)


class Held(NamedTuple):
    """Parameters of the cGMM layers and of the classifier on the device."""

    parameters: tuple[Parameters, ...]
    weights: tuple[jax.Array, ...]


class Data(NamedTuple):
    """Images (n, H, W, C) and labels (n,) of all models, on the device; in NumPy for a CPU, which has them anyway."""

    x: Any
    labels: Any

    def of_a_window(self, indices: np.ndarray) -> tuple[Data, np.ndarray]:
        """For a CPU, the images of a window (W, N) alone, and their indices: no second copy of all images."""
        if not isinstance(self.x, np.ndarray):
            return self, indices
        chosen = indices.reshape(-1)
        own = np.arange(chosen.size, dtype=np.int32).reshape(indices.shape)
        return Data(self.x[chosen], self.labels[chosen]), own


class Alone:
    """A single model, by a program without a model axis; lists have one entry."""

    @staticmethod
    def hold(states: Sequence[TrainingState], device: jax.Device) -> list[Held]:
        """The model's parameters on the device."""
        (state,) = states
        return [jax.device_put(Held(tuple(state.parameters), tuple(state.classifier)), device)]

    @staticmethod
    def run(
        program: Program,
        data: Data,
        held: list[Held],
        indices: np.ndarray,
        count: int,
        smoothings: Sequence[Sequence[np.ndarray]],
        rates: np.ndarray,
    ) -> tuple[list[Held], np.ndarray]:
        """So many steps of every model.

        Args:
            indices: (models, W, N) int32.
            smoothings: G of each learning layer of each model.
            rates: (models, L) float32.

        Returns:
            The new parameters; losses (models, count, L).
        """
        annealed = replace(program, annealed=all(map(_is_identity, smoothings[0])))
        g = tuple(smoothings[0])
        data, chosen = data.of_a_window(indices[0])
        new, losses = _advance(compiled(annealed), annealed, data, held[0], chosen, count, g, rates[0])
        return [new], np.asarray(losses)[None, :count]

    @staticmethod
    def models(held: list[Held]) -> list[Held]:
        """Each model's parameters."""
        return held


class Stacked:
    """All models by one program with a leading model axis; the arguments are those of `Alone`."""

    @staticmethod
    def hold(states: Sequence[TrainingState], device: jax.Device) -> Held:
        each = [Held(tuple(state.parameters), tuple(state.classifier)) for state in states]
        return jax.device_put(jax.tree.map(lambda *parts: np.stack(parts), *each), device)

    @staticmethod
    def run(
        program: Program,
        data: Data,
        held: Held,
        indices: np.ndarray,
        count: int,
        smoothings: Sequence[Sequence[np.ndarray]],
        rates: np.ndarray,
    ) -> tuple[Held, np.ndarray]:
        annealed = replace(program, annealed=all(_is_identity(g) for own in smoothings for g in own))
        stacked = tuple(np.stack(layer) for layer in zip(*smoothings, strict=True))
        many = compiled_for_many(annealed)
        held, losses = _advance(many, annealed, data, held, indices, count, stacked, rates)
        return held, np.asarray(losses)[:, :count]

    @staticmethod
    def models(held: Held) -> list[Held]:
        leaves, structure = jax.tree.flatten(held)
        return [jax.tree.unflatten(structure, [leaf[i] for leaf in leaves]) for i in range(len(leaves[0]))]


def _advance(
    function: Callable[..., Any],
    program: Program,
    data: Data,
    held: Held,
    indices: np.ndarray,
    count: int,
    smoothings: tuple[np.ndarray, ...],
    rates: np.ndarray,
) -> tuple[Held, jax.Array]:
    learning = program.learning
    updated, weights, losses = function(
        data.x, data.labels, indices, np.int32(count), held.parameters[:learning], held.weights, smoothings, rates
    )
    return Held((*updated, *held.parameters[learning:]), weights), losses


def _is_identity(g: np.ndarray) -> bool:
    return np.array_equal(g, np.eye(len(g), dtype=g.dtype))


class _Now(NamedTuple):
    """The states of all models, replaced as a whole: an interruption never sees half of a change."""

    held: Any
    annealing: list[list[Annealing]]  # of each model, of each layer
    iteration: int
    histories: list[History]


class Trainer:
    """Trains models that take the same number of steps with batches of the same size.

    Args:
        chain: of all models.
        classifier_sources: so many of the highest cGMM layers feed the classifier; 0 without one.
        options: of all models.
        total: number of steps, those before included.
        first: the step at which this training began.
        states: of the models; all have come equally far.
        batches: of each model.
        data: of all.
        measure: for each model, its parameters → rows (layer, split, value).
        runner: `Alone` or `Stacked`.
        device: where it is computed.
    """

    def __init__(
        self,
        chain: tuple[Stage, ...],
        classifier_sources: int,
        options: TrainingOptions,
        *,
        total: int,
        first: int,
        states: Sequence[TrainingState],
        batches: Sequence[Batches],
        data: Data,
        measure: Sequence[Callable[[Sequence[Parameters]], list[tuple[int, str, float]]]],
        runner: Any,
        device: jax.Device,
    ) -> None:
        self.chain, self.options, self.total, self.batches = chain, options, total, batches
        self.data, self.measure, self.runner = data, measure, runner
        factors = (options.rate_mu, options.rate_s, options.rate_w)
        self.program = Program(chain, factors, len(chain), False, classifier_sources, options.classifier_rate)
        *self.starts, self.classifier_start = (
            0 if begun else min(round(options.delay * i * total), total) for i, begun in enumerate(states[0].begun)
        )
        self._warn_of_idle_layers()
        every = range(options.measurements + 1) if options.measurements else ()
        self.measure_at = {first + round(i * (total - first) / options.measurements) for i in every}
        self.rows_of_a_window = min(options.window, LONGEST_WINDOW, self._steps_of_memory())
        self.now = _Now(
            runner.hold(states, device),
            [list(state.annealing) for state in states],
            states[0].iteration,
            [state.history for state in states],
        )
        if any(state.iteration != self.now.iteration for state in states):
            raise ValueError(f"the models have come to iterations {[state.iteration for state in states]}: not equal")
        self.recorded = self.now.iteration > first or any(self.now.histories)

    @property
    def states(self) -> list[TrainingState]:
        """How far each model has come."""
        now = self.now
        return [
            TrainingState(
                list(held.parameters),
                held.weights,
                annealing,
                now.iteration,
                history,
            )
            for held, annealing, history in zip(self.runner.models(now.held), now.annealing, now.histories, strict=True)
        ]

    def run(self, on_progress: OnProgress, after_window: Callable[[], None]) -> None:
        """Train to the end.

        Args:
            on_progress: gets the steps done and the last losses of the learning layers, (models, L) in nats.
            after_window: called after each call of a program, when `states` are whole; may raise to end the training.

        Raises:
            TrainingDiverged: a loss, a weight of the classifier, or in the end a parameter, is not a number.
        """
        if not self.recorded and self.now.iteration in self.measure_at:
            self._commit(self.now)
        while self.now.iteration < self.total:
            losses = self._window()
            after_window()
            on_progress(self.now.iteration, losses[:, -1])
        self._check_parameters(self.now.held, "after the last iteration")

    def _commit(self, now: _Now) -> None:
        """Make `now` the state, with the measurements that are due."""
        if now.iteration in self.measure_at:
            histories = []
            each = zip(self.measure, self.runner.models(now.held), now.histories, strict=True)
            for measure, held, history in each:
                grown = History(history)
                for layer, split, value in measure(held.parameters):
                    grown.add(now.iteration, layer, split, value)
                histories.append(grown)
            now = now._replace(histories=histories)
        self.now = now

    def _steps_of_memory(self) -> int:
        """How many steps' images a CPU gets at once."""
        if not isinstance(self.data.x, np.ndarray):
            return LONGEST_WINDOW
        return max(1, WINDOW_BYTES // (self.batches[0].size * self.data.x[0].nbytes))

    def _steps_to_next_event(self, learning: int) -> int:
        now = self.now
        events = [self.total, *(s for s in (*self.starts, self.classifier_start) if s > now.iteration)]
        events += [m for m in self.measure_at if m > now.iteration]
        windows = [control.until_window_end for own in now.annealing for control in own[:learning]]
        return min(*(event - now.iteration for event in events), *windows, self.rows_of_a_window)

    def _window(self) -> np.ndarray:
        now = self.now
        learning = sum(start <= now.iteration for start in self.starts)
        count = self._steps_to_next_event(learning)
        indices = np.zeros((len(self.batches), self.rows_of_a_window, self.batches[0].size), np.int32)
        for rows, batches in zip(indices, self.batches, strict=True):
            rows[:count] = batches.window(now.iteration, count)
        controls = [copy.deepcopy(own[:learning]) for own in now.annealing]
        classifying = bool(self.program.sources) and now.iteration >= self.classifier_start
        held, losses = self.runner.run(
            replace(self.program, learning=learning, sources=self.program.sources if classifying else 0),
            self.data,
            now.held,
            indices,
            count,
            [[control.smoothing().astype(np.float32) for control in own] for own in controls],
            np.array([[control.learning_rate for control in own] for own in controls], np.float32),
        )
        self._check(losses)
        if classifying:  # which has no loss among them
            self._check_parameters(held, f"after iteration {now.iteration + count}", of_layers=False)
        for own, columns in zip(controls, losses.transpose(0, 2, 1), strict=True):
            for control, column in zip(own, columns, strict=True):
                control.observe([float(value) for value in column])
        annealing = [[*new, *old[learning:]] for new, old in zip(controls, now.annealing, strict=True)]
        self._commit(_Now(held, annealing, now.iteration + count, now.histories))
        return losses

    def _warn_of_idle_layers(self) -> None:
        """Say which layers a long delay leaves at their initial parameters."""
        idle = [f"cGMM layer {i}" for i, start in enumerate(self.starts) if start >= self.total]
        if self.program.sources and self.classifier_start >= self.total:
            idle.append("the classifier")
        if idle:
            warnings.warn(
                f"delay={self.options.delay:g}: {', '.join(idle)} would begin after the last of {self.total} iterations"
                " and is not trained; give a smaller delay",
                stacklevel=2,
            )

    def _check_parameters(self, held: Any, when: str, *, of_layers: bool = True) -> None:
        """What no loss has seen: the last step's update, and the classifier."""
        for model, own in enumerate(self.runner.models(held)):
            layers = [(f"cGMM layer {i}", values, CURE) for i, values in enumerate(own.parameters) if of_layers]
            for which, values, cure in [*layers, ("the classifier", own.weights, "classifier_rate")]:
                if not all(np.isfinite(np.asarray(value)).all() for value in values):
                    raise TrainingDiverged(
                        f"parameters of {which} of the model with seed {self.batches[model].seed} are not finite "
                        f"{when}: lower {cure}"
                    )

    def _check(self, losses: np.ndarray) -> None:
        if np.isfinite(losses).all():
            return
        step, model, layer = np.argwhere(~np.isfinite(losses.transpose(1, 0, 2)))[0]
        which = f" of model {model} (seed {self.batches[model].seed})" if len(losses) > 1 else ""
        raise TrainingDiverged(
            f"the loss of cGMM layer {layer}{which} is {losses[model, step, layer]} at iteration "
            f"{self.now.iteration + step} with learning rate {self.now.annealing[model][layer].learning_rate:g}: "
            f"lower {CURE}"
        )
