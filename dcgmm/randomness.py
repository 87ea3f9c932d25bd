"""Random numbers that are a function of (seed, image, element): the same whatever the size of the mini-batches.

Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, 2011), written
with elementwise integer operations that a compiler fuses with what uses the numbers.
"""

from __future__ import annotations

from math import prod, sqrt

import numpy as np
import tensorflow as tf

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def stream_keys(seed: int, streams: int) -> np.ndarray:
    """Independent keys for so many uses of one seed, (streams, 2) uint32.

    Raises:
        ValueError: a seed that is not an integer of at least 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed={seed!r} is not a seed: give an integer of at least 0")
    return np.stack([np.random.SeedSequence(int(seed), spawn_key=(i,)).generate_state(2) for i in range(streams)])


def threefry(key: tf.Tensor, first: tf.Tensor, second: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Encrypt the counter (first, second) with the key (2,): two words of random bits per counter, all uint32."""
    keys = (key[0], key[1], tf.bitwise.bitwise_xor(tf.bitwise.bitwise_xor(key[0], key[1]), np.uint32(_PARITY)))
    x, y = first + keys[0], second + keys[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x = x + y
            left = tf.bitwise.left_shift(y, np.uint32(rotation))
            rotated = tf.bitwise.bitwise_or(left, tf.bitwise.right_shift(y, np.uint32(32 - rotation)))
            y = tf.bitwise.bitwise_xor(rotated, x)
        x = x + keys[(group + 1) % 3]
        y = y + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x, y


def _bits(key: tf.Tensor, images: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """(N, *shape) random uint32; `images` (N,) are the numbers of the images in the whole run."""
    half = (prod(shape) + 1) // 2
    counter = tf.cast(tf.range(half), tf.uint32)[None, :]
    image = tf.cast(images, tf.uint32)[:, None]
    words = tf.concat(threefry(key, tf.broadcast_to(image, (image.shape[0], half)), counter + 0 * image), 1)
    return tf.reshape(words[:, : prod(shape)], (-1, *shape))


def uniform(key: tf.Tensor, images: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """(N, *shape) float32 in [0, 1), multiples of 2^-23."""
    bits = tf.cast(tf.bitwise.right_shift(_bits(key, images, shape), np.uint32(9)), tf.int32)
    return tf.cast(bits, tf.float32) * np.float32(2.0**-23)


def normal(key: tf.Tensor, images: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """(N, *shape) float32, standard normal, by the inverse of the distribution function."""
    centred = 2.0 * uniform(key, images, shape) + np.float32(2.0**-23 - 1.0)  # within (-1, 1), symmetric
    return np.float32(sqrt(2.0)) * tf.math.erfinv(centred)
