"""Images that two splits, or two data sets, both have: a model has seen what it is measured on."""

from __future__ import annotations

import hashlib

import numpy as np


def repeated(images: np.ndarray, others: np.ndarray) -> int:
    """How many of some images (n, H, W, C) are, pixel for pixel, among others (m, H, W, C) of the same type."""
    if images.shape[1:] != others.shape[1:] or images.dtype != others.dtype:
        return 0
    seen = {_digest(image) for image in others}
    return sum(_digest(image) in seen for image in images)


def _digest(image: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
