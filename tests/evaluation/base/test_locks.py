"""Locks end with their holder; where there are none, nothing stands in for them."""

import errno
import fcntl

import pytest

from evaluation.base.errors import UserError
from evaluation.base.locks import locked
from evaluation.datasets.sources import _one_at_a_time
from evaluation.jobs import lock, store

HAS_NONE = r"{}: its file system has no locks \(flock\).*choose a folder on another file system, or have it mounted"


def place_of_a_training(path):
    return store.held([path / "seed0"])


def data_directory(path):
    return _one_at_a_time(path, print)


@pytest.mark.parametrize("hold", [lock.held, place_of_a_training, data_directory])
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_file_system_without_locks_is_named(hold, number, tmp_path, monkeypatch):
    """A mere file took the lock's place, and outlived a killed job on another machine."""

    def flock(*_):
        raise OSError(number, "no flock")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(UserError, match=HAS_NONE.format(tmp_path)), hold(tmp_path):
        pytest.fail("it is held")


def test_one_that_is_busy_is_waited_for_unless_somebody_says_no(tmp_path):
    def refuse():
        raise UserError("no")

    held = locked(tmp_path / "lock", refuse)
    with pytest.raises(UserError, match="no"):
        locked(tmp_path / "lock", refuse)
    locked(tmp_path / "lock", held.release).release()
