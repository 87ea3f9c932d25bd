"""What callers hand over: one form for the models, or one sentence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dcgmm import checks

SHAPE = (4, 3, 2)
IMAGES = np.linspace(0, 1, 5 * 24).reshape(5, *SHAPE)


def test_images_become_contiguous_float32():
    for dtype in (np.float16, np.float32, np.float64):
        x = checks.images(IMAGES.astype(dtype), SHAPE)
        assert x.dtype == np.float32 and x.flags.c_contiguous
        np.testing.assert_allclose(x, IMAGES, atol=1e-3)
    assert checks.images(IMAGES[:, :, :, :].tolist(), SHAPE).shape == (5, 4, 3, 2)
    assert checks.images(IMAGES[::2], SHAPE).flags.c_contiguous
    same = IMAGES.astype(np.float32)
    assert checks.images(same, SHAPE) is same


def changed(value):
    x = IMAGES.copy()
    x[2, 1, 1, 0] = value
    return x


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (IMAGES[0], r"shape \(4, 3, 2\): expected \(n, 4, 3, 2\)"),
        (IMAGES[:, :3], r"shape \(5, 3, 3, 2\): expected"),
        (IMAGES[:0], "empty: expected at least one image"),
        ((IMAGES * 255).astype(np.uint8), "type uint8: expected floats .* divide bytes by 255"),
        (IMAGES > 0.5, "type bool: expected floats"),
        (IMAGES * 255, "values from 0 to 255: expected every pixel in"),
        (changed(-0.01), "values from -0.01 to 1"),
        (changed(np.nan), "hold NaN: expected every pixel in"),
        (changed(np.inf), "to inf"),
        (changed(1e300), "to inf"),
        ("right", "shape"),
        (None, "shape"),
        ([[1, 2], [3]], "are no array"),
    ],
)
def test_other_images_are_refused(x, said):
    with pytest.raises(ValueError, match=f"^photos .*{said}"):
        checks.images(x, SHAPE, name="photos")


@given(arrays.arrays(np.float64, (2, *SHAPE), elements=st.floats(allow_nan=True)))
def test_no_pixel_outside_the_unit_interval_passes(x):
    with np.errstate(over="ignore"):
        inside = bool(((x.astype(np.float32) >= 0) & (x.astype(np.float32) <= 1)).all())
    if inside:
        np.testing.assert_array_equal(checks.images(x, SHAPE), x.astype(np.float32))
    else:
        with pytest.raises(ValueError, match=r"expected every pixel"):
            checks.images(x, SHAPE)


def test_masks_are_for_all_images_or_for_each():
    half = np.zeros((4, 3), bool)
    half[:2] = True
    each = np.random.default_rng(0).random((5, 4, 3)) < 0.5
    np.testing.assert_array_equal(checks.known(half, 5, SHAPE), np.stack([half] * 5))
    np.testing.assert_array_equal(checks.known(each, 5, SHAPE), each)
    np.testing.assert_array_equal(checks.known(half.tolist(), 5, SHAPE), np.stack([half] * 5))


@pytest.mark.parametrize(
    "mask",
    [
        "right",
        None,
        True,
        np.ones(3, bool),
        np.ones((4, 1), bool),
        np.ones((1, 4, 3), bool),
        np.ones((5, 4, 3, 2), bool),
        np.ones((4, 3)),
        np.full((4, 3), 255, np.uint8),
    ],
)
def test_other_masks_are_refused(mask):
    with pytest.raises(ValueError, match=r"expected booleans of shape \(4, 3\) or \(5, 4, 3\), True where"):
        checks.known(mask, 5, SHAPE)


def test_labels_become_int64():
    for y in ([0, 2, 1], np.array([0, 2, 1], np.uint8), np.array([0, 2, 1], np.int32)):
        found = checks.labels(y, 3, 3)
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, [0, 2, 1])


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (np.zeros((3, 1), int), r"shape \(3, 1\): expected \(3,\), one integer per image; flatten them with labels"),
        ([0, 1], r"shape \(2,\): expected \(3,\)"),
        ([0.0, 1.0, 2.0], "type float64: expected integers from 0 to 2"),
        ([True, False, True], "type bool: expected integers"),
        (["a", "b", "c"], "expected integers"),
        ([0, 1, 3], "values from 0 to 3: expected classes from 0 to 2"),
        ([-1, 1, 2], "values from -1 to 2: expected classes"),
        (None, "shape"),
    ],
)
def test_other_labels_are_refused(y, said):
    with pytest.raises(ValueError, match=f"^labels have .*{said}"):
        checks.labels(y, 3, 3)


def test_labels_of_images_that_are_not_used_may_be_anything():
    found = checks.labels(np.array([2, -1, 5, 1], np.int16), 4, 3, used=[3, 0, 0])
    np.testing.assert_array_equal(found, [2, 0, 0, 1])
    with pytest.raises(ValueError, match=r"^labels have values from 2 to 5: expected classes from 0 to 2"):
        checks.labels([2, -1, 5, 1], 4, 3, used=np.array([0, 2]))


@pytest.mark.parametrize("kind", [int, np.int8, np.uint64, np.int64])
def test_integers_of_numpy_are_integers(kind):
    for found in (checks.seed(kind(3)), checks.count(kind(3)), checks.integer(kind(3), name="k", at_least=3)):
        assert type(found) is int and found == 3
    assert type(checks.positive(kind(3), name="k")) is float


@pytest.mark.parametrize("value", [True, np.True_, None, -1, 2.0, np.float32(2), "2", float("nan"), [1], 2**63])
def test_other_seeds_are_refused(value):
    with pytest.raises(ValueError, match=r"^seed=.*: expected an integer from 0 to 2"):
        checks.seed(value)


@pytest.mark.parametrize("value", [True, None, -1, 2.5, 2.0, "2", float("inf")])
def test_other_counts_are_refused(value):
    with pytest.raises(ValueError, match=r"^n=.*: expected an integer of at least 0"):
        checks.count(value)


def test_integers_have_bounds():
    assert checks.integer(9, name="depth", at_most=9) == 9
    for value in (0, 10):
        with pytest.raises(ValueError, match=f"^depth={value}: expected an integer from 1 to 9$"):
            checks.integer(value, name="depth", at_most=9)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 0, -1.0, None, True, "1", 1j])
def test_positive_numbers(value):
    with pytest.raises(ValueError, match=r"^rate=.*: expected a finite number above 0$"):
        checks.positive(value, name="rate")


def test_numbers_have_bounds():
    dropout = {"name": "dropout", "at_least": 0, "below": 1}
    assert checks.number(np.float32(0.5), **dropout) == 0.5 and checks.number(0, **dropout) == 0.0
    for value in (1, -1e-9, np.nan):
        with pytest.raises(ValueError, match=r"expected a finite number of at least 0 and below 1$"):
            checks.number(value, **dropout)
    assert checks.number(-3, name="x") == -3.0
    with pytest.raises(ValueError, match=r"expected a finite number$"):
        checks.number(np.inf, name="x")
    with pytest.raises(ValueError, match=r"of at most 1$"):
        checks.number(2, name="x", at_most=1)


def test_flags_choices_and_shapes():
    assert checks.flag(np.True_, name="f") is True
    with pytest.raises(ValueError, match="f=1: expected True or False"):
        checks.flag(1, name="f")
    assert checks.choice("a", ("a", "b"), name="c") == "a"
    with pytest.raises(ValueError, match="c='z': expected one of 'a', 'b'"):
        checks.choice("z", ("a", "b"), name="c")
    assert checks.image_shape(np.array([28, 28, 1])) == (28, 28, 1)
    for shape in ((28, 28), (28, 28, 0), (28.0, 28, 1), "abc", 28, None):
        with pytest.raises(ValueError, match=r"image_shape=.*three integers of at least 1"):
            checks.image_shape(shape)
