"""Leaf distributions in exponential-family form, so that EM is a moment update:

    log p(x) = log h(x) + eta·T(x) - A(eta)

A leaf *group* holds all leaf regions of one size: G regions with s variables each, K factorised distributions per
region. Its log-densities are one batched matrix product of the gathered statistics T(x) with eta, never a dense
variable × region mask, never a tensor over variables, units and images. Log h(x) depends on the image alone and is
added once per image at the root (every variable is counted exactly once there).

Normal leaves take their statistics of x - c, where c, the `centre` (V,), is one number per variable: float32 sums of
x/variance, x²/variance and mean²/variance cancel to a small remainder only where x - c is small. Models use the median
of the training images, which is exact for the pixels that hardly vary, and those have the smallest variances. The
centre changes rounding alone; parameters and log-densities are of x.

Axes: G regions, K units, T statistics, s variables of a region, V all variables, B images.
Source: Peharz et al., arXiv 2004.06231, Section 3.5.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

COUNT_FLOOR = 1e-12  # keeps the moments of components that no image uses defined: these shrink towards zero
PROBABILITY_FLOOR = 1e-6  # binomial success probabilities stay this far from 0 and 1


class Evidence(NamedTuple):
    """Images as statistics: `values` (T·V, B) or int64 (V, B), `known` (V, B) 0/1 or None when all are known."""

    values: Tensor
    known: Tensor | None


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

    @abstractmethod
    def evidence(self, x: Tensor, known: Tensor | None, centre: Tensor | None) -> Evidence:
        """Images x (B, V), known (B, V) bool or None, as statistics."""

    @abstractmethod
    def log_base(self, x: Tensor) -> Tensor | float:
        """log h(x), nats: same shape as x (B, V), or a constant."""

    @abstractmethod
    def natural(self, moments: Tensor, centre: Tensor | None) -> tuple[Tensor, ...]:
        """What `log_density` needs, as functions of the moments. Their gradients are the statistics of EM."""

    @abstractmethod
    def rows(self, scopes: Tensor, variables: int) -> Tensor:
        """Rows of `Evidence.values` with the statistics of these scopes (G, s): (G, T·s)."""

    @abstractmethod
    def log_density(self, natural: tuple[Tensor, ...], evidence: Evidence, rows: Tensor, scopes: Tensor) -> Tensor:
        """Log-densities without log h, unknown variables summed out: scopes (G, s), their rows -> (G, K, B)."""

    @abstractmethod
    def em_update(self, moments: Tensor, natural: tuple[Tensor, ...], step: float, centre: Tensor | None) -> Tensor:
        """(1 - step)·moments + step·(moments of the batch), from the gradients of `natural`."""

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


class _MatrixFamily(LeafFamily):
    """Families with few statistics: log p = eta·T(x) - A as a batched matrix product. Moments are (G, K, T, s)."""

    statistics: int

    def shape(self, regions: int, units: int, size: int) -> tuple[int, ...]:
        return regions, units, self.statistics, size

    @abstractmethod
    def features(self, x: Tensor, centre: Tensor | None) -> tuple[Tensor, ...]:
        """The statistics T(x) of x (V, B), one tensor (V, B) each."""

    def evidence(self, x: Tensor, known: Tensor | None, centre: Tensor | None) -> Evidence:
        features = self.features(x.t(), centre)
        if known is None:
            return Evidence(torch.cat(features), None)
        mask = known.t().to(x.dtype)
        # where, not a product: an unknown pixel may be NaN
        return Evidence(torch.cat([torch.where(mask > 0, f, 0.0) for f in features]).contiguous(), mask.contiguous())

    def rows(self, scopes: Tensor, variables: int) -> Tensor:
        return torch.cat([scopes + t * variables for t in range(self.statistics)], 1)

    def log_density(self, natural: tuple[Tensor, ...], evidence: Evidence, rows: Tensor, scopes: Tensor) -> Tensor:
        eta, log_normaliser = natural
        regions, units, statistics, size = eta.shape
        values = evidence.values.index_select(0, rows.view(-1)).view(regions, statistics * size, -1)
        if evidence.known is None:
            offset = log_normaliser.sum(-1, keepdim=True)
        else:
            known = evidence.known.index_select(0, scopes.reshape(-1)).view(regions, size, -1)
            offset = torch.bmm(log_normaliser, known)
        return torch.baddbmm(offset, eta.view(regions, units, statistics * size), values, beta=-1)

    def pick(self, moments: Tensor, region: Tensor, unit: Tensor) -> Tensor:
        return moments[region, unit].mT

    @staticmethod
    def batch_moments(natural: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Weighted means of T(x), (G, K, T, s), and total weights, (G, K, 1, s), from the gradients; float64."""
        eta, log_normaliser = natural
        assert eta.grad is not None and log_normaliser.grad is not None
        weight = -log_normaliser.grad.double().unsqueeze(2)
        return eta.grad.double() / (weight + COUNT_FLOOR), weight


