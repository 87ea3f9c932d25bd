"""What a leaf distribution must be able to do, and what all with few statistics share.

Leaves are in exponential-family form, so that EM is a moment update:

    log p(x) = log h(x) + eta·T(x) - A(eta)

A leaf *group* holds all leaf regions of one size: G regions with s variables each, K factorised distributions per
region. Log h(x) depends on the image alone and is added once per image at the root (every variable is counted exactly
once there).

Log-densities are computed in float64, whatever the type of the parameters: eta·T(x) and A are 10⁵ and more where a
variance is 1e-6 or a success probability 1e-6 from 1, and their difference is what counts. Parameters, and everything
above the leaves, stay in the circuit's own type.

Axes: G regions, K units, T statistics, s variables of a region, V all variables, B images.
Source: Peharz et al., arXiv 2004.06231, Section 3.5.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from baselines.einsum.cost import LEAF_ELEMENTS

COUNT_FLOOR = 1e-12  # keeps the moments of components that no image uses defined: these shrink towards zero

Step = float | Tensor  # of EM: one number, or one for each region (G,)


class Evidence(NamedTuple):
    """Images, batch last: `values` (V, B), 0 where unknown, `known` (V, B) bool or None when all are known."""

    values: Tensor
    known: Tensor | None


class Uses(NamedTuple):
    """Statistics of EM, summed over images: `moments`, posterior-weighted sums of T(x), shaped as the parameters, and
    `weight` (G, K), how often each unit was used.
    """

    moments: Tensor
    weight: Tensor


class LeafFamily(ABC):
    """One distribution per variable and unit. Stateless: the parameters, `moments`, are handed in.

    centre: for all variables (V,) or those of a group's scopes (G, s); None for families that need none.
    """

    name: str
    default_centre: float | None = None

    @abstractmethod
    def shape(self, regions: int, units: int, size: int) -> tuple[int, ...]:
        """Shape of the moments of a group."""

    @abstractmethod
    def initial(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Random moments to start from (float32, on the CPU)."""

    def evidence(self, x: Tensor, known: Tensor | None) -> Evidence:
        """Images x (B, V), known (B, V) bool or None."""
        if known is None:
            return Evidence(x.t().contiguous(), None)
        # where, not a product: an unknown pixel may be NaN
        return Evidence(torch.where(known, x, 0.0).t().contiguous(), known.t().contiguous())

    @abstractmethod
    def log_base(self, x: Tensor) -> Tensor | float:
        """log h(x), nats: same shape as x (B, V), float64, or a constant."""

    @abstractmethod
    def natural(self, moments: Tensor, centre: Tensor | None) -> tuple[Tensor, ...]:
        """What `log_density` needs, as differentiable functions of the moments."""

    @abstractmethod
    def log_density(
        self, natural: tuple[Tensor, ...], evidence: Evidence, scopes: Tensor, centre: Tensor | None
    ) -> Tensor:
        """Log-densities (G, K, B), float64, of scopes (G, s), without log h, unknown variables summed out."""

    @abstractmethod
    def uses(
        self, flow: Tensor, natural: tuple[Tensor, ...], evidence: Evidence, scopes: Tensor, centre: Tensor | None
    ) -> Uses:
        """Statistics of images, all variables known, from the flow to each unit (G, K, B)."""

    @abstractmethod
    def gradients(self, uses: Uses, natural: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The derivatives of the log-likelihood by `natural`, from the statistics."""

    @abstractmethod
    def em_update(self, moments: Tensor, uses: Uses, step: Step, centre: Tensor | None) -> Tensor:
        """(1 - step)·moments + step·(moments of the images that `uses` were gathered from)."""

    @abstractmethod
    def unconstrain(self, moments: Tensor) -> Tensor:
        """Moments as real numbers without bounds, for gradient ascent."""

    @abstractmethod
    def constrain(self, raw: Tensor) -> Tensor:
        """The inverse of `unconstrain`."""

    @abstractmethod
    def pick(self, moments: Tensor, region: Tensor, unit: Tensor) -> Tensor:
        """Parameters of n chosen components: (n, s) or (n, s, T)."""

    @abstractmethod
    def draw(self, parameters: Tensor, generator: torch.Generator) -> Tensor:
        """One value for each variable of the picked components: (n, s)."""

    @abstractmethod
    def mean(self, parameters: Tensor) -> Tensor:
        """Expected values of the picked components: (n, s)."""

    @abstractmethod
    def mode(self, parameters: Tensor) -> Tensor:
        """Most probable values of the picked components: (n, s)."""

    @abstractmethod
    def log_peak(self, moments: Tensor) -> Tensor:
        """Log-density, log h included, at the mode: (G, K, s)."""


class MatrixFamily(LeafFamily):
    """Families with few statistics: eta·T(x) - A as a batched matrix product over gathered statistics, never a dense
    variable × region mask, never a tensor over variables, units and images. Moments are (G, K, T, s).
    """

    statistics: int

    def shape(self, regions: int, units: int, size: int) -> tuple[int, ...]:
        return regions, units, self.statistics, size

    @abstractmethod
    def features(self, x: Tensor, centre: Tensor | None, out: Tensor) -> None:
        """Write the statistics T(x) of x (G, s, B) to out (G, T·s, B), in the type of out."""

    def log_density(
        self, natural: tuple[Tensor, ...], evidence: Evidence, scopes: Tensor, centre: Tensor | None
    ) -> Tensor:
        eta, log_normaliser = (t.detach() for t in natural)
        regions, units, statistics, size = eta.shape
        batch, known = evidence.values.shape[1], evidence.known
        # One more statistic with factor -A: 1 where all is known, else one for each variable, 1 where it is.
        last = log_normaliser.sum(2, keepdim=True) if known is None else log_normaliser
        factors = torch.cat([eta.flatten(2), -last], 2)
        out = eta.new_empty(regions, units, batch)
        pieces = _pieces(scopes, statistics, batch)
        values = eta.new_ones(len(scopes[pieces[0]]), factors.shape[2], batch)
        for s in pieces:
            part = values[: len(scopes[s])]
            features, rest = part.split([statistics * size, factors.shape[2] - statistics * size], 1)
            self.features(_gathered(evidence.values, scopes[s]), None if centre is None else centre[s], features)
            if known is not None:
                rest.copy_(_gathered(known, scopes[s]))
                features.view(-1, statistics, size, batch).mul_(rest.unsqueeze(1))
            torch.bmm(factors[s], part, out=out[s])
        return out

    def uses(
        self, flow: Tensor, natural: tuple[Tensor, ...], evidence: Evidence, scopes: Tensor, centre: Tensor | None
    ) -> Uses:
        regions, units, statistics, size = natural[0].shape
        moments = flow.new_empty(regions, units, statistics * size)
        pieces = _pieces(scopes, statistics, flow.shape[2])
        values = flow.new_empty(len(scopes[pieces[0]]), statistics * size, flow.shape[2])
        for s in pieces:
            part = values[: len(scopes[s])]
            self.features(_gathered(evidence.values, scopes[s]), None if centre is None else centre[s], part)
            torch.bmm(flow[s], part.mT, out=moments[s])
        return Uses(moments.view(regions, units, statistics, size), flow.sum(2))

    def gradients(self, uses: Uses, natural: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        eta, log_normaliser = natural
        return uses.moments.to(eta.dtype), -uses.weight.to(eta.dtype).unsqueeze(2).expand_as(log_normaliser)

    def pick(self, moments: Tensor, region: Tensor, unit: Tensor) -> Tensor:
        return moments[region, unit].mT


def _pieces(scopes: Tensor, statistics: int, batch: int) -> list[slice]:
    """Regions whose gathered statistics fit into the cache together; all at once on a GPU."""
    size = len(scopes)
    if not scopes.is_cuda:
        size = max(1, LEAF_ELEMENTS // max(1, statistics * scopes.shape[1] * batch))
    return [slice(start, min(start + size, len(scopes))) for start in range(0, len(scopes), size)]


def _gathered(values: Tensor, scopes: Tensor) -> Tensor:
    """Values (V, B) of the variables of each scope (G, s): (G, s, B)."""
    return values.index_select(0, scopes.reshape(-1)).view(*scopes.shape, -1)


def by_region(step: Step, like: Tensor) -> Step:
    """A step of EM as a factor of `like`, whose first axis are the regions."""
    return step.view(-1, *[1] * (like.ndim - 1)).to(like.dtype) if isinstance(step, Tensor) else step
