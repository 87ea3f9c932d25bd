"""What the functions of a cGMM layer exchange: parameters, quadratic forms, sums.

Symbols: K components, D the length of a patch vector, P parameter sets (1 when shared, h·w when independent).
"""

from __future__ import annotations

from typing import NamedTuple

import jax


class Parameters(NamedTuple):
    """Trainable parameters of one cGMM layer; or a direction in which they move."""

    mu: jax.Array  # (P, K, D)
    s: jax.Array  # (P, K, D)
    w: jax.Array  # (P, K)


class QuadraticForm(NamedTuple):
    """log p_k(x) = quadratic_k·x² + linear_k·x + constant_k."""

    linear: jax.Array  # (P, K, D)
    quadratic: jax.Array  # (P, K, D)
    constant: jax.Array  # (P, K)


class WinnerSums(NamedTuple):
    """Per component, over the patches that it wins: their number, sum and sum of squares."""

    number: jax.Array  # (P, K)
    first: jax.Array  # (P, K, D)
    second: jax.Array  # (P, K, D)
