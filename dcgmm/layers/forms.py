"""The forms in which a cGMM layer takes patches from its input: one object each, with the same three functions.

    prepare(x)                        what densities and sums both read, made once: patches or blocks, and their squares
    log_densities(prepared, form)     log p_k of every patch
    winner_sums(prepared, winner, K)  count, sum and sum of squares of the patches that each component wins

Each form has its own order of axes for log-densities; `by_image` brings them to (N, h, w, K). Which form a layer gets
is decided by measurement (docs/performance.md), in `form_of`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dcgmm.layers.folding import fold
from dcgmm.layers.parameters import QuadraticForm, WinnerSums
from dcgmm.layers.patches import Patches
from dcgmm.layers.products import FULL, einsum, matmul

FEW = 200  # rows; more are added one by one on a CPU
SHORT = 64  # patches of independent positions up to this length are summed by additions, longer ones by products


class Prepared(NamedTuple):
    """Patches or blocks of a layer's input in the order of axes of its form, and their squares."""

    x: jax.Array
    squares: jax.Array


def _with_squares(x: jax.Array) -> Prepared:
    return Prepared(x, x * x)


@dataclass(frozen=True)
class Form:
    """A form, for layers that see their input through `patches`."""

    patches: Patches

    component_axis = -1  # of log-densities

    def prepare(self, x: jax.Array) -> Any:
        """From the layer's input (N, H', W', C')."""
        raise NotImplementedError

    def log_densities(self, prepared: Any, form: QuadraticForm) -> jax.Array:
        """log p_k of every patch, in this form's order of axes."""
        raise NotImplementedError

    def winner_sums(self, prepared: Any, winner: jax.Array, components: int) -> WinnerSums:
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
        axis = self.component_axis % scores.ndim
        best = scores.max(axis, keepdims=True)
        index = jax.lax.broadcasted_iota(jnp.int32, scores.shape, axis)
        # A row of NaN has no maximum: any valid index will do, the loss reports it.
        found = jnp.where(scores >= best, index, jnp.int32(scores.shape[axis] - 1)).min(axis)
        return found, best.squeeze(axis)

    def _sums(self, rows: jax.Array, ids: jax.Array, components: int) -> jax.Array:
        """(M, D) rows, (M,) ids → (K, D) sums of the rows of each id.

        On a CPU by additions into the K rows. On a GPU by a product with one-hot vectors: scattered additions there
        would come in another order each time, and so with other bits. So are few rows on a CPU: densities are products
        of the same rows, which then are made once.
        """
        if self.patches.platform == "cpu" and len(rows) > FEW:
            sums = jnp.zeros((components, rows.shape[1]), rows.dtype)
            return sums.at[ids].add(rows, mode="promise_in_bounds")
        return matmul(_one_hot(ids, components).T, rows)

    def _counts(self, ids: jax.Array, components: int) -> jax.Array:
        """(M,) ids → (1, K) how often each occurs."""
        if self.patches.platform == "cpu":
            return jnp.zeros((1, components), jnp.float32).at[0, ids].add(1.0, mode="promise_in_bounds")
        return _one_hot(ids, components).sum(0)[None]


def _one_hot(winner: jax.Array, components: int) -> jax.Array:
    """Float32 one-hot vectors along a new last axis."""
    return jax.nn.one_hot(winner, components, dtype=jnp.float32)


class Rows(Form):
    """Patches as rows, (M, D): log-densities (M, K). One position that covers the input needs no folding at all."""

    def prepare(self, x: jax.Array) -> Prepared:
        folded = fold(x, self.patches.size, self.patches.stride)
        return _with_squares(folded.reshape(-1, self.patches.dimension))

    def log_densities(self, prepared: Prepared, form: QuadraticForm) -> jax.Array:
        linear, quadratic = matmul(prepared.x, form.linear[0].T), matmul(prepared.squares, form.quadratic[0].T)
        return linear + quadratic + form.constant[0]

    def winner_sums(self, prepared: Prepared, winner: jax.Array, components: int) -> WinnerSums:
        first, second = (self._sums(part, winner, components)[None] for part in prepared)
        return WinnerSums(self._counts(winner, components), first, second)


