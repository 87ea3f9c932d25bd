"""A small data set in the format of MNIST, so that the tests of sources need no real data."""

from __future__ import annotations

import dataclasses
import gc
import gzip
import hashlib
import struct

import numpy as np
import pytest

from evaluation.datasets import catalogue
from evaluation.datasets.catalogue import MNIST, DataFile, DatasetSpec

TOY = "mnist"  # the tests replace this entry of the catalogue


@pytest.fixture(autouse=True, scope="module")
def nothing_to_collect():
    """Jobs collect garbage after each training, which takes a second where other tests have loaded frameworks: what is
    alive now is left out."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def idx(array: np.ndarray) -> bytes:
    """The IDX file of an array of unsigned bytes."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def toy_contents() -> dict[str, bytes]:
    """Decompressed contents by file name: 60 training and 20 test images."""
    rng = np.random.default_rng(0)
    arrays = (
        rng.integers(256, size=(60, 28, 28), dtype=np.uint8),
        rng.integers(10, size=60, dtype=np.uint8),
        rng.integers(256, size=(20, 28, 28), dtype=np.uint8),
        rng.integers(10, size=20, dtype=np.uint8),
    )
    return {file.name: idx(array) for file, array in zip(MNIST.files, arrays, strict=True)}


@pytest.fixture
def toy_files(toy_contents) -> dict[str, bytes]:
    """The same, compressed."""
    return {name: gzip.compress(content, mtime=0) for name, content in toy_contents.items()}


@pytest.fixture
def toy(toy_contents, monkeypatch) -> DatasetSpec:
    """The catalogue's entry for the small data set, without official mirrors."""
    files = tuple(
        DataFile(name, hashlib.sha256(content).hexdigest(), len(content)) for name, content in toy_contents.items()
    )
    spec = dataclasses.replace(MNIST, files=files, mirrors=(), sizes=(50, 10, 20))
    monkeypatch.setitem(catalogue.CATALOGUE, TOY, spec)
    return spec


@pytest.fixture
def toy_root(toy, toy_files, tmp_path):
    """A data directory that holds the small data set."""
    directory = tmp_path / TOY
    directory.mkdir()
    for name, content in toy_files.items():
        (directory / name).write_bytes(content)
    return tmp_path
