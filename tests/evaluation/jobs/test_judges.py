"""Judges where one is there already, where none can be, and where two processes train one."""

import threading
import time

import pytest
from filelock import FileLock

from evaluation.base.errors import UserError
from evaluation.jobs import judges
from evaluation.jobs.judges import finished, train_judge
from evaluation.jobs.store import lock_of


class Killed(Exception):
    pass


@pytest.fixture
def untrained(monkeypatch):
    """Judges that are not trained, but written."""
    from baselines.cnn import Cnn

    monkeypatch.setattr(Cnn, "fit", lambda self, *args, **options: None)


def test_a_killed_replacement_leaves_no_network_under_the_record_of_another(untrained, tmp_path, monkeypatch):
    train_judge("digits", tmp_path, params={"epochs": 2}, limit=10)
    assert finished(tmp_path)["params"]["epochs"] == 2

    def killed(*_):
        raise Killed

    monkeypatch.setattr(judges, "write_json", killed)
    with pytest.raises(Killed):
        train_judge("digits", tmp_path, params={"epochs": 1}, limit=10)
    assert finished(tmp_path) is None
    monkeypatch.undo()


@pytest.mark.parametrize("inside", ["", "mine/seed0"])
def test_a_place_that_can_hold_no_judge_is_refused_before_the_images_are_read(inside, tmp_path, monkeypatch):
    """It was a traceback, after the images were read."""
    monkeypatch.setattr(judges, "load_dataset", lambda name: pytest.fail("images were read"))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="file is a file; give --judges another directory"):
        train_judge("digits", tmp_path / "file" / inside)


def test_a_judge_that_is_there_is_left_alone_where_nothing_may_be_written(untrained, tmp_path, monkeypatch):
    place = tmp_path / "seed0"
    record = train_judge("digits", place, limit=10)
    lock_of(place).unlink()
    monkeypatch.setattr(judges, "why_not_writable", lambda path: f"{path} may not be written")
    assert train_judge("digits", place, limit=10)["accuracy"] == record["accuracy"]
    assert [path.name for path in tmp_path.iterdir()] == ["seed0"]
    with pytest.raises(UserError, match="may not be written; give --judges another directory"):
        train_judge("digits", place, limit=11)


def test_a_judge_is_trained_by_one_process_at_a_time(untrained, tmp_path, capsys):
    """Two trained side by side, and the second replaced what the first had written."""
    trains = threading.Event()

    def other():
        with FileLock(lock_of(tmp_path / "seed0")):
            trains.set()
            time.sleep(1.0)
            assert finished(tmp_path / "seed0") is None

    thread = threading.Thread(target=other)
    thread.start()
    trains.wait()
    train_judge("digits", tmp_path / "seed0", limit=10)
    thread.join()
    assert "another process is training" in capsys.readouterr().err
    assert finished(tmp_path / "seed0")
