"""One run per folder of results: a lock that the operating system releases when its holder dies."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from evaluation.errors import UserError

_HELD: list[FileLock] = []  # until the process ends


def hold(results: str | Path) -> None:
    """Keep other runs away from a folder of results for as long as this process lives.

    Raises:
        UserError: another run has it.
    """
    path = Path(results) / ".running.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"another run is working in {results}; wait for it, or stop it, and start again") from None
    _HELD.append(lock)
