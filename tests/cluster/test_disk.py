"""Files that cannot be written, or are not what was written: nothing half-made is taken for a result."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.cli import main
from evaluation.models.registry import load_model, read_spec

ROOT = Path(__file__).parents[2]
TOY = ("--factory", "toy_models:Brightness", "--name", "toy", "--model", "toy")
PLACE = Path("digits/not0/toy/seed0")


def bench(*words):
    return main([str(word) for word in words])


def train(models, *words, model=TOY):
    return bench("train", *model, *words, "--dataset", "digits", "--subset", "not0", "--models", models,
                 "--quiet")  # fmt: skip


def score(models):
    return bench("score", models / PLACE, "--out", models / "scores")


@pytest.fixture(autouse=True)
def beside_the_toy_models(monkeypatch):
    monkeypatch.chdir(ROOT / "tests/evaluation")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 400 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here (not root, or a container that forbids it)")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk, leave):
    """Take all but `leave` bytes of the disk."""
    with (disk / "ballast").open("wb") as out:
        out.write(b"x" * (shutil.disk_usage(disk).free - leave))


# 0: not even the checkpoint fits. Further steps end in the model's own file and in those that `bench` writes beside it.
@pytest.mark.parametrize("leave", [0, 4_096, 8_192, 12_288, 16_384])
def test_a_full_disk_while_a_model_is_written(leave, small_disk, tmp_path, capfd):
    fill(small_disk, leave)
    assert train(small_disk) == 2
    assert "No space left" in capfd.readouterr().err
    assert not (small_disk / PLACE).exists()
    (small_disk / "ballast").unlink()
    assert train(small_disk) == 0
    assert train(tmp_path / "elsewhere") == 0
    np.testing.assert_array_equal(load_model(small_disk / PLACE).mean, load_model(tmp_path / "elsewhere" / PLACE).mean)
    assert [p.name for p in (small_disk / PLACE).parent.iterdir() if p.is_dir()] == ["seed0"]


def test_a_full_disk_while_scores_are_written(small_disk, tmp_path, capfd):
    train(small_disk)
    fill(small_disk, 8_192)
    assert score(small_disk) == 2
    assert "No space left" in capfd.readouterr().err
    scores = small_disk / "scores" / PLACE.with_suffix(".parquet")
    assert not scores.exists()
    (small_disk / "ballast").unlink()
    assert score(small_disk) == 0
    train(tmp_path)
    score(tmp_path)
    pd.testing.assert_frame_equal(
        pd.read_parquet(scores), pd.read_parquet(tmp_path / "scores" / PLACE.with_suffix(".parquet"))
    )


def test_a_truncated_checkpoint_is_not_believed(tmp_path, capfd):
    """Every family keeps its state in safetensors files; DCGMM checks more, see tests/dcgmm/test_training.py."""
    params = {"sums": 2, "depth": 1, "repetitions": 1, "epochs": 1}
    model = ("--factory", "baselines.einsum:RatSpn", "--name", "toy", "--model", "toy", "--params", json.dumps(params))
    assert train(tmp_path / "whole", model=model) == 0
    state = tmp_path / "hit" / PLACE.parent / f".seed0.{read_spec(tmp_path / 'whole' / PLACE)['spec']}.checkpoint"
    state.mkdir(parents=True)
    (state / "state.safetensors").write_bytes((512).to_bytes(8, "little") + b'{"circuit.weights": {"dtype"')
    assert train(tmp_path / "hit", model=model) == 0
    assert "is damaged" in capfd.readouterr().err
    assert not state.exists()
    images = np.random.default_rng(0).random((5, 28, 28, 1), dtype=np.float32)
    whole, again = (load_model(tmp_path / name / PLACE) for name in ("whole", "hit"))
    np.testing.assert_array_equal(again.score_samples(images), whole.score_samples(images))
