"""Matrix products in full float32 precision, asked for in each product: no global setting of JAX is touched.

GPUs would otherwise round the factors to TF32 (10 bits), and a log-density is a difference of large numbers.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

FULL = jax.lax.Precision.HIGHEST


def matmul(a: jax.Array, b: jax.Array) -> jax.Array:
    """a @ b."""
    return jnp.matmul(a, b, precision=FULL)


def einsum(subscripts: str, *operands: Any) -> jax.Array:
    """`numpy.einsum`."""
    return jnp.einsum(subscripts, *operands, precision=FULL)
