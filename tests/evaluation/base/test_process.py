"""What a job sets for its libraries: threads, device, and programs kept for other jobs, which change no number."""

import os
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from evaluation.base import process
from evaluation.base.errors import UserError

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
SET = (
    *process.POOLS,
    "OMP_WAIT_POLICY",
    "CUDA_VISIBLE_DEVICES",
    "JAX_PLATFORMS",
    "XLA_PYTHON_CLIENT_PREALLOCATE",
    "TF_CPP_MIN_LOG_LEVEL",
    process.CACHE,
    process.SHORTEST,
)


@pytest.fixture
def clean(tmp_path, monkeypatch):
    """A place for programs; environment and warnings are put back afterwards, whatever prepare does."""
    for name in SET:
        monkeypatch.setenv(name, "before")
        monkeypatch.delenv(name)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setenv(process.COMPILED, str(tmp_path / "compiled"))
    return tmp_path / "compiled"


def bench_train(out: Path, compiled: str, **environment: str) -> tuple[dict[str, bytes], str]:
    """Train in a process of its own, every program kept: the bytes of the model's parameters, and what was said."""
    given = {**os.environ, process.COMPILED: compiled, process.SHORTEST: "0", **environment}
    given.pop(process.CACHE, None)
    command = [str(Path(sys.executable).with_name("bench")), *TRAIN, "--out", str(out)]
    done = subprocess.run(command, env=given, check=True, capture_output=True, text=True)
    return {name: value.tobytes() for name, value in load_file(out / "parameters.safetensors").items()}, done.stderr


def programs(compiled: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in compiled.glob("*/*-cache")}


def test_kept_programs_give_the_same_bits_and_damaged_ones_are_replaced_in_silence(tmp_path):
    compiled = tmp_path / "compiled"
    fresh, _ = bench_train(tmp_path / "fresh", str(compiled))
    kept = programs(compiled)
    assert fresh and kept
    times = {file: file.stat().st_mtime_ns for file in compiled.glob("*/*-cache")}
    again, _ = bench_train(tmp_path / "again", str(compiled))
    assert again == fresh
    assert {file: file.stat().st_mtime_ns for file in compiled.glob("*/*-cache")} == times  # nothing was compiled anew
    damages = (lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:40] + bytes([b[40] ^ 255]) + b[41:])
    for i, file in enumerate(sorted(times)):
        file.write_bytes(damages[i % 3](file.read_bytes()))
    repaired, said = bench_train(tmp_path / "repaired", str(compiled))
    assert repaired == fresh and "cache" not in said
    for content in programs(compiled).values():
        zlib.decompress(content)
    assert set(programs(compiled)) == set(kept)
    without, _ = bench_train(tmp_path / "without", "off")
    assert without == fresh


def test_a_cache_that_cannot_be_read_or_written_costs_a_compilation_only(tmp_path):
    """A folder where each program's file would be: reading fails, and so does writing, for root too."""
    compiled = tmp_path / "compiled"
    fresh, _ = bench_train(tmp_path / "fresh", str(compiled))
    for file in compiled.glob("*/*-cache"):
        file.unlink()
        file.mkdir()
    same, said = bench_train(tmp_path / "same", str(compiled))
    assert same == fresh
    assert "Warning" not in said and "Traceback" not in said


def test_a_full_disk_costs_a_compilation_only(clean, monkeypatch):
    said = []
    monkeypatch.setattr(warnings, "showwarning", lambda message, *rest, **others: said.append(str(message)))
    process.prepare(1)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("Error writing persistent compilation cache entry for 'jit_f': [Errno 28] full", stacklevel=1)
        warnings.warn("another matter", stacklevel=1)
    assert said == ["another matter"]


def test_the_folder_is_the_users_own(clean):
    folder = process.compiled_folder()
    assert folder is not None and folder.parent == clean
    assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("what", ["processor", "jax", "jaxlib"])
def test_another_processor_or_version_has_another_folder(clean, monkeypatch, what):
    here = process.compiled_folder()
    if what == "processor":
        monkeypatch.setattr(process.platform, "machine", lambda: "another")
    else:
        real = process.importlib.metadata.version
        monkeypatch.setattr(process.importlib.metadata, "version", lambda name: "9" if name == what else real(name))
    assert process.compiled_folder() != here


def test_where_nothing_can_be_kept_jobs_run_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    for value in ("off", str(tmp_path / "file")):
        monkeypatch.setenv(process.COMPILED, value)
        assert process.compiled_folder() is None
    monkeypatch.setenv(process.COMPILED, str(tmp_path / "full"))
    monkeypatch.setattr(process, "SPACE_NEEDED", 2**62)
    assert process.compiled_folder() is None


def test_what_the_user_has_set_for_jax_stays(clean, monkeypatch, tmp_path):
    own = {process.CACHE: str(tmp_path), "XLA_FLAGS": "--xla_cpu_enable_fast_math=false"}
    own["XLA_PYTHON_CLIENT_PREALLOCATE"] = "true"
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    process.prepare(1)
    assert {name: os.environ[name] for name in own} == own


@pytest.mark.parametrize(("threads", "expected"), [(1, None), (None, None), (2, "ACTIVE")])
def test_threads_stay_awake_where_a_job_has_several(threads, expected, clean, monkeypatch):
    monkeypatch.setattr(process, "cores", lambda: 8)
    process.prepare(threads)
    assert os.environ.get("OMP_WAIT_POLICY") == expected
    for name in process.POOLS:
        assert os.environ.get(name) == (None if threads is None else str(threads))
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    process.prepare(threads)
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_a_job_has_no_more_threads_than_the_cores_that_it_was_given(clean):
    code = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); from evaluation.base import process\n"
        "process.prepare(4); print(os.environ['OMP_NUM_THREADS'], len(os.sched_getaffinity(0)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "1 1\n"


def test_device(clean):
    process.prepare(None)
    assert "JAX_PLATFORMS" not in os.environ and os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    process.prepare(None, "cpu")
    assert os.environ["JAX_PLATFORMS"] == "cpu" and os.environ["CUDA_VISIBLE_DEVICES"] == ""
    with pytest.raises(UserError, match="'tpu' is not known: choose one of auto, cpu, gpu"):
        process.prepare(None, "tpu")


def test_a_gpu_that_is_not_there_is_refused_before_anything_is_computed(tmp_path):
    command = [str(Path(sys.executable).with_name("bench")), *TRAIN, "--device", "gpu", "--out", str(tmp_path / "out")]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode != 0 and "--device gpu: JAX finds no GPU here" in done.stderr
    assert not (tmp_path / "out").exists()
