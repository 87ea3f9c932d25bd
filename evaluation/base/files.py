"""Files that appear whole or not at all, by the same functions as the models', and whether a place may be written."""

import os
import tempfile
from pathlib import Path

from dcgmm.storage import atomic_path, write_text

__all__ = ["CHECKOUT", "atomic_path", "why_not_writable", "write_text"]

CHECKOUT = Path(__file__).resolve().parents[2]  # the repository, or where the package was installed


def why_not_writable(path: Path) -> str:
    """What is wrong with the nearest folder above `path` that exists: "X is a file", "X may not be written", or ""."""
    above = next(parent for parent in path.absolute().parents if parent.exists())
    if not above.is_dir():
        return f"{above} is a file"
    return "" if _takes_files(above) else f"{above} may not be written"


def _takes_files(folder: Path) -> bool:
    """Whether files may be put into a folder. The superuser is told so of any, even of /proc: there it is tried."""
    if not os.access(folder, os.W_OK):
        return False
    if getattr(os, "geteuid", lambda: 1)() != 0:
        return True
    try:
        with tempfile.TemporaryDirectory(dir=folder):
            return True
    except OSError:
        return False
