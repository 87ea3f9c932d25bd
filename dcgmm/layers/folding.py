"""Folding layer F(f, Δ): the half-convolution of Sec. III-E, as a remapping of values."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from dcgmm.notation import Folding, Shape


def fold(x: jax.Array, size: int, stride: int) -> jax.Array:
    """Copy every size × size patch into the channels (Eq. 9).

    Args:
        x: (N, H', W', C').

    Returns:
        (N, H, W, f²C') with channel order (row in patch, column in patch, channel).
    """
    n, height, width, channels = x.shape
    h, w = 1 + (height - size) // stride, 1 + (width - size) // stride
    if h == w == 1:
        return x[:, :size, :size].reshape(n, 1, 1, size * size * channels)
    # First along columns, then along rows: 2f slices instead of f².
    columns = jnp.concatenate([x[:, :, j : j + (w - 1) * stride + 1 : stride] for j in range(size)], -1)
    return jnp.concatenate([columns[:, i : i + (h - 1) * stride + 1 : stride] for i in range(size)], -1)


def copies(layer: Folding, input_shape: Shape) -> np.ndarray:
    """How often `fold` copies each input value, (H', W', 1) float32: J of Sec. III-E."""

    def along(extent: int) -> np.ndarray:
        place = np.arange(extent)[:, None]
        first = np.arange(0, extent - layer.size + 1, layer.stride)
        return ((first <= place) & (place < first + layer.size)).sum(1)

    return np.outer(along(input_shape[0]), along(input_shape[1]))[..., None].astype(np.float32)


def unfold(t: jax.Array, layer: Folding, input_shape: Shape) -> jax.Array:
    """Backwards mode: every input value becomes the average over all places that it was copied to.

    Args:
        t: (N, H, W, f²C') control signal, as `fold` orders it.
        input_shape: (H', W', C') of the layer.

    Returns:
        (N, H', W', C').
    """
    if t.shape[1] == t.shape[2] == 1:
        return t.reshape(-1, *input_shape)
    return add_copies(t, layer.size, layer.stride, input_shape) / copies(layer, input_shape)


def add_copies(t: jax.Array, size: int, stride: int, input_shape: Shape) -> jax.Array:
    """The transpose of the linear map `fold`: every input value becomes the sum over all places it was copied to.

    Args:
        t: (N, H, W, f²C'), as `fold` orders it.
        input_shape: (H', W', C').

    Returns:
        (N, H', W', C').
    """
    x = jax.ShapeDtypeStruct((t.shape[0], *input_shape), t.dtype)
    (summed,) = jax.linear_transpose(lambda x: fold(x, size, stride), x)(t)
    return summed
