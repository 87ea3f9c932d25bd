"""The sum layers of an Einsum network, up and down: pure functions on arrays, folded so that one batched product serves
all partitions of a level.

Axes, everywhere: R regions (or P partitions), K units, O outputs, M partitions of a region, B images. The batch is the
*last* axis, so that products and their reductions run along contiguous memory.

Densities are kept as `values` (R, K, B), in proportion, the largest unit of a region and image being 1, and the log of
their `scale` (R, 1, B) in float64, nats. A sum layer is then a matrix product: no exponential, no logarithm, and
nothing cancels, however small the densities are. On the way down travels the *flow* (R, K, B), the derivative of the
objective by each unit's log-density: the posterior probability that an image uses the unit. It is the E-step of EM.

Source: Peharz et al., Einsum Networks, arXiv 2004.06231, Eq. 4 and 5 (einsum layer) and Section 3.3 (mixing layer).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from baselines.einsum.cost import partitions_at_a_time

Index = slice | Tensor

# Numbers that exist at a time on the way down (inference.py): rows of K² logits, leaf parameters of chosen units.
CHUNK_ELEMENTS = 2**20


def take(values: Tensor, index: Index) -> Tensor:
    """Rows of `values`: a view where the index is a slice, a copy where it is a tensor."""
    return values[index] if isinstance(index, slice) else values.index_select(0, index)


def take_down(flow: Tensor, index: Index, rows: int) -> Tensor:
    """Flow of take(values, index) as flow of all `rows` of values, repeated indices summed."""
    if isinstance(index, slice):
        if len(flow) == rows:
            return flow
        out = flow.new_zeros(rows, *flow.shape[1:])
        out[index] = flow
        return out
    return flow.new_zeros(rows, *flow.shape[1:]).index_add_(0, index, flow)


def blocks(size: int, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The tensors in pieces of `size` rows; as they are when one piece is enough."""
    if len(tensors[0]) <= size:
        yield tensors
        return
    yield from zip(*(t.split(size) for t in tensors), strict=True)


def smallest(dtype: torch.dtype) -> float:
    """Values below this are 0: no product of two is ever a denormal number, which are slow on CPUs.

    Sum weights have a floor far above it, so nothing that matters is lost.
    """
    return float(torch.finfo(dtype).tiny ** 0.5)


class Scaled(NamedTuple):
    """Densities: `values` (R, K, B), the largest of each region and image 1, times exp(`scale`), (R, 1, B) float64."""

    values: Tensor
    scale: Tensor


def from_logs(logs: Tensor, dtype: torch.dtype) -> Scaled:
    """Log-densities (R, K, B), float64, as `Scaled` of the given type. Regions of log-density -inf count as -1e30."""
    scale = logs.amax(1, keepdim=True).clamp_min_(-1e30)
    tiny = smallest(dtype)
    low = float(torch.tensor(tiny).log()) - 1
    values = logs.new_empty(logs.shape, dtype=dtype)
    torch.sub(logs, scale, out=values).clamp_min_(
        low
    ).exp_()  # clamped: exp is several times slower where it underflows
    return Scaled(torch.nn.functional.threshold(values, tiny, 0.0, inplace=True), scale)


def rescale(total: Tensor, scale: Tensor) -> Scaled:
    """Positive densities `total` (R, K, B) times exp(scale), scale (R, 1, B), with their largest made 1."""
    most = total.amax(1, keepdim=True)
    values = torch.nn.functional.threshold(total / most, smallest(total.dtype), 0.0, inplace=True)
    return Scaled(values, scale + most.log())


def einsum_up(x: Tensor, weight: Tensor, children: Index, block_elements: int) -> tuple[Tensor, Tensor | None]:
    """The einsum layer: total[p, o] = sum_ij W[p, o, ij] x[left_p, i] x[right_p, j], (P, O, B).

    x: values (R, K, B). weight: (P, O, K²), rows summing to 1 and bounded from below. children: rows of x, first the P
    left ones, then the P right ones, as a slice (no copy) or a tensor.

    The products x_i·x_j, K² numbers for each partition and image, are made block by block and never kept: making them
    again on the way down is cheaper than fetching them from memory. Where there are fewer outputs than units (the root)
    the sum is factored, sum_i x_i (sum_j W_oij x_j); the inner sums (P, O, K, B) are returned for the way down.
    """
    left, right = take(x, children).chunk(2)
    partitions, outputs, square = weight.shape
    units, batch = x.shape[1:]
    if outputs < units:
        inner = torch.bmm(weight.view(partitions, outputs * units, units), right)
        inner = inner.view(partitions, outputs, units, batch)
        return (inner * left.unsqueeze(1)).sum(2), inner
    size = partitions_at_a_time(square * batch, block_elements)
    total = x.new_empty(partitions, outputs, batch)
    products = x.new_empty(min(size, partitions), units, units, batch)
    for el, er, w, out in blocks(size, left, right, weight, total):
        block = products[: len(el)]
        torch.mul(el.unsqueeze(2), er.unsqueeze(1), out=block)
        torch.bmm(w, block.view(-1, square, batch), out=out)
    return total, None


