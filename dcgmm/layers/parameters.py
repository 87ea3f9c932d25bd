"""What the functions of a cGMM layer exchange: parameters, quadratic forms, sums.

Symbols: K components, D the length of a patch vector, P parameter sets (1 when shared, h·w when independent).
"""

from __future__ import annotations

from typing import NamedTuple

import jax


class Parameters(NamedTuple):
    """Trainable parameters of one cGMM layer."""

    mu: jax.Array  # (P, K, D)
    s: jax.Array  # (P, K, D)
    w: jax.Array  # (P, K)


class Packed(NamedTuple):
    """The same, as compiled programs keep them; or a direction in which they move."""

    mu: jax.Array  # (P, D, K)
    s: jax.Array  # (P, D, K)
    w: jax.Array  # (P, K)


class QuadraticForm(NamedTuple):
    """log p_k(x) = quadratic_k·x² + linear_k·x + constant_k."""

    linear: jax.Array  # (P, D, K)
    quadratic: jax.Array  # (P, D, K)
    constant: jax.Array  # (P, K)


class WinnerSums(NamedTuple):
    """Per component, over the patches that it wins: their number, sum and sum of squares."""

    number: jax.Array  # (P, K)
    first: jax.Array  # (P, D, K)
    second: jax.Array  # (P, D, K)


def packed(parameters: Parameters) -> Packed:
    """(P, K, D) → (P, D, K)."""
    return Packed(parameters.mu.swapaxes(1, 2), parameters.s.swapaxes(1, 2), parameters.w)


def unpacked(parameters: Packed) -> Parameters:
    """(P, D, K) → (P, K, D)."""
    return Parameters(parameters.mu.swapaxes(1, 2), parameters.s.swapaxes(1, 2), parameters.w)
