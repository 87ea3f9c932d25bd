"""Files that appear whole or not at all: the same functions as the models'."""

from dcgmm.storage import atomic_path, write_text

__all__ = ["atomic_path", "write_text"]
