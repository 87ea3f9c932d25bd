"""Convolutional Gaussian mixture layer G(K), Sec. III-C: densities, responsibilities, losses, gradients.

Symbols: N images; h·w positions with a patch vector of length D each, so M = N·h·w patches; K components;
P parameter sets (1 when shared, h·w when independent). Parameters are centroids mu (P, K, D), inverse standard
deviations s (P, K, D), raw weights w (P, K) with pi = softmax(w).

No (M, K, D) tensor is ever made. Expanding the square makes a log-density linear in (x, x²), so densities are
matrix products or convolutions; and a smoothed gradient is a K × K product of sums over each winner's patches, so
gradients are sums of rows. docs/performance.md has the measurements behind the choice of each form.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi
from typing import NamedTuple

import tensorflow as tf

from dcgmm.layers.folding import fold

# Responsibilities below exp(-30) of the largest are set to zero: far below what float32 resolves in the next layer,
# and their squares would otherwise become denormal numbers, on which CPUs are many times slower.
NEGLIGIBLE_LOG_RATIO = -30.0

S_MAX = 20.0**0.5
S_MIN = 1e-3  # keeps log s defined


class Parameters(NamedTuple):
    """Trainable parameters of one cGMM layer."""

    mu: tf.Tensor  # (P, K, D)
    s: tf.Tensor  # (P, K, D)
    w: tf.Tensor  # (P, K)


class QuadraticForm(NamedTuple):
    """log p_k(x) = quadratic_k·x² + linear_k·x + constant_k."""

    linear: tf.Tensor  # (P, K, D)
    quadratic: tf.Tensor  # (P, K, D)
    constant: tf.Tensor  # (P, K)


class WinnerSums(NamedTuple):
    """Per component, over the patches that it wins: their number, sum and sum of squares."""

    count: tf.Tensor  # (P, K)
    first: tf.Tensor  # (P, K, D)
    second: tf.Tensor  # (P, K, D)


@dataclass(frozen=True)
class Patches:
    """How a cGMM layer sees its input: patches of `size` at `stride`, folded on the fly.

    A cGMM layer without a folding layer right below it has size = stride = 1.
    """

    size: int
    stride: int
    input_shape: tuple[int, int, int]
    independent: bool

    @property
    def grid(self) -> tuple[int, int]:
        """Positions (h, w)."""
        return tuple(1 + (n - self.size) // self.stride for n in self.input_shape[:2])  # type: ignore[return-value]

    @property
    def dimension(self) -> int:
        """D, the length of a patch vector."""
        return self.size**2 * self.input_shape[2]

    @property
    def dense(self) -> bool:
        """One position that covers the whole input: no folding needed."""
        return self.grid == (1, 1) and self.size == self.input_shape[0] == self.input_shape[1]

    @property
    def few_channels(self) -> bool:
        """Patches straight from an image: unfolding with patches as columns is fast."""
        return self.input_shape[2] <= 3 and not (self.dense or self.independent)

    @property
    def blocks(self) -> bool:
        """Patches are whole blocks of stride × stride pixels: shifting results of blocks replaces folding pixels."""
        plain = not (self.dense or self.independent or self.few_channels)
        return plain and self.stride > 1 and self.size % self.stride == 0

    @property
    def component_axis(self) -> int:
        """Axis of the components in `log_densities`: 0 for short patches of few channels, else -1.

        Reductions over a leading axis run over contiguous rows, which is what limits layers of many short patches.
        """
        return 0 if self.few_channels and self.dimension <= 32 else -1


def quadratic_form(parameters: Parameters) -> QuadraticForm:
    """Expand log pi_k + Σ_d log s_kd - ½ Σ_d s_kd² (x_d - mu_kd)² - D/2 log 2π in powers of x."""
    mu, s, w = parameters
    precision = s * s
    normalisation = 0.5 * log(2.0 * pi) * mu.shape[-1]
    constant = tf.nn.log_softmax(w) + tf.reduce_sum(tf.math.log(s) - 0.5 * precision * mu * mu, -1) - normalisation
    return QuadraticForm(precision * mu, -0.5 * precision, constant)


def _with_squares(x: tf.Tensor, axis: int = -1) -> tf.Tensor:
    return tf.concat([x, x * x], axis)


def _columns(x: tf.Tensor, patches: Patches) -> tf.Tensor:
    """(N, H', W', C') → (D, M) patches as columns."""
    f, stride, (h, w) = patches.size, patches.stride, patches.grid
    channels_first = tf.transpose(x, (3, 0, 1, 2))
    rows = [
        channels_first[:, :, i : i + (h - 1) * stride + 1 : stride, j : j + (w - 1) * stride + 1 : stride]
        for i in range(f)
        for j in range(f)
    ]
    return tf.reshape(tf.concat(rows, 0), (patches.dimension, -1))


def _per_position(x: tf.Tensor, patches: Patches) -> tf.Tensor:
    """(N, H', W', C') → (h·w, N, D): the patches of each position together."""
    h, w = patches.grid
    folded = fold(x, patches.size, patches.stride)
    return tf.transpose(tf.reshape(folded, (-1, h * w, patches.dimension)), (1, 0, 2))


def log_densities(x: tf.Tensor, form: QuadraticForm, patches: Patches) -> tf.Tensor:
    """log p_k of every patch under every component, weights included (Eqs. 1, 6; nats).

    Args:
        x: (N, H', W', C') input of the layer, before folding.

    Returns:
        (N, h, w, K), or (K, N, h, w) where `patches.component_axis` is 0.
    """
    components, (h, w) = form.constant.shape[1], patches.grid
    kernel = tf.concat([form.linear, form.quadratic], -1)  # (P, K, 2D)
    if patches.independent:
        rows = _with_squares(_per_position(x, patches))
        log_p = tf.matmul(rows, kernel, transpose_b=True) + form.constant[:, None]
        return tf.reshape(tf.transpose(log_p, (1, 0, 2)), (-1, h, w, components))
    if patches.dense:
        rows = _with_squares(tf.reshape(x, (-1, patches.dimension)))
        return tf.reshape(tf.matmul(rows, kernel[0], transpose_b=True) + form.constant[0], (-1, 1, 1, components))
    if patches.component_axis == 0:
        log_p = tf.matmul(kernel[0], _with_squares(_columns(x, patches), 0)) + form.constant[0][:, None]
        return tf.reshape(log_p, (components, -1, h, w))
    if patches.blocks:
        return _log_densities_by_blocks(x, form, patches)
    f, channels = patches.size, patches.input_shape[2]
    filters = [
        tf.reshape(tf.transpose(part[0]), (f, f, channels, components)) for part in (form.linear, form.quadratic)
    ]
    return tf.nn.conv2d(_with_squares(x), tf.concat(filters, 2), patches.stride, "VALID") + form.constant[0]


def _block_rows(x: tf.Tensor, stride: int) -> tf.Tensor:
    """(N, H', W', C') → (N·H'W'/Δ², 2Δ²C') blocks of Δ × Δ pixels as (row, column, channel), then their squares."""
    rows = [tf.reshape(x[:, i::stride], (-1, stride * x.shape[3])) for i in range(stride)]
    return tf.concat(rows + [row * row for row in rows], -1)


def _log_densities_by_blocks(x: tf.Tensor, form: QuadraticForm, patches: Patches) -> tf.Tensor:
    """One matrix product gives what each block adds to the densities of the (f/Δ)² patches that it belongs to."""
    stride, channels, (h, w), components = patches.stride, patches.input_shape[2], patches.grid, form.constant.shape[1]
    around = patches.size // stride

    def kernel(part: tf.Tensor) -> tf.Tensor:
        split = tf.reshape(part[0], (components, around, stride, around, stride, channels))
        return tf.reshape(tf.transpose(split, (2, 4, 5, 1, 3, 0)), (stride * stride * channels, -1))

    product = tf.matmul(_block_rows(x, stride), tf.concat([kernel(form.linear), kernel(form.quadratic)], 0))
    shares = tf.reshape(product, (-1, h + around - 1, w + around - 1, around * around, components))
    places = [(i, j) for i in range(around) for j in range(around)]
    return tf.add_n([shares[:, i : i + h, j : j + w, around * i + j] for i, j in places]) + form.constant[0]


def log_likelihood(log_p: tf.Tensor, *, axis: int = -1, mode: str = "max") -> tf.Tensor:
    """A layer's log-likelihood of each image: mean over positions of max_k log p_k (Eq. 8), in nats.

    Args:
        log_p: from `log_densities`, components along `axis`.
        mode: "max", or "exact" for log-sum-exp in place of the maximum (Eq. 5).

    Returns:
        (N,)
    """
    reduced = tf.reduce_max(log_p, axis) if mode == "max" else tf.reduce_logsumexp(log_p, axis)
    return tf.reduce_mean(reduced, (1, 2))


def responsibilities(log_p: tf.Tensor, *, axis: int = -1) -> tf.Tensor:
    """Posterior of the components (Eqs. 4, 7), (N, h, w, K) whatever the axis of `log_p`; negligible ones are zero."""
    ratio = log_p - tf.reduce_max(log_p, axis, keepdims=True)
    unnormalised = tf.where(ratio > NEGLIGIBLE_LOG_RATIO, tf.exp(ratio), tf.zeros_like(ratio))
    posterior = unnormalised / tf.reduce_sum(unnormalised, axis, keepdims=True)
    return tf.transpose(posterior, (1, 2, 3, 0)) if axis == 0 else posterior


def smooth(log_p: tf.Tensor, smoothing: tf.Tensor, *, axis: int = -1) -> tf.Tensor:
    """Σ_j G_kj log p_j, in the layout of `log_p`; `smoothing` is G, (K, K)."""
    components = smoothing.shape[0]
    if axis == 0:
        return tf.reshape(tf.matmul(smoothing, tf.reshape(log_p, (components, -1))), tf.shape(log_p))
    flat = tf.matmul(tf.reshape(log_p, (-1, components)), smoothing, transpose_b=True)
    return tf.reshape(flat, tf.shape(log_p))


def winners(scores: tf.Tensor, *, axis: int = -1) -> tuple[tf.Tensor, tf.Tensor]:
    """Index of the first maximal component and the maximum, both (N, h, w).

    An index minimum over the places of the maximum is vectorised by compilers, unlike argmax.
    """
    components = scores.shape[axis]
    best = tf.reduce_max(scores, axis, keepdims=True)
    index = tf.reshape(tf.range(components), (-1, 1, 1, 1) if axis == 0 else (1, 1, 1, -1))
    # A row of NaN has no maximum: any valid index will do, the loss reports it.
    return tf.reduce_min(tf.where(scores >= best, index, components - 1), axis), tf.squeeze(best, axis)


def winner_sums(x: tf.Tensor, winner: tf.Tensor, components: int, patches: Patches) -> WinnerSums:
    """Count, sum and sum of squares of the patches that each component wins.

    Args:
        x: (N, H', W', C') input of the layer, before folding.
        winner: (N, h, w) int32 component indices.
    """
    h, w = patches.grid
    if patches.independent:
        position = tf.range(h * w)[:, None] * components
        ids = tf.transpose(tf.reshape(winner, (-1, h * w))) + position  # (h·w, N)
        rows = tf.reshape(_with_squares(_per_position(x, patches)), (-1, 2 * patches.dimension))
        sums = _segment_sums(rows, tf.reshape(ids, (-1,)), h * w * components)
        count = tf.math.unsorted_segment_sum(
            tf.ones_like(tf.reshape(ids, (-1,)), x.dtype), tf.reshape(ids, (-1,)), h * w * components
        )
        first, second = tf.split(tf.reshape(sums, (h * w, components, 2 * patches.dimension)), 2, -1)
        return WinnerSums(tf.reshape(count, (h * w, components)), first, second)
    ids = tf.reshape(winner, (-1,))
    count = tf.reduce_sum(tf.one_hot(ids, components, dtype=x.dtype), 0)
    if patches.dense:
        sums = _segment_sums(_with_squares(tf.reshape(x, (-1, patches.dimension))), ids, components)
    elif patches.few_channels:
        columns = _with_squares(_columns(x, patches), 0)
        sums = _segment_sums(tf.transpose(columns), ids, components)
    else:
        sums = _sums_by_offset(x, winner, components, patches)
    first, second = tf.split(sums, 2, -1)
    return WinnerSums(count[None], first[None], second[None])


def _segment_sums(rows: tf.Tensor, ids: tf.Tensor, segments: int) -> tf.Tensor:
    return tf.math.unsorted_segment_sum(rows, ids, segments)


def _sums_by_offset(x: tf.Tensor, winner: tf.Tensor, components: int, patches: Patches) -> tf.Tensor:
    """Sums over won patches, one offset of the patch at a time: (K, 2D) without a folded copy of x."""
    f, stride, (h, w), channels = patches.size, patches.stride, patches.grid, patches.input_shape[2]
    if f % stride == 0:
        # Blocks of stride × stride pixels: a patch is (f/Δ)² whole blocks. The winners are shifted, not the pixels.
        around = f // stride
        rows = _block_rows(x, stride)
        rest = around - 1
        sums = []
        for i in range(around):
            for j in range(around):
                shifted = tf.pad(winner, [[0, 0], [i, rest - i], [j, rest - j]], constant_values=components)
                sums.append(_segment_sums(rows, tf.reshape(shifted, (-1,)), components + 1)[:components])
        stacked = tf.reshape(tf.stack(sums, 1), (components, around, around, 2, stride, stride, channels))
        return tf.reshape(tf.transpose(stacked, (0, 3, 1, 4, 2, 5, 6)), (components, 2 * patches.dimension))
    ids, squared = tf.reshape(winner, (-1,)), _with_squares(x)
    sums = [
        _segment_sums(
            tf.reshape(
                squared[:, i : i + (h - 1) * stride + 1 : stride, j : j + (w - 1) * stride + 1 : stride],
                (-1, 2 * channels),
            ),
            ids,
            components,
        )
        for i in range(f)
        for j in range(f)
    ]
    stacked = tf.reshape(tf.stack(sums, 1), (components, f * f, 2, channels))
    return tf.reshape(tf.transpose(stacked, (0, 2, 1, 3)), (components, 2 * patches.dimension))


def gradient(
    parameters: Parameters, sums: WinnerSums, smoothing: tf.Tensor | None, patches_per_set: float
) -> Parameters:
    """Closed-form ascent direction of the smoothed max-component loss (arXiv 1912.09379).

    With R = G[winner] (M, K), the sums over R are G times the sums over winners. Then, M the number of patches,
    d mu = s²(RᵀX - n·mu)/M,  d s = (n/s - s(RᵀX² - 2mu·RᵀX + n·mu²))/M,  d w = (n - pi·Σn)/M.

    Args:
        smoothing: G, (K, K), or None once annealing is over and G is the identity.
        patches_per_set: M / P: N·h·w when shared; N when independent, where the gradient of the mean over positions
            is multiplied by their number.
    """
    mu, s, w = parameters
    count, first, second = sums
    if smoothing is not None:
        count = tf.matmul(count, smoothing)
        first, second = (tf.einsum("kj,pkd->pjd", smoothing, part) for part in (first, second))
    scale = 1.0 / patches_per_set
    n = count[..., None]
    d_mu = scale * s * s * (first - n * mu)
    d_s = scale * (n / s - s * (second - 2.0 * mu * first + n * mu * mu))
    d_w = scale * (count - tf.nn.softmax(w) * tf.reduce_sum(count, -1, keepdims=True))
    return Parameters(d_mu, d_s, d_w)


def ascend(parameters: Parameters, direction: Parameters, rates: tuple[tf.Tensor, ...]) -> Parameters:
    """One step of plain SGD ascent; s stays within [S_MIN, √20]."""
    mu, s, w = (value + rate * step for value, step, rate in zip(parameters, direction, rates, strict=True))
    return Parameters(mu, tf.clip_by_value(s, S_MIN, S_MAX), w)
