"""The executable circuit: its log-likelihood, and what its parameters mean.

Axes: R regions, P partitions, K units, B images, S root classes, V variables, N circuits. Batch last inside, batch
first outside.
"""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.einsum.parameters import CircuitParameters, Weights
from baselines.einsum.passes import upward


class Circuit(CircuitParameters):
    """Smooth, decomposable circuits with K units per region, run level by level.

    Parameters
    ----------
    graph: the region graph over V variables; or several, of N circuits that are computed together, each with its own
        images: circuit i has the variables i·V … (i + 1)·V - 1.
    units: K, the number of distributions per leaf region and of sums per inner region.
    family: the leaf distribution.
    classes: S, number of root sums.
    seed: of the initial parameters.
    block_elements: how many products x_i·x_j exist at a time (memory against launches); None for a good number.
    chunk_elements: likewise for the numbers that choices on the way down are made from.

    Attributes
    ----------
    centre: (N·V,), where normal leaves take their statistics (see leaves.py); the median of the data is best. None for
        other families. Changes rounding alone.
    """

    @torch.no_grad()
    def log_ratio(self, x: Tensor, known: Tensor | None = None, weights: Weights | None = None) -> Tensor:
        """`log_likelihood` without the base measure log h(x), which no parameter influences: (B, S)."""
        weights = weights if weights is not None else self.weights()
        return upward(self, weights, x, known, keep=False).root[0].t()

    def log_likelihood(self, x: Tensor, known: Tensor | None = None, weights: Weights | None = None) -> Tensor:
        """Exact log-densities, nats, float64, of x (B, V) for every root class: (B, S).

        known: bool (B, V), one mask per image; unknown variables are summed out exactly. Raises ValueError for images
        or masks of another shape.
        """
        return self.log_ratio(x, known, weights) + self.log_base(x, known).unsqueeze(1)

    def forward(self, x: Tensor, known: Tensor | None = None) -> Tensor:
        return self.log_likelihood(x, known)
