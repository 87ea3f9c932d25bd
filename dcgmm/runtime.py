"""Starting JAX for a model: once, with GPU memory allocated on demand."""

from __future__ import annotations

import functools
import os

import jax

PREALLOCATE = "XLA_PYTHON_CLIENT_PREALLOCATE"


@functools.cache
def start() -> None:
    """Start JAX's backends, unless they are running.

    By default JAX takes three quarters of a card's memory when it starts; here it takes what it needs, unless the
    caller has set XLA_PYTHON_CLIENT_PREALLOCATE. The environment is left as it was.
    """
    if PREALLOCATE in os.environ:
        jax.devices()
        return
    os.environ[PREALLOCATE] = "false"
    try:
        jax.devices()
    finally:
        del os.environ[PREALLOCATE]
