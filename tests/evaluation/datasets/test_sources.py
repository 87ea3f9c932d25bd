"""Filling the data directory: order of the sources, resuming, checksums, two processes at once."""

from __future__ import annotations

import dataclasses
import gzip
import json
import multiprocessing
import shutil
import stat
import threading
from pathlib import Path

import pytest

from evaluation.base.errors import DataError
from evaluation.cli import main
from evaluation.datasets import CATALOGUE, debian, load_dataset, sources, specification
from evaluation.datasets.contents import read_verified
from evaluation.datasets.download import SourceError, download
from evaluation.datasets.sources import PRESENT, DebianPackage, DirectoryCopy, Mirror, ensure, sources_of
from tests.evaluation.datasets.mirror import serve

IMAGES = "train-images-idx3-ubyte.gz"


@pytest.fixture
def mirror(toy_files):
    with serve(dict(toy_files)) as running:
        yield running


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()} - {".lock"}


# --- one file over HTTP


def test_download_tells_its_progress(mirror, toy_files, tmp_path):
    seen = []
    download(mirror.address + IMAGES, tmp_path / "part", lambda done, total: seen.append((done, total)))
    size = len(toy_files[IMAGES])
    assert (tmp_path / "part").read_bytes() == toy_files[IMAGES]
    assert seen[0] == (0, size) and seen[-1] == (size, size)


def test_download_resumes_where_it_stopped(mirror, toy_files, tmp_path):
    part = tmp_path / "part"
    part.write_bytes(toy_files[IMAGES][:1000])
    download(mirror.address + IMAGES, part)
    assert part.read_bytes() == toy_files[IMAGES] and mirror.requests == [(IMAGES, 1000)]


