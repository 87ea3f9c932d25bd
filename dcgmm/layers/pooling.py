"""Max-pooling layer P(f, Δ), Sec. III-D."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from dcgmm.notation import Pooling, Shape


def pool(x: jax.Array, layer: Pooling) -> jax.Array:
    """Maximum over each window; the last window is cut at the border unless the layer is `valid`.

    Its derivative is that of the first maximal value of the window. (Elementwise operations on f² slices: compilers
    fuse them with what follows.)

    Args:
        x: (N, H', W', C').

    Returns:
        (N, H, W, C').
    """
    height, width = x.shape[1], x.shape[2]
    h, w, _ = layer.output_shape((height, width, x.shape[3]))
    missing = [max(0, (n - 1) * layer.stride + layer.size - extent) for n, extent in ((h, height), (w, width))]
    if any(missing):
        x = jnp.pad(x, [(0, 0), (0, missing[0]), (0, missing[1]), (0, 0)], constant_values=-np.inf)
    rows, columns = ((n - 1) * layer.stride + 1 for n in (h, w))
    best: jax.Array | None = None
    for i in range(layer.size):
        for j in range(layer.size):
            other = x[:, i : i + rows : layer.stride, j : j + columns : layer.stride]
            best = other if best is None else jnp.where(best >= other, best, other)
    assert best is not None
    return best


def upsample(t: jax.Array, layer: Pooling, input_shape: Shape) -> jax.Array:
    """Backwards mode: every input place receives the value of its window (the last one where windows overlap).

    Args:
        t: (N, H, W, C') control signal.
        input_shape: (H', W', C') of the layer; places that a `valid` layer drops receive their neighbour's value.

    Returns:
        (N, H', W', C').
    """
    rows = np.minimum(np.arange(input_shape[0], dtype=np.int32) // layer.stride, np.int32(t.shape[1] - 1))
    columns = np.minimum(np.arange(input_shape[1], dtype=np.int32) // layer.stride, np.int32(t.shape[2] - 1))
    return t[:, rows][:, :, columns]
