"""How many cores one job uses: set before numpy, TensorFlow or torch are imported."""

from __future__ import annotations

import os

POOLS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


def limit_threads(threads: int | None) -> None:
    """Give every library's thread pool `threads` threads (None: leave them alone), and quiet TensorFlow's start.

    Libraries read these variables when they are imported, so this comes first in a job.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if threads is not None:
        os.environ.update(dict.fromkeys(POOLS, str(threads)))
