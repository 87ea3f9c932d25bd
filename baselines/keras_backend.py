"""Which of its backends Keras 3 runs on here: TensorFlow on a CPU, or what reaches the GPU."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

TRAINING_BACKENDS = ("tensorflow", "jax", "torch")  # the others of Keras cannot train
# Compiled by XLA, TensorFlow's convolutions are slower on a CPU; JAX has nothing else, PyTorch would need a compiler.
COMPILED = {"tensorflow": False, "jax": True, "torch": False}


def import_keras() -> Any:
    """The module keras, on the backend that KERAS_BACKEND names, else on the one that suits this machine.

    Raises RuntimeError when Keras was imported before on a backend that cannot train.
    """
    if "keras" not in sys.modules and not os.environ.get("KERAS_BACKEND"):
        os.environ["KERAS_BACKEND"] = suitable_backend()
    import keras

    backend = keras.backend.backend()
    if backend not in TRAINING_BACKENDS:
        raise RuntimeError(
            f"Keras runs on {backend!r}, which cannot train: set KERAS_BACKEND to one of "
            f"{', '.join(TRAINING_BACKENDS)} before starting Python"
        )
    return keras


def suitable_backend() -> str:
    """ "tensorflow" without a GPU; with one JAX or PyTorch, whichever can use it."""
    if not gpu_present():
        return "tensorflow"
    if any(importlib.util.find_spec(f"jax_cuda{version}_plugin") for version in (12, 13)):
        return "jax"
    if importlib.util.find_spec("torch"):
        import torch

        if torch.cuda.is_available():
            return "torch"
    return "tensorflow"


def gpu_present() -> bool:
    """Whether there is an NVIDIA GPU that CUDA_VISIBLE_DEVICES does not hide."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "all") not in ("", "-1") and Path("/dev/nvidiactl").exists()
