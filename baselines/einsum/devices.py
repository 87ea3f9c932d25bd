"""Where a circuit computes, and how much memory there is."""

from __future__ import annotations

import os

import torch

from dcgmm import checks

DEVICES = ("auto", "cpu", "gpu")


def resolve(name: str) -> torch.device:
    """The device of this name: "auto" is a GPU where there is one.

    Raises ValueError for another name, and for "gpu" where PyTorch finds none.
    """
    checks.choice(name, DEVICES, name="device")
    found = torch.cuda.is_available()
    if name == "gpu" and not found:
        raise ValueError("device='gpu': PyTorch finds no CUDA device here; take device='cpu' or 'auto'")
    return torch.device("cuda" if found and name != "cpu" else "cpu")


def memory(device: torch.device) -> int:
    """Bytes that the device has, used or not."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
