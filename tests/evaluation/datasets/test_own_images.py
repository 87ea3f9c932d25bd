"""Pixels and labels of a data set of one's own that are not what they seem."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from evaluation.base.errors import DataError
from evaluation.datasets import load_dataset


def images(n=50, seed=0, shape=(6, 5)):
    return np.random.default_rng(seed).integers(256, size=(n, *shape), dtype=np.uint8)


def labels(n=50):
    return np.arange(n) % 3


def floats(value):
    """Images in [0, 1], but for one pixel."""
    x = images() / 255
    x[7, 2, 3] = value
    return x


def refused(folder, **arrays):
    """What is said of a file with these arrays."""
    np.savez(folder / "mine.npz", **arrays)
    with warnings.catch_warnings(), pytest.raises(DataError) as caught:
        warnings.simplefilter("error")
        load_dataset("mine", folder)
    said = str(caught.value)
    assert said.startswith(f"{folder / 'mine.npz'}: ")
    return said


@pytest.mark.parametrize(
    ("value", "range_"),
    [
        (255.0, "from 0 to 255"),
        (-0.5, "from -0.5 to 1"),
        (1.0001, "from 0 to 1.0001"),
        (np.inf, "from 0 to inf"),
        (-np.inf, "from -inf to 1"),
        (np.nan, "from nan to nan"),
        (1e300, "from 0 to 1e+300"),  # not a float32
    ],
)
def test_pixels_outside_are_named(tmp_path, value, range_):
    said = refused(tmp_path, x=floats(value), y=labels())
    assert f"x has values {range_}; expected none outside [0, 1], infinite or NaN: divide grey values by 255" in said
    said = refused(tmp_path, x=images() / 255, x_test=floats(value))
    assert f"x_test has values {range_}" in said


@pytest.mark.parametrize("value", [1 + 1e-12, -1e-60])
def test_pixels_that_float32_puts_within_are_within(tmp_path, value):
    np.savez(tmp_path / "mine.npz", x=floats(value))
    x = load_dataset("mine", tmp_path).split("train")[0]
    assert x.min() >= 0 and x.max() <= 1


def test_a_pixel_just_outside_is_told_from_one(tmp_path):
    assert "x has values from 0 to 1.00000012; expected" in refused(tmp_path, x=floats(np.nextafter(np.float32(1), 2)))


@pytest.mark.parametrize("x", [images() > 99, images() / 255 * 1j, images().astype(np.int16), images().astype(str)])
def test_types_of_pixels_are_named(tmp_path, x):
    said = refused(tmp_path, x=x)
    assert f"x has type {x.dtype}; expected uint8 from 0 to 255, or floats in [0, 1]: convert it with x.astype" in said


@pytest.mark.parametrize("shape", [(50, 0, 5), (50, 6, 0), (50, 6, 5, 0), (50,), (50, 1, 6, 5, 1), ()])
def test_shapes_without_pixels(tmp_path, shape):
    said = refused(tmp_path, x=np.zeros(shape, np.uint8))
    assert f"x has shape {shape}; expected (n, H, W) or (n, H, W, C), every side at least 1" in said


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (3, 24, 40), (4, 28, 28), (2, 6, 5)])
def test_channels_in_front(tmp_path, shape):
    """32 channels of 3×32 pixels were taken for images."""
    said = refused(tmp_path, x=images(shape=shape), y=labels())
    assert f"x has shape {(50, *shape)}, channels in front; expected (n, H, W, C): x.transpose(0, 2, 3, 1)" in said


@pytest.mark.parametrize("shape", [(3, 40), (1, 40, 3), (3, 3, 3), (40, 1, 8), (5, 6, 7)])
def test_unusual_images_are_images(tmp_path, shape):
    np.savez(tmp_path / "mine.npz", x=images(shape=shape), y=labels())
    assert load_dataset("mine", tmp_path).image_shape == (*shape, 1)[:3]


@pytest.mark.parametrize("x", [(images() > 99).astype(np.uint8), images() / 255 / 255, np.zeros((50, 4, 4), np.uint8)])
def test_images_that_are_black(tmp_path, x):
    """Bytes of 0 and 1, and bytes divided by 255 twice, have no pixel brighter than 1/255."""
    said = refused(tmp_path, x=x, y=labels())
    of = "255" if x.dtype == np.uint8 else "1"
    assert f"the brightest pixel is {x.max():.3g} of {of}; expected up to {of}: multiply the images by 255" in said


def test_a_black_split_beside_others_is_taken(tmp_path):
    np.savez(tmp_path / "mine.npz", x=images(), x_test=np.zeros((2, 6, 5), np.uint8))
    assert load_dataset("mine", tmp_path).split("test")[0].max() == 0


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (labels(49), "y has shape (49,); expected (50,), one integer for each image"),
        (labels()[:, None], "y has shape (50, 1); expected (50,)"),
        (3, "y has shape (); expected (50,)"),
        (labels() / 1.0, "y has type float64; expected integers from 0"),
        (labels() > 0, "y has type bool; expected integers from 0"),
        (labels().astype(str), "y has type <U21; expected integers from 0"),
        (labels() - 1, "y holds the label -1; expected integers from 0"),
    ],
)
def test_labels_are_named(tmp_path, y, message):
    assert message in refused(tmp_path, x=images(), y=y)


@pytest.mark.parametrize("y", [np.sort(labels()), np.sort(labels())[::-1]], ids=["up", "down"])
def test_sorted_labels_need_splits_of_ones_own(tmp_path, y):
    """The last fifth of sorted images is the last class alone."""
    said = refused(tmp_path, x=images(), y=y)
    assert "y is sorted, so that the last fifth of the images lacks classes; expected mixed classes: " in said
    assert said.endswith("shuffle x and y alike, or give x_test, y_test, x_validation and y_validation")
    refused(tmp_path, x=images(), y=y, x_test=images(5), y_test=labels(5))
    refused(tmp_path, x=images(), y=y, x_validation=images(5), y_validation=labels(5))
    both = {"x_test": images(5), "y_test": labels(5), "x_validation": images(5), "y_validation": labels(5)}
    np.savez(tmp_path / "mine.npz", x=images(), y=y, **both)
    assert load_dataset("mine", tmp_path).split("train")[1].tolist() == y.tolist()


def test_classes_in_blocks_need_splits_of_ones_own(tmp_path):
    """Blocks in no order passed, and the last fifth had one class alone."""
    y = np.repeat([1, 2, 0], 70)
    said = refused(tmp_path, x=images(210), y=y)
    assert "none of the 70 images of class 1 is among the last fifth, a split of its own; expected mixed" in said
    both = {"x_test": images(5), "y_test": labels(5), "x_validation": images(5), "y_validation": labels(5)}
    np.savez(tmp_path / "mine.npz", x=images(210), y=y, **both)
    assert load_dataset("mine", tmp_path).split("train")[1].tolist() == y.tolist()


@pytest.mark.parametrize("kind", ["validation", "test"])
def test_a_split_that_is_black(tmp_path, kind):
    """Test images that were divided by 255 beside training images that were not: an area of 50 %."""
    dark = {f"x_{kind}": (images(30, 1) > 99).astype(np.uint8), f"y_{kind}": labels(30)}
    said = refused(tmp_path, x=images(), y=labels(), **dark)
    assert f"the brightest pixel of the {kind} images is 1 of 255; expected up to 255: multiply the images by" in said


def test_images_that_are_in_two_splits_are_named(tmp_path, capsys):
    """A model that remembers its training images had an area of 100 %."""
    x = images()
    x[-3:] = x[:3]
    np.savez(tmp_path / "mine.npz", x=x, y=labels(), x_validation=x[5:9], y_validation=labels(4))
    load_dataset("mine", tmp_path)
    load_dataset("mine", tmp_path)
    said = capsys.readouterr().err
    assert said.count("3 of 10 test images are training images too; a model has seen them") == 1
    assert said.count("4 of 4 validation images are training images too") == 1
    np.savez(tmp_path / "other.npz", x=images(), y=labels())
    load_dataset("other", tmp_path)
    assert not capsys.readouterr().err


def test_bytes_up_to_16_are_named(tmp_path):
    """scikit-learn's digits: models saw images of at most 0.06."""
    said = refused(tmp_path, x=images() // 16 + 1, y=labels())
    assert "the brightest pixel is 16 of 255; expected up to 255: multiply the images by 255 / 16" in said
    np.savez(tmp_path / "mine.npz", x=images() // 8, y=labels())
    assert load_dataset("mine", tmp_path).classes == (0, 1, 2)


def test_one_class_is_not_sorted(tmp_path):
    np.savez(tmp_path / "mine.npz", x=images(), y=np.zeros(50, int))
    assert load_dataset("mine", tmp_path).classes == (0,)
