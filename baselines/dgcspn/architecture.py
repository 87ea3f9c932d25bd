"""The layers of a DGC-SPN: sizes, dilations and padding of its products, and the number of parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass

SMALLEST = 1e-10  # a weight is at least this divided by the number of children, as in libspn-keras
ADAM = (0.9, 0.999, 1e-8)  # decay of both moments, and what is added to the root of the second


@dataclass(frozen=True)
class ProductLayer:
    """Products of 2×2 patches. Position (r, c) multiplies the positions (r - pad, c - pad) + {0, step}² of the layer
    below; what lies outside it is a product's empty factor."""

    step: int
    pad: tuple[int, int]
    size: tuple[int, int]  # rows, columns


@dataclass(frozen=True)
class Architecture:
    """`products` product layers of dilation 1, 2, 4, …, each but the last followed by `sums` sums at every position.

    The lowest products combine the `leaves` components of four pixels in all ways; the others multiply equal channels.
    Padding is "full" (every patch that touches the layer below), and "final" at the top, where all patches together see
    all pixels: 2^(products - 1) rows and columns, which with their channels are the children of the root.
    """

    image_shape: tuple[int, int, int]
    sums: int
    products: int
    leaves: int

    def __post_init__(self) -> None:
        largest = 2 ** (self.products - 1) + 1
        if max(self.image_shape[:2]) > largest:
            raise ValueError(
                f"products={self.products} given for images of shape {self.image_shape}: the top product then has no "
                f"room for more than {largest} rows and columns; take more products"
            )

    @property
    def layers(self) -> list[ProductLayer]:
        """The product layers, lowest first."""
        rows, columns = self.image_shape[:2]
        found = []
        for index in range(self.products):
            step = 2**index
            if index == self.products - 1:
                found.append(ProductLayer(step, (2 * step - rows, 2 * step - columns), (step, step)))
            else:
                rows, columns = rows + step, columns + step
                found.append(ProductLayer(step, (step, step), (rows, columns)))
        return found

    @property
    def weight_shapes(self) -> list[tuple[int, int, int, int]]:
        """Of all sum layers, lowest first, (rows, columns, children, sums); the root's are (rows, columns, sums, 1)."""
        *lower, top = self.layers
        children = [self.leaves**4, *[self.sums] * (len(lower) - 1)]
        shapes = [(*layer.size, count, self.sums) for layer, count in zip(lower, children, strict=True)]
        return [*shapes, (*top.size, self.sums, 1)]

    @property
    def leaf_shape(self) -> tuple[int, int, int, int]:
        """Of the leaves' means, (H, W, leaves, C); each has a scale too, which is 1."""
        height, width, channels = self.image_shape
        return height, width, self.leaves, channels

    def count_params(self) -> int:
        """Sum weights, leaf means and leaf scales."""
        return sum(math.prod(shape) for shape in self.weight_shapes) + 2 * math.prod(self.leaf_shape)
