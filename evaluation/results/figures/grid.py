"""Images side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evaluation.base.files import atomic_path


def image_grid(images: np.ndarray, columns: int = 10, gap: int = 1) -> np.ndarray:
    """Images (n, H, W, C) in [0, 1] row by row on white ground: (rows·(H + gap) + gap, columns·(W + gap) + gap, C).

    C is 1 (grey) or 3 (colours). Of images with another number the channels stand side by side as grey: W·C wide, C 1.
    """
    from skimage.util import montage

    if images.shape[-1] not in (1, 3):
        n, height, width, channels = images.shape
        images = images.transpose(0, 1, 3, 2).reshape(n, height, channels * width, 1)
    shape = (-(-len(images) // columns), columns)
    white = [1.0] * images.shape[-1]
    canvas = montage(images, fill=white, grid_shape=shape, padding_width=gap, channel_axis=-1)
    return np.asarray(canvas, np.float32)


def write_grid(path: Path, images: np.ndarray, columns: int = 10, zoom: int = 2) -> None:
    """Write the grid of `images` as PNG, each pixel `zoom` times as large."""
    from PIL import Image

    canvas = np.clip(image_grid(images, columns), 0, 1).repeat(zoom, axis=0).repeat(zoom, axis=1)
    counts = np.rint(canvas * 255).astype(np.uint8)
    with atomic_path(path) as part:
        Image.fromarray(counts[..., 0] if counts.shape[-1] == 1 else counts).save(part, format="PNG")
