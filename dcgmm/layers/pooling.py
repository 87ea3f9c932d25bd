"""Max-pooling layer P(f, Δ), Sec. III-D."""

from __future__ import annotations

import functools
from collections.abc import Iterable

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
    h, w, _ = layer.output_shape(x.shape[1:])  # type: ignore[arg-type]
    x = _padded(x, layer, 1)
    rows, columns = ((n - 1) * layer.stride + 1 for n in (h, w))
    return _maximum(
        x[:, i : i + rows : layer.stride, j : j + columns : layer.stride]
        for i in range(layer.size)
        for j in range(layer.size)
    )


def pool_by_rows(x: jax.Array, layer: Pooling) -> jax.Array:
    """`pool` of images along the last axis, one row of windows after another: for a CPU, whose cache holds a row.

    Args:
        x: (H', W', C', N).

    Returns:
        (H, W, C', N).
    """
    h, w, _ = layer.output_shape(x.shape[:3])  # type: ignore[arg-type]
    x, columns = _padded(x, layer, 0), (w - 1) * layer.stride + 1

    def row(first: jax.Array) -> jax.Array:
        rows = jax.lax.dynamic_slice_in_dim(x, first, layer.size)
        return _maximum(rows[i, j : j + columns : layer.stride] for i in range(layer.size) for j in range(layer.size))

    return jax.lax.map(row, jnp.arange(h, dtype=jnp.int32) * layer.stride)


def _padded(x: jax.Array, layer: Pooling, axis: int) -> jax.Array:
    """x with what windows need beside it; height and width are `axis` and the next."""
    height, width = x.shape[axis : axis + 2]
    h, w, _ = layer.output_shape((height, width, 1))
    missing = [max(0, (n - 1) * layer.stride + layer.size - extent) for n, extent in ((h, height), (w, width))]
    if not any(missing):
        return x
    before = [(0, 0)] * axis
    after = [(0, 0)] * (x.ndim - axis - 2)
    return jnp.pad(x, [*before, (0, missing[0]), (0, missing[1]), *after], constant_values=-np.inf)


def _maximum(places: Iterable[jax.Array]) -> jax.Array:
    return functools.reduce(lambda best, other: jnp.where(best >= other, best, other), places)


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
