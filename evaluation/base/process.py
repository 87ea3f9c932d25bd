"""What a job sets before NumPy, JAX, TensorFlow or torch are imported: its threads, its device, its compiled programs.

All of it is in environment variables, so it holds for every library that reads them at its start, and only for jobs:
a program that imports `dcgmm` or `baselines` itself keeps its own settings.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import os
import platform
import shutil
import warnings
import zlib
from pathlib import Path
from typing import Any

from evaluation.base.errors import UserError

POOLS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "NPROC",  # what XLA makes its pools from instead of the number of cores (docs/performance.md)
)
NVIDIA = Path("/dev/nvidiactl")  # there where the driver is
DEVICES = ("auto", "cpu", "gpu")
COMPILED = "BENCH_COMPILED"  # environment variable: the folder of compiled programs, or "off"
SPACE_NEEDED = 200 * 2**20  # bytes; all programs of a profile take some 20 MB
CACHE = "JAX_COMPILATION_CACHE_DIR"
SHORTEST = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"  # programs compiled faster than that are not kept


def add_process_arguments(parser: argparse._ActionsContainer) -> None:
    """`--threads` and `--device` of every command that computes with a model."""
    parser.add_argument("--threads", type=int, metavar="N", help="cores to use (default: each library's own)")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default: a GPU that JAX can use, else CPU")


def prepare(threads: int | None, device: str = "auto") -> None:
    """Give every library `threads` threads and a device, and have JAX keep what it compiles for other jobs.

    Libraries read these variables when they are imported, so this comes first in a job.

    Args:
        threads: size of every library's pool, but not more than the cores that the job was given (by Slurm, taskset,
            a container); None leaves them alone. No process is bound to a core here: jobs side by side cannot know
            which one the other has.
        device: "cpu" hides graphics cards from all libraries, "gpu" refuses to run where JAX finds none, "auto" takes a
            card where there is one.

    Raises:
        UserError: another device, or no GPU where one is asked for.
    """
    if device not in DEVICES:
        raise UserError(f"--device {device!r} is not known: choose one of {', '.join(DEVICES)}")
    if threads is not None and threads < 1:
        raise UserError(f"--threads {threads}: expected at least 1")
    if threads is not None:
        threads = max(1, min(threads, cores()))
        os.environ.update(dict.fromkeys(POOLS, str(threads)))
        if threads > 1:  # asleep between short products, OpenMP's threads halve the speed of torch
            os.environ.setdefault("OMP_WAIT_POLICY", "ACTIVE")
    if device == "cpu":
        os.environ.update(CUDA_VISIBLE_DEVICES="", JAX_PLATFORMS="cpu")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # else JAX takes 75 % of a card at its first use
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    _keep_compiled()
    if device == "gpu":
        _require_gpu()


def _require_gpu() -> None:
    import jax

    try:
        found = jax.default_backend()
    except RuntimeError as error:  # of a card that cannot be started
        raise UserError(
            f"--device gpu: JAX cannot use the GPU here ({error}); leave --device out, or repair the driver"
        ) from None
    if found == "cpu":
        raise UserError(
            "--device gpu: JAX finds no GPU here; install a JAX for it (pip install '.[gpu]'), or leave --device out"
        )


def on_gpu(device: str = "auto") -> bool:
    """Whether models will compute on a GPU, as far as it can be known before a library is imported."""
    if device != "auto":
        return device == "gpu"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") or os.environ.get("JAX_PLATFORMS") == "cpu"
    return NVIDIA.exists() and not hidden


def cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _keep_compiled() -> None:
    """Have JAX keep its programs in `compiled_folder`, unless the user has named a place to JAX."""
    folder = None if CACHE in os.environ else compiled_folder()
    if folder is None:
        return
    os.environ[CACHE] = str(folder)
    os.environ.setdefault(SHORTEST, "0.1")
    previous = warnings.showwarning

    def show(message: Warning | str, *rest: Any, **others: Any) -> None:
        """A program that cannot be read or kept costs its compilation, and needs no words."""
        text = str(message)
        if text.startswith("Error reading persistent compilation cache"):
            remove_damaged(folder)
        elif not text.startswith("Error writing persistent compilation cache"):
            previous(message, *rest, **others)

    warnings.showwarning = show


def remove_damaged(folder: Path) -> None:
    """Remove programs that are not whole: JAX would neither read nor replace them."""
    for file in folder.glob("*-cache"):
        try:
            zlib.decompress(file.read_bytes())
        except (OSError, zlib.error):
            try:
                file.unlink()
            except OSError:  # another job was first, or it is no file: JAX compiles
                continue


def compiled_folder() -> Path | None:
    """Where XLA's compiled programs are kept for other jobs, so that an architecture is compiled once on a machine.

    A folder of the user's own below $BENCH_COMPILED, or else the user's cache; another one for each processor and
    version of JAX, since a program runs on the processor that it was compiled for. None: they are not kept, because
    $BENCH_COMPILED is "off", or because the folder cannot be written or has little space left.
    """
    root = os.environ.get(COMPILED) or str(_cache() / "dcgmm-benchmark" / "compiled")
    if root == "off":
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
    """Hash of what compiled code depends on: the processor's features and JAX."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n", 1)[0].splitlines()
    except OSError:
        lines = [platform.processor()]
    processor = [line for line in lines if line.startswith(("model name", "flags", "Features", "CPU"))] or lines
    versions = [_version(name) for name in ("jax", "jaxlib")]
    return hashlib.sha256("\n".join([*processor, platform.machine(), *versions]).encode()).hexdigest()[:16]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
