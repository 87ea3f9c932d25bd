"""A data set of your own: arrays in one .npz file.

    x        images (n, H, W) or (n, H, W, C): bytes from 0 to 255, or floats in [0, 1]
    y        labels (n,), integers from 0 without gaps; all 0 where no images have labels
    x_test, y_test, x_validation, y_validation
             these splits; one that is missing is the last fifth of what is left, as in the embedded data sets,
             so x must not be sorted, or in blocks, by class then; all that are there have labels, or none has
    class_names
             one text for each class, also for classes without images; numbers where it is missing

`name.npz` in the directory of all data sets is the data set `name`, everywhere: on the command line and in a profile.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.lib.format import MAGIC_PREFIX

from evaluation.base.errors import DataError, UserError
from evaluation.datasets.catalogue import CATALOGUE, DatasetSpec
from evaluation.datasets.repeats import repeated

NAME = re.compile(r"[a-z0-9_][a-z0-9_-]*")
CHANNELS = 4  # of usual images, at most
DARKEST = {"u": 16.5, "f": 1.5 / 255}  # brightest pixel of images whose range is another: 0 to 1, to 16, or 255 twice
BLACK = 20  # images that may all be black and be a split
MANY = 60  # images of a class, of which a fifth drawn at random lacks all once in a million
MIXED = "expected mixed classes: shuffle x and y alike, or give x_test, y_test, x_validation and y_validation"
FRACTION = 5  # one in five images of what is not split
ENDS = ("", "_validation", "_test")  # of the names of arrays
KEYS = (*(f"{letter}{end}" for end in ENDS for letter in "xy"), "class_names")

Arrays = tuple[np.ndarray, np.ndarray]


def own_specification(path: str | Path) -> DatasetSpec:
    """The data set in a file.

    Raises:
        UserError: the file's name cannot be that of a data set, or is one of the catalogue's.
        DataError: there is no such file, or it does not hold what is described above.
    """
    try:
        path = Path(path).expanduser().resolve()
    except (RuntimeError, ValueError) as error:  # no such user, or a zero byte
        raise UserError(f"{path} cannot be a file's path: {error}") from error
    if not NAME.fullmatch(path.stem):
        raise UserError(
            f"{path.name} cannot name a data set: small letters, digits, _ and - are expected, as in my-set.npz"
        )
    if path.stem in CATALOGUE:
        raise UserError(f"{path} has the name of another data set, {path.stem}; rename the file, to my-set.npz or such")
    if not path.is_file():
        raise DataError(
            f"there is no file {path}; expected an .npz file, or a data set's name without its ending, such as "
            f"{path.stem!r}"
        )
    splits, names = _read(path, path.stat().st_mtime_ns)
    shape = splits[0][0].shape[1:]
    sizes = (len(splits[0][0]), len(splits[1][0]), len(splits[2][0]))
    there = {name: set(y.tolist()) for name, (_, y) in zip(("training", "validation", "test"), splits, strict=True)}
    lacking = tuple((name, label) for name, some in there.items() for label in range(len(names)) if label not in some)
    return DatasetSpec(
        path.stem, path.stem, (shape[0], shape[1], shape[2]), names, sizes, archive=path, lacking=lacking
    )


def set_name(word: str) -> str:
    """The name of a data set, which may be given as the path of its .npz file: a word of paths."""
    return Path(word).stem if word.endswith(".npz") else word


def content_of(path: Path) -> str:
    """SHA-256 of a data set's file: what is made of other images is something else."""
    return _digest(path, path.stat().st_mtime_ns)


