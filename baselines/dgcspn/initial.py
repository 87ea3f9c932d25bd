"""Initial weights of a DGC-SPN."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from baselines.dgcspn.architecture import SMALLEST, Architecture

Floats = npt.NDArray[np.float32]


def initial_weights(architecture: Architecture, alpha: float, rng: np.random.Generator) -> list[Floats]:
    """Weights of all sum layers, lowest first: each sum's are drawn from a symmetric Dirichlet distribution."""
    weights: list[Floats] = []
    for shape in architecture.weight_shapes:
        drawn = rng.standard_gamma(alpha, shape, dtype=np.float32)
        root = shape[-1] == 1 and len(weights) == len(architecture.weight_shapes) - 1
        weights.append(normalized(drawn, root=root))
    return weights


def normalized(weights: Floats, *, root: bool) -> Floats:
    """Positive weights (rows, columns, children, sums) so that each sum's add up to 1, none below the smallest."""
    axes = (0, 1, 2) if root else (2,)
    children = math.prod(weights.shape[axis] for axis in axes)
    for _ in range(2):  # raised weights have to be normalised too, and normalising a column of zeros needs raised ones
        weights = np.maximum(weights, np.float32(SMALLEST / children))
        weights = weights / weights.sum(axis=axes, keepdims=True)
    return weights
