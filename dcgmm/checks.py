"""Checks of arguments, the same for every model: images, masks, labels, seeds, numbers.

Each returns the value in the one form that models compute with, or raises ValueError with one sentence: what was given,
what is expected, and where it helps what to do. They run before anything is computed. NumPy only.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

SEED_END = 2**63  # what every generator in use takes
MOST_EPOCHS = 10**6
FLOAT_MAX, FLOAT_MIN = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)  # below it, devices take 0
_BOUNDS = {"above": operator.gt, "of at least": operator.ge, "below": operator.lt, "of at most": operator.le}


def images(x: Any, shape: Sequence[int], *, name: str = "images") -> npt.NDArray[np.float32]:
    """Images (n, H, W, C) as contiguous float32; x is returned itself where it is that already.

    shape: (H, W, C) that the model is made for. Accepted are arrays of floats in [0, 1], at least one image.
    Raises ValueError for another shape, other types (bytes 0 to 255 among them), NaN, and values outside [0, 1].
    """
    array = as_array(x, name)
    wanted = tuple(int(side) for side in shape)
    if array.ndim != 4 or array.shape[1:] != wanted:
        raise ValueError(f"{name} have shape {array.shape}: expected (n, {', '.join(map(str, wanted))})")
    if array.dtype.kind != "f":
        cure = "; divide bytes by 255" if array.dtype.kind in "iu" else ""
        raise ValueError(f"{name} have type {array.dtype}: expected floats in [0, 1]{cure}")
    if len(array) == 0:
        raise ValueError(f"{name} are empty: expected at least one image")
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, dtype=np.float32)
    low, high = float(array.min()), float(array.max())
    if not (low >= 0.0 and high <= 1.0):
        found = "hold NaN" if math.isnan(low) else f"have values from {low:g} to {high:g}"
        raise ValueError(f"{name} {found}: expected every pixel in [0, 1]")
    return array


def known(mask: Any, n: int, shape: Sequence[int]) -> npt.NDArray[np.bool_]:
    """The mask of known pixels (True: known) of each of n images, (n, H, W) bool, maybe a read-only view.

    mask: (H, W) for all images, or (n, H, W); shape: (H, W, C) or (H, W) of the images.
    Raises ValueError for another shape, and for anything but booleans (0 and 255, None, a string).
    """
    array = as_array(mask, "known")
    height, width = (int(side) for side in shape[:2])
    if array.dtype != np.bool_ or array.shape not in ((height, width), (n, height, width)):
        raise ValueError(
            f"known has shape {array.shape} and type {array.dtype}: expected booleans of shape ({height}, {width}) or "
            f"({n}, {height}, {width}), True where a pixel is known"
        )
    return np.broadcast_to(array, (n, height, width))


def partly_known(
    x: Any, mask: Any, shape: Sequence[int], *, name: str = "images"
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Images of which a part is known: as `images` gives them, 0 where unknown, and their mask as `known` gives it.

    Values of unknown pixels have no influence: whatever they are (NaN for a missing value among them), they become 0.
    Raises ValueError as `images` and `known` do; NaN and values outside [0, 1] are refused where a pixel is known.
    """
    array = as_array(x, name)
    if array.ndim != 4 or array.shape[1:] != tuple(shape) or array.dtype.kind != "f" or len(array) == 0:
        array = images(array, shape, name=name)  # which says what is wrong
    seen = known(mask, len(array), shape)
    return images(np.where(seen[..., None], array, np.zeros((), array.dtype)), shape, name=name), seen


def labels(y: Any, n: int, classes: int, *, name: str = "labels", used: Any = slice(None)) -> npt.NDArray[np.int64]:
    """The class of each of n images as int64 (n,), from 0 to classes - 1.

    used: indices of the images whose classes count; the others may have any integer, and get 0 for an unknown class.
    Raises ValueError for another shape ((n, 1) among them), for other types than integers, and for unknown classes.
    """
    array = as_array(y, name)
    if array.shape != (n,):
        cure = f"; flatten them with {name}[:, 0]" if array.shape == (n, 1) else ""
        raise ValueError(f"{name} have shape {array.shape}: expected ({n},), one integer per image{cure}")
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} have type {array.dtype}: expected integers from 0 to {classes - 1}")
    counting = array[used]
    if counting.size and (counting.min() < 0 or counting.max() >= classes):
        raise ValueError(
            f"{name} have values from {counting.min()} to {counting.max()}: expected classes from 0 to {classes - 1}"
        )
    return np.where((array < 0) | (array >= classes), 0, array).astype(np.int64)


def rows(value: Any, models: int, n: int) -> list[npt.NDArray[np.int64]]:
    """For each of several models the indices, of n images, of those that it sees: (m,), or n booleans.

    Raises ValueError for another number of entries than of models, for none, and for what are no indices.
    """
    try:
        each = list(value)
    except TypeError:
        wanted = f"expected for each model its images, as indices or {n} booleans"
        raise ValueError(f"rows={value!r}: {wanted}") from None
    if len(each) != models:
        raise ValueError(f"rows has {len(each)} entries for {models} models: give one for each")
    return [_rows(own, n, f"rows[{number}]") for number, own in enumerate(each)]