def test_download_takes_up_a_broken_transfer(mirror, toy_files, tmp_path):
    mirror.break_off[IMAGES] = [5000, 3000]
    download(mirror.address + IMAGES, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == toy_files[IMAGES]
    assert [start for _, start in mirror.requests] == [0, 5000, 8000]


def test_download_starts_again_where_ranges_are_unknown(mirror, toy_files, tmp_path):
    mirror.ranges = False
    (tmp_path / "part").write_bytes(b"x" * 1000)
    download(mirror.address + IMAGES, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == toy_files[IMAGES]


def test_download_of_a_whole_part_asks_once(mirror, toy_files, tmp_path):
    (tmp_path / "part").write_bytes(toy_files[IMAGES])
    download(mirror.address + IMAGES, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == toy_files[IMAGES] and len(mirror.requests) == 1


def test_download_discards_a_part_longer_than_the_file(mirror, toy_files, tmp_path):
    (tmp_path / "part").write_bytes(toy_files[IMAGES] + b"more")
    download(mirror.address + IMAGES, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == toy_files[IMAGES]


def test_download_gives_up_on_endless_breaks_and_keeps_the_part(mirror, tmp_path):
    mirror.break_off[IMAGES] = [1000] * 10
    with pytest.raises(SourceError, match="broke off"):
        download(mirror.address + IMAGES, tmp_path / "part")
    assert (tmp_path / "part").stat().st_size == 4000


def test_download_says_what_the_server_says(mirror, tmp_path):
    with pytest.raises(SourceError, match="HTTP 404"):
        download(mirror.address + "nothing.gz", tmp_path / "part")
    assert len(mirror.requests) == 1


def test_download_without_a_server(tmp_path):
    with pytest.raises(SourceError, match="refused"):
        download("http://127.0.0.1:9/" + IMAGES, tmp_path / "part")
    assert not (tmp_path / "part").exists()


# --- the order of the sources


def test_official_order(monkeypatch):
    labels = [source.label for source in sources_of(specification("fashion_mnist"), ["http://ours"])]
    assert labels[:2] == ["/usr/share/datasets/fashion-mnist", "http://ours/"]
    assert labels[-1] == "apt-get download dataset-fashion-mnist" and len(labels) == 5
    assert all(isinstance(source, Mirror) for source in sources_of(specification("svhn")))


def test_files_that_are_there_need_nothing_writable(toy_root, toy, monkeypatch):
    monkeypatch.setattr(sources, "_one_at_a_time", lambda *arguments: pytest.fail("the directory was locked"))
    before = names(toy_root / "mnist")
    assert set(ensure("mnist", toy_root).values()) == {PRESENT}
    assert names(toy_root / "mnist") == before


def test_mirror_fills_an_empty_directory(mirror, toy, tmp_path):
    origin = ensure("mnist", tmp_path, mirrors=[mirror.address])
    assert set(origin.values()) == {mirror.address}
    assert names(tmp_path / "mnist") == {file.name for file in toy.files}
    assert len(load_dataset("mnist", tmp_path).split("test")[0]) == 20
    assert [name for name, _ in mirror.requests] == [file.name for file in toy.files]


def test_the_next_source_is_tried_for_what_is_missing(mirror, toy, toy_files, tmp_path):
    with serve(dict(list(toy_files.items())[:2])) as poor:
        said = []
        origin = ensure("mnist", tmp_path, mirrors=[poor.address, mirror.address], say=said.append)
    assert list(origin.values()) == [poor.address] * 2 + [mirror.address] * 2
    assert len(mirror.requests) == 2 and any("404" in message for message in said)


def test_wrong_content_is_not_taken(mirror, toy, toy_files, tmp_path):
    with serve({**toy_files, IMAGES: gzip.compress(b"something else")}) as liar:
        origin = ensure("mnist", tmp_path, mirrors=[liar.address, mirror.address])
    assert origin[IMAGES] == mirror.address
    assert names(tmp_path / "mnist") == {file.name for file in toy.files}


def test_interrupted_download_is_resumed_by_the_next_run(mirror, toy, toy_files, tmp_path):
    mirror.break_off[IMAGES] = [1000] * 4
    with pytest.raises(DataError, match="broke off"):
        ensure("mnist", tmp_path, mirrors=[mirror.address])
    assert not (tmp_path / "mnist" / IMAGES).exists(), "a file appeared half"
    mirror.requests.clear()
    ensure("mnist", tmp_path, mirrors=[mirror.address])
    assert mirror.requests[0] == (IMAGES, 4000)
    assert names(tmp_path / "mnist") == set(toy_files)


def test_a_part_of_another_version_is_fetched_from_the_start(mirror, toy, toy_files, tmp_path):
    whole = toy_files[IMAGES]
    mirror.files[IMAGES] = b"A" * 9000
    mirror.break_off[IMAGES] = [1000] * 4
    with pytest.raises(DataError):
        ensure("mnist", tmp_path, mirrors=[mirror.address])
    mirror.files[IMAGES] = whole
    ensure("mnist", tmp_path, mirrors=[mirror.address])
    assert (tmp_path / "mnist" / IMAGES).read_bytes() == whole


def test_altered_file_is_named_and_replaced(mirror, toy_root, toy, toy_files):
    path = toy_root / "mnist" / IMAGES
    path.write_bytes(toy_files[IMAGES][:500])
    said = []
    origin = ensure("mnist", toy_root, mirrors=[mirror.address], say=said.append)
    assert origin[IMAGES] == mirror.address and list(origin.values()).count(PRESENT) == 3
    assert path.read_bytes() == toy_files[IMAGES] and [name for name, _ in mirror.requests] == [IMAGES]
    assert any(str(path) in message and "truncated" in message for message in said)


def test_altered_uncompressed_file_gives_way_to_the_right_one(mirror, toy_root, toy):
    path = toy_root / "mnist" / IMAGES
    path.unlink()
    path.with_suffix("").write_bytes(b"altered")
    ensure("mnist", toy_root, mirrors=[mirror.address])
    load_dataset("mnist", toy_root).split("train")


def test_all_fail_message_says_what_to_put_where(toy, tmp_path):
    with pytest.raises(DataError) as caught:
        ensure("mnist", tmp_path, mirrors=["http://127.0.0.1:9"])
    message = str(caught.value)
    assert "http://127.0.0.1:9/" in message and "refused" in message
    assert f"into {tmp_path / 'mnist'}" in message and "PROFILE=smoke" in message
    assert all(file.name in message and file.sha256 in message for file in toy.files)


def test_directory_that_cannot_be_made(toy, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot be written.*BENCH_DATA"):
        ensure("mnist", tmp_path / "file")


# --- copies and packages


def test_a_copy_that_cannot_be_read_gives_way_to_the_next_source(mirror, toy, tmp_path, monkeypatch):
    """A file in the place of the system package's directory ended the search, in an error of the system."""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setitem(CATALOGUE, "mnist", dataclasses.replace(toy, system_directory=str(tmp_path / "file")))
    said = []
    origin = ensure("mnist", tmp_path, mirrors=[mirror.address], say=said.append)
    assert set(origin.values()) == {mirror.address}
    assert any(f"{tmp_path / 'file'} does not give mnist" in message for message in said)


def test_directory_copy(toy_root, toy, tmp_path):
    target = tmp_path / "copy"
    target.mkdir()
    source = DirectoryCopy(toy_root / "mnist")
    assert len(list(source.fetch(toy.files, target, lambda label: lambda done, total: None))) == 4
    assert all(read_verified(target / file.name, file) for file in toy.files)
    (toy_root / "mnist" / IMAGES).write_bytes(b"altered")
    with pytest.raises(SourceError, match="truncated"):
        list(source.fetch(toy.files, target, lambda label: lambda done, total: None))


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="no dpkg-deb: not a Debian system")
def test_package_is_unpacked_without_installing(toy_root, toy, tmp_path, monkeypatch):
    """A real package built here; a stand-in for apt-get hands it out and notes its arguments."""
    tree = tmp_path / "build"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        "Package: toy-data\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: toy\n"
    )
    shutil.copytree(toy_root / "mnist", tree / "usr/share/datasets/toy")
    debian._run(["dpkg-deb", "--build", "--root-owner-group", str(tree), str(tmp_path / "toy.deb")], tmp_path)
    programs = tmp_path / "bin"
    programs.mkdir()
    apt = programs / "apt-get"
    apt.write_text(
        f'#!/bin/sh\necho "$PWD $@" >> {tmp_path}/calls\n'
        f'case "$*" in *download*) cp {tmp_path}/toy.deb toy-data_1_all.deb;; esac\n'
    )
    apt.chmod(apt.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    source = DebianPackage("toy-data", "/usr/share/datasets/toy")
    target = tmp_path / "target"
    target.mkdir()
    assert len(list(source.fetch(toy.files, target, lambda label: lambda done, total: None))) == 4
    update, fetch = (tmp_path / "calls").read_text().splitlines()
    assert update.endswith(" update") and fetch.endswith(" download toy-data")
    private = update.split()[0]
    assert f"Dir::State={private}/state" in update and f"Dir::Cache={private}/cache" in fetch
    assert not Path(private).exists()


def test_package_without_apt(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match="no apt-get"):
        debian.unpack_package("toy-data", tmp_path)


def test_failing_program_is_quoted(tmp_path):
    with pytest.raises(SourceError, match="sh failed: no such package"):
        debian._run(["sh", "-c", "echo first; echo no such package >&2; exit 100"], tmp_path)


# --- two at once


def _fill(root: Path, address: str, results: multiprocessing.Queue, told: multiprocessing.Queue) -> None:
    said: list[str] = []

    def say(message: str) -> None:
        said.append(message)
        told.put(message)

    results.put((ensure("mnist", root, mirrors=[address], say=say)[IMAGES], said))


def test_two_processes_download_once(mirror, toy, tmp_path):
    """Both start on an empty directory; the mirror answers only when one waits for the other."""
    context = multiprocessing.get_context("fork")  # the children inherit the small data set
    mirror.delay = threading.Event()
    results, told = context.Queue(), context.Queue()
    workers = [context.Process(target=_fill, args=(tmp_path, mirror.address, results, told)) for _ in range(2)]
    for worker in workers:
        worker.start()
    while "waiting" not in told.get(timeout=30):
        pass
    mirror.delay.set()
    outcomes = [results.get(timeout=30) for _ in workers]
    for worker in workers:
        worker.join(30)
    assert [name for name, _ in mirror.requests] == [file.name for file in toy.files], "something was fetched twice"
    waited = [any("waiting" in message for message in said) for _, said in outcomes]
    assert sorted(waited) == [False, True]
    assert names(tmp_path / "mnist") == {file.name for file in toy.files}


def test_lock_is_open_to_other_users(mirror, toy, tmp_path):
    ensure("mnist", tmp_path, mirrors=[mirror.address])
    assert stat.S_IMODE((tmp_path / "mnist" / ".lock").stat().st_mode) == 0o666


# --- the command


def test_command_fills_and_reports(mirror, toy, tmp_path, capsys):
    manifest = tmp_path / "manifest.json"
    command = ["data", "mnist", "digits", "--root", str(tmp_path), "--mirror", mirror.address]
    assert main([*command, "--manifest", str(manifest)]) == 0
    out = capsys.readouterr().out
    assert (
        f"{tmp_path / 'mnist' / IMAGES}: {mirror.address}" in out
        and "digits: comes with the package scikit-learn" in out
    )
    written = json.loads(manifest.read_text())
    assert written["mnist"][IMAGES]["sha256"] == toy.files[0].sha256 and written["digits"] == {}
    mirror.requests.clear()
    assert main(command) == 0 and not mirror.requests


def test_command_fails_in_words(toy, tmp_path, capsys):
    assert main(["data", "mnist", "--root", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert "bench: error: no source gives mnist" in err and "Traceback" not in err
    assert main(["data", "cifar"]) == 2
    assert "unknown data set 'cifar'" in capsys.readouterr().err


def test_part_of_another_user_is_replaced(mirror, toy, toy_files, tmp_path, monkeypatch):
    mirror.break_off[IMAGES] = [1000] * 4
    with pytest.raises(DataError):
        ensure("mnist", tmp_path, mirrors=[mirror.address])
    mirror.requests.clear()
    monkeypatch.setattr(sources.os, "access", lambda path, mode: False)
    ensure("mnist", tmp_path, mirrors=[mirror.address])
    assert mirror.requests[0] == (IMAGES, 0) and names(tmp_path / "mnist") == set(toy_files)


def test_photographs_may_stand_in_for_svhn():
    from pathlib import Path

    from evaluation.datasets.catalogue import FASHION_MNIST, SVHN
    from evaluation.datasets.sources import _nothing_works

    assert "experiments.svhn.datasets: [photos]" in _nothing_works(SVHN, Path("svhn"), {}, [])
    assert "photos" not in _nothing_works(FASHION_MNIST, Path("fashion"), {}, [])
