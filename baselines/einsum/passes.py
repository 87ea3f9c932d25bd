"""Up and down through a circuit: log-likelihoods, and the statistics of EM (or derivatives) that belong to them.

Source: Peharz et al., arXiv 2004.06231, Section 3.5: the derivative of the log-likelihood by a unit's log-density is
the posterior that the unit is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from baselines.einsum.layers import (
    Mixed,
    Scaled,
    einsum_down,
    einsum_up,
    from_logs,
    mix_down,
    mix_up,
    rescale,
    take,
)
from baselines.einsum.leaf_family import Evidence, Uses
from baselines.einsum.parameters import CircuitParameters, Weights


@dataclass
class Activations:
    """What the way down needs of a batch.

    evidence: the images as statistics. values[l]: units of level l (R_l, K, B), in proportion within a region and
    image. totals[l], inner[l]: of the einsum layer of level l (`einsum_up`). mixed[l]: of the mixing layer, where there
    is one. Entries 0 of the latter three are None. root: (N, S, B), float64, log-densities without log h.
    """

    evidence: Evidence
    values: list[Tensor]
    totals: list[Tensor | None]
    inner: list[Tensor | None]
    mixed: list[Mixed | None]
    root: Tensor


def leaf_log_density(
    circuit: CircuitParameters, x: Tensor, known: Tensor | None, weights: Weights
) -> tuple[Evidence, Tensor]:
    """Images x (B, N·V), and their leaf regions (R_0, K, B), float64, without log h, unknown variables summed out.

    Raises ValueError for images or masks of another shape.
    """
    for name, t in (("x", x), ("known", known)):
        if t is not None and (t.ndim != 2 or t.shape[1] != circuit.variables or len(t) != len(x)):
            raise ValueError(f"{name} has shape {tuple(t.shape)}: expected (batch, {circuit.variables}).")
    evidence = circuit.family.evidence(x, known)
    outputs = [
        circuit.family.log_density(natural, evidence, group.scopes, circuit.group_centre(group))
        for natural, group in zip(weights.leaves, circuit.leaf_groups, strict=True)
    ]
    joined = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    return evidence, joined if circuit.leaf_order is None else joined.index_select(0, circuit.leaf_order)


@torch.no_grad()
def upward(
    circuit: CircuitParameters, weights: Weights, x: Tensor, known: Tensor | None = None, *, keep: bool = True
) -> Activations:
    """From images x (B, N·V) up to the roots. known: bool (B, N·V); unknown variables are summed out exactly.

    keep: False where nothing will go down again; totals, inner and mixed are None then.
    """
    evidence, logs = leaf_log_density(circuit, x, known, weights)
    done = [from_logs(logs, circuit.dtype)]
    del logs
    totals: list[Tensor | None] = [None]
    inners: list[Tensor | None] = [None]
    mixtures: list[Mixed | None] = [None]
    for level, weight, mixing in zip(circuit.sum_levels, weights.sums, weights.mixing, strict=True):
        values, scale = read(done, level.sources)
        total, inner = einsum_up(values, weight, level.pairs, circuit.block_elements)
        left, right = take(scale, level.pairs).chunk(2)
        scale = left + right
        mixed = None
        totals.append(total if keep else None)
        inners.append(inner if keep else None)
        if mixing is not None:
            padding = (level.parts, level.present) if level.padded else (None, None)
            mixed = mix_up(total, scale, mixing, *padding)
            total, scale = mixed.total, mixed.scale
        mixtures.append(mixed if keep else None)
        done.append(Scaled(total, scale) if len(done) == len(circuit.levels) else rescale(total, scale))
    top = done[-1]
    root = top.values.double().log() + top.scale
    return Activations(evidence, [d.values for d in done], totals, inners, mixtures, root)


def read(done: Sequence[Scaled], sources: Sequence[int]) -> Scaled:
    """The outputs of some levels, one after the other."""
    if len(sources) == 1:
        return done[sources[0]]
    return Scaled(torch.cat([done[s].values for s in sources]), torch.cat([done[s].scale for s in sources]))


@dataclass
class Statistics:
    """Sums over images. leaves: of each group. sums, mixing: derivatives of the log-likelihood by the weights; times
    the weight itself, the expected number of uses.
    """

    leaves: list[Uses]
    sums: list[Tensor]
    mixing: list[Tensor | None]

    def tensors(self) -> list[Tensor]:
        return [t for group in self.leaves for t in group] + self.sums + [m for m in self.mixing if m is not None]

    def add_(self, other: Statistics) -> Statistics:
        for mine, theirs in zip(self.tensors(), other.tensors(), strict=True):
            mine.add_(theirs)
        return self


@torch.no_grad()
def downward(circuit: CircuitParameters, weights: Weights, up: Activations, root: Tensor) -> Statistics:
    """From the roots down. root (N, S, B): derivative of the objective by each root's log-density."""
    flows: list[Tensor | None] = [None] * len(up.values)
    flows[-1] = root.to(circuit.dtype).contiguous()
    sums: list[Tensor] = []
    mixing: list[Tensor | None] = []
    for number in range(len(circuit.levels), 0, -1):
        level, flow = circuit.sum_levels[number - 1], flows[number]
        mixed, mix = up.mixed[number], weights.mixing[number - 1]
        assert flow is not None
        flows[number] = None
        if mixed is None or mix is None:
            total = up.totals[number]
            assert total is not None
            grad = flow / total
            mixing.append(None)
        else:
            of_mixing, grad = mix_down(flow, mixed, mix, level.slots if level.padded else None)
            mixing.append(of_mixing)
        values = [up.values[s] for s in level.sources]
        of_sums, flow = einsum_down(
            grad,
            values[0] if len(values) == 1 else torch.cat(values),
            weights.sums[number - 1],
            level.pairs,
            up.inner[number],
            circuit.block_elements,
        )
        sums.append(of_sums)
        parts = flow.split([len(v) for v in values])
        for source, part in zip(level.sources, parts, strict=True):
            earlier = flows[source]
            flows[source] = part if earlier is None else earlier + part
    flow = flows[0]
    assert flow is not None
    if circuit.leaf_order is not None:
        flow = torch.empty_like(flow).index_copy_(0, circuit.leaf_order, flow)
    groups = circuit.leaf_groups
    leaves = [
        circuit.family.uses(part, natural, up.evidence, group.scopes, circuit.group_centre(group))
        for part, natural, group in zip(
            flow.split([len(g.scopes) for g in groups]), weights.leaves, groups, strict=True
        )
    ]
    return Statistics(leaves, sums[::-1], mixing[::-1])


class LogRatio(torch.autograd.Function):
    """`log_ratio` of one circuit, differentiable by `Weights.tensors`, for gradient ascent."""

    @staticmethod
    def forward(ctx: Any, circuit: CircuitParameters, weights: Weights, x: Tensor, *tensors: Tensor) -> Tensor:
        ctx.circuit, ctx.weights, ctx.up = circuit, weights, upward(circuit, weights, x)
        return ctx.up.root[0].t()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        circuit, weights = ctx.circuit, ctx.weights
        found = downward(circuit, weights, ctx.up, grad_outputs[0].t().unsqueeze(0))
        leaves = [
            gradient
            for uses, natural in zip(found.leaves, weights.leaves, strict=True)
            for gradient in circuit.family.gradients(uses, natural)
        ]
        return None, None, None, *leaves, *found.sums, *(m for m in found.mixing if m is not None)


def differentiable_log_ratio(circuit: CircuitParameters, weights: Weights, x: Tensor) -> Tensor:
    """`log_ratio` with these weights, (B, S), through which gradients reach them."""
    return LogRatio.apply(circuit, weights, x, *weights.tensors())
