"""Where a DGC-SPN computes."""

from __future__ import annotations

from pathlib import Path

DEVICES = ("auto", "cpu", "gpu")
CUDA = "cuda"  # the GPU, in PyTorch's words


def on_gpu(device: str) -> bool:
    """Whether the network goes to a GPU. PyTorch is imported only where a driver is, or where a GPU was asked for.

    Raises ValueError where one was asked for and there is none.
    """
    if device == "cpu" or (device == "auto" and not Path("/dev/nvidiactl").exists()):
        return False
    import torch

    if not torch.cuda.is_available():
        if device == "gpu":
            raise ValueError("device='gpu': PyTorch finds no CUDA GPU here; take device='cpu'")
        return False
    return True