def _rows(value: Any, n: int, name: str) -> npt.NDArray[np.int64]:
    array = as_array(value, name)
    if array.dtype == np.bool_ and array.shape == (n,):
        array = np.flatnonzero(array)
    expected = f"expected indices from 0 to {n - 1}, or {n} booleans"
    if array.ndim == 1 and not array.size:
        raise ValueError(f"{name} is empty, there are no training images: {expected}")
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"{name} has shape {array.shape} and type {array.dtype}: {expected}")
    if array.min() < 0 or array.max() >= n:
        raise ValueError(f"{name} goes from {array.min()} to {array.max()}: {expected}")
    return array.astype(np.int64)


def splits(names: Iterable[str]) -> None:
    """Refuse a split of a history that is called as that of the training images. Raises ValueError."""
    if "train" in names:
        raise ValueError("validation has a split 'train', which is that of the training images: name it otherwise")


def several(value: Any, kind: type, *, called: str, name: str = "models") -> list[Any]:
    """Models of one kind as a list, maybe empty. Raises ValueError for a single model, and for anything else in it."""
    found = list(value) if isinstance(value, Iterable) else [None]
    if not all(isinstance(one, kind) for one in found):
        raise ValueError(f"{name}={value!r}: expected a list of {called}")
    return found


def one_for_each(value: Any, count: int, *, name: str) -> Sequence[Any]:
    """A list or tuple with an entry for each of `count` models, or what is given once. Raises ValueError for others."""
    each = value if isinstance(value, list | tuple) else [value] * count
    if len(each) != count:
        raise ValueError(f"{name} has {len(each)} entries for {count} models: give one for each, or one")
    return each


def image_shape(value: Any, *, name: str = "image_shape") -> tuple[int, int, int]:
    """Height, width and channels of the images as three integers of at least 1."""
    sides = tuple(value) if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) else ()
    if len(sides) != 3 or any(not _is_integer(side) or side < 1 for side in sides):
        raise ValueError(f"{name}={value!r}: expected (height, width, channels), three integers of at least 1")
    height, width, channels = (int(side) for side in sides)
    return height, width, channels


def seed(value: Any, *, name: str = "seed") -> int:
    """A seed as a Python integer, from 0 to 2^63 - 1; NumPy's integers are accepted, None and booleans are not."""
    if not _is_integer(value) or not 0 <= value < SEED_END:
        raise ValueError(f"{name}={value!r}: expected an integer from 0 to 2**63 - 1")
    return int(value)


def count(value: Any, *, name: str = "n") -> int:
    """A number of things as a Python integer of at least 0."""
    return integer(value, name=name, at_least=0)


def integer(value: Any, *, name: str, at_least: int = 1, at_most: int | None = None) -> int:
    """A Python integer within bounds (the bounds belong to it), below 2^63. 2.0, True and None are refused."""
    if at_most is None and _is_integer(value) and value >= SEED_END:
        raise ValueError(f"{name}={value!r}: expected an integer below 2**63")
    if not _is_integer(value) or value < at_least or (at_most is not None and value > at_most):
        bounds = f"of at least {at_least}" if at_most is None else f"from {at_least} to {at_most}"
        raise ValueError(f"{name}={value!r}: expected an integer {bounds}")
    return int(value)


def number(
    value: Any,
    *,
    name: str,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
) -> float:
    """A finite Python float within the bounds that are given. NaN, infinities, booleans, strings, None are refused."""
    bounds = {"above": above, "of at least": at_least, "below": below, "of at most": at_most}
    given = {word: bound for word, bound in bounds.items() if bound is not None}
    if not _is_finite(value) or not all(_BOUNDS[word](value, b) for word, b in given.items()):
        expected = " and ".join(f"{word} {bound:g}" for word, bound in given.items())
        raise ValueError(f"{name}={value!r}: expected a finite number {expected}".rstrip())
    return float(value)


def epochs(value: Any) -> int:
    """A number of passes over the training images, from 0 to a million."""
    return integer(integer(value, name="epochs", at_least=0), name="epochs", at_least=0, at_most=MOST_EPOCHS)


def positive(value: Any, *, name: str) -> float:
    """A finite Python float above 0."""
    return number(value, name=name, above=0)


def memory(need: float, *, what: str) -> None:
    """Refuse what takes more bytes than this machine has, before they are asked for. Raises ValueError."""
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if need > have:
        raise ValueError(
            f"{what} needs {need / 2**30:,.1f} GiB for parameters and their updates, this machine has "
            f"{have / 2**30:,.1f} GiB: take a smaller model"
        )


def flag(value: Any, *, name: str) -> bool:
    """A Python boolean; 0, 1 and strings are refused."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name}={value!r}: expected True or False")
    return bool(value)


def choice(value: Any, options: Sequence[str], *, name: str) -> str:
    """One of the strings `options`."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name}={value!r}: expected one of {', '.join(map(repr, options))}")
    return str(value)


def trained(model: Any, attribute: str) -> Any:
    """`model` itself, which training has given that attribute. Raises ValueError where it has not."""
    if not hasattr(model, attribute):
        raise ValueError(f"the {type(model).__name__} is not trained: call fit first")
    return model


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    """Whether a value is a number that a float can hold; integers above 1.8e308 are none."""
    if not _is_integer(value) and not isinstance(value, float | np.floating):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def as_array(value: Any, name: str) -> npt.NDArray[Any]:
    """`value` as an array. Raises ValueError for rows of several lengths and for a masked array."""
    if isinstance(value, np.ma.MaskedArray):
        raise ValueError(f"{name} are a masked array, whose mask would be ignored: fill it, or drop the mask")
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} are no array: {error}") from None
