"""In-painting (Sec. III-J): forward with what is known of an image, backwards with the activities as control signal.

Two ways to go forward:

- "paper": unknown pixels are set to 0 and the layers see them as black.
- "conditional": unknown values are marginalised out. In the first cGMM layer, the terms of unknown pixels are dropped
  from the densities. The components have diagonal covariances, so this is exact: for a model of one layer with one
  position the completion is a sample of the mixture's conditional density given the known pixels. (With several
  positions that holds for each patch; overlapping patches choose their components independently and are averaged.)
  Above, a position whose receptive field holds no known pixel has nothing to say (its responsibilities are the layer's
  weights), and its terms are dropped in the same way.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from dcgmm.layers import cgmm
from dcgmm.layers.folding import fold
from dcgmm.network import Stage
from dcgmm.sampling import mini_batch_size, padded

VARIANTS = ("paper", "conditional")


def check_known(known: np.ndarray, images: Sequence[int]) -> np.ndarray:
    """The mask for each image, (n, H, W) bool.

    Args:
        known: (H, W) or (n, H, W) bool, True where a pixel is known.
        images: shape (n, H, W, C) of the images.

    Raises:
        ValueError: another shape or type.
    """
    known = np.asarray(known)
    n, height, width, _ = images
    if known.dtype != np.bool_ or known.shape not in ((height, width), (n, height, width)):
        raise ValueError(
            f"known has shape {known.shape} and type {known.dtype}: expected a boolean array of shape "
            f"({height}, {width}) or ({n}, {height}, {width}), True where a pixel is known"
        )
    return np.broadcast_to(known, (n, height, width))


def marginal_log_densities(
    x: tf.Tensor, known: tf.Tensor, parameters: cgmm.Parameters, size: int, stride: int
) -> tf.Tensor:
    """Log-densities of the known values of each patch: Σ over known d of log N(x_d; mu_kd, s_kd^-2), plus log pi_k.

    Args:
        x: (N, H', W', C') input of the layer, before folding.
        known: (N, H', W', C') 1 where known, else 0.
        parameters: of the cGMM layer.
        size, stride: of the folding right below it.

    Returns:
        (N, h, w, K), without the constant -½ log 2π of each known value, which is the same for all components.
    """
    mu, s, w = parameters
    precision = s * s
    kernel = tf.concat([precision * mu, -0.5 * precision, tf.math.log(s) - 0.5 * precision * mu * mu], -1)
    rows = tf.concat([fold(part, size, stride) for part in (x * known, x * x * known, known)], -1)
    h, width, dimension = rows.shape[1], rows.shape[2], rows.shape[3]
    if mu.shape[0] == 1:
        log_p = tf.matmul(tf.reshape(rows, (-1, dimension)), kernel[0], transpose_b=True)
        return tf.reshape(log_p, (-1, h, width, mu.shape[1])) + tf.nn.log_softmax(w[0])
    by_position = tf.transpose(tf.reshape(rows, (-1, h * width, dimension)), (1, 0, 2))
    log_p = tf.matmul(by_position, kernel, transpose_b=True) + tf.nn.log_softmax(w)[:, None]
    return tf.reshape(tf.transpose(log_p, (1, 0, 2)), (-1, h, width, mu.shape[1]))


def conditional_activities(
    chain: Sequence[Stage], parameters: Sequence[cgmm.Parameters], x: tf.Tensor, known: tf.Tensor
) -> tf.Tensor:
    """Responsibilities of the last stage's components given the known pixels only.

    Args:
        x: (N, H, W, C) images.
        known: (N, H, W, 1) 1 where known, else 0.

    Returns:
        (N, h, w, K).
    """
    for index, (stage, own) in enumerate(zip(chain, parameters, strict=True)):
        patches = stage.patches
        known = known + tf.zeros_like(x)  # one flag for each value
        if index == 0:  # a pooled pixel is known where its whole window is
            x, known = stage.transform(x), 1.0 - stage.transform(1.0 - known)
        else:  # the maximum over the positions of a window that know something
            x, known = stage.transform(x * known), stage.transform(known)
        log_p = marginal_log_densities(x, known, own, patches.size, patches.stride)
        x = cgmm.responsibilities(log_p)
        known = tf.reduce_max(fold(known, patches.size, patches.stride), -1, keepdims=True)
    return x


@functools.lru_cache(maxsize=16)
def _compiled(chain: tuple[Stage, ...], mini_batch: int) -> Any:
    return tf.function(functools.partial(conditional_activities, chain), jit_compile=True, autograph=False)


def conditional_control(
    chain: tuple[Stage, ...], parameters: Sequence[cgmm.Parameters], x: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """`conditional_activities` for images x (n, H, W, C) and masks (n, H, W), in compiled mini-batches."""
    n = len(x)
    size = mini_batch_size(n)
    forward = _compiled(chain, size)
    parts = []
    for first in range(0, max(n, 1), size):
        images = padded(x[first : first + size], size)
        masks = padded(known[first : first + size].astype(np.float32), size)[..., None]
        parts.append(forward(tuple(parameters), tf.constant(images), tf.constant(masks)).numpy())
    return np.concatenate(parts)[:n]
