"""A data set of one's own, in an .npz file."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import zipfile

import numpy as np
import pytest

from evaluation.base.errors import DataError, UserError
from evaluation.cli import main
from evaluation.datasets import load_dataset, specification
from evaluation.datasets.finding import find


def images(n=50, seed=0, shape=(6, 5)):
    return np.random.default_rng(seed).integers(256, size=(n, *shape), dtype=np.uint8)


def labels(n=50):
    return np.arange(n) % 3


def saved(folder, name="mine", **arrays):
    path = folder / f"{name}.npz"
    np.savez(path, **arrays)
    return path


def test_by_name_or_by_path_with_the_last_fifths(tmp_path):
    x = images()
    path = saved(tmp_path, x=x, y=labels())
    for ds in (load_dataset("mine", tmp_path), load_dataset(str(path), "/nowhere")):
        assert ds.name == "mine" and ds.image_shape == (6, 5, 1) and ds.classes == (0, 1, 2)
        assert ds.class_names == ("0", "1", "2") and ds.spec.sizes == (32, 8, 10)
        parts = [ds.split(which)[0] for which in ("train", "validation", "test")]
        assert all(part.dtype == np.float32 for part in parts)
        np.testing.assert_array_equal(np.concatenate(parts)[..., 0], (x / 255.0).astype(np.float32))
        np.testing.assert_array_equal(ds.split("test")[1], labels()[40:])


def test_own_splits_names_and_floats_are_kept(tmp_path):
    x, test = images() / 255, images(4, seed=1) / 255
    names = ["a", "b", "c", "d"]
    splits = {"x_test": test, "y_test": [0, 1, 2, 0], "x_validation": test[:2], "y_validation": [0, 0]}
    saved(tmp_path, x=x, y=labels(), class_names=names, **splits)
    ds = load_dataset("mine", tmp_path)
    assert ds.spec.sizes == (50, 2, 4) and ds.class_names == ("a", "b", "c", "d")
    np.testing.assert_array_equal(ds.split("test")[0][..., 0], test.astype(np.float32))
    assert ds.split("test")[1].tolist() == [0, 1, 2, 0] and ds.split("validation")[1].tolist() == [0, 0]


def test_colour_and_no_labels(tmp_path):
    saved(tmp_path, x=images(shape=(4, 4, 3)))
    ds = load_dataset("mine", tmp_path)
    assert ds.image_shape == (4, 4, 3) and ds.classes == (0,)


def test_a_changed_file_is_read_again(tmp_path):
    saved(tmp_path, x=images())
    assert load_dataset("mine", tmp_path).spec.sizes == (32, 8, 10)
    saved(tmp_path, x=images(100))
    assert load_dataset("mine", tmp_path).spec.sizes == (64, 16, 20)


def test_six_images_are_enough_and_five_are_not(tmp_path):
    saved(tmp_path, x=images(6))
    assert load_dataset("mine", tmp_path).spec.sizes == (4, 1, 1)
    saved(tmp_path, x=images(5))
    with pytest.raises(DataError, match="leaves no validation image; at least 6 images are needed"):
        load_dataset("mine", tmp_path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": images()}, "holds X; known: x, y"),
        ({"y": labels()}, "no array x"),
        ({"x": images().reshape(50, 30)}, r"x has shape \(50, 30\)"),
        ({"x": images().astype(np.int64)}, "x has type int64"),
        ({"x": images().astype(np.float32)}, r"outside \[0, 1\]"),
        ({"x": np.full((50, 2, 2), np.nan)}, "or NaN"),
        ({"x": images(), "y": labels(49)}, "y has shape"),
        ({"x": images(), "y": labels() - 1}, "integers from 0"),
        ({"x": images(), "y": labels() / 1.0}, "integers from 0"),
        ({"x": images(4)}, "at least 6 images"),
        ({"x": images(), "x_test": images(4, shape=(5, 5))}, "different shapes"),
        ({"x": images(), "x_test": images(4) / 255}, "bytes in one split"),
        ({"x": images(), "y": labels(), "class_names": ["a"]}, "1 class_names for labels up to 2"),
        ({"x": np.array([None] * 50, dtype=object)}, "cannot be read"),
    ],
)
def test_refused(tmp_path, arrays, message):
    path = saved(tmp_path, **arrays)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset("mine", tmp_path)
    assert str(path) in str(caught.value)


def test_names_that_cannot_be_folders(tmp_path):
    path = saved(tmp_path, name="My set", x=images())
    with pytest.raises(UserError, match=r"my-set\.npz"):
        specification(str(path))
    with pytest.raises(DataError, match=r"there is no file .*other\.npz; expected an \.npz file, or .* 'other'"):
        specification(str(tmp_path / "other.npz"))
    (tmp_path / "broken.npz").write_bytes(b"no zip")
    with pytest.raises(DataError, match="cannot be read"):
        specification("broken", tmp_path)


@pytest.mark.parametrize("name", ["../mine", "./mine", "folder/mine", "mine/", "/nowhere/mine"])
def test_a_path_is_not_a_name(tmp_path, name):
    """The models of ../mine were put outside the folder of all models."""
    (tmp_path / "folder").mkdir()
    for place in (tmp_path, tmp_path / "folder"):
        saved(place, x=images())
    with pytest.raises(UserError, match=rf"'{name}' is no name .*; expected a name, .*, or a file, .*\.npz"):
        specification(name, tmp_path / "folder" if name.startswith("..") else tmp_path)


def test_a_home_that_is_not_there(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"~nosuchuser/x\.npz cannot be a file's path: .*home"):
        specification("~nosuchuser/x.npz")
    monkeypatch.setenv("BENCH_DATA", "~nosuchuser/data")
    with pytest.raises(UserError, match=r"~nosuchuser/data cannot be the directory of all data sets: .*home"):
        specification("mine")


@pytest.mark.parametrize("name", ["fashion_mnist", "digits"])
def test_names_of_the_catalogue_are_taken(tmp_path, name):
    """Results of one's own fashion_mnist.npz had the label and the place of Fashion-MNIST's."""
    path = saved(tmp_path, name=name, x=images())
    with pytest.raises(UserError, match=f"{path} has the name of another data set, {name}; rename the file"):
        specification(str(path))


def test_an_unknown_name_lists_own_sets_and_where_another_would_be(tmp_path):
    saved(tmp_path, x=images())
    with pytest.raises(UserError, match=rf"'other'; there are mnist, .*photos, mine; your own would be {tmp_path}"):
        load_dataset("other", tmp_path)


def test_it_needs_no_fetching(tmp_path, capsys):
    path = saved(tmp_path, x=images())
    assert main(["data", "mine", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"mine: comes with {path}\n"
    assert find(["mine"], tmp_path)["mine"].where == str(path)


def one_label(value):
    y = labels().astype(np.uint64)
    y[7] = value
    return y


@pytest.mark.parametrize("value", [4, 10**6, 10**9, 2**63 + 5])
def test_a_label_far_above_the_others_is_named(tmp_path, value):
    """A label of 10^9 made the names of 10^9 classes."""
    path = saved(tmp_path, x=images(), y=one_label(value))
    said = rf"{path}: the largest label is {value}, but there are 4 different labels; expected 0 to 3, .*class_names"
    with pytest.raises(DataError, match=said):
        load_dataset("mine", tmp_path)


def test_classes_without_images_are_those_that_class_names_names(tmp_path):
    saved(tmp_path, x=images(), y=one_label(4), class_names=list("abcde"))
    ds = load_dataset("mine", tmp_path)
    assert ds.classes == (0, 1, 2, 3, 4) and ds.split("train")[1][7] == 4
    saved(tmp_path, x=images(), y=one_label(2**63 + 5), class_names=list("abcde"))
    with pytest.raises(DataError, match=f"5 class_names for labels up to {2**63 + 5}"):
        load_dataset("mine", tmp_path)


def test_splits_of_ones_own_without_any_labels(tmp_path):
    saved(tmp_path, x=images(), x_test=images(5), x_validation=images(4))
    ds = load_dataset("mine", tmp_path)
    assert ds.spec.sizes == (50, 4, 5) and ds.classes == (0,) and ds.split("test")[1].tolist() == [0] * 5


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": labels(), "x_test": images(5)}, "x_test has no labels y_test, but there are y; give labels of all"),
        ({"y": labels(), "x_validation": images(5)}, "x_validation has no labels y_validation, but there are y;"),
        ({"x_test": images(5), "y_test": labels(5)}, "x has no labels y, but there are y_test; give labels of all"),
        ({"y": labels(), "y_test": labels(5)}, "y_test labels images x_test, which are not there; add them"),
        ({"y_validation": labels(5)}, "y_validation labels images x_validation, which are not there; add them"),
        ({"class_names": ["a", "b"]}, r"2 class_names, but no labels y; add them, or leave class_names out"),
    ],
)
def test_half_of_what_belongs_together(tmp_path, arrays, message):
    """Test images without labels were all of class 0, and labels without images went unnoticed."""
    path = saved(tmp_path, x=images(), **arrays)
    with pytest.raises(DataError, match=f"{path}: {message}"):
        load_dataset("mine", tmp_path)


def zipped(**members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, member in members.items():
            file.writestr(name, member)
    return content.getvalue()


def as_npy(array):
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def header_alone(*shape):
    """An .npy file that claims bytes of this shape and holds none."""
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as an .npz file.*: No data left in file; write it with numpy.savez"),
        (as_npy(images()), "is an .npy file, one array without a name; write it with numpy.savez"),
        (
            pickle.dumps({"x": 1}),
            "cannot be read as an .npz file without Python objects: .*; write it with numpy.savez",
        ),
        (zipped(x=b"text"), "x is no array of NumPy; write it with numpy.savez"),
        (zipped(**{"x.npy": b"text"}), "x is no array of NumPy; write it with numpy.savez"),
        (zipped(**{"cat.jpg": b"picture"}), "holds cat.jpg; known: x, y"),
        (zipped(**{"x.npy": header_alone(10**9, 10**6, 10)}), "cannot be read as .*: Unable to allocate"),
    ],
    ids=["empty", "npy", "pickle", "text", "text in npy", "pictures", "monstrous"],
)
def test_files_that_are_no_npz_of_arrays(tmp_path, content, message):
    path = tmp_path / "mine.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path}.*{message}") as caught:
        load_dataset("mine", tmp_path)
    assert str(caught.value).count(". ") == 0, "more than one sentence"


def test_truncated_and_altered_files_are_refused(tmp_path):
    """Damage ended in errors of zlib and of zipfile: NotImplementedError, RuntimeError, EOFError."""
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, x=images(shape=(2, 2)), y=labels())
    whole = path.read_bytes()

    def read(content, number):
        path.write_bytes(content)
        os.utime(path, ns=(number, number))  # however fast one comes after the other
        load_dataset("mine", tmp_path)

    for place in range(0, len(whole), 3):
        with pytest.raises(DataError, match=str(path)):
            read(whole[:place], 2 * place)
        with contextlib.suppress(DataError):  # a few bytes, such as dates, do not matter
            read(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :], 2 * place + 1)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("abc", r"class_names has shape \(\) and type <U3; expected a list of texts, one for each class"),
        ([["a", "b", "c"]], r"class_names has shape \(1, 3\)"),
        ([1, 2, 3], "class_names has shape .* type int64; expected a list of texts"),
        ([b"a", b"b", b"c"], "type |S1; expected a list of texts"),
        (["a", "b"], "2 class_names for labels up to 2; give one for each class, 3 or more"),
        ([], "expected a list of texts"),
    ],
)
def test_class_names_are_a_list_of_texts(tmp_path, names, message):
    path = saved(tmp_path, x=images(), y=labels(), class_names=names)
    with pytest.raises(DataError, match=f"{path}: .*{message}"):
        load_dataset("mine", tmp_path)


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_what_a_caller_writes_is_not_what_the_next_one_gets(tmp_path, kind):
    """Floats were a view of what the data set keeps."""
    x = images() if kind is np.uint8 else (images() / 255).astype(kind)
    saved(tmp_path, x=x, y=labels())
    ds = load_dataset("mine", tmp_path)
    for which in ("train", "validation", "test"):
        first, y = ds.split(which)
        kept = first.copy(), y.copy()
        with contextlib.suppress(ValueError):  # read-only
            first[:] = 0.5
        y[:] = 7
        for again in (ds, load_dataset("mine", tmp_path)):
            np.testing.assert_array_equal(again.split(which)[0], kept[0])
            np.testing.assert_array_equal(again.split(which)[1], kept[1])


def test_floats_are_read_only_and_take_no_memory_for_each_caller(tmp_path):
    saved(tmp_path, x=images() / 255, y=labels())
    ds = load_dataset("mine", tmp_path)
    x, _ = ds.split("train")
    assert np.shares_memory(x, ds.split("train")[0])
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 0
