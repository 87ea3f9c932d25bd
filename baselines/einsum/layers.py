"""The two sum layers of an Einsum network, folded: one batched matrix product serves all partitions of a level.

Axes, everywhere: R regions (or P partitions), K units, B images. The batch is the *last* axis, so that the products
exp(l_i)·exp(r_j) and their reductions run along contiguous memory. All values are log-densities in nats.

Source: Peharz et al., Einsum Networks, arXiv 2004.06231, Eq. 4 and 5 (log-einsum-exp) and Section 3.3 (mixing layer).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from baselines.einsum.cost import BLOCK_ELEMENTS, partitions_at_a_time

Index = slice | Tensor

# Numbers that exist at a time on the way down (inference.py): rows of K² logits, leaf parameters of chosen units.
CHUNK_ELEMENTS = 2**20


def take(values: Tensor, index: Index) -> Tensor:
    """Rows of `values`: a view where the index is a slice, a copy where it is a tensor."""
    return values[index] if isinstance(index, slice) else values.index_select(0, index)


def take_backward(grad: Tensor, index: Index, like: Tensor) -> Tensor:
    """Gradient for `values` of take(values, index), repeated indices summed; `like` has the shape of values."""
    if isinstance(index, slice):
        if len(grad) == len(like):
            return grad
        out = torch.zeros_like(like)
        out[index] = grad
        return out
    return torch.zeros_like(like).index_add_(0, index, grad)


def blocks(size: int, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The tensors in pieces of `size` rows; as they are when one piece is enough."""
    if len(tensors[0]) <= size:
        yield tensors
        return
    yield from zip(*(t.split(size) for t in tensors), strict=True)


def scaled_exp(x: Tensor) -> tuple[Tensor, Tensor]:
    """exp(x - m) and m, the maximum over units: (R, K, B), (R, 1, B).

    What is below the square root of the smallest normal float becomes 0, so that a product of two such values is
    never a denormal number (denormals are slow on CPUs). The sum weights have a floor far above that, so nothing that
    matters is lost. Regions of log-density -inf count as -1e30.
    """
    m = x.amax(1, keepdim=True).clamp_min_(-1e30)
    tiny = torch.finfo(x.dtype).tiny ** 0.5
    e = (x - m).clamp_min_(math.log(tiny) - 1).exp_()  # clamped: exp is several times slower where it underflows
    return torch.nn.functional.threshold(e, tiny, 0.0, inplace=True), m