class Columns(Form):
    """Patches as columns, (2D, M), squares below: log-densities (K, M). For patches of few values: all loops run over
    patches."""

    component_axis = 0

    def prepare(self, x: jax.Array) -> jax.Array:
        f, stride, (h, w) = self.patches.size, self.patches.stride, self.patches.grid
        channels_first = x.transpose(3, 0, 1, 2)
        rows = [
            channels_first[:, :, i : i + (h - 1) * stride + 1 : stride, j : j + (w - 1) * stride + 1 : stride]
            for i in range(f)
            for j in range(f)
        ]
        columns = jnp.concatenate(rows, 0).reshape(self.patches.dimension, -1)
        return jnp.concatenate([columns, columns * columns], 0)

    def log_densities(self, prepared: jax.Array, form: QuadraticForm) -> jax.Array:
        kernel = jnp.concatenate([form.linear[0], form.quadratic[0]], -1)
        return matmul(kernel, prepared) + form.constant[0][:, None]

    def winner_sums(self, prepared: jax.Array, winner: jax.Array, components: int) -> WinnerSums:
        first, second = jnp.split(self._sums(prepared.T, winner, components)[None], 2, -1)
        return WinnerSums(self._counts(winner, components), first, second)

    def by_image(self, log_p: jax.Array) -> jax.Array:
        return log_p.reshape(log_p.shape[0], -1, *self.patches.grid).transpose(1, 2, 3, 0)


class Blocks(Form):
    """Patches of whole blocks of Δ × Δ pixels: what each block adds is computed once, and results are shifted.

    Prepared: blocks (N, H'/Δ, W'/Δ, Δ²C') as (row, column, channel). Log-densities (N, h, w, K).
    """

    @property
    def around(self) -> int:
        """f/Δ: how many blocks a patch has along an axis."""
        return self.patches.size // self.patches.stride

    def prepare(self, x: jax.Array) -> Prepared:
        n, stride, (h, w) = x.shape[0], self.patches.stride, self.patches.grid
        high, wide = h + self.around - 1, w + self.around - 1
        x = x[:, : high * stride, : wide * stride]
        rows = [x[:, i::stride].reshape(n, high, wide, stride * x.shape[3]) for i in range(stride)]
        return _with_squares(jnp.concatenate(rows, -1))

    def _block_kernel(self, part: jax.Array) -> jax.Array:
        """(1, K, D) → (Δ²C', around²·K)"""
        stride, channels, around = self.patches.stride, self.patches.input_shape[2], self.around
        split = part.reshape(-1, around, stride, around, stride, channels)
        return split.transpose(2, 4, 5, 1, 3, 0).reshape(stride * stride * channels, -1)

    def log_densities(self, prepared: Prepared, form: QuadraticForm) -> jax.Array:
        (h, w), around, components = self.patches.grid, self.around, form.constant.shape[1]
        linear, quadratic = self._block_kernel(form.linear), self._block_kernel(form.quadratic)
        shares = matmul(prepared.x, linear) + matmul(prepared.squares, quadratic)
        total = form.constant[0]
        for i in range(around):
            for j in range(around):
                first = (around * i + j) * components
                total = total + shares[:, i : i + h, j : j + w, first : first + components]
        return total

    def winner_sums(self, prepared: Prepared, winner: jax.Array, components: int) -> WinnerSums:
        stride, channels, around = self.patches.stride, self.patches.input_shape[2], self.around
        rest = around - 1
        shifted = [  # the winners are shifted, not the pixels; one more id for blocks beside the patches
            jnp.pad(winner, [(0, 0), (i, rest - i), (j, rest - j)], constant_values=components).reshape(-1)
            for i in range(around)
            for j in range(around)
        ]

        def sums(part: jax.Array) -> jax.Array:
            rows = part.reshape(-1, part.shape[-1])
            each = jnp.stack([self._sums(rows, ids, components + 1)[:components] for ids in shifted], 1)
            split = each.reshape(components, around, around, stride, stride, channels)
            return split.transpose(0, 1, 3, 2, 4, 5).reshape(1, components, self.patches.dimension)

        return WinnerSums(self._counts(winner.reshape(-1), components), *map(sums, prepared))


