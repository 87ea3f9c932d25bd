"""The compiled programs of training: all layers in parallel, each by its own closed-form gradient (Sec. III-G).

One program runs a window: so many steps in a loop, with the images on the device and the batches picked there by index.
It returns to Python once a window at most, when something outside of the step changes: a window of the annealing ends,
a layer starts to learn, a measurement is due.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from dcgmm.layers import cgmm, classifier
from dcgmm.layers.forms import Form, Independent, form_of
from dcgmm.network import Stage, classifier_features

LARGE = 1_000_000  # activities of a layer, of a batch, that a CPU's cache does not hold


@dataclass(frozen=True)
class Program:
    """What is compiled: trainings of one process that agree in this share it.

    Attributes:
        chain: all stages; the lowest `learning` of them learn, the ones above are left out.
        factors: on the gradients of mu, s, w.
        annealed: all sigmas are at their end, G is the identity.
        sources: so many of the highest cGMM layers feed a classifier that learns; 0: none does.
        classifier_rate: its SGD rate.
    """

    chain: tuple[Stage, ...]
    factors: tuple[float, float, float]
    learning: int
    annealed: bool
    sources: int = 0
    classifier_rate: float = 0.0

    def step(
        self, batch: jax.Array, parameters: Sequence[cgmm.Parameters], smoothings: Sequence[jax.Array], rates: jax.Array
    ) -> tuple[tuple[cgmm.Parameters, ...], jax.Array]:
        """One step of SGD ascent of every learning layer.

        Args:
            batch: (N, H, W, C).
            parameters: of the learning layers.
            smoothings: their G, (K, K).
            rates: (L,) their learning rates.

        Returns:
            The new parameters, and the layers' smoothed losses before the step, (L,) in nats.
        """
        factors = [tuple(rates[index] * factor for factor in self.factors) for index in range(self.learning)]
        smoothing = [None] * self.learning if self.annealed else list(smoothings)
        chain = self.chain[: self.learning]
        if any(stage.patches.independent for stage in chain):
            x, updated, losses = chain[0].transform(batch), [], []
            for number, (stage, own, g, rate) in enumerate(zip(chain, parameters, smoothing, factors, strict=True), 1):
                form = form_of(stage.patches)
                new, activities, best = learn(form, x, own, g, rate)
                updated.append(new)
                losses.append(best.mean())
                x = chain[number].transform_activities(activities, form) if number < len(chain) else x
            return tuple(updated), jnp.stack(losses)

        forms = [cgmm.quadratic_form(own) for own in parameters]

        def totals(x: jax.Array) -> list[tuple[cgmm.WinnerSums, jax.Array]]:
            """Sums of these images, by layer, and of their losses."""
            found = []
            for stage, form, g in zip(chain, forms, smoothing, strict=True):
                sums, log_p, best = look(form_of(stage.patches), stage.transform(x), form, g)
                found.append((sums, best.sum()))
                x = cgmm.responsibilities(log_p, stage.patches) if stage is not chain[-1] else x
            return found

        updated, losses = [], []
        each = in_chunks(totals, batch, _chunk(chain, len(batch)))
        for stage, own, g, rate, (sums, loss) in zip(chain, parameters, smoothing, factors, each, strict=True):
            patches = len(batch) * stage.patches.positions
            updated.append(cgmm.ascend(own, cgmm.gradient(own, sums, g, patches), rate))
            losses.append(loss / patches)
        return tuple(updated), jnp.stack(losses)

    def classify(
        self, batch: jax.Array, labels: jax.Array, parameters: Sequence[cgmm.Parameters], weights: Any
    ) -> tuple[jax.Array, jax.Array]:
        """One SGD step of the classifier's (W, b) on the activities of the highest cGMM layers."""
        features = classifier_features(self.chain, parameters, batch, self.sources)
        d_weights, d_bias, _ = classifier.gradient(features, labels, *weights)
        return weights[0] + self.classifier_rate * d_weights, weights[1] + self.classifier_rate * d_bias

    def window(
        self,
        x: jax.Array,
        labels: jax.Array,
        indices: jax.Array,
        count: jax.Array,
        parameters: tuple[cgmm.Parameters, ...],
        weights: tuple[jax.Array, ...],
        smoothings: tuple[jax.Array, ...],
        rates: jax.Array,
    ) -> tuple[tuple[cgmm.Parameters, ...], tuple[jax.Array, ...], jax.Array]:
        """So many steps.

        Args:
            x: (n, H, W, C) all images.
            labels: (n,) int32, without use where no classifier learns.
            indices: (W, N) int32, the images of each step; rows from `count` on are not looked at.
            count: () int32, the number of steps.
            parameters, smoothings, rates: as for `step`.
            weights: (W, b) of the classifier, or ().

        Returns:
            New parameters and weights; losses (W, L), of which the first `count` rows are in use.
        """

        def steps(first: Any, last: Any, state: Any) -> Any:
            """Always a loop of its own: the same compiled step with and without a classifier, so the same bits."""

            def body(i: jax.Array, state: Any) -> Any:
                parameters, losses = state
                parameters, loss = self.step(x[indices[i]], parameters, smoothings, rates)
                return parameters, losses.at[i].set(loss)

            return jax.lax.fori_loop(first, last, body, state)

        losses = jnp.zeros((indices.shape[0], self.learning), jnp.float32)
        start = jnp.zeros((), jnp.int32)
        if not self.sources:
            parameters, losses = steps(start, count, (parameters, losses))
            return parameters, weights, losses

        def both(i: jax.Array, state: Any) -> Any:
            parameters, losses, weights = state
            weights = self.classify(x[indices[i]], labels[indices[i]], parameters, weights)
            parameters, losses = steps(i, jnp.minimum(i + 1, count), (parameters, losses))
            return parameters, losses, weights

        parameters, losses, weights = jax.lax.fori_loop(start, count, both, (parameters, losses, weights))
        return parameters, weights, losses


