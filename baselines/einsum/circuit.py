"""The executable circuit: a region graph laid out in folded levels, its parameters, its log-likelihood.

Axes: R regions, P partitions, K units, B images, S root classes, V variables. Batch last inside, batch first outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from baselines.einsum.cost import BLOCK_ELEMENTS
from baselines.einsum.layers import CHUNK_ELEMENTS, Index, log_einsum_exp, log_mix
from baselines.einsum.leaves import LeafFamily
from baselines.einsum.region_graph import RegionGraph

WEIGHT_FLOOR = 1e-12  # of sum weights: keeps every log-density finite, moves no probability by more than K² times this


@dataclass(frozen=True)
class LevelPlan:
    """One level of the graph: which rows of which lower levels its partitions read, and how they are mixed.

    regions: region numbers in the order of this level's output rows. sources: levels whose outputs, one after the
    other, are the input rows. left, right: input row of each partition's children. parts: for each region its
    partitions (rows of the einsum's output).
    """

    regions: tuple[int, ...]
    sources: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    parts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Plan:
    """A region graph ordered for execution: `order[l]` are the regions of level l, `levels[l - 1]` how to get them."""

    order: tuple[tuple[int, ...], ...]
    levels: tuple[LevelPlan, ...]


def make_plan(graph: RegionGraph) -> Plan:
    """Order the regions of every level so that lefts and rights are contiguous where the graph allows (trees do)."""
    top = graph.level_of[0]
    order: list[list[int]] = [[] for _ in range(top + 1)]
    order[top] = [0]
    seen = {0}
    for level in range(top, 0, -1):
        partitions = [graph.partitions[p] for region in order[level] for p in graph.partitions_of[region]]
        for child in [p.left for p in partitions] + [p.right for p in partitions]:
            if child not in seen:
                seen.add(child)
                order[graph.level_of[child]].append(child)
    levels = []
    for level in range(1, top + 1):
        partitions = [graph.partitions[p] for region in order[level] for p in graph.partitions_of[region]]
        children = {child for p in partitions for child in (p.left, p.right)}
        sources = sorted({graph.level_of[child] for child in children})
        row = {region: i for i, region in enumerate(r for source in sources for r in order[source])}
        parts, start = [], 0
        for region in order[level]:
            count = len(graph.partitions_of[region])
            parts.append(tuple(range(start, start + count)))
            start += count
        levels.append(
            LevelPlan(
                tuple(order[level]),
                tuple(sources),
                tuple(row[p.left] for p in partitions),
                tuple(row[p.right] for p in partitions),
                tuple(parts),
            )
        )
    return Plan(tuple(map(tuple, order)), tuple(levels))


def _index(rows: Sequence[int]) -> Index:
    """A slice (a view when used) if the rows follow each other, else a tensor."""
    if list(rows) == list(range(rows[0], rows[0] + len(rows))):
        return slice(rows[0], rows[0] + len(rows))
    return torch.tensor(rows)


def _as_tensor(index: Index, device: torch.device) -> Tensor:
    return torch.arange(index.start, index.stop, device=device) if isinstance(index, slice) else index.to(device)


class LeafGroup(torch.nn.Module):
    """All leaf regions with the same number of variables: `scopes` (G, s), `moments` as the family shapes them.

    rows: where the scopes' statistics are in `Evidence.values`.
    """

    scopes: Tensor
    rows: Tensor
    moments: Tensor

    def __init__(self, scopes: Tensor, variables: int, family: LeafFamily, units: int) -> None:
        super().__init__()
        self.register_buffer("scopes", scopes, persistent=False)
        self.register_buffer("rows", family.rows(scopes, variables), persistent=False)
        self.register_buffer("moments", torch.empty(family.shape(len(scopes), units, scopes.shape[1])))


class SumLevel(torch.nn.Module):
    """Einsum layer of one level, `weight` (P, O, K²), and its mixing layer, `mixing` (R, M, O), where there is one."""

    weight: Tensor
    mixing: Tensor | None
    parts: Tensor
    present: Tensor

    def __init__(self, plan: LevelPlan, units: int, outputs: int) -> None:
        super().__init__()
        self.sources = plan.sources
        self.children_index = _index(plan.left + plan.right)  # lefts, then rights
        self.register_buffer("weight", torch.empty(len(plan.left), outputs, units * units))
        most = max(map(len, plan.parts))
        counts = torch.tensor([len(p) for p in plan.parts])
        # Missing parts point at the region's first part and have weight 0.
        parts = torch.tensor([list(p) + [p[0]] * (most - len(p)) for p in plan.parts])
        self.register_buffer("parts", parts, persistent=False)
        self.register_buffer("present", torch.arange(most) < counts[:, None], persistent=False)
        self.full = bool((counts == most).all())
        self.register_buffer("mixing", torch.empty(len(plan.parts), most, outputs) if most > 1 else None)

    def to_device(self, device: torch.device) -> None:
        if isinstance(self.children_index, Tensor):
            self.children_index = self.children_index.to(device)

    def child_rows(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Input rows of the left and right children of all partitions, as tensors."""
        left, right = _as_tensor(self.children_index, device).chunk(2)
        return left, right

    def mix(self, x: Tensor, mixing: Tensor | None) -> Tensor:
        """Einsum outputs (P, O, B) to region outputs (R, O, B)."""
        if mixing is None:
            return x
        return log_mix(x, mixing) if self.full else log_mix(x, mixing, self.parts, self.present)


@dataclass
class Weights:
    """The parameters as differentiable tensors: what `Circuit.log_likelihood` computes with.

    leaves: natural parameters of each leaf group. sums: weights of each level. mixing: likewise, None where a level
    needs none.
    """

    leaves: list[tuple[Tensor, ...]]
    sums: list[Tensor]
    mixing: list[Tensor | None]

    def tensors(self) -> list[Tensor]:
        return [t for group in self.leaves for t in group] + self.sums + [m for m in self.mixing if m is not None]


@dataclass
class Activations:
    """Log-densities of all regions for a batch, for the way back down (sampling, explanation).

    outputs[l]: regions of level l (R_l, K, B), without log h. products[l]: einsum outputs of level l (P_l, K, B),
    before mixing; products[0] is empty.
    """

    outputs: list[Tensor]
    products: list[Tensor]


class Circuit(torch.nn.Module):
    """A smooth, decomposable circuit with K units per region, run level by level.

    Parameters
    ----------
    graph: the region graph over V variables.
    units: K, the number of distributions per leaf region and of sums per inner region.
    family: the leaf distribution.
    classes: S, number of root sums.
    seed: of the initial parameters.
    block_elements: how many products exp(l_i)·exp(r_j) exist at a time (memory against launches).
    chunk_elements: likewise for the numbers that choices on the way down are made from.

    Attributes
    ----------
    centre: (V,), where normal leaves take their statistics (see leaves.py); the median of the data is best. None for
        other families. Changes rounding alone.
    """

    centre: Tensor | None

    def __init__(
        self,
        graph: RegionGraph,
        units: int,
        family: LeafFamily,
        *,
        classes: int = 1,
        seed: int = 0,
        block_elements: int = BLOCK_ELEMENTS,
        chunk_elements: int = CHUNK_ELEMENTS,
    ) -> None:
        super().__init__()
        if units < 1 or classes < 1:
            raise ValueError(f"units is {units} and classes is {classes}: both must be at least 1.")
        if not graph.partitions:
            raise ValueError("The region graph has no partition: a circuit needs at least one product.")
        self.graph, self.units, self.family, self.classes = graph, units, family, classes
        self.block_elements, self.chunk_elements = block_elements, chunk_elements
        self.plan = make_plan(graph)
        centre = family.default_centre
        self.register_buffer("centre", None if centre is None else torch.full((graph.num_variables,), centre))
        sizes = sorted({len(graph.regions[r]) for r in self.plan.order[0]})
        members = [[r for r in self.plan.order[0] if len(graph.regions[r]) == size] for size in sizes]
        self.groups = torch.nn.ModuleList(
            LeafGroup(torch.tensor([graph.regions[r] for r in group]), graph.num_variables, family, units)
            for group in members
        )
        position = {r: i for i, r in enumerate(r for group in members for r in group)}
        self.leaf_order = None if len(sizes) == 1 else torch.tensor([position[r] for r in self.plan.order[0]])
        top = len(self.plan.levels)
        self.levels = torch.nn.ModuleList(
            SumLevel(level, units, classes if i + 1 == top else units) for i, level in enumerate(self.plan.levels)
        )
        self.initialise(seed)

    @property
    def leaf_groups(self) -> list[LeafGroup]:
        return [group for group in self.groups if isinstance(group, LeafGroup)]

    @property
    def sum_levels(self) -> list[SumLevel]:
        return [level for level in self.levels if isinstance(level, SumLevel)]

    def initialise(self, seed: int) -> None:
        """Draw all parameters anew. The numbers depend on the seed alone, not on the device."""
        generator = torch.Generator().manual_seed(seed)
        for group in self.leaf_groups:
            group.moments.copy_(self.family.initial(tuple(group.moments.shape), generator))
        for level in self.sum_levels:
            for values, dim in ((level.weight, 2), (level.mixing, 1)):
                if values is None:
                    continue
                random = 0.01 + 0.98 * torch.rand(values.shape, generator=generator)
                if dim == 1:
                    random = random * level.present.cpu().unsqueeze(-1)
                values.copy_(random / random.sum(dim, keepdim=True))

    @torch.no_grad()
    def set_centre(self, x: Tensor) -> None:
        """Centre each variable on its median over the data x (n, V); nothing where the family needs no centre."""
        if self.centre is not None:
            # some variables at a time: the median copies what it is given
            self.centre.copy_(torch.cat([part.median(0).values for part in x.split(64, 1)]))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        if self.centre is not None and self.family.default_centre is not None:  # absent in older files
            state_dict.setdefault(f"{prefix}centre", torch.full_like(self.centre, self.family.default_centre))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def place(self, device: torch.device) -> Circuit:
        """Move everything to a device."""
        self.to(device)
        for level in self.sum_levels:
            level.to_device(device)
        if self.leaf_order is not None:
            self.leaf_order = self.leaf_order.to(device)
        return self

    @property
    def device(self) -> torch.device:
        return self.leaf_groups[0].moments.device

    @property
    def dtype(self) -> torch.dtype:
        return self.leaf_groups[0].moments.dtype

    def count_params(self) -> int:
        """All stored parameters: moments of the leaves, sum weights, mixing weights."""
        total = sum(group.moments.numel() for group in self.leaf_groups)
        for level in self.sum_levels:
            total += level.weight.numel()
            if level.mixing is not None:
                total += int(level.present.sum()) * level.mixing.shape[2]
        return total

    def group_centre(self, group: LeafGroup) -> Tensor | None:
        """The centre of each variable of a group's scopes (G, s), or None."""
        return None if self.centre is None else self.centre[group.scopes]

    def natural(self, group: LeafGroup, moments: Tensor) -> tuple[Tensor, ...]:
        """Natural parameters of a leaf group with these moments."""
        return self.family.natural(moments, self.group_centre(group))

    def weights(self, requires_grad: bool = False) -> Weights:
        """The present parameters; with `requires_grad`, gradients of a log-likelihood gather the statistics of EM."""

        def leaf(t: Tensor) -> Tensor:
            return t.detach().requires_grad_(requires_grad)

        return Weights(
            [tuple(leaf(t) for t in self.natural(group, group.moments)) for group in self.leaf_groups],
            [leaf(level.weight) for level in self.sum_levels],
            [None if level.mixing is None else leaf(level.mixing) for level in self.sum_levels],
        )

    def leaf_log_density(self, x: Tensor, known: Tensor | None, weights: Weights) -> Tensor:
        """Leaf regions (R_0, K, B), without log h, unknown variables summed out."""
        variables = self.graph.num_variables
        for name, t in (("x", x), ("known", known)):
            if t is not None and (t.ndim != 2 or t.shape[1] != variables or len(t) != len(x)):
                raise ValueError(f"{name} has shape {tuple(t.shape)}: expected (batch, {variables}).")
        evidence = self.family.evidence(x, known, self.centre)
        outputs = [
            self.family.log_density(natural, evidence, group.rows, group.scopes)
            for natural, group in zip(weights.leaves, self.leaf_groups, strict=True)
        ]
        joined = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
        return joined if self.leaf_order is None else joined.index_select(0, self.leaf_order)

    def log_base(self, x: Tensor, known: Tensor | None) -> Tensor | float:
        """Sum of log h over the known variables: (B,) or a number."""
        base = self.family.log_base(x)
        if known is None:
            return base.sum(1) if isinstance(base, Tensor) else base * x.shape[1]
        if isinstance(base, Tensor):
            return torch.where(known, base, 0.0).sum(1)
        return base * known.sum(1).to(x.dtype)

    def propagate(self, leaves: Tensor, weights: Weights) -> Activations:
        """From leaf regions up to the root."""
        outputs, products = [leaves], [leaves.new_empty(0)]
        for i, level in enumerate(self.sum_levels):
            x = outputs[level.sources[0]] if len(level.sources) == 1 else torch.cat([outputs[s] for s in level.sources])
            product = log_einsum_exp(x, weights.sums[i], level.children_index, self.block_elements)
            products.append(product)
            outputs.append(level.mix(product, weights.mixing[i]))
        return Activations(outputs, products)

    def log_ratio(self, x: Tensor, known: Tensor | None = None, weights: Weights | None = None) -> Tensor:
        """`log_likelihood` without the base measure log h(x), which no parameter influences: (B, S)."""
        weights = weights if weights is not None else self.weights()
        return self.propagate(self.leaf_log_density(x, known, weights), weights).outputs[-1][0].t()

    def log_likelihood(self, x: Tensor, known: Tensor | None = None, weights: Weights | None = None) -> Tensor:
        """Exact log-densities, nats, of x (B, V) for every root class: (B, S).

        known: bool (B, V), one mask per image; unknown variables are summed out exactly.
        """
        ratio = self.log_ratio(x, known, weights)
        base = self.log_base(x, known)
        return ratio + (base.unsqueeze(1) if isinstance(base, Tensor) else base)

    def forward(self, x: Tensor, known: Tensor | None = None) -> Tensor:
        return self.log_likelihood(x, known)
