"""The geometry of a cGMM layer's patches."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Patches:
    """How a cGMM layer sees its input: patches of `size` at `stride`, folded on the fly.

    A cGMM layer without a folding layer right below it has size = stride = 1. `platform`, "cpu" or "gpu", decides
    together with the rest which form computes the layer; either runs anywhere.
    """

    size: int
    stride: int
    input_shape: tuple[int, int, int]
    independent: bool
    platform: str = "cpu"

    @property
    def grid(self) -> tuple[int, int]:
        """Positions (h, w)."""
        return tuple(1 + (n - self.size) // self.stride for n in self.input_shape[:2])  # type: ignore[return-value]

    @property
    def positions(self) -> int:
        """h·w."""
        return self.grid[0] * self.grid[1]

    @property
    def sets(self) -> int:
        """P, the number of parameter sets."""
        return self.positions if self.independent else 1

    @property
    def dimension(self) -> int:
        """D, the length of a patch vector."""
        return self.size**2 * self.input_shape[2]
