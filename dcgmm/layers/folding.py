"""Folding layer F(f, Δ): the half-convolution of Sec. III-E, as a remapping of values."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from dcgmm.notation import Folding, Shape


def fold(x: tf.Tensor, size: int, stride: int) -> tf.Tensor:
    """Copy every size × size patch into the channels (Eq. 9).

    Args:
        x: (N, H', W', C').

    Returns:
        (N, H, W, f²C') with channel order (row in patch, column in patch, channel).
    """
    _, height, width, channels = x.shape
    h, w = 1 + (height - size) // stride, 1 + (width - size) // stride
    if h == w == 1:
        return tf.reshape(x[:, :size, :size], (-1, 1, 1, size * size * channels))
    # First along columns, then along rows: 2f slices instead of f².
    columns = tf.concat([x[:, :, j : j + (w - 1) * stride + 1 : stride] for j in range(size)], -1)
    return tf.concat([columns[:, i : i + (h - 1) * stride + 1 : stride] for i in range(size)], -1)


def copies(layer: Folding, input_shape: Shape) -> Any:
    """How often `fold` copies each input value, (H', W', 1) float32: J of Sec. III-E."""
    height, width, _ = input_shape
    ones = tf.ones((1, height, width, 1))
    with tf.GradientTape() as tape:
        tape.watch(ones)
        total = tf.reduce_sum(fold(ones, layer.size, layer.stride))
    return tape.gradient(total, ones)[0]


def unfold(t: tf.Tensor, layer: Folding, input_shape: Shape) -> tf.Tensor:
    """Backwards mode: every input value becomes the average over all places that it was copied to.

    Args:
        t: (N, H, W, f²C') control signal, as `fold` orders it.
        input_shape: (H', W', C') of the layer.

    Returns:
        (N, H', W', C').
    """
    if t.shape[1] == t.shape[2] == 1:
        return tf.reshape(t, (-1, *input_shape))
    return add_copies(t, layer.size, layer.stride, input_shape) / tf.cast(copies(layer, input_shape), t.dtype)


def add_copies(t: tf.Tensor, size: int, stride: int, input_shape: Shape) -> tf.Tensor:
    """The transpose of the linear map `fold`: every input value becomes the sum over all places it was copied to.

    Args:
        t: (N, H, W, f²C'), as `fold` orders it.
        input_shape: (H', W', C').

    Returns:
        (N, H', W', C').
    """
    x = tf.zeros((tf.shape(t)[0], *input_shape), t.dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        folded = fold(x, size, stride)
    return tape.gradient(folded, x, output_gradients=t)
