"""Classification layer C(S), Sec. III-F: softmax regression on flattened activities."""

from __future__ import annotations

import tensorflow as tf


def logits(features: tf.Tensor, weights: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """(N, D) features, (D, S) weights, (S,) bias → (N, S) unnormalised log-probabilities."""
    return tf.matmul(features, weights) + bias


def gradient(features: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Closed-form gradient of the mean log-probability of the labels (the negative cross-entropy, nats).

    Args:
        features: (N, D).
        labels: (N,) integers below S.

    Returns:
        Ascent directions for weights (D, S) and bias (S,), and the mean log-probability ().
    """
    log_p = tf.nn.log_softmax(logits(features, weights, bias))
    target = tf.one_hot(labels, bias.shape[0], dtype=features.dtype)
    count = tf.cast(tf.shape(features)[0], features.dtype)
    error = (target - tf.exp(log_p)) / count
    mean = tf.reduce_sum(target * log_p) / count
    return tf.matmul(features, error, transpose_a=True), tf.reduce_sum(error, 0), mean


def invert(control: tf.Tensor, weights: tf.Tensor, bias: tf.Tensor, components: int) -> tf.Tensor:
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
    wanted = tf.math.log(tf.maximum(control, 1e-6)) - bias
    raw = tf.reshape(tf.matmul(wanted, weights, transpose_b=True), (-1, weights.shape[0] // components, components))
    lowest = tf.reduce_min(raw, -1, keepdims=True)
    spread = tf.reduce_max(raw, -1, keepdims=True) - lowest
    return tf.reshape(raw - lowest + 1e-6 * tf.maximum(spread, 1e-6), (-1, weights.shape[0]))
