"""In-painting measured: masks, mean squared error of the unknown pixels, SSIM of whole images."""

from __future__ import annotations

import numpy as np

from evaluation.base.errors import UserError

MASKS = ("right", "left", "random", "centre")
MASK_LABELS = {"right": "right half", "left": "left half", "random": "random 50 %", "centre": "centre square"}


def known_pixels(mask: str, count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """The known pixels of `count` images, (n, H, W) bool.

    Args:
        mask: what is erased: "right" or "left" half, "random" (half of the pixels, others in each image), "centre" (a
            square of half the height and width).

    Raises:
        UserError: another mask.
    """
    known = np.ones((count, height, width), bool)
    if mask == "right":
        known[:, :, width - width // 2 :] = False
    elif mask == "left":
        known[:, :, : width // 2] = False
    elif mask == "random":
        order = np.random.default_rng(seed).random((count, height * width)).argsort(axis=1).argsort(axis=1)
        known = (order >= height * width // 2).reshape(known.shape)
    elif mask == "centre":
        known[:, height // 4 : height - height // 4, width // 4 : width - width // 4] = False
    else:
        raise UserError(f"there is no mask {mask!r}; choose one of {', '.join(MASKS)}")
    return known


def completion_measures(x: np.ndarray, completed: np.ndarray, known: np.ndarray) -> dict[str, float]:
    """How far completions are from the originals.

    Args:
        x, completed: (n, H, W, C) in [0, 1].
        known: (n, H, W) bool.

    Returns:
        "mse": mean squared error of the unknown pixels, mean over images; "ssim": structural similarity of whole images
        (scikit-image, windows of 7×7, range 1), mean over images.
    """
    from skimage.metrics import structural_similarity

    unknown = ~known[..., None] & np.ones(x.shape, bool)
    squares = np.where(unknown, (x.astype(np.float64) - completed) ** 2, 0.0)
    per_image = squares.sum((1, 2, 3)) / np.maximum(unknown.sum((1, 2, 3)), 1)
    similar = [structural_similarity(a, b, data_range=1.0, channel_axis=-1) for a, b in zip(x, completed, strict=True)]
    return {"mse": float(per_image.mean()), "ssim": float(np.mean(similar))}
