"""Locks of the operating system, which end with their holder: the one place that makes them."""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from evaluation.base.errors import UserError

UNLOCKABLE = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK}  # of a file system that has no flock


def locked(path: Path, busy: Callable[[], None], *, patience: float = 0.0, shared: bool = False) -> FileLock:
    """The lock at `path`, held until it is released or the process ends.

    A file that marks the place as taken would outlive a killed job, so there is none of that where locks are missing.

    Args:
        busy: called when another process has the lock for longer than `patience` seconds; then that one is waited
            for, unless `busy` raises.
        shared: with other users.

    Raises:
        UserError: the file system has no such locks.
    """
    hard = partial(FileLock, path, fallback_to_soft=False)
    lock: FileLock = hard(mode=0o666) if shared else hard()
    try:
        try:
            lock.acquire(timeout=patience)
        except Timeout:
            busy()
            lock.acquire()
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in UNLOCKABLE:
            raise
        raise UserError(
            f"{path.parent}: its file system has no locks (flock), which keep two processes apart; choose a folder on "
            "another file system, or have it mounted with flock"
        ) from error
    return lock
