"""What a job sets before numpy, TensorFlow or torch are imported: its threads, and where compiled code is kept."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import shutil
from pathlib import Path

POOLS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
COMPILED = "BENCH_COMPILED"  # environment variable: the folder of compiled programs, or "off"
SPACE_NEEDED = 200 * 2**20  # bytes; all programs of a profile take some 20 MB


def prepare(threads: int | None) -> None:
    """Give every library's thread pool `threads` threads (None: leave them alone), quiet TensorFlow's start, and have
    it keep what it compiles.

    Libraries read these variables when they are imported, so this comes first in a job.
    """
    if threads is not None:
        os.environ.update(dict.fromkeys(POOLS, str(threads)))
        if threads > 1:  # asleep between short products, OpenMP's threads halve the speed of torch
            os.environ.setdefault("OMP_WAIT_POLICY", "ACTIVE")
    folder = compiled_folder()
    # The cache logs the processor's features for each program that it loads; real errors are exceptions.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2" if folder is None else "3")
    if folder is not None:
        flags = {"directory": str(folder), "prefix": "dcgmm", "device_types": "CPU"}
        options = " ".join(f"--tf_xla_persistent_cache_{name}={value}" for name, value in flags.items())
        os.environ["TF_XLA_FLAGS"] = f"{os.environ.get('TF_XLA_FLAGS', '')} {options}".strip()


def compiled_folder() -> Path | None:
    """Where XLA's compiled programs are kept for other jobs, so that an architecture is compiled once on a machine.

    A folder of the user's own below $BENCH_COMPILED, or else the user's cache; another one for each processor and
    version of TensorFlow, since a program runs on the processor that it was compiled for. None: they are not kept,
    because $BENCH_COMPILED is "off", or because the folder cannot be written or has little space left.
    """
    root = os.environ.get(COMPILED) or str(_cache() / "dcgmm-benchmark" / "compiled")
    if root == "off" or " " in root:  # TensorFlow's flags have no quotes
        return None
    folder = Path(root).expanduser() / _machine_key()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        own = folder.stat().st_uid == os.getuid() if hasattr(os, "getuid") else True
        usable = own and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > SPACE_NEEDED
    except OSError:
        return None
    return folder if usable else None


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()


def _machine_key() -> str:
    """Hash of what compiled code depends on: the processor's features and TensorFlow."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n", 1)[0].splitlines()
    except OSError:
        lines = [platform.processor()]
    processor = [line for line in lines if line.startswith(("model name", "flags", "Features", "CPU"))] or lines
    try:
        version = importlib.metadata.version("tensorflow")
    except importlib.metadata.PackageNotFoundError:
        version = "unknown"
    return hashlib.sha256("\n".join([*processor, platform.machine(), version]).encode()).hexdigest()[:16]
