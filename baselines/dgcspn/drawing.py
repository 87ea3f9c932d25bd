"""Drawing from a DGC-SPN, from the root down: at every sum that is reached, one of its products.

A sum's products are drawn with probability weight times value, so that with the values of an image of which some pixels
are known the draws follow the exact conditional distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from baselines.dgcspn.architecture import Architecture, ProductLayer

Integers = npt.NDArray[np.intp]
Reached = tuple[Integers, Integers, Integers, Integers]  # image, row, column, channel of each node


def draw_components(
    architecture: Architecture,
    weights: Sequence[npt.NDArray[Any]],
    leaves: npt.NDArray[Any],
    values: Sequence[npt.NDArray[Any]],
    children: npt.NDArray[Any],
    source: Integers,
    rng: np.random.Generator,
) -> Integers:
    """The leaf component of each pixel of each image that is drawn, (n, H, W).

    leaves: values (H, W, leaves, N), right up to a factor for each pixel and image; values, children: of
    `Network.values` for these N. source: whose values each drawn image goes by, (n,).
    """
    layers = architecture.layers
    reached = _draw_top(children, source, rng)
    for k in range(len(layers) - 2, -1, -1):
        image, row, column, channel = _spread(layers[k + 1], layers[k].size, reached)
        products = _combinations(leaves, row, column, source[image]) if k == 0 else None
        if products is None:
            products = _products(layers[k], values[k - 1], row, column, source[image])
        probability = products * weights[k][row, column, :, channel]
        reached = image, row, column, _draw(probability, rng)
    return _components(architecture, reached, len(source))


def _draw_top(children: npt.NDArray[Any], source: Integers, rng: np.random.Generator) -> Reached:
    """The root's child of each image."""
    flat = children.reshape(-1, children.shape[-1])
    cumulative: dict[int, npt.NDArray[np.float64]] = {}
    chosen = np.empty(len(source), np.intp)
    for position, (image, level) in enumerate(zip(source.tolist(), rng.random(len(source)), strict=True)):
        if image not in cumulative:
            cumulative = {image: np.cumsum(flat[:, image], dtype=np.float64)}
        steps = cumulative[image]
        chosen[position] = np.searchsorted(steps, level * steps[-1], side="right")
    row, column, channel = np.unravel_index(np.minimum(chosen, len(flat) - 1), children.shape[:-1])
    return np.arange(len(source)), row, column, channel


def _draw(probability: npt.NDArray[np.float64], rng: np.random.Generator) -> Integers:
    """An index for each row, with probability proportional to the row's numbers."""
    steps = np.cumsum(probability, axis=1)
    level = rng.random((len(steps), 1)) * steps[:, -1:]
    return np.minimum((steps <= level).sum(axis=1), steps.shape[1] - 1)


def _spread(layer: ProductLayer, size: tuple[int, int], reached: Reached) -> Reached:
    """The sums below that the reached products are made of."""
    image, row, column, channel = reached
    parts = []
    for a in (0, layer.step):
        for b in (0, layer.step):
            r, c = row - layer.pad[0] + a, column - layer.pad[1] + b
            inside = (r >= 0) & (r < size[0]) & (c >= 0) & (c < size[1])
            parts.append((image[inside], r[inside], c[inside], channel[inside]))
    image, row, column, channel = (np.concatenate(part) for part in zip(*parts, strict=True))
    return image, row, column, channel


def _factors(
    layer: ProductLayer, below: npt.NDArray[Any], row: Integers, column: Integers, source: Integers
) -> list[npt.NDArray[np.float64]]:
    """The four factors (nodes, channels) of products at these positions, 1 where a patch goes over the border."""
    found = []
    for a in (0, layer.step):
        for b in (0, layer.step):
            r, c = row - layer.pad[0] + a, column - layer.pad[1] + b
            inside = (r >= 0) & (r < below.shape[0]) & (c >= 0) & (c < below.shape[1])
            factor = np.ones((len(row), below.shape[2]))
            factor[inside] = below[r[inside], c[inside], :, source[inside]]
            found.append(factor / factor.max(axis=1, keepdims=True))
    return found


def _products(
    layer: ProductLayer, below: npt.NDArray[Any], row: Integers, column: Integers, source: Integers
) -> npt.NDArray[np.float64]:
    p00, p01, p10, p11 = _factors(layer, below, row, column, source)
    return p00 * p01 * p10 * p11


_LOWEST = ProductLayer(1, (1, 1), (0, 0))


def _combinations(
    leaves: npt.NDArray[Any], row: Integers, column: Integers, source: Integers
) -> npt.NDArray[np.float64]:
    p00, p01, p10, p11 = _factors(_LOWEST, leaves, row, column, source)
    top, bottom = p01[:, :, None] * p00[:, None, :], p11[:, :, None] * p10[:, None, :]
    count = len(row)
    return (bottom.reshape(count, -1, 1) * top.reshape(count, 1, -1)).reshape(count, -1)


def _components(architecture: Architecture, reached: Reached, images: int) -> Integers:
    """The components of the lowest products' pixels."""
    height, width = architecture.image_shape[:2]
    image, row, column, combination = reached
    found = np.zeros((images, height, width), np.intp)
    for k, (a, b) in enumerate(((-1, -1), (-1, 0), (0, -1), (0, 0))):
        r, c = row + a, column + b
        inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
        digit = combination // architecture.leaves**k % architecture.leaves
        found[image[inside], r[inside], c[inside]] = digit[inside]
    return found
