"""Files that appear whole or not at all, by the same functions as the models', and whether a place may be written."""

import os
from pathlib import Path

from dcgmm.storage import atomic_path, write_text

__all__ = ["CHECKOUT", "atomic_path", "why_not_writable", "write_text"]

CHECKOUT = Path(__file__).resolve().parents[2]  # the repository, or where the package was installed


def why_not_writable(path: Path) -> str:
    """What is wrong with the nearest folder above `path` that exists: "X is a file", "X may not be written", or ""."""
    above = next(parent for parent in path.absolute().parents if parent.exists())
    if not above.is_dir():
        return f"{above} is a file"
    return "" if os.access(above, os.W_OK) else f"{above} may not be written"
