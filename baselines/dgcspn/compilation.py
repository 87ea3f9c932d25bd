"""How kernels are compiled, and where the machine code is kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import config

settings: Any = config  # numba makes its attributes at run time
OPTIONS: dict[str, Any] = {
    "fastmath": {"reassoc", "contract", "nsz", "arcp"},  # no assumption about NaN and infinities
    "error_model": "numpy",
    "nogil": True,
}
SOURCES = ("architecture", "blocks", "compilation", "downward", "learning", "upward")


def code_folder() -> Path | None:
    """The folder of compiled kernels, in $BENCH_COMPILED or else in the user's cache; None: none is kept, because
    $BENCH_COMPILED is "off" or the folder is not the user's own or cannot be written.

    Another one for other sources: numba compares only the file of a function, not of the functions that it calls.
    Within it numba tells processors apart.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    root = os.environ.get("BENCH_COMPILED") or str(cache / "dcgmm-benchmark" / "compiled")
    if root == "off":
        return None
    digest = hashlib.sha256(numba.__version__.encode())
    for name in SOURCES:
        digest.update((Path(__file__).parent / f"{name}.py").read_bytes())
    folder = Path(root).expanduser() / f"dgcspn-{digest.hexdigest()[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        own = folder.stat().st_uid == os.getuid() if hasattr(os, "getuid") else True
        return folder if own and os.access(folder, os.W_OK) else None
    except OSError:
        return None


_FOLDER = code_folder()


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function when it is first called; a second process loads what the first one compiled."""
    chosen = settings.CACHE_DIR  # the user's NUMBA_CACHE_DIR counts for other libraries
    if _FOLDER is None:
        return numba.njit(**OPTIONS)(function)
    try:
        settings.CACHE_DIR = str(_FOLDER)
        return numba.njit(**OPTIONS, cache=True)(function)
    finally:
        settings.CACHE_DIR = chosen
