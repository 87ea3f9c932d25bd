"""Classification layer C(S), Sec. III-F: softmax regression on flattened activities."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from dcgmm.layers.products import matmul


def logits(features: jax.Array, weights: jax.Array, bias: jax.Array) -> jax.Array:
    """(N, D) features, (D, S) weights, (S,) bias → (N, S) unnormalised log-probabilities."""
    return matmul(features, weights) + bias


def gradient(features: jax.Array, labels: jax.Array, weights: jax.Array, bias: jax.Array) -> tuple[jax.Array, ...]:
    """Closed-form gradient of the mean log-probability of the labels (the negative cross-entropy, nats).

    Args:
        features: (N, D).
        labels: (N,) integers below S.

    Returns:
        Ascent directions for weights (D, S) and bias (S,), and the mean log-probability ().
    """
    log_p = jax.nn.log_softmax(logits(features, weights, bias))
    target = jax.nn.one_hot(labels, bias.shape[0], dtype=features.dtype)
    error = (target - jnp.exp(log_p)) / features.shape[0]
    mean = (target * log_p).sum() / features.shape[0]
    return matmul(features.T, error), error.sum(0), mean


def invert(control: jax.Array, weights: jax.Array, bias: jax.Array, components: int) -> jax.Array:
    """Approximate inversion Wᵀ(log T - b + c), with c such that the result is positive (Sec. III-F).

    The constant is chosen for each position of each image by itself. A common one would be the lowest of all positions:
    everywhere else it would leave a pedestal on which the class hardly counts.

    Args:
        control: (N, S), close to one-hot: the class to generate.
        weights: (D, S), of the activities to invert: D is a multiple of K.
        bias: (S,)
        components: K of the cGMM layer below.

    Returns:
        (N, D) positive control signal for the flattened activities; the smallest entry of each position is 1e-6 of the
        position's range above zero.
    """
    wanted = jnp.log(jnp.maximum(control, 1e-6)) - bias
    raw = matmul(wanted, weights.T).reshape(-1, weights.shape[0] // components, components)
    lowest = raw.min(-1, keepdims=True)
    spread = raw.max(-1, keepdims=True) - lowest
    return (raw - lowest + 1e-6 * jnp.maximum(spread, 1e-6)).reshape(-1, weights.shape[0])