class LogEinsumExp(torch.autograd.Function):
    """out[p, o] = log sum_ij W[p, o, ij] exp(x[left_p, i] + x[right_p, j]), with a hand-written backward pass.

    The products exp(l_i)·exp(r_j), K² numbers for each partition and image, are never kept: the forward pass makes
    them block by block, the backward pass makes them again, which is cheaper than fetching them from memory. In the
    log domain the gradient for x is the posterior of the unit, so the backward pass is the E-step of EM.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, children: Index, block_elements: int) -> Tensor:
        e, m = scaled_exp(x)
        pairs, scales = take(e, children), take(m, children)
        partitions, outputs, square = weight.shape
        units, batch = x.shape[1:]
        size = partitions_at_a_time(square * batch, block_elements)
        total = x.new_empty(partitions, outputs, batch)
        products = x.new_empty(min(size, partitions), units, units, batch)
        for el, er, w, out in blocks(size, pairs[:partitions], pairs[partitions:], weight, total):
            block = products[: len(el)]
            torch.mul(el.unsqueeze(2), er.unsqueeze(1), out=block)
            torch.bmm(w, block.view(-1, square, batch), out=out)
        # Weights have a floor, so this clamp only acts where both children have density zero.
        total.clamp_min_(torch.finfo(x.dtype).tiny)
        ctx.save_for_backward(e, weight, total)
        ctx.children, ctx.size = children, size
        return total.log().add_(scales[:partitions]).add_(scales[partitions:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        e, weight, total = ctx.saved_tensors
        partitions, _, square = weight.shape
        units, batch = e.shape[1:]
        pairs = take(e, ctx.children)
        grad = grad_outputs[0] / total
        grad_weight, grad_pairs = torch.empty_like(weight), torch.empty_like(pairs)
        products = e.new_empty(min(ctx.size, partitions), units, units, batch)
        joint = torch.empty_like(products)
        halves = (pairs[:partitions], pairs[partitions:], grad_pairs[:partitions], grad_pairs[partitions:])
        for el, er, gl, gr, g, w, gw in blocks(ctx.size, *halves, grad, weight, grad_weight):
            block, post = products[: len(el)], joint[: len(el)]
            torch.mul(el.unsqueeze(2), er.unsqueeze(1), out=block)
            torch.bmm(g, block.view(-1, square, batch).mT, out=gw)
            torch.bmm(w.mT, g, out=post.view(-1, square, batch))
            post.mul_(block)  # joint posterior of the pair (i, j)
            torch.sum(post, 2, out=gl)
            torch.sum(post, 1, out=gr)
        return take_backward(grad_pairs, ctx.children, e), grad_weight, None, None


class FewLogEinsumExp(torch.autograd.Function):
    """The same function for fewer outputs than units (the root): sum_i exp(l_i) (sum_j W[p, o, i, j] exp(r_j)).

    The inner sums, O·K numbers for each partition and image in place of K², are kept for the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, children: Index) -> Tensor:
        e, m = scaled_exp(x)
        (left, right), scales = take(e, children).chunk(2), take(m, children)
        partitions, outputs, _ = weight.shape
        units, batch = x.shape[1:]
        inner = torch.bmm(weight.view(partitions, outputs * units, units), right)
        inner = inner.view(partitions, outputs, units, batch)
        total = (inner * left.unsqueeze(1)).sum(2)
        total.clamp_min_(torch.finfo(x.dtype).tiny)
        ctx.save_for_backward(e, weight, total, inner)
        ctx.children = children
        return total.log().add_(scales[:partitions]).add_(scales[partitions:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        e, weight, total, inner = ctx.saved_tensors
        partitions, outputs, _ = weight.shape
        units, batch = e.shape[1:]
        pairs = take(e, ctx.children)
        left, right = pairs.chunk(2)
        grad_inner = (grad_outputs[0] / total).unsqueeze(2) * left.unsqueeze(1)
        flat = grad_inner.view(partitions, outputs * units, batch)
        grad_weight = torch.bmm(flat, right.mT).view_as(weight)
        grad_pairs = torch.empty_like(pairs)
        grad_left, grad_right = grad_pairs.chunk(2)
        torch.bmm(weight.view(partitions, outputs * units, units).mT, flat, out=grad_right)
        grad_right.mul_(right)
        torch.sum(grad_inner.mul_(inner), 1, out=grad_left)  # the factor exp(l_i) is in it already
        return take_backward(grad_pairs, ctx.children, e), grad_weight, None


def log_einsum_exp(x: Tensor, weight: Tensor, children: Index, block_elements: int = BLOCK_ELEMENTS) -> Tensor:
    """The einsum layer: x (R, K, B), weight (P, O, K²) with rows summing to 1 -> (P, O, B).

    children: rows of x, first the P left ones, then the P right ones, as a slice (no copy) or a tensor.
    """
    if weight.shape[1] < x.shape[1]:
        return FewLogEinsumExp.apply(x, weight, children)
    return LogEinsumExp.apply(x, weight, children, block_elements)


def log_mix(x: Tensor, weight: Tensor, children: Tensor | None = None, present: Tensor | None = None) -> Tensor:
    """The mixing layer: out[r, k] = log sum_m w[r, m, k] exp(x[children_rm, k]).

    x (P, K, B); weight (R, M, K), each column summing to 1; children (R, M) row indices, or None when they are
    0 … R·M - 1 in order; present (R, M) bool, False for children that are only padding, or None when there are none.
    Returns (R, K, B).
    """
    regions, parts, units = weight.shape
    rows = x if children is None else x.index_select(0, children.reshape(-1))
    if present is None:
        logs = weight.log()
    else:
        missing = ~present.unsqueeze(-1)
        logs = weight.masked_fill(missing, 1.0).log().masked_fill(missing, -torch.inf)
    return torch.logsumexp(rows.view(regions, parts, units, -1) + logs.unsqueeze(-1), 1)