def look(
    form: Form, x: jax.Array, quadratic: cgmm.QuadraticForm, smoothing: jax.Array | None
) -> tuple[cgmm.WinnerSums, jax.Array, jax.Array]:
    """What a layer's gradient is made of.

    Args:
        x: (N, H', W', C') input of the layer, before folding.
        smoothing: G, (K, K), or None where it is the identity.

    Returns:
        The sums over winners; log-densities and the smoothed loss of each patch, as `form` orders them.
    """
    prepared = form.prepare(x)
    log_p = form.log_densities(prepared, quadratic)
    winner, best = form.winners(log_p if smoothing is None else cgmm.smooth(log_p, smoothing, form))
    return form.winner_sums(prepared, winner, quadratic.constant.shape[1]), log_p, best


def in_chunks(function: Callable[[jax.Array], Any], x: jax.Array, size: int) -> Any:
    """The sum of function(part) over parts of `size` images of x, one after another."""
    if size == len(x):
        return function(x)
    parts = x.reshape(-1, size, *x.shape[1:])
    zero = jax.tree.map(lambda total: jnp.zeros(total.shape, total.dtype), jax.eval_shape(function, parts[0]))
    total, _ = jax.lax.scan(lambda sums, part: (jax.tree.map(jnp.add, sums, function(part)), None), zero, parts)
    return total


def _chunk(chain: Sequence[Stage], images: int) -> int:
    """How many images of a batch go through shared layers at once: on a CPU so many that they stay in the cache."""
    values = max(stage.patches.positions * max(stage.components, stage.patches.input_shape[2]) for stage in chain)
    sizes = [size for size in range(10, 26) if images % size == 0]
    if chain[0].patches.platform != "cpu" or images * values < LARGE or not sizes:
        return images
    return sizes[-1]


def learn(
    form: Form, x: jax.Array, own: cgmm.Parameters, smoothing: jax.Array | None, rates: tuple[jax.Array, ...]
) -> tuple[cgmm.Parameters, jax.Array, jax.Array]:
    """One step of a layer.

    Args:
        x: (N, H', W', C') input of the layer, before folding.
        smoothing: G, (K, K), or None where it is the identity.
        rates: of mu, s, w.

    Returns:
        The new parameters; activities before the step, and the smoothed loss of each patch, as `form` orders them.
    """
    if isinstance(form, Independent) and form.row is not None:
        return _learn_by_rows(form, form.row, x, own, smoothing, rates)
    sums, log_p, best = look(form, x, cgmm.quadratic_form(own), smoothing)
    direction = cgmm.gradient(own, sums, smoothing, best.size / form.patches.sets)
    return cgmm.ascend(own, direction, rates), cgmm.posterior(log_p, form.component_axis), best


def _learn_by_rows(
    form: Independent, row: Independent, x: jax.Array, own: cgmm.Parameters, smoothing: Any, rates: Any
) -> tuple[cgmm.Parameters, jax.Array, jax.Array]:
    """`learn`, one row of positions after another."""
    h, w = form.patches.grid

    def one(given: tuple[jax.Array, cgmm.Parameters]) -> Any:
        first, own = given
        return learn(row, jax.lax.dynamic_slice_in_dim(x, first, form.patches.size, 1), own, smoothing, rates)

    first = jnp.arange(h, dtype=jnp.int32) * form.patches.stride
    split = jax.tree.map(lambda part: part.reshape(h, w, *part.shape[1:]), own)
    return jax.tree.map(lambda part: part.reshape(h * w, *part.shape[2:]), jax.lax.map(one, (first, split)))


@functools.lru_cache(maxsize=64)
def compiled(program: Program) -> Callable[..., Any]:
    """The compiled window of one model."""
    return jax.jit(program.window)


@functools.lru_cache(maxsize=64)
def compiled_for_many(program: Program) -> Callable[..., Any]:
    """The compiled window of several models: a leading axis on all arguments but images, labels and count."""
    return jax.jit(jax.vmap(program.window, in_axes=(None, None, 0, None, 0, 0, 0, 0)))
