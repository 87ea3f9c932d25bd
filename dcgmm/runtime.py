"""What the model asks of the process that it runs in."""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.abc
import sys
from typing import Any


class _KerasLater(importlib.abc.MetaPathFinder):
    """Makes the import of Keras fail."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == "keras.src":
            raise ImportError("Keras is imported when it is used")


def import_tensorflow() -> None:
    """Import TensorFlow without Keras, unless one of them is there already.

    TensorFlow imports Keras as its last act, and Keras imports pandas, scikit-learn and Matplotlib: almost half of the
    start-up time and 165 MB (docs/performance.md), for nothing that a DCGMM needs. TensorFlow allows for a Keras that
    cannot be imported; `tf.keras` and `from tensorflow.keras import …` work afterwards as ever.
    """
    if "tensorflow" in sys.modules or "keras" in sys.modules:
        return
    finder = _KerasLater()
    sys.meta_path.insert(0, finder)
    try:
        importlib.import_module("tensorflow")
    finally:
        sys.meta_path.remove(finder)


@functools.cache
def keep_freed_memory() -> None:
    """Tell glibc to reuse freed memory instead of returning it to the system.

    A training step allocates and frees the same tens of megabytes again and again. By default glibc takes blocks of
    more than 32 MB from the system each time, and touching fresh pages can cost more than the computation
    (docs/performance.md). One arena for all threads, so that what one thread freed another reuses: 90 MB less when E
    is trained. Does nothing where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    m_trim_threshold, m_mmap_threshold, m_arena_max = -1, -3, -8
    mallopt(m_arena_max, 1)
    mallopt(m_mmap_threshold, 2**30)
    mallopt(m_trim_threshold, 2**31 - 1)
