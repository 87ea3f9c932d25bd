"""Compiled programs are kept for other jobs, and change no number."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from evaluation.base import process

TRAIN = [
    "train",
    "--config",
    "F(28,1)-G(9)",
    "--dataset",
    "digits",
    "--param",
    "iterations=5",
    "--quiet",
    "--threads",
    "1",
]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv(process.COMPILED, str(tmp_path / "compiled"))
    return tmp_path / "compiled"


def bench_train(out: Path, compiled: str) -> dict[str, bytes]:
    """Train in a process of its own; the bytes of the model's parameters."""
    environment = {**os.environ, process.COMPILED: compiled}
    environment.pop("TF_XLA_FLAGS", None)
    command = [str(Path(sys.executable).with_name("bench")), *TRAIN, "--out", str(out)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return {name: value.tobytes() for name, value in load_file(out / "parameters.safetensors").items()}


def test_kept_programs_give_the_same_bits(tmp_path):
    compiled = tmp_path / "compiled"
    fresh = bench_train(tmp_path / "fresh", str(compiled))
    kept = {file: file.stat().st_mtime_ns for file in compiled.glob("*/*.pb")}
    assert fresh and kept
    assert bench_train(tmp_path / "again", str(compiled)) == fresh
    assert {file: file.stat().st_mtime_ns for file in compiled.glob("*/*.pb")} == kept  # nothing was compiled anew
    assert bench_train(tmp_path / "without", "off") == fresh


def test_the_folder_is_the_users_own(elsewhere):
    folder = process.compiled_folder()
    assert folder is not None and folder.parent == elsewhere
    assert folder.stat().st_mode & 0o077 == 0


def test_another_processor_has_another_folder(elsewhere, monkeypatch):
    here = process.compiled_folder()
    monkeypatch.setattr(process, "_machine_key", lambda: "another")
    assert process.compiled_folder() != here


def test_where_nothing_can_be_kept_jobs_run_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    for value in ("off", str(tmp_path / "file"), str(tmp_path / "with space")):
        monkeypatch.setenv(process.COMPILED, value)
        assert process.compiled_folder() is None
    monkeypatch.setenv(process.COMPILED, str(tmp_path / "full"))
    monkeypatch.setattr(process, "SPACE_NEEDED", 2**62)
    assert process.compiled_folder() is None


@pytest.mark.parametrize(("threads", "expected"), [(1, None), (None, None), (2, "ACTIVE")])
def test_threads_stay_awake_where_a_job_has_several(threads, expected, elsewhere, monkeypatch):
    for name in (*process.POOLS, "OMP_WAIT_POLICY", "TF_XLA_FLAGS"):
        monkeypatch.setenv(name, "before")  # put back afterwards, whatever prepare does
    monkeypatch.delenv("OMP_WAIT_POLICY")
    process.prepare(threads)
    assert os.environ.get("OMP_WAIT_POLICY") == expected
    assert os.environ["OMP_NUM_THREADS"] == ("before" if threads is None else str(threads))
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    process.prepare(threads)
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
