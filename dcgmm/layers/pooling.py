"""Max-pooling layer P(f, Δ), Sec. III-D."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from dcgmm.notation import Pooling, Shape


def pool(x: tf.Tensor, layer: Pooling) -> tf.Tensor:
    """Maximum over each window; the last window is cut at the border unless the layer is `valid`.

    Args:
        x: (N, H', W', C').

    Returns:
        (N, H, W, C').
    """
    height, width = x.shape[1], x.shape[2]
    h, w, _ = layer.output_shape((height, width, x.shape[3]))
    missing = [max(0, (n - 1) * layer.stride + layer.size - extent) for n, extent in ((h, height), (w, width))]
    if any(missing):
        x = tf.pad(x, [[0, 0], [0, missing[0]], [0, missing[1]], [0, 0]], constant_values=x.dtype.min)
    return tf.nn.max_pool2d(x, layer.size, layer.stride, "VALID")


def upsample(t: tf.Tensor, layer: Pooling, input_shape: Shape) -> tf.Tensor:
    """Backwards mode: every input place receives the value of its window (the last one where windows overlap).

    Args:
        t: (N, H, W, C') control signal.
        input_shape: (H', W', C') of the layer; places that a `valid` layer drops receive their neighbour's value.

    Returns:
        (N, H', W', C').
    """
    rows = np.minimum(np.arange(input_shape[0]) // layer.stride, t.shape[1] - 1)
    columns = np.minimum(np.arange(input_shape[1]) // layer.stride, t.shape[2] - 1)
    return tf.gather(tf.gather(t, rows, axis=1), columns, axis=2)
