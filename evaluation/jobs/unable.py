"""What a model cannot do: noted in place of its file, so that tables show "–" and the run continues."""

from __future__ import annotations

from pathlib import Path

from evaluation.base.files import write_text

SUFFIX = ".cannot"


def note_unable(path: Path, sentence: str) -> None:
    """Note why there is no file `path`; one of an earlier model is removed."""
    path.unlink(missing_ok=True)
    write_text(path.with_suffix(SUFFIX), sentence + "\n")
    print(f"{path}: not made: {sentence}", flush=True)


def why_not(path: Path) -> str | None:
    """Why a model could not make `path`; None if it could, or if it was not tried."""
    note = path.with_suffix(SUFFIX)
    if path.exists() or not note.is_file():
        return None
    return note.read_text(encoding="utf-8").strip()
