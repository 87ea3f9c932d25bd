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
from dcgmm.layers.forms import form_of
from dcgmm.network import Stage, classifier_features


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
        self, batch: jax.Array, parameters: Sequence[cgmm.Packed], smoothings: Sequence[jax.Array], rates: jax.Array
    ) -> tuple[tuple[cgmm.Packed, ...], jax.Array]:
        """One step of SGD ascent of every learning layer.

        Args:
            batch: (N, H, W, C).
            parameters: of the learning layers.
            smoothings: their G, (K, K).
            rates: (L,) their learning rates.

        Returns:
            The new parameters, and the layers' smoothed losses before the step, (L,) in nats.
        """
        x, updated, losses = batch, [], []
        for index, stage in enumerate(self.chain[: self.learning]):
            own, patches, form = parameters[index], stage.patches, form_of(stage.patches)
            smoothing = None if self.annealed else smoothings[index]
            prepared = form.prepare(stage.transform(x))
            log_p = form.log_densities(prepared, cgmm.quadratic_form(own))
            scores = log_p if smoothing is None else cgmm.smooth(log_p, smoothing, form)
            winner, best = form.winners(scores)
            sums = form.winner_sums(prepared, winner, stage.components)
            direction = cgmm.gradient(own, sums, smoothing, len(batch) * patches.positions / patches.sets)
            updated.append(cgmm.ascend(own, direction, tuple(rates[index] * factor for factor in self.factors)))
            losses.append(best.mean())
            if index < self.learning - 1:
                x = cgmm.responsibilities(log_p, patches)
        return tuple(updated), jnp.stack(losses)

    def classify(
        self, batch: jax.Array, labels: jax.Array, parameters: Sequence[cgmm.Packed], weights: Any
    ) -> tuple[jax.Array, jax.Array]:
        """One SGD step of the classifier's (W, b) on the activities of the highest cGMM layers."""
        features = classifier_features(self.chain, tuple(map(cgmm.unpacked, parameters)), batch, self.sources)
        d_weights, d_bias, _ = classifier.gradient(features, labels, *weights)
        return weights[0] + self.classifier_rate * d_weights, weights[1] + self.classifier_rate * d_bias

    def window(
        self,
        x: jax.Array,
        labels: jax.Array,
        indices: jax.Array,
        count: jax.Array,
        parameters: tuple[cgmm.Packed, ...],
        weights: tuple[jax.Array, ...],
        smoothings: tuple[jax.Array, ...],
        rates: jax.Array,
    ) -> tuple[tuple[cgmm.Packed, ...], tuple[jax.Array, ...], jax.Array]:
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


@functools.lru_cache(maxsize=64)
def compiled(program: Program) -> Callable[..., Any]:
    """The compiled window of one model."""
    return jax.jit(program.window)


@functools.lru_cache(maxsize=64)
def compiled_for_many(program: Program) -> Callable[..., Any]:
    """The compiled window of several models: a leading axis on all arguments but images, labels and count."""
    return jax.jit(jax.vmap(program.window, in_axes=(None, None, 0, None, 0, 0, 0, 0)))