def einsum_down(
    grad: Tensor, x: Tensor, weight: Tensor, children: Index, inner: Tensor | None, block_elements: int
) -> tuple[Tensor, Tensor]:
    """The way down of `einsum_up`. grad: derivative of the objective by the totals (P, O, B).

    Returns the derivative by the weights (P, O, K²) and the flow to the rows of x (R, K, B).
    """
    pairs = take(x, children)
    left, right = pairs.chunk(2)
    partitions, outputs, square = weight.shape
    units, batch = x.shape[1:]
    grad_weight, flow = torch.empty_like(weight), torch.empty_like(pairs)
    flow_left, flow_right = flow.chunk(2)
    if inner is not None:
        grad_inner = grad.unsqueeze(2) * left.unsqueeze(1)
        flat = grad_inner.view(partitions, outputs * units, batch)
        torch.bmm(flat, right.mT, out=grad_weight.view(partitions, outputs * units, units))
        torch.bmm(weight.view(partitions, outputs * units, units).mT, flat, out=flow_right)
        flow_right.mul_(right)
        torch.sum(grad_inner.mul_(inner), 1, out=flow_left)  # the factor x_i is in it already
        return grad_weight, take_down(flow, children, len(x))
    size = partitions_at_a_time(square * batch, block_elements)
    products = x.new_empty(min(size, partitions), units, units, batch)
    joint = torch.empty_like(products)
    for el, er, fl, fr, g, w, gw in blocks(size, left, right, flow_left, flow_right, grad, weight, grad_weight):
        block, post = products[: len(el)], joint[: len(el)]
        torch.mul(el.unsqueeze(2), er.unsqueeze(1), out=block)
        torch.bmm(g, block.view(-1, square, batch).mT, out=gw)
        torch.bmm(w.mT, g, out=post.view(-1, square, batch))
        post.mul_(block)  # joint posterior of the pair (i, j)
        torch.sum(post, 2, out=fl)
        torch.sum(post, 1, out=fr)
    return grad_weight, take_down(flow, children, len(x))


class Mixed(NamedTuple):
    """A mixing layer's result.

    parts (R, M, O, B): what each partition is worth to its region, in proportion, 0 where a region has fewer than M.
    factor (R, M, 1, B): parts over the einsum layer's totals. total (R, O, B), scale (R, 1, B): the mixtures.
    """

    parts: Tensor
    factor: Tensor
    total: Tensor
    scale: Tensor


def mix_up(total: Tensor, scale: Tensor, weight: Tensor, rows: Tensor | None, present: Tensor | None) -> Mixed:
    """The mixing layer: densities of regions, (R, O, B), as weighted sums of their partitions'.

    total (P, O, B) with scale (P, 1, B); weight (R, M, O), each column summing to 1. rows (R, M): partition of every
    entry, present (R, M) bool: False for entries that are only padding; None, None where there are none and partitions
    follow each other.
    """
    regions, most, outputs = weight.shape
    if rows is not None:
        total, scale = total.index_select(0, rows.view(-1)), scale.index_select(0, rows.view(-1))
    total, scales = total.view(regions, most, outputs, -1), scale.view(regions, most, 1, -1)
    if present is not None:
        scales = scales.masked_fill(~present[:, :, None, None], -torch.inf)
    top = scales.amax(1, keepdim=True)
    factor = (scales - top).to(total.dtype).exp_()
    factor = torch.nn.functional.threshold(factor, smallest(total.dtype), 0.0, inplace=True)
    parts = total * factor
    return Mixed(parts, factor, (parts * weight.unsqueeze(3)).sum(1), top.squeeze(1))


def mix_down(flow: Tensor, mixed: Mixed, weight: Tensor, slots: Tensor | None) -> tuple[Tensor, Tensor]:
    """The way down of `mix_up`. flow (R, O, B); slots: entries of (R·M) that hold partitions, None for all.

    Returns the derivatives by the weights (R, M, O) and by the einsum layer's totals (P, O, B).
    """
    share = (flow / mixed.total).unsqueeze(1)
    grad_weight = (mixed.parts * share).sum(3)
    grad = share * weight.unsqueeze(3) * mixed.factor
    grad = grad.view(-1, *grad.shape[2:])
    return grad_weight, grad if slots is None else grad.index_select(0, slots)
