"""Random numbers that are a function of (seed, image, element): the same whatever the size of the mini-batches.

JAX's Threefry, whatever the caller has made JAX's default, with a key for each image of each stream.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import jax
import jax.numpy as jnp
import numpy as np

from dcgmm import checks


def stream_keys(seed: int, streams: int) -> np.ndarray:
    """Independent keys for so many uses of one seed, (streams, 2) uint32.

    Raises:
        ValueError: what is no seed.
    """
    seed = checks.seed(seed)
    return np.stack([np.random.SeedSequence(seed, spawn_key=(i,)).generate_state(2) for i in range(streams)])


def image_keys(key: jax.Array, images: jax.Array) -> jax.Array:
    """(N,) keys of JAX: a stream's key, (2,) uint32, with the image's number in the run, (N,) int32, folded in."""
    stream = jax.random.wrap_key_data(key, impl="threefry2x32")
    return jax.vmap(jax.random.fold_in, (None, 0))(stream, images)


def uniform(key: jax.Array, images: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """(N, *shape) float32 in [0, 1), multiples of 2^-23."""
    return _drawn(jax.random.uniform, key, images, shape)


def normal(key: jax.Array, images: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """(N, *shape) float32, standard normal."""
    return _drawn(jax.random.normal, key, images, shape)


def _drawn(draw: Callable[..., jax.Array], key: jax.Array, images: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    # Both words of each block of Threefry are used, which is twice as fast as JAX's default, the "partitionable" order.
    with jax.threefry_partitionable(False):
        flat = jax.vmap(lambda own: draw(own, (prod(shape),), jnp.float32))(image_keys(key, images))
    return flat.reshape(-1, *shape)
