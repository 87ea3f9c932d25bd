"""A data set in memory, its splits and its subsets of classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from evaluation.base.errors import DataError, UserError
from evaluation.datasets import embedded
from evaluation.datasets.catalogue import DatasetSpec
from evaluation.datasets.contents import data_root, read_files, specification
from evaluation.datasets.idx import read_idx
from evaluation.datasets.own import read_own
from evaluation.datasets.subsets import read_subset
from evaluation.datasets.svhn import read_mat

SPLITS = ("train", "validation", "test")

Arrays = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Dataset:
    """Images and labels, read when first asked for.

    Attributes: `name`; `image_shape`, (H, W, C); `classes`, the labels as a tuple of int, so that `len(ds.classes)` is
    their number; `class_names`, what they are called.
    """

    spec: DatasetSpec
    root: Path = field(repr=False)

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.spec.image_shape

    @property
    def classes(self) -> tuple[int, ...]:
        return tuple(range(len(self.spec.class_names)))

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.spec.class_names

    def split(self, which: str) -> Arrays:
        """Images (N, H, W, C) float32 in [0, 1] and labels (N,) int64 of "train", "validation" or "test".

        Validation is the end of the official training set: its last 10,000 images. A set without an official split
        gives its last fifth as test and the last fifth of the rest as validation. The order is the source's own, but
        for mnist-5k, whose source is sorted by class. Floats of a user's own set are a read-only view of what is kept:
        copy them before you write to them. Raises UserError for another name, DataError when a file is missing,
        truncated or altered.
        """
        if which not in SPLITS:
            raise UserError(f"unknown split {which!r} of {self.name}; there are {', '.join(SPLITS)}")
        x, y = self._official_test if which == "test" else self._training_part(which)
        return scale(x), y.astype(np.int64)

    def _training_part(self, which: str) -> Arrays:
        x, y = self._official_train
        kept = self.spec.sizes[0]
        part = slice(kept) if which == "train" else slice(kept, None)
        return x[part], y[part]

    @cached_property
    def _embedded(self) -> Arrays:
        return read_own(self.spec.archive) if self.spec.archive else _EMBEDDED[self.name]()

    @cached_property
    def _official_train(self) -> Arrays:
        if self.spec.embedded:
            x, y = self._embedded
            kept = sum(self.spec.sizes[:2])
            return x[:kept], y[:kept]
        return self._read(test=False)

    @cached_property
    def _official_test(self) -> Arrays:
        if self.spec.embedded:
            x, y = self._embedded
            kept = sum(self.spec.sizes[:2])
            return x[kept:], y[kept:]
        return self._read(test=True)

    def _read(self, test: bool) -> Arrays:
        x, y = _read(self.spec, self.root, test)
        expected = self.spec.sizes[2] if test else sum(self.spec.sizes[:2])
        if len(x) != expected:
            raise DataError(f"{self.name} holds {len(x)} {'test' if test else 'training'} images, expected {expected}")
        return x, y


_EMBEDDED: dict[str, Callable[[], Arrays]] = {
    "digits": embedded.digits,
    "photos": embedded.photos,
    "mnist-5k": embedded.mnist_5k,
}


def _read(spec: DatasetSpec, root: Path, test: bool) -> Arrays:
    """Images (N, H, W, C) uint8 and labels (N,) uint8 of the official training or test set."""
    per_part = len(spec.files) // 2
    files = spec.files[per_part:] if test else spec.files[:per_part]
    contents = read_files(spec, root, files)
    if per_part == 1:
        return read_mat(contents[0], files[0].name)
    x, y = (read_idx(content, file.name) for content, file in zip(contents, files, strict=True))
    x = x.reshape(len(x), *spec.image_shape)
    if len(x) != len(y):
        raise DataError(f"{files[0].name} holds {len(x)} images, but {files[1].name} {len(y)} labels")
    return x, y


def scale(x: np.ndarray) -> np.ndarray:
    """uint8 grey values as float32 in [0, 1]; the division by 255 is correctly rounded. Floats are x itself."""
    if x.dtype != np.uint8:
        return x
    return np.divide(x, np.float32(255), dtype=np.float32)


def load_dataset(name: str, root: str | Path | None = None) -> Dataset:
    """The data set `name`, one of `CATALOGUE`: mnist, fashion_mnist, svhn, mnist-5k, digits or photos;
    or one of your own (evaluation/datasets/own.py), by its name or the path of its .npz file.

    `root` is the directory that holds a directory per data set; by default $BENCH_DATA, else `data` in the checkout.
    Nothing is downloaded (`bench data NAME` does that) and nothing is written. Raises UserError for an unknown name;
    a missing or altered file is reported when a split is first asked for.
    """
    return Dataset(specification(name, root), data_root(root))


def select(x: np.ndarray, y: np.ndarray, subset: str) -> Arrays:
    """The images and labels of a subset of classes: "all", "notC" (all but class C) or "onlyC".

    Raises UserError when the subset has another form or holds no image.
    """
    kind, label = read_subset(subset)
    if kind == "all":
        return x, y
    if not np.any(y == label):
        present = ", ".join(map(str, np.unique(y))) or "none"
        raise UserError(f"subset {subset!r} names class {label}, which has no image here; there are {present}")
    keep = y != label if kind == "not" else y == label
    if not keep.any():
        raise UserError(
            f"subset {subset!r} leaves no image: all are of class {label}; expected images of other classes"
        )
    return x[keep], y[keep]
