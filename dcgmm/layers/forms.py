"""The forms in which a cGMM layer takes patches from its input: one object each, with the same three functions.

    prepare(x)                        what densities and sums both read, made once: patches or blocks, and their squares
    log_densities(prepared, form)     log p_k of every patch
    winner_sums(prepared, winner, K)  count, sum and sum of squares of the patches that each component wins

Each form has its own order of axes for log-densities; `by_image` brings them to (N, h, w, K). Which form a layer gets
is decided by measurement (docs/performance.md), in `form_of`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from dcgmm.layers.folding import fold
from dcgmm.layers.parameters import QuadraticForm, WinnerSums
from dcgmm.layers.patches import Patches
from dcgmm.layers.products import FULL, einsum, matmul


def _with_squares(x: jax.Array, axis: int = -1) -> jax.Array:
    return jnp.concatenate([x, x * x], axis)


def _kernel(form: QuadraticForm) -> jax.Array:
    """(P, 2D, K)"""
    return jnp.concatenate([form.linear, form.quadratic], 1)


def _one_hot(winner: jax.Array, components: int, axis: int = -1) -> jax.Array:
    """Float32 one-hot vectors along a new axis; an index outside of 0 … K-1 gives zeros."""
    return jax.nn.one_hot(winner, components, dtype=jnp.float32, axis=axis)


def _sums(count: jax.Array, both: jax.Array) -> WinnerSums:
    """From count (P, K) and sums (P, 2D, K)."""
    first, second = jnp.split(both, 2, 1)
    return WinnerSums(count, first, second)


@dataclass(frozen=True)
class Form:
    """A form, for layers that see their input through `patches`."""

    patches: Patches

    component_axis = -1

    def prepare(self, x: jax.Array) -> jax.Array:
        """From the layer's input (N, H', W', C')."""
        raise NotImplementedError

    def log_densities(self, prepared: jax.Array, form: QuadraticForm) -> jax.Array:
        """log p_k of every patch, in this form's order of axes."""
        raise NotImplementedError

    def winner_sums(self, prepared: jax.Array, winner: jax.Array, components: int) -> WinnerSums:
        """Sums over the patches that each component wins; `winner` as `winners` gives it."""
        raise NotImplementedError

    def values_by_image(self, values: jax.Array) -> jax.Array:
        """One value a patch, in this form's order → (N, h, w)."""
        return values.reshape(-1, *self.patches.grid)

    def by_image(self, log_p: jax.Array) -> jax.Array:
        """One value a patch and component, in this form's order → (N, h, w, K)."""
        return log_p.reshape(-1, *self.patches.grid, log_p.shape[-1])

    def winners(self, scores: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Index (int32) of the first maximal component and the maximum, in this form's order.

        An index minimum over the places of the maximum is vectorised by compilers, unlike argmax.
        """
        axis = self.component_axis
        components = scores.shape[axis]
        best = scores.max(axis, keepdims=True)
        index = jnp.arange(components, dtype=jnp.int32).reshape(-1, *([1] * (scores.ndim - 1) if axis == 0 else []))
        # A row of NaN has no maximum: any valid index will do, the loss reports it.
        found = jnp.where(scores >= best, index, jnp.int32(components - 1)).min(axis)
        return found, best.squeeze(axis)


class Rows(Form):
    """Patches as rows, (M, 2D): log-densities (M, K). One position that covers the input needs no folding at all."""

    def prepare(self, x: jax.Array) -> jax.Array:
        folded = fold(x, self.patches.size, self.patches.stride)
        return _with_squares(folded.reshape(-1, self.patches.dimension))

    def log_densities(self, prepared: jax.Array, form: QuadraticForm) -> jax.Array:
        return matmul(prepared, _kernel(form)[0]) + form.constant[0]

    def winner_sums(self, prepared: jax.Array, winner: jax.Array, components: int) -> WinnerSums:
        chosen = _one_hot(winner, components)
        return _sums(chosen.sum(0)[None], matmul(prepared.T, chosen)[None])


class Columns(Form):
    """Patches as columns, (2D, M): log-densities (K, M). For patches of few values: all loops run over patches."""

    component_axis = 0

    def prepare(self, x: jax.Array) -> jax.Array:
        f, stride, (h, w) = self.patches.size, self.patches.stride, self.patches.grid
        channels_first = x.transpose(3, 0, 1, 2)
        rows = [
            channels_first[:, :, i : i + (h - 1) * stride + 1 : stride, j : j + (w - 1) * stride + 1 : stride]
            for i in range(f)
            for j in range(f)
        ]
        return _with_squares(jnp.concatenate(rows, 0).reshape(self.patches.dimension, -1), 0)

    def log_densities(self, prepared: jax.Array, form: QuadraticForm) -> jax.Array:
        return matmul(_kernel(form)[0].T, prepared) + form.constant[0][:, None]

    def winner_sums(self, prepared: jax.Array, winner: jax.Array, components: int) -> WinnerSums:
        chosen = _one_hot(winner, components, axis=0)
        return _sums(chosen.sum(1)[None], einsum("dm,km->dk", prepared, chosen)[None])

    def by_image(self, log_p: jax.Array) -> jax.Array:
        return log_p.reshape(log_p.shape[0], -1, *self.patches.grid).transpose(1, 2, 3, 0)


class Blocks(Form):
    """Patches of whole blocks of Δ × Δ pixels: what each block adds is computed once, and results are shifted.

    Prepared: (N, H'/Δ, W'/Δ, 2Δ²C') blocks as (row, column, channel), then their squares. Log-densities (N, h, w, K).
    """

    @property
    def around(self) -> int:
        """f/Δ: how many blocks a patch has along an axis."""
        return self.patches.size // self.patches.stride

    def prepare(self, x: jax.Array) -> jax.Array:
        n, stride, (h, w) = x.shape[0], self.patches.stride, self.patches.grid
        high, wide = h + self.around - 1, w + self.around - 1
        x = x[:, : high * stride, : wide * stride]
        rows = [x[:, i::stride].reshape(n, high, wide, stride * x.shape[3]) for i in range(stride)]
        return jnp.concatenate(rows + [row * row for row in rows], -1)

    def _block_kernel(self, part: jax.Array) -> jax.Array:
        """(1, D, K) → (Δ²C', around²·K)"""
        stride, channels, around = self.patches.stride, self.patches.input_shape[2], self.around
        split = part.reshape(around, stride, around, stride, channels, -1)
        return split.transpose(1, 3, 4, 0, 2, 5).reshape(stride * stride * channels, -1)

    def log_densities(self, prepared: jax.Array, form: QuadraticForm) -> jax.Array:
        (h, w), around, components = self.patches.grid, self.around, form.constant.shape[1]
        kernel = jnp.concatenate([self._block_kernel(form.linear), self._block_kernel(form.quadratic)], 0)
        shares = matmul(prepared, kernel)
        total = form.constant[0]
        for i in range(around):
            for j in range(around):
                first = (around * i + j) * components
                total = total + shares[:, i : i + h, j : j + w, first : first + components]
        return total

    def winner_sums(self, prepared: jax.Array, winner: jax.Array, components: int) -> WinnerSums:
        stride, channels, around = self.patches.stride, self.patches.input_shape[2], self.around
        rest = around - 1
        shifted = [
            jnp.pad(winner, [(0, 0), (i, rest - i), (j, rest - j)], constant_values=components)
            for i in range(around)
            for j in range(around)
        ]
        chosen = jnp.concatenate([_one_hot(ids, components) for ids in shifted], -1)
        sums = matmul(prepared.reshape(-1, prepared.shape[-1]).T, chosen.reshape(-1, chosen.shape[-1]))
        split = sums.reshape(2, stride, stride, channels, around, around, components)
        both = split.transpose(0, 4, 1, 5, 2, 3, 6).reshape(1, 2 * self.patches.dimension, components)
        return _sums(_one_hot(winner, components).sum((0, 1, 2))[None], both)


class Convolution(Form):
    """A strided convolution of x and x²: no unfolded copy. Log-densities (N, h, w, K)."""

    def prepare(self, x: jax.Array) -> jax.Array:
        return _with_squares(x)

    def log_densities(self, prepared: jax.Array, form: QuadraticForm) -> jax.Array:
        f, stride, channels = self.patches.size, self.patches.stride, self.patches.input_shape[2]
        filters = [part[0].reshape(f, f, channels, -1) for part in (form.linear, form.quadratic)]
        convolved = jax.lax.conv_general_dilated(
            prepared,
            jnp.concatenate(filters, 2),
            (stride, stride),
            "VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision=FULL,
        )
        return convolved + form.constant[0]

    def winner_sums(self, prepared: jax.Array, winner: jax.Array, components: int) -> WinnerSums:
        f, stride, (h, w), channels = self.patches.size, self.patches.stride, self.patches.grid, prepared.shape[3] // 2
        chosen = _one_hot(winner, components).reshape(-1, components)
        sums = [
            matmul(
                prepared[:, i : i + (h - 1) * stride + 1 : stride, j : j + (w - 1) * stride + 1 : stride]
                .reshape(-1, 2 * channels)
                .T,
                chosen,
            )
            for i in range(f)
            for j in range(f)
        ]
        split = jnp.stack(sums).reshape(f * f, 2, channels, components)
        both = split.transpose(1, 0, 2, 3).reshape(1, 2 * self.patches.dimension, components)
        return _sums(chosen.sum(0)[None], both)


class Independent(Form):
    """Parameters of their own at every position: one product a position.

    Prepared: (h·w, N, 2D). Log-densities (h·w, N, K).
    """

    def prepare(self, x: jax.Array) -> jax.Array:
        folded = fold(x, self.patches.size, self.patches.stride)
        rows = folded.reshape(x.shape[0], self.patches.positions, self.patches.dimension)
        return _with_squares(rows.transpose(1, 0, 2))

    def log_densities(self, prepared: jax.Array, form: QuadraticForm) -> jax.Array:
        return matmul(prepared, _kernel(form)) + form.constant[:, None]

    def winner_sums(self, prepared: jax.Array, winner: jax.Array, components: int) -> WinnerSums:
        chosen = _one_hot(winner, components)
        return _sums(chosen.sum(1), einsum("pnd,pnk->pdk", prepared, chosen))

    def values_by_image(self, values: jax.Array) -> jax.Array:
        return values.T.reshape(-1, *self.patches.grid)

    def by_image(self, log_p: jax.Array) -> jax.Array:
        return log_p.transpose(1, 0, 2).reshape(-1, *self.patches.grid, log_p.shape[-1])


@functools.cache
def form_of(patches: Patches) -> Form:
    """The form that computes a layer."""
    size, stride, channels = patches.size, patches.stride, patches.input_shape[2]
    if patches.independent:
        return Independent(patches)
    if patches.grid == (1, 1):
        return Rows(patches)
    if channels <= 3 and patches.dimension <= 32:
        return Columns(patches)
    if channels <= 3:
        return Rows(patches)
    if stride > 1 and size % stride == 0:
        return Blocks(patches)
    return Convolution(patches)
