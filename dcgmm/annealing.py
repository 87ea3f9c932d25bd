"""Annealing of the smoothing width and the learning rate ("single exponential" control, arXiv 1912.09379)."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isqrt, sqrt

import numpy as np

SIGMA_END = 0.01


def grid_shape(components: int) -> tuple[int, int]:
    """Rows and columns of the component grid: √K × √K, or the squarest rectangle where K is no square."""
    rows = next(r for r in range(isqrt(components), 0, -1) if components % r == 0)
    return rows, components // rows


def smoothing_matrix(components: int, sigma: float) -> np.ndarray:
    """G: row k is a Gaussian of width sigma over the squared torus distance to component k, normalised to sum 1.

    Returns:
        (K, K) float64, symmetric; the identity once sigma is far below the grid's spacing of 1.
    """
    rows, columns = grid_shape(components)
    row, column = np.divmod(np.arange(components), columns)
    across = np.abs(row[:, None] - row[None, :])
    along = np.abs(column[:, None] - column[None, :])
    squared = np.minimum(across, rows - across) ** 2 + np.minimum(along, columns - along) ** 2
    weights = np.exp(-squared / (2.0 * sigma**2))
    return weights / weights.sum(axis=1, keepdims=True)


@dataclass
class Annealing:
    """Control of one cGMM layer's sigma and learning rate from its own smoothed loss.

    The loss is averaged over windows of `window` learning iterations. From the third window on, a relative gain
    (now - last)/(last - first) inside (-0.10, 0.05) means that the layer is stationary: sigma and the learning
    rate shrink by 0.9, down to their floors; one that is below its floor stays.
    """

    components: int
    sigma: float = 0.0  # 0: start at 0.25·√(2K)
    learning_rate: float = 0.011
    sigma_end: float = SIGMA_END
    learning_rate_end: float = 0.01
    window: int = 100
    decay: float = 0.9
    first: float | None = None
    last: float | None = None
    losses: list[float] = field(default_factory=list)  # of the window that is under way
    begun: bool = False  # the layer has learnt; a file of an older version does not say

    def __post_init__(self) -> None:
        self.begun = self.begun or self.first is not None or bool(self.losses)
        if not self.sigma:
            self.sigma = max(0.25 * sqrt(2 * self.components), self.sigma_end)

    @property
    def finished(self) -> bool:
        """True once sigma is at its floor, where G is the identity."""
        return self.sigma <= self.sigma_end

    @property
    def until_window_end(self) -> int:
        """Learning iterations that the window under way still lacks; sigma cannot change before."""
        return self.window - len(self.losses)

    def observe(self, losses: list[float]) -> None:
        """Take the smoothed losses (nats) of further learning iterations, at most up to the window's end."""
        if len(losses) > self.until_window_end:
            raise ValueError(f"{len(losses)} losses pass the window's end, {self.until_window_end} iterations away")
        self.losses.extend(losses)
        self.begun = self.begun or bool(losses)
        if len(self.losses) < self.window:
            return
        now = float(np.mean(self.losses))
        self.losses = []
        if self.first is None:
            self.first = now
        elif self.last is None:
            self.last = now
        else:
            self._control(now)
            self.last = now

    def _control(self, now: float) -> None:
        assert self.first is not None and self.last is not None
        gained = self.last - self.first
        if gained != 0.0 and -0.10 < (now - self.last) / gained < 0.05:
            self.sigma = min(self.sigma, max(self.decay * self.sigma, self.sigma_end))
            self.learning_rate = min(self.learning_rate, max(self.decay * self.learning_rate, self.learning_rate_end))

    def smoothing(self) -> np.ndarray:
        """The current G, (K, K) float64."""
        return smoothing_matrix(self.components, self.sigma)