class NormalLeaf(_MatrixFamily):
    """Normal distributions, variance kept in [min_variance, max_variance]. Moments: mean and variance."""

    name = "normal"
    statistics = 2
    default_centre = 0.5

    def __init__(self, min_variance: float = 1e-6, max_variance: float = 0.1) -> None:
        if not 0 < min_variance < max_variance:
            raise ValueError(f"Variance bounds [{min_variance}, {max_variance}]: expected 0 < min < max.")
        self.min_variance, self.max_variance = min_variance, max_variance

    def initial(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        moments = torch.randn(shape, generator=generator)
        moments[:, :, 1] = self.max_variance
        return moments

    def features(self, x: Tensor, centre: Tensor | None) -> tuple[Tensor, ...]:
        assert centre is not None
        y = x - centre.unsqueeze(1)
        return y, y * y

    def log_base(self, x: Tensor) -> float:
        return -0.5 * math.log(2 * math.pi)

    def natural(self, moments: Tensor, centre: Tensor | None) -> tuple[Tensor, ...]:
        assert centre is not None
        mean, variance = moments[:, :, :1] - centre[:, None, None], moments[:, :, 1:]
        eta = torch.cat([mean / variance, -0.5 / variance], 2)
        return eta, (0.5 * (mean * mean / variance + variance.log())).squeeze(2)

    def em_update(self, moments: Tensor, natural: tuple[Tensor, ...], step: float, centre: Tensor | None) -> Tensor:
        assert centre is not None
        batch, weight = self.batch_moments(natural)
        share = weight / (weight + COUNT_FLOOR)
        old_mean, old_variance = moments.double()[:, :, :1], moments.double()[:, :, 1:]
        variance = batch[:, :, 1:] - batch[:, :, :1] ** 2 / share.clamp_min(COUNT_FLOOR)
        # Back to x itself; a component of weight 0 has mean 0 and variance 0 then.
        mean = batch[:, :, :1] + share * centre.double()[:, None, None]
        mixed = (1 - step) * old_variance + step * variance + step * (1 - step) * (old_mean - mean) ** 2
        mixed = mixed.clamp(self.min_variance, self.max_variance)
        return torch.cat([(1 - step) * old_mean + step * mean, mixed], 2).to(moments.dtype)

    def unconstrain(self, moments: Tensor) -> Tensor:
        """Means as they are, log-variances between their bounds as logits, starting where the sigmoid has a slope."""
        share = (moments[:, :, 1:] / self.min_variance).log() / math.log(self.max_variance / self.min_variance)
        return torch.cat([moments[:, :, :1], share.clamp(0.02, 0.9).logit()], 2)

    def constrain(self, raw: Tensor) -> Tensor:
        span = math.log(self.max_variance / self.min_variance)
        return torch.cat([raw[:, :, :1], self.min_variance * (span * raw[:, :, 1:].sigmoid()).exp()], 2)

    def draw(self, parameters: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(parameters.shape[:2], generator=generator, device=parameters.device)
        return parameters[..., 0] + parameters[..., 1].sqrt() * noise.to(parameters.dtype)

    def mean(self, parameters: Tensor) -> Tensor:
        return parameters[..., 0]

    mode = mean

    def log_peak(self, moments: Tensor) -> Tensor:
        return -0.5 * (2 * math.pi * moments[:, :, 1]).log()


class BinomialLeaf(_MatrixFamily):
    """Binomial distributions of counts 0 … trials. Moments: success probabilities, never nearer to 0 or 1 than a floor.

    `log_density` is defined for any real x (the protocol `paper` feeds values in [0, 1]); it is the log of a
    probability only for whole numbers.
    """

    name = "binomial"
    statistics = 1

    def __init__(self, trials: int = 255) -> None:
        if trials < 1:
            raise ValueError(f"trials is {trials}: a binomial leaf needs at least 1.")
        self.trials = trials

    def initial(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return 0.01 + 0.98 * torch.rand(shape, generator=generator)

    def features(self, x: Tensor, centre: Tensor | None) -> tuple[Tensor, ...]:
        return (x,)

    @staticmethod
    def bounded(p: Tensor) -> Tensor:
        """Probabilities at their floor at least. The parameters are: density, draws, means and modes agree."""
        return p.clamp(PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)

    def log_base(self, x: Tensor) -> Tensor:
        n = float(self.trials)
        return math.lgamma(n + 1) - torch.lgamma(x + 1) - torch.lgamma(n - x + 1)

    def natural(self, moments: Tensor, centre: Tensor | None) -> tuple[Tensor, ...]:
        p = self.bounded(moments)
        return p.log() - (-p).log1p(), -self.trials * (-p).log1p().squeeze(2)

    def em_update(self, moments: Tensor, natural: tuple[Tensor, ...], step: float, centre: Tensor | None) -> Tensor:
        batch = self.batch_moments(natural)[0] / self.trials
        return self.bounded(((1 - step) * moments.double() + step * batch).to(moments.dtype))

    def unconstrain(self, moments: Tensor) -> Tensor:
        return self.bounded(moments).logit()

    def constrain(self, raw: Tensor) -> Tensor:
        return PROBABILITY_FLOOR + (1 - 2 * PROBABILITY_FLOOR) * raw.sigmoid()

    def pick(self, moments: Tensor, region: Tensor, unit: Tensor) -> Tensor:
        return self.bounded(super().pick(moments, region, unit))

    def draw(self, parameters: Tensor, generator: torch.Generator) -> Tensor:
        p = parameters[..., 0]
        return torch.binomial(torch.full_like(p, float(self.trials)), p, generator=generator)

    def mean(self, parameters: Tensor) -> Tensor:
        return parameters[..., 0] * self.trials

    def mode(self, parameters: Tensor) -> Tensor:
        return ((self.trials + 1) * parameters[..., 0]).floor().clamp(0, self.trials)

    def log_peak(self, moments: Tensor) -> Tensor:
        p = self.bounded(moments[:, :, 0])
        x = self.mode(p.unsqueeze(-1))
        return self.log_base(x) + x * p.log() + (self.trials - x) * (-p).log1p()


class CategoricalLeaf(LeafFamily):
    """Categorical distributions over 0 … categories - 1. Moments: probabilities, (G, s, categories, K).

    The statistic is an indicator, so eta·T(x) is a table look-up, summed by `embedding_bag`.
    """

    name = "categorical"
    floor = 1e-12

    def __init__(self, categories: int = 256) -> None:
        if categories < 2:
            raise ValueError(f"categories is {categories}: a categorical leaf needs at least 2.")
        self.categories = categories

    def shape(self, regions: int, units: int, size: int) -> tuple[int, ...]:
        return regions, size, self.categories, units

    def initial(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return self._normalise(0.01 + 0.98 * torch.rand(shape, generator=generator))

    def _normalise(self, values: Tensor) -> Tensor:
        values = values.clamp_min(self.floor)
        return values / values.sum(2, keepdim=True)

    def evidence(self, x: Tensor, known: Tensor | None, centre: Tensor | None) -> Evidence:
        if known is not None:
            x = torch.where(known, x, 0.0)
        values = x.t().round().long().contiguous()
        if values.numel() and not 0 <= int(values.min()) <= int(values.max()) < self.categories:
            raise ValueError(
                f"Values from {int(values.min())} to {int(values.max())}: a categorical leaf expects 0 to "
                f"{self.categories - 1}."
            )
        return Evidence(values, None if known is None else known.t().to(x.dtype).contiguous())

    def log_base(self, x: Tensor) -> float:
        return 0.0

    def natural(self, moments: Tensor, centre: Tensor | None) -> tuple[Tensor, ...]:
        return (moments.log(),)

    def rows(self, scopes: Tensor, variables: int) -> Tensor:
        return scopes

    def log_density(self, natural: tuple[Tensor, ...], evidence: Evidence, rows: Tensor, scopes: Tensor) -> Tensor:
        (table,) = natural
        regions, size, categories, units = table.shape
        first = torch.arange(regions * size, device=scopes.device).view(regions, size, 1) * categories
        entries = (evidence.values.index_select(0, rows.view(-1)).view(regions, size, -1) + first).mT
        weights = None
        if evidence.known is not None:
            known = evidence.known.index_select(0, scopes.reshape(-1)).view(regions, size, -1)
            weights = known.mT.reshape(-1, size)
        bags = torch.nn.functional.embedding_bag(
            entries.reshape(-1, size), table.view(-1, units), mode="sum", per_sample_weights=weights
        )
        return bags.view(regions, -1, units).mT.contiguous()

    def em_update(self, moments: Tensor, natural: tuple[Tensor, ...], step: float, centre: Tensor | None) -> Tensor:
        grad = natural[0].grad
        assert grad is not None
        weight = grad.sum(2, keepdim=True)
        batch = torch.where(weight > COUNT_FLOOR, grad / weight.clamp_min(COUNT_FLOOR), moments)
        return self._normalise((1 - step) * moments + step * batch)

    def unconstrain(self, moments: Tensor) -> Tensor:
        return moments.log()

    def constrain(self, raw: Tensor) -> Tensor:
        return self._normalise(raw.softmax(2))

    def pick(self, moments: Tensor, region: Tensor, unit: Tensor) -> Tensor:
        return moments[region, :, :, unit]

    def draw(self, parameters: Tensor, generator: torch.Generator) -> Tensor:
        u = torch.rand((*parameters.shape[:2], 1), generator=generator, device=parameters.device)
        cumulated = parameters.double().cumsum(-1)
        chosen = (cumulated < u * cumulated[..., -1:]).sum(-1)
        return chosen.clamp_max(self.categories - 1).to(parameters.dtype)

    def mean(self, parameters: Tensor) -> Tensor:
        values = torch.arange(self.categories, device=parameters.device, dtype=parameters.dtype)
        return parameters @ values

    def mode(self, parameters: Tensor) -> Tensor:
        return parameters.argmax(-1).to(parameters.dtype)

    def log_peak(self, moments: Tensor) -> Tensor:
        return moments.amax(2).log().mT


LEAVES = ("normal", "binomial", "categorical")


def make_leaf(name: str, *, trials: int, min_variance: float, max_variance: float) -> LeafFamily:
    """The leaf family of that name: `trials` for binomial, trials + 1 categories for categorical leaves."""
    if name == "normal":
        return NormalLeaf(min_variance, max_variance)
    if name == "binomial":
        return BinomialLeaf(trials)
    if name == "categorical":
        return CategoricalLeaf(trials + 1)
    raise ValueError(f"leaf is {name!r}: expected one of {', '.join(LEAVES)}.")
