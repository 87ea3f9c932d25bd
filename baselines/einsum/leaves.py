"""The leaf distributions: normal, binomial, categorical. Their common form: leaf_family.py.

Axes: G regions, K units, T statistics, s variables of a region, V all variables, B images.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from baselines.einsum.leaf_family import COUNT_FLOOR, Evidence, LeafFamily, MatrixFamily, Step, Uses, by_region

PROBABILITY_FLOOR = 1e-6  # binomial success probabilities stay this far from 0 and 1


class NormalLeaf(MatrixFamily):
    """Normal distributions, variance kept in [min_variance, max_variance]. Moments: mean and variance.

    Statistics are taken of x - c, where c, the `centre` (V,), is one number per variable: the float32 sums that a
    batch's variances are made from are small where x - c is. Models use the median of the training images, which is
    exact for the pixels that hardly vary. The centre changes rounding alone; parameters and log-densities are of x.
    """

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

    def features(self, x: Tensor, centre: Tensor | None, out: Tensor) -> None:
        assert centre is not None
        first, second = out.chunk(2, 1)
        torch.sub(x, centre.unsqueeze(2).to(out.dtype), out=first)
        torch.mul(first, first, out=second)

    def log_base(self, x: Tensor) -> float:
        return -0.5 * math.log(2 * math.pi)

    def natural(self, moments: Tensor, centre: Tensor | None) -> tuple[Tensor, ...]:
        assert centre is not None
        mean, variance = moments.double().unbind(2)
        mean, half = mean - centre.double().unsqueeze(1), 0.5 / variance
        first = 2 * mean * half
        return torch.stack([first, -half], 2), 0.5 * (mean * first + variance.log())

    def em_update(self, moments: Tensor, uses: Uses, step: Step, centre: Tensor | None) -> Tensor:
        assert centre is not None
        weight = uses.weight.double().unsqueeze(2)
        share = weight / (weight + COUNT_FLOOR)
        first, second = (uses.moments.double() / (weight + COUNT_FLOOR).unsqueeze(3)).unbind(2)
        old_mean, old_variance = moments.double().unbind(2)
        eta = by_region(step, old_mean)
        variance = second - first * first / share.clamp_min(COUNT_FLOOR)
        # Back to x itself; a component of weight 0 has mean 0 and variance 0 then.
        move = first + share * centre.double().unsqueeze(1) - old_mean
        mixed = old_variance + eta * (variance - old_variance) + eta * (1 - eta) * move * move
        mixed = mixed.clamp_(self.min_variance, self.max_variance)
        return torch.stack([old_mean + eta * move, mixed], 2).to(moments.dtype)

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


class BinomialLeaf(MatrixFamily):
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

    def features(self, x: Tensor, centre: Tensor | None, out: Tensor) -> None:
        out.copy_(x)

    @staticmethod
    def bounded(p: Tensor) -> Tensor:
        """Probabilities at their floor at least. The parameters are: density, draws, means and modes agree."""
        return p.clamp(PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)

    def log_base(self, x: Tensor) -> Tensor:
        if bool((x == x.round()).all()):  # counts: look them up
            counts = torch.arange(self.trials + 1, dtype=torch.float64, device=x.device)
            return self._log_choose(counts)[x.long()]
        return self._log_choose(x.double())

    def _log_choose(self, x: Tensor) -> Tensor:
        """log (trials choose x), float64."""
        n = float(self.trials)
        return math.lgamma(n + 1) - torch.lgamma(x + 1) - torch.lgamma(n - x + 1)

    def natural(self, moments: Tensor, centre: Tensor | None) -> tuple[Tensor, ...]:
        p = self.bounded(moments).double()
        miss = (1 - p).log()  # 1 - p is exact here: p has half the digits of its type
        return p.log() - miss, -self.trials * miss.squeeze(2)

    def em_update(self, moments: Tensor, uses: Uses, step: Step, centre: Tensor | None) -> Tensor:
        weight = (uses.weight.double() + COUNT_FLOOR) * self.trials
        batch = uses.moments.double() / weight[:, :, None, None]
        return self.bounded((moments + by_region(step, batch) * (batch - moments)).to(moments.dtype))

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
        p = self.bounded(moments[:, :, 0]).double()
        x = self.mode(p.unsqueeze(-1))
        return self.log_base(x) + x * p.log() + (self.trials - x) * (1 - p).log()


class CategoricalLeaf(LeafFamily):
    """Categorical distributions over 0 … categories - 1. Moments: probabilities, (G, s, categories, K).

    The statistic is an indicator, so eta·T(x) is a table look-up, summed by `embedding_bag`. Nothing cancels there: the
    circuit's own type is enough.
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
        return values.div_(values.sum(2, keepdim=True))

    def evidence(self, x: Tensor, known: Tensor | None) -> Evidence:
        values, known = super().evidence(x, known)
        values = values.round().long()
        # on a GPU the look would stop the queue of kernels; models have checked their images by then
        if not x.is_cuda and values.numel() and not 0 <= int(values.min()) <= int(values.max()) < self.categories:
            raise ValueError(
                f"Values from {int(values.min())} to {int(values.max())}: a categorical leaf expects 0 to "
                f"{self.categories - 1}."
            )
        return Evidence(values, known)

    def log_base(self, x: Tensor) -> float:
        return 0.0

    def natural(self, moments: Tensor, centre: Tensor | None) -> tuple[Tensor, ...]:
        return (moments.log(),)

    def log_density(
        self, natural: tuple[Tensor, ...], evidence: Evidence, scopes: Tensor, centre: Tensor | None
    ) -> Tensor:
        table = natural[0].detach()
        weights = None
        if evidence.known is not None:
            known = evidence.known.index_select(0, scopes.reshape(-1)).view(*scopes.shape, -1)
            weights = known.mT.reshape(-1, scopes.shape[1]).to(table.dtype)
        return self._look_up(table, self._entries(table, evidence, scopes), weights).double()

    @staticmethod
    def _entries(table: Tensor, evidence: Evidence, scopes: Tensor) -> Tensor:
        """Rows of the table that each region of each image adds up: (G·B, s)."""
        regions, size, categories, _ = table.shape
        first = torch.arange(regions * size, device=scopes.device).view(regions, size, 1) * categories
        return (evidence.values.index_select(0, scopes.view(-1)).view(regions, size, -1) + first).mT.reshape(-1, size)

    @staticmethod
    def _look_up(table: Tensor, entries: Tensor, weights: Tensor | None) -> Tensor:
        regions, _, _, units = table.shape
        flat = table.view(-1, units)
        bags = torch.nn.functional.embedding_bag(entries, flat, mode="sum", per_sample_weights=weights)
        return bags.view(regions, -1, units).mT

    def uses(
        self, flow: Tensor, natural: tuple[Tensor, ...], evidence: Evidence, scopes: Tensor, centre: Tensor | None
    ) -> Uses:
        with torch.enable_grad():
            table = natural[0].detach().requires_grad_()
            out = self._look_up(table, self._entries(table, evidence, scopes), None)
        return Uses(torch.autograd.grad(out, table, flow)[0], flow.sum(2))

    def gradients(self, uses: Uses, natural: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (uses.moments,)

    def em_update(self, moments: Tensor, uses: Uses, step: Step, centre: Tensor | None) -> Tensor:
        weight = uses.weight[:, None, None, :]
        used = weight > COUNT_FLOOR  # components that no image uses stay as they are
        step = by_region(step, moments) * used
        return self._normalise(moments + (uses.moments / weight.clamp_min(COUNT_FLOOR) - moments).mul_(step))

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
