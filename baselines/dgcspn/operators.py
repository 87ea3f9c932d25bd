"""A DGC-SPN with PyTorch's operators: what `Network` does on a CPU, here on a GPU, in the log domain.

Whole layers at a time: fewer, larger operators, and more memory. Log-densities, steps and values agree with those of
`Network` but for rounding; the noise of dropout is another one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from baselines.dgcspn.architecture import ADAM, SMALLEST, Architecture, ProductLayer

Floats = npt.NDArray[np.float32]
FLOW = 2.0**40  # of the root: flows far down are small


class OperatorNetwork:
    """The sums and products above the leaves, as tensors (rows, columns, channels, N) of log-values.

    weights: of all sum layers, lowest first, as in `Architecture.weight_shapes`. device: of torch ("cuda", "cpu").
    """

    def __init__(
        self, architecture: Architecture, weights: list[Floats], *, device: str, dtype: torch.dtype = torch.float32
    ) -> None:
        self.architecture = architecture
        self._device = torch.device(device)
        self._dtype = dtype
        self._layers = architecture.layers
        self._weights = [self._tensor(weight) for weight in weights]
        self._moments: list[Tensor] = []

    @property
    def weights(self) -> list[npt.NDArray[Any]]:
        return [weight.detach().cpu().numpy() for weight in self._weights]

    @property
    def moments(self) -> list[npt.NDArray[Any]]:
        """Of Adam, two for each array of weights; none before the first step of "gradient"."""
        return [moment.cpu().numpy() for moment in self._moments]

    @moments.setter
    def moments(self, moments: list[Floats]) -> None:
        self._moments = [self._tensor(moment) for moment in moments]

    def log_density(self, log_leaves: Floats) -> npt.NDArray[np.float64]:
        """Log-density (N,) from the log-values of the leaves (H, W, leaves, N); 0 in all of a pixel's: marginalised."""
        with torch.no_grad():
            return _float64(self._up(self._tensor(log_leaves))[-1])

    def values(self, log_leaves: Floats) -> tuple[list[Floats], Floats]:
        """As `Network.values`."""
        with torch.no_grad():
            *sums, top, _ = self._up(self._tensor(log_leaves))
            children = top + self._weights[-1].log()
            scaled = [torch.exp(value - value.amax(2, keepdim=True)).cpu().numpy() for value in sums]
            return scaled, torch.exp(children - children.amax((0, 1, 2))).cpu().numpy()

    def step(
        self,
        log_leaves: Floats,
        *,
        rule: str,
        rate: float,
        steps: int,
        dropout: float = 0.0,
        key: tuple[int, ...] = (0,),
    ) -> npt.NDArray[np.float64]:
        """As `Network.step`."""
        weights = [weight.requires_grad_() for weight in self._weights]
        noise = None
        if dropout > 0:
            noise = torch.Generator(self._device)
            noise.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1)))
        density = self._up(self._tensor(log_leaves), dropout, noise)[-1]
        slopes = torch.autograd.grad(density.sum() * FLOW, weights)
        with torch.no_grad():
            for k, (weight, slope) in enumerate(zip(weights, slopes, strict=True)):
                axes = (0, 1, 2) if k == len(weights) - 1 else (2,)
                counts = weight * slope
                if rule == "em":
                    total = counts.sum(axes, keepdim=True)
                    weight.mul_(1.0 - rate).add_(torch.where(total > 0, counts / total, 0.0) * rate)
                else:
                    self._ascend(k, weight, counts / (FLOW * len(density)), axes, rate, steps)
                children = 1
                for axis in axes:
                    children *= weight.shape[axis]
                weight.clamp_(min=SMALLEST / children)
                weight.div_(weight.sum(axes, keepdim=True))
        self._weights = [weight.detach() for weight in weights]
        return _float64(density)

    def _ascend(self, k: int, weight: Tensor, counts: Tensor, axes: tuple[int, ...], rate: float, steps: int) -> None:
        """Adam on the logarithms of the weights before their softmax."""
        if not self._moments:
            self._moments = [torch.zeros_like(w) for w in self._weights for _ in range(2)]
        first, second = self._moments[2 * k : 2 * k + 2]
        slope = counts - weight * counts.sum(axes, keepdim=True)
        first.mul_(ADAM[0]).add_(slope, alpha=1.0 - ADAM[0])
        second.mul_(ADAM[1]).addcmul_(slope, slope, value=1.0 - ADAM[1])
        spread = (second / (1.0 - ADAM[1] ** steps)).sqrt() + ADAM[2]
        weight.mul_(torch.exp(rate * first / (1.0 - ADAM[0] ** steps) / spread))

    def _up(self, log_leaves: Tensor, dropout: float = 0.0, noise: torch.Generator | None = None) -> list[Tensor]:
        """Log-values: of each sum layer, of the highest products, of the root (N,)."""
        values = [log_leaves]
        for k, layer in enumerate(self._layers[:-1]):
            products = self._combinations(values[-1]) if k == 0 else _products(values[-1], layer)
            if noise is not None:
                drawn = torch.rand(products.shape, generator=noise, device=self._device)
                kept = (drawn >= dropout) | (drawn == drawn.amax(2, keepdim=True))
                products = torch.where(kept, products, float("-inf"))
            largest = products.amax(2, keepdim=True).detach()
            sums = torch.matmul(self._weights[k].transpose(2, 3), torch.exp(products - largest))
            values.append(torch.log(sums) + largest)
        top = _products(values[-1], self._layers[-1])
        root = torch.logsumexp((top + self._weights[-1].log()).flatten(0, 2), dim=0)
        return [*values[1:], top, root]

    def _combinations(self, leaves: Tensor) -> Tensor:
        """All products of one leaf of each of a patch's pixels, in the order c00 + L·c01 + L²·c10 + L³·c11."""
        layer = self._layers[0]
        p00, p01, p10, p11 = _patch(leaves, layer)
        top = p01[:, :, :, None] + p00[:, :, None, :]
        bottom = p11[:, :, :, None] + p10[:, :, None, :]
        both = bottom.flatten(2, 3)[:, :, :, None] + top.flatten(2, 3)[:, :, None, :]
        return both.flatten(2, 3)

    def _tensor(self, array: npt.NDArray[Any]) -> Tensor:
        return torch.tensor(array, dtype=self._dtype, device=self._device)


def _patch(below: Tensor, layer: ProductLayer) -> list[Tensor]:
    """The four factors of each product (rows, columns, channels, N), 0 where a patch goes over the border."""
    rows, columns = layer.size
    right = columns + layer.step - layer.pad[1] - below.shape[1]
    bottom = rows + layer.step - layer.pad[0] - below.shape[0]
    padded = functional.pad(below, (0, 0, 0, 0, layer.pad[1], right, layer.pad[0], bottom))
    corners = [(a, b) for a in (0, layer.step) for b in (0, layer.step)]
    return [padded[a : a + rows, b : b + columns] for a, b in corners]


def _products(below: Tensor, layer: ProductLayer) -> Tensor:
    p00, p01, p10, p11 = _patch(below, layer)
    return (p00 + p01) + (p10 + p11)


def _float64(tensor: Tensor) -> npt.NDArray[np.float64]:
    return tensor.detach().cpu().numpy().astype(np.float64)
