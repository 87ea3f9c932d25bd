"""One run per folder of results: a lock that the operating system releases when its holder dies, and the run's log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from evaluation.base.errors import UserError
from evaluation.base.locks import locked
from evaluation.plan.paths import Paths

_HELD: list[FileLock] = []  # until the process ends


def hold(results: str | Path, logs: Iterable[str | Path] = ()) -> None:
    """Keep other runs away from a folder of results for as long as this process lives, and note the run's logs there.

    Raises:
        UserError: another run has it.
    """
    _HELD.append(_locked(results))
    with Paths(Path(results)).log_list.open("a", encoding="utf-8") as out:
        out.writelines(f"{Path(log).resolve()}\n" for log in logs)


def forget_logs(results: str | Path) -> None:
    """Forget the logs of runs none of whose jobs can be left: later, a scheduler may give their numbers to others'."""
    Paths(Path(results)).log_list.unlink(missing_ok=True)


@contextmanager
def held(results: str | Path) -> Iterator[None]:
    """`hold` for the length of a block.

    Raises:
        UserError: another run has it.
    """
    lock = _locked(results)
    try:
        yield
    finally:
        lock.release()


def _locked(results: str | Path) -> FileLock:
    path = Paths(Path(results)).lock
    path.parent.mkdir(parents=True, exist_ok=True)

    def busy() -> None:
        raise UserError(f"another run is working in {results}; wait for it, or stop it, and start again") from None

    return locked(path, busy)