class Convolution(Form):
    """A strided convolution of x and x²: no unfolded copy. Log-densities (N, h, w, K)."""

    def prepare(self, x: jax.Array) -> jax.Array:
        return jnp.concatenate([x, x * x], -1)

    def log_densities(self, prepared: jax.Array, form: QuadraticForm) -> jax.Array:
        f, stride, channels = self.patches.size, self.patches.stride, self.patches.input_shape[2]
        filters = [part[0].T.reshape(f, f, channels, -1) for part in (form.linear, form.quadratic)]
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
        ids = winner.reshape(-1)
        sums = [
            self._sums(
                prepared[:, i : i + (h - 1) * stride + 1 : stride, j : j + (w - 1) * stride + 1 : stride].reshape(
                    -1, 2 * channels
                ),
                ids,
                components,
            )
            for i in range(f)
            for j in range(f)
        ]
        split = jnp.stack(sums, 1).reshape(components, f * f, 2, channels)
        both = split.transpose(2, 0, 1, 3).reshape(2, 1, components, self.patches.dimension)
        return WinnerSums(self._counts(ids, components), both[0], both[1])


class Independent(Form):
    """Parameters of their own at every position: one product a position, images along the last axis.

    Prepared: (h·w, D, N). Log-densities (h·w, K, N).
    """

    component_axis = 1

    def prepare(self, x: jax.Array) -> Prepared:
        f, stride, (h, w), (_, width, _) = self.patches.size, self.patches.stride, self.patches.grid, x.shape[1:]
        pixels = x.transpose(1, 2, 3, 0).reshape(-1, x.shape[3], x.shape[0])
        first = np.arange(h, dtype=np.int32)[:, None] * stride * width + np.arange(w, dtype=np.int32) * stride
        inside = np.arange(f, dtype=np.int32)[:, None] * width + np.arange(f, dtype=np.int32)
        taken = first.reshape(-1, 1) + inside.reshape(1, -1)  # (h·w, f²)
        patches = pixels.at[taken].get(mode="promise_in_bounds")
        return _with_squares(patches.reshape(h * w, self.patches.dimension, x.shape[0]))

    def log_densities(self, prepared: Prepared, form: QuadraticForm) -> jax.Array:
        return matmul(form.linear, prepared.x) + matmul(form.quadratic, prepared.squares) + form.constant[..., None]

    def winner_sums(self, prepared: Prepared, winner: jax.Array, components: int) -> WinnerSums:
        if self.patches.platform == "cpu" and self.patches.dimension <= SHORT:
            return self._added(prepared.x, winner, components)
        chosen = _one_hot(winner, components)
        return WinnerSums(chosen.sum(1), *(einsum("pdn,pnk->pkd", part, chosen) for part in prepared))

    def _added(self, x: jax.Array, winner: jax.Array, components: int) -> WinnerSums:
        """The sums by additions into rows, one for each position and component."""
        positions, dimension, images = x.shape
        rows = x.swapaxes(1, 2).reshape(positions * images, dimension)
        ids = (winner + components * jnp.arange(positions, dtype=jnp.int32)[:, None]).reshape(-1)
        both = self._sums(jnp.concatenate([rows, rows * rows], 1), ids, positions * components)
        counts = self._counts(ids, positions * components).reshape(positions, components)
        return WinnerSums(counts, *jnp.split(both.reshape(positions, components, 2 * dimension), 2, -1))

    def values_by_image(self, values: jax.Array) -> jax.Array:
        return values.T.reshape(-1, *self.patches.grid)

    def by_image(self, log_p: jax.Array) -> jax.Array:
        return log_p.transpose(2, 0, 1).reshape(-1, *self.patches.grid, log_p.shape[1])

    @property
    def row(self) -> Independent | None:
        """The form of one row of positions, where it is worth while to take rows one after another.

        On a CPU, what a row needs and makes stays in the cache.
        """
        h, _ = self.patches.grid
        if self.patches.platform != "cpu" or h == 1:
            return None
        _, width, channels = self.patches.input_shape
        return replace(self, patches=replace(self.patches, input_shape=(self.patches.size, width, channels)))


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