@cache
def _digest(path: Path, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_own(path: Path) -> Arrays:
    """Images (n, H, W, C), uint8 or float32, and labels (n,) int64: training, then validation, then test images.

    The images are read-only, since parts of them are handed out without a copy. Raises DataError as own_specification.
    """
    splits, _ = _read(path, path.stat().st_mtime_ns)
    x, y = (np.concatenate(parts) for parts in zip(*splits, strict=True))
    x.flags.writeable = False
    return x, y


@cache
def _read(path: Path, changed: int) -> tuple[tuple[Arrays, Arrays, Arrays], tuple[str, ...]]:
    """The three splits and the names of the classes. changed: when the file was written, in ns."""
    arrays = _arrays(path)
    if "x" not in arrays:
        raise DataError(f"{path} has no array x of images")
    _refuse_halves(arrays, path)
    rest = _part(arrays, "", path)
    if not {"x_test", "x_validation"} <= arrays.keys():
        _refuse_sorted(rest[1], path)
    test, rest = (_part(arrays, "_test", path), rest) if "x_test" in arrays else _last_fifth(rest)
    validation, train = (_part(arrays, "_validation", path), rest) if "x_validation" in arrays else _last_fifth(rest)
    splits = (train, validation, test)
    if empty := [name for name, (x, _) in zip(("training", "validation", "test"), splits, strict=True) if not len(x)]:
        raise DataError(f"{path} leaves no {empty[0]} image; at least {FRACTION + 1} images are needed, or own splits")
    if len({x.shape[1:] for x, _ in splits}) > 1:
        raise DataError(f"{path} holds images of different shapes: {', '.join(str(x.shape[1:]) for x, _ in splits)}")
    if len({x.dtype for x, _ in splits}) > 1:
        raise DataError(f"{path} holds bytes in one split and floats in another; one kind is expected")
    _refuse_black([x for x, _ in splits], path)
    _name_repeats(splits, path)
    names = _names(arrays, [y for _, y in splits], path)
    train, validation, test = ((x, y.astype(np.int64)) for x, y in splits)
    return (train, validation, test), names


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """What the file holds, by name. Python objects are not unpickled.

    Raises:
        DataError: it is no .npz file of arrays, is damaged, or has names that are not in KEYS.
    """
    cure = "write it with numpy.savez(file, x=images, y=labels)"
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX:
                raise DataError(f"{path} is an .npy file, one array without a name; {cure}")
            file.seek(0)
            with np.load(file, allow_pickle=False) as content:
                if unknown := sorted(set(content.files) - set(KEYS)):
                    raise DataError(f"{path} holds {', '.join(unknown)}; known: {', '.join(KEYS)}")
                arrays = {key: content[key] for key in content.files}
    except DataError:
        raise
    except Exception as error:  # NumPy, zipfile and zlib raise many kinds of exception for damaged files
        why = str(error).partition(". ")[0] or type(error).__name__
        raise DataError(f"{path} cannot be read as an .npz file without Python objects: {why}; {cure}") from error
    if odd := [key for key, array in arrays.items() if not isinstance(array, np.ndarray)]:
        raise DataError(f"{path}: {odd[0]} is no array of NumPy; {cure}")  # another file in a zip archive
    return arrays


def _refuse_halves(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Refuse labels without images, and images without labels beside others that have some."""
    for end in ENDS:
        if f"y{end}" in arrays and f"x{end}" not in arrays:
            raise DataError(f"{path}: y{end} labels images x{end}, which are not there; add them, or leave y{end} out")
    labelled = [f"y{end}" for end in ENDS if f"y{end}" in arrays]
    bare = [end for end in ENDS if f"x{end}" in arrays and f"y{end}" not in arrays]
    if labelled and bare:
        raise DataError(
            f"{path}: x{bare[0]} has no labels y{bare[0]}, but there are {', '.join(labelled)}; give labels of all "
            "images, or of none"
        )


def _names(arrays: Mapping[str, np.ndarray], labels: Sequence[np.ndarray], path: Path) -> tuple[str, ...]:
    """What the classes are called. They are counted from the labels that occur: a single wrong one may be huge."""
    found = set[int]().union(*(np.unique(y).tolist() for y in labels))
    last = max(found)
    if "class_names" in arrays:
        given = arrays["class_names"]
        if given.ndim != 1 or given.dtype.kind != "U":
            raise DataError(
                f"{path}: class_names has shape {given.shape} and type {given.dtype}; expected a list of texts, one "
                "for each class, such as ['cat', 'dog']"
            )
        names = tuple(map(str, given))
        if len(names) <= last:
            raise DataError(
                f"{path}: {len(names)} class_names for labels up to {last}; give one for each class, {last + 1} or more"
            )
        if len(names) > 1 and "y" not in arrays:
            raise DataError(f"{path}: {len(names)} class_names, but no labels y; add them, or leave class_names out")
        return names
    if last >= len(found):
        raise DataError(
            f"{path}: the largest label is {last}, but there are {len(found)} different labels; expected 0 to "
            f"{len(found) - 1}, each with an image: number the classes so, or name them all in class_names"
        )
    return tuple(map(str, range(last + 1)))


def _part(arrays: Mapping[str, np.ndarray], end: str, path: Path) -> Arrays:
    """Images (n, H, W, C), uint8 or float32, and labels (n,) of the file's integer type, of `x` and `y` with `end`."""
    x = _images(arrays[f"x{end}"], f"{path}: x{end}")
    y = arrays.get(f"y{end}")
    return x, np.zeros(len(x), np.int64) if y is None else _labels(y, len(x), f"{path}: y{end}")


def _images(x: np.ndarray, where: str) -> np.ndarray:
    shape = x.shape
    x = x[..., None] if x.ndim == 3 else x
    if x.ndim != 4 or 0 in x.shape[1:]:
        raise DataError(f"{where} has shape {shape}; expected (n, H, W) or (n, H, W, C), every side at least 1")
    if x.shape[1] <= CHANNELS < min(x.shape[2:]):
        raise DataError(
            f"{where} has shape {shape}, channels in front; expected (n, H, W, C): x.transpose(0, 2, 3, 1) has that"
        )
    if x.dtype == np.uint8:
        return x
    if x.dtype.kind != "f":
        raise DataError(
            f"{where} has type {x.dtype}; expected uint8 from 0 to 255, or floats in [0, 1]: convert it with x.astype"
        )
    with np.errstate(over="ignore"):
        pixels = x.astype(np.float32, copy=False)
    if not (pixels.min(initial=0) >= 0 and pixels.max(initial=0) <= 1):
        raise DataError(
            f"{where} has values from {float(x.min()):.9g} to {float(x.max()):.9g}; expected none outside [0, 1], "
            "infinite or NaN: divide grey values by 255"
        )
    return pixels


def _labels(y: np.ndarray, n: int, where: str) -> np.ndarray:
    if y.shape != (n,):
        raise DataError(f"{where} has shape {y.shape}; expected ({n},), one integer for each image")
    if y.dtype.kind not in "iu":
        raise DataError(f"{where} has type {y.dtype}; expected integers from 0: convert it with y.astype(int)")
    if n and y.min() < 0:
        raise DataError(f"{where} holds the label {y.min()}; expected integers from 0: number the classes so")
    return y


def _refuse_black(images: Sequence[np.ndarray], path: Path) -> None:
    """Refuse bytes up to 1 or 16 only, and floats that were divided by 255 twice, in all images or in a split of some
    size: models would see black images."""
    white, darkest = 255 if images[0].dtype == np.uint8 else 1, DARKEST[images[0].dtype.kind]
    parts = [("", max(float(x.max()) for x in images))]
    named = zip(("training", "validation", "test"), images, strict=True)
    parts += [(f" of the {name} images", float(x.max())) for name, x in named if len(x) > BLACK]
    for of, brightest in parts:
        if brightest < darkest:
            factor = "255" if white == 1 or brightest <= 1 else f"255 / {brightest:g}"
            raise DataError(
                f"{path}: the brightest pixel{of} is {brightest:.3g} of {white}; expected up to {white}: multiply the "
                f"images by {factor}"
            )


def _name_repeats(splits: Sequence[Arrays], path: Path) -> None:
    """Say how many validation and test images are training images too: a model has seen them."""
    for name, (x, _) in zip(("validation", "test"), splits[1:], strict=True):
        if found := repeated(x, splits[0][0]):
            said = f"bench: {path}: {found} of {len(x)} {name} images are training images too; a model has seen them"
            print(said, file=sys.stderr, flush=True)


def _refuse_sorted(y: np.ndarray, path: Path) -> None:
    """Refuse images in the order, or in blocks, of their classes where the last fifth of them is to be a split."""
    up, down = np.all(y[:-1] <= y[1:]), np.all(y[:-1] >= y[1:])
    if up != down:  # both: one class
        raise DataError(f"{path}: y is sorted, so that the last fifth of the images lacks classes; {MIXED}")
    kept = len(y) - len(y) // FRACTION
    for label, images in zip(*np.unique(y, return_counts=True), strict=True):
        if images >= MANY and not np.any(y[kept:] == label):
            raise DataError(
                f"{path}: none of the {images} images of class {label} is among the last fifth, a split of its own; "
                f"{MIXED}"
            )


def _last_fifth(part: Arrays) -> tuple[Arrays, Arrays]:
    """The last fifth, and what comes before."""
    x, y = part
    kept = len(x) - len(x) // FRACTION
    return (x[kept:], y[kept:]), (x[:kept], y[:kept])
