"""Which images make which batch: of training, and of everything that goes over all images."""

from __future__ import annotations

import numpy as np

MINI_BATCHES = (10, 50)  # images at a time: the smallest that holds all, or the largest; each is compiled once


def mini_batch_size(n: int) -> int:
    """How many of n images are processed at a time."""
    return next((size for size in MINI_BATCHES if n <= size), MINI_BATCHES[-1])


def padded(x: np.ndarray, size: int) -> np.ndarray:
    """`x` with zeros appended to `size` rows, so that every mini-batch has the compiled shape."""
    missing = size - len(x)
    return np.concatenate([x, np.zeros((missing, *x.shape[1:]), x.dtype)]) if missing else x


class Batches:
    """Batches of shuffled epochs; which images make step i depends on seed and i alone.

    Args:
        rows: (n,) int32, the images to draw from, as indices of a larger array.
        batch_size: images per step, at most n.
        seed: of the order.
    """

    def __init__(self, rows: np.ndarray, batch_size: int, seed: int) -> None:
        self.rows = rows
        self.size = min(batch_size, len(rows))
        self.per_epoch = len(rows) // self.size
        self.seed = seed
        self._epoch, self._order = -1, np.empty(0, np.int32)

    def indices(self, step: int) -> np.ndarray:
        """(size,) int32 indices of the images of a step."""
        epoch, within = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.rows))
            self._epoch, self._order = epoch, self.rows[order]
        return self._order[within * self.size : (within + 1) * self.size]

    def window(self, start: int, count: int) -> np.ndarray:
        """(count, size) int32: the steps from `start` on."""
        return np.stack([self.indices(step) for step in range(start, start + count)])
