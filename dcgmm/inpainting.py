"""In-painting (Sec. III-J): forward with what is known of an image, backwards with the activities as control signal.

Two ways to go forward:

- "paper": unknown pixels are set to 0 and the layers see them as black.
- "conditional": unknown values are marginalised out. In the first cGMM layer, the terms of unknown pixels are dropped
  from the densities. The components have diagonal covariances, so this is exact: for a model of one layer with one
  position the completion is a sample of the mixture's conditional density given the known pixels. (With several
  positions that holds for each patch; overlapping patches choose their components independently and are averaged.)
  Above, a position whose receptive field holds no known pixel carries no information (its responsibilities are the
  layer's weights), and its terms are dropped in the same way.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from dcgmm.batches import mini_batch_size, padded
from dcgmm.layers import cgmm
from dcgmm.layers.folding import fold
from dcgmm.layers.products import matmul
from dcgmm.network import Stage

VARIANTS = ("paper", "conditional")


def marginal_log_densities(
    x: jax.Array, known: jax.Array, parameters: cgmm.Parameters, size: int, stride: int
) -> jax.Array:
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
    kernel = jnp.concatenate([precision * mu, -0.5 * precision, jnp.log(s) - 0.5 * precision * mu * mu], -1)
    rows = jnp.concatenate([fold(part, size, stride) for part in (x * known, x * x * known, known)], -1)
    n, h, width, dimension = rows.shape
    sets = mu.shape[0]  # 1, or as many as positions
    by_set = rows.reshape(-1, sets, dimension).transpose(1, 0, 2)
    log_p = matmul(by_set, kernel.transpose(0, 2, 1)) + jax.nn.log_softmax(w)[:, None]
    return log_p.transpose(1, 0, 2).reshape(n, h, width, mu.shape[1])


def conditional_activities(
    chain: Sequence[Stage], parameters: Sequence[cgmm.Parameters], x: jax.Array, known: jax.Array
) -> jax.Array:
    """Responsibilities of the last stage's components given the known pixels only.

    Args:
        x: (N, H, W, C) images.
        known: (N, H, W, 1) 1 where known, else 0.

    Returns:
        (N, h, w, K).
    """
    for index, (stage, own) in enumerate(zip(chain, parameters, strict=True)):
        patches = stage.patches
        known = jnp.broadcast_to(known, x.shape)  # one flag for each value
        if index == 0:  # a pooled pixel is known where its whole window is
            x, known = stage.transform(x), 1.0 - stage.transform(1.0 - known)
        else:  # the maximum over the positions of a window that know something
            x, known = stage.transform(x * known), stage.transform(known)
        log_p = marginal_log_densities(x, known, own, patches.size, patches.stride)
        x = cgmm.posterior(log_p)
        known = fold(known, patches.size, patches.stride).max(-1, keepdims=True)
    return x


@functools.lru_cache(maxsize=16)
def _compiled(chain: tuple[Stage, ...]) -> Callable[..., jax.Array]:
    return jax.jit(functools.partial(conditional_activities, chain))


def conditional_control(
    chain: tuple[Stage, ...], parameters: Sequence[cgmm.Parameters], x: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """`conditional_activities` for images x (n, H, W, C) and masks (n, H, W), in compiled mini-batches."""
    n = len(x)
    size = mini_batch_size(n)
    forward = _compiled(chain)
    parts = []
    for first in range(0, max(n, 1), size):
        images = padded(x[first : first + size], size)
        masks = padded(known[first : first + size].astype(np.float32), size)[..., None]
        parts.append(np.asarray(forward(tuple(parameters), images, masks)))
    return np.concatenate(parts)[:n]
