"""Training one model: what determines it, where it is kept, and how it survives being killed.

A trained model is a directory that appears by one rename. Beside it, hidden, lie its lock and, while it is being
trained, its checkpoint; the checkpoint's name carries the hash of the specification, so another one is never resumed.
"""

from __future__ import annotations

import gc
import inspect
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from evaluation.base.errors import UserError
from evaluation.models import registry

if TYPE_CHECKING:
    import numpy as np

    from evaluation.datasets import Dataset

HISTORY_FILE = "history.parquet"


@dataclass(frozen=True)
class Training:
    """One model on one subset of one data set with one seed.

    name: of the variant, in paths; model, protocol, point: what the variant is (see evaluation.plan.config);
    monitor: the split whose log-likelihood is followed; train_images: at most so many, None for all.
    """

    name: str
    model: str
    factory: str
    params: Mapping[str, Any]
    dataset: str
    subset: str
    seed: int
    protocol: str = "both"
    point: Mapping[str, Any] = field(default_factory=dict)
    monitor: str = "validation"
    train_images: int | None = None

    @cached_property
    def spec(self) -> str:
        """Hash of everything that the trained model depends on."""
        keys = ("factory", "params", "dataset", "subset", "seed", "train_images", "monitor")
        return registry.spec_hash({key: getattr(self, key) for key in keys})

    def directory(self, root: Path) -> Path:
        return root / self.dataset / self.subset / self.name / f"seed{self.seed}"


def is_complete(training: Training, directory: Path) -> bool:
    """Whether `directory` holds this very training, finished."""
    try:
        return registry.read_spec(directory).get("spec") == training.spec
    except (UserError, json.JSONDecodeError):
        return False


def train(training: Training, dataset: Dataset, directory: Path, *, progress: bool = False) -> bool:
    """Train and keep a model in `directory`; False if it was there already, finished and of the same specification.

    A checkpoint left by a killed run is resumed. A second process with the same directory waits for the first.

    Raises:
        UserError: unknown model, or what the model itself refuses.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with _held(FileLock(directory.parent / f".{directory.name}.lock"), directory):
        if is_complete(training, directory):
            return False
        checkpoint = directory.parent / f".{directory.name}.{training.spec}.checkpoint"
        for stale in directory.parent.glob(f".{directory.name}.*"):
            if stale.is_dir() and stale != checkpoint:
                shutil.rmtree(stale)
        discard_damaged(checkpoint)
        model, history, seconds = _fit(training, dataset, checkpoint, progress)
        _keep(training, model, history, seconds, directory)
        shutil.rmtree(checkpoint, ignore_errors=True)
    return True


def discard_damaged(checkpoint: Path) -> None:
    """Remove a checkpoint with a truncated file: a training that starts again is better than one that never can."""
    from safetensors import SafetensorError, safe_open

    for file in checkpoint.glob("*.safetensors"):
        try:
            with safe_open(file, framework="numpy"):
                pass
        except SafetensorError as error:
            print(
                f"bench: {file} is damaged ({error}); training starts from the beginning", file=sys.stderr, flush=True
            )
            shutil.rmtree(checkpoint)
            return


@contextmanager
def _held(lock: FileLock, directory: Path) -> Iterator[None]:
    """Hold the lock, with a word to the user when it has to be waited for."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"bench: another process is training {directory}; waiting for it", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def images(dataset: Dataset, split: str, subset: str, at_most: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, H, W, C) and labels (N,) of a subset of classes of a split, the first `at_most` of them."""
    from evaluation.datasets import select

    x, y = select(*dataset.split(split), subset)
    return x[:at_most], y[:at_most]


def _fit(training: Training, dataset: Dataset, checkpoint: Path, progress: bool) -> tuple[Any, Any, float]:
    x, y = images(dataset, "train", training.subset, training.train_images)
    model = registry.build(training.factory, training.params, dataset.image_shape, training.seed)
    takes = inspect.signature(model.fit).parameters
    options: dict[str, Any] = {"progress": progress}
    if training.monitor != "none":
        options["validation"] = images(dataset, training.monitor, training.subset)[0]
    if "labels" in takes:
        options["labels"] = y
    if "checkpoint" in takes:
        options["checkpoint"] = checkpoint
    start = time.perf_counter()
    history = model.fit(x, **options)
    return model, history, time.perf_counter() - start


def _keep(training: Training, model: Any, history: Any, seconds: float, directory: Path) -> None:
    """Write the model beside its place and rename it there: a directory with bench.json is whole."""
    part = directory.parent / f".{directory.name}.{os.getpid()}.part"
    part.mkdir()
    try:
        model.save(part)
        _history_frame(history, training.monitor).to_parquet(part / HISTORY_FILE, index=False)
        (part / registry.SPEC_FILE).write_text(json.dumps(_record(training, model, seconds), indent=2) + "\n")
        if directory.exists():  # another specification, or half a model of an older program
            directory.rename(directory.parent / f".{directory.name}.{os.getpid()}.old")
        part.rename(directory)
    finally:
        for leftover in (part, directory.parent / f".{directory.name}.{os.getpid()}.old"):
            shutil.rmtree(leftover, ignore_errors=True)


def _record(training: Training, model: Any, seconds: float) -> dict[str, Any]:
    from evaluation.jobs.provenance import stamp

    record = {key: getattr(training, key) for key in training.__dataclass_fields__}
    return {
        **record,
        "params": dict(training.params),
        "point": dict(training.point),
        "spec": training.spec,
        "parameters": int(model.count_params()),
        "seconds": round(seconds, 3),
        **({"sigmas": model.sigmas_} if hasattr(model, "sigmas_") else {}),  # of a DCGMM: how far its annealing came
        **stamp(),
    }


def _history_frame(history: Any, monitor: str) -> Any:
    """The rows (step, layer, split, log_likelihood); what a model calls validation is the monitored split."""
    import pandas as pd

    frame = pd.DataFrame(list(history or []), columns=["step", "layer", "split", "log_likelihood"])
    return frame.assign(split=frame["split"].replace({"validation": monitor}).astype(str))


def forget_frameworks() -> None:
    """Free what the last model left in TensorFlow and Keras, so that the trainings of one job do not add up."""
    for name in ("keras", "tf_keras"):
        framework: Any = sys.modules.get(name)
        if framework is not None:
            framework.backend.clear_session()
    gc.collect()
