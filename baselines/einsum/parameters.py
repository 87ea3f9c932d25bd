"""The parameters of circuits: region graphs laid out in folded levels, as tensors.

Axes: R regions, P partitions, K units, B images, S root classes, V variables, N circuits. Batch last inside, batch
first outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from baselines.einsum.cost import BLOCK_ELEMENTS, GPU_BLOCK_ELEMENTS
from baselines.einsum.layers import CHUNK_ELEMENTS, Index
from baselines.einsum.leaf_family import LeafFamily
from baselines.einsum.plan import LevelPlan, Plan, Region, make_plan
from baselines.einsum.region_graph import RegionGraph

WEIGHT_FLOOR = 1e-12  # of sum weights: keeps every log-density finite, moves no probability by more than K² times this


def generator_of(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """PyTorch's generator of this seed. On a CPU it looks at 32 bits: those of a longer seed are mixed."""
    if seed >= 2**32:
        seed = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
    return torch.Generator(device).manual_seed(seed)


def _index(rows: Sequence[int]) -> Index:
    """A slice (a view when used) if the rows follow each other, else a tensor."""
    if list(rows) == list(range(rows[0], rows[0] + len(rows))):
        return slice(rows[0], rows[0] + len(rows))
    return torch.tensor(rows)


class LeafGroup(torch.nn.Module):
    """All leaf regions with the same number of variables: `scopes` (G, s), `moments` as the family shapes them.

    owner (G,): the circuit that each region is of;
    regions: its circuit and number.
    """

    scopes: Tensor
    owner: Tensor
    moments: Tensor

    def __init__(self, regions: Sequence[Region], scopes: Tensor, family: LeafFamily, units: int) -> None:
        super().__init__()
        self.regions = tuple(regions)
        self.register_buffer("scopes", scopes, persistent=False)
        self.register_buffer("owner", torch.tensor([c for c, _ in regions]), persistent=False)
        self.register_buffer("moments", torch.empty(family.shape(len(scopes), units, scopes.shape[1])))


class SumLevel(torch.nn.Module):
    """Einsum layer of one level, `weight` (P, O, K²), and its mixing layer, `mixing` (R, M, O), where there is one.

    children: input rows of the left, then of the right children of all partitions. parts (R, M): each region's
    partitions; where a region has fewer than M, its first one again, `present` (R, M) False and weight 0. padded: some
    region has. slots (P,): entries of (R·M) that are present. owner (P,), region_owner (R,): the circuit of each.
    """

    weight: Tensor
    mixing: Tensor | None
    parts: Tensor
    present: Tensor
    slots: Tensor
    owner: Tensor
    region_owner: Tensor
    child_rows: Tensor

    def __init__(self, plan: LevelPlan, units: int, outputs: int) -> None:
        super().__init__()
        self.sources = plan.sources
        most, counts = max(map(len, plan.parts)), torch.tensor([len(p) for p in plan.parts])
        self.padded = bool((counts < most).any())
        present = torch.arange(most) < counts[:, None]
        region_owner = torch.tensor([circuit for circuit, _ in plan.regions])
        index = _index(plan.left + plan.right)
        self.contiguous = index if isinstance(index, slice) else None
        fixed = {
            "child_rows": torch.tensor(plan.left + plan.right),
            "parts": torch.tensor([list(p) + [p[0]] * (most - len(p)) for p in plan.parts]),
            "present": present,
            "slots": present.view(-1).nonzero().squeeze(1),
            "owner": region_owner.repeat_interleave(counts),
            "region_owner": region_owner,
        }
        for name, values in fixed.items():
            self.register_buffer(name, values, persistent=False)
        self.register_buffer("weight", torch.empty(len(plan.left), outputs, units * units))
        self.register_buffer("mixing", torch.empty(len(plan.parts), most, outputs) if most > 1 else None)

    @property
    def pairs(self) -> Index:
        """`child_rows`, as a slice where they follow each other."""
        return self.child_rows if self.contiguous is None else self.contiguous


@dataclass
class Weights:
    """The parameters as tensors to compute with.

    leaves: natural parameters of each leaf group. sums: weights of each level. mixing: likewise, None where a level
    needs none.
    """

    leaves: list[tuple[Tensor, ...]]
    sums: list[Tensor]
    mixing: list[Tensor | None]

    def tensors(self) -> list[Tensor]:
        return [t for group in self.leaves for t in group] + self.sums + [m for m in self.mixing if m is not None]


class CircuitParameters(torch.nn.Module):
    """What a `Circuit` (circuit.py) computes with: plan, leaves, weights. Its parameters are described there."""

    centre: Tensor | None
    leaf_order: Tensor | None
    variables: int

    def __init__(
        self,
        graph: RegionGraph | Sequence[RegionGraph],
        units: int,
        family: LeafFamily,
        *,
        classes: int = 1,
        seed: int = 0,
        block_elements: int | None = None,
        chunk_elements: int = CHUNK_ELEMENTS,
    ) -> None:
        super().__init__()
        if units < 1 or classes < 1:
            raise ValueError(f"units is {units} and classes is {classes}: both must be at least 1.")
        self.graphs = (graph,) if isinstance(graph, RegionGraph) else tuple(graph)
        if not all(g.partitions for g in self.graphs):
            raise ValueError("The region graph has no partition: a circuit needs at least one product.")
        self.units, self.family, self.classes = units, family, classes
        self.chunk_elements, self._block_elements = chunk_elements, block_elements
        self.plan: Plan = make_plan(self.graphs)
        variables = sum(g.num_variables for g in self.graphs)
        centre = family.default_centre
        self.register_buffer("centre", None if centre is None else torch.full((variables,), centre))
        self.variables = variables
        self._make_leaf_groups()
        top = len(self.plan.levels)
        self.levels = torch.nn.ModuleList(
            SumLevel(level, units, classes if i + 1 == top else units) for i, level in enumerate(self.plan.levels)
        )
        self.initialise(seed)

    def _make_leaf_groups(self) -> None:
        """Leaf regions of one size together, in their order of the plan."""
        leaves = self.plan.order[0]
        shift = [sum(g.num_variables for g in self.graphs[:c]) for c in range(len(self.graphs))]
        scopes = [tuple(v + shift[c] for v in self.graphs[c].regions[r]) for c, r in leaves]
        sizes = sorted({len(scope) for scope in scopes})
        members = [[i for i, scope in enumerate(scopes) if len(scope) == size] for size in sizes]
        self.groups = torch.nn.ModuleList(
            LeafGroup(
                [leaves[i] for i in group],
                torch.tensor([scopes[i] for i in group]),
                self.family,
                self.units,
            )
            for group in members
        )
        position = {leaf: i for i, leaf in enumerate(leaf for group in members for leaf in group)}
        order = None if len(sizes) == 1 else torch.tensor([position[i] for i in range(len(leaves))])
        self.register_buffer("leaf_order", order, persistent=False)

    @property
    def graph(self) -> RegionGraph:
        """The region graph, of the first circuit where there are several."""
        return self.graphs[0]

    @property
    def leaf_groups(self) -> list[LeafGroup]:
        return [group for group in self.groups if isinstance(group, LeafGroup)]

    @property
    def sum_levels(self) -> list[SumLevel]:
        return [level for level in self.levels if isinstance(level, SumLevel)]

    @property
    def block_elements(self) -> int:
        if self._block_elements is not None:
            return self._block_elements
        return GPU_BLOCK_ELEMENTS if self.device.type == "cuda" else BLOCK_ELEMENTS

    @property
    def device(self) -> torch.device:
        return self.leaf_groups[0].moments.device

    @property
    def dtype(self) -> torch.dtype:
        return self.leaf_groups[0].moments.dtype

    def initialise(self, seed: int) -> None:
        """Draw all parameters. The numbers depend only on the seed, not on the device."""
        generator = generator_of(seed)
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
    def set_centre(self, x: Tensor, rows: Tensor | None = None) -> None:
        """Centre each variable on its median over the data x (n, V), or some rows of it; nothing without a centre."""
        if self.centre is not None:
            # some variables at a time: the median copies what it is given
            parts = (part if rows is None else part[rows] for part in x.split(64, 1))
            self.centre.copy_(torch.cat([part.median(0).values for part in parts]))

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

    def weights(self) -> Weights:
        """The present parameters."""
        return Weights(
            [self.natural(group, group.moments) for group in self.leaf_groups],
            [level.weight for level in self.sum_levels],
            [level.mixing for level in self.sum_levels],
        )

    def log_base(self, x: Tensor, known: Tensor | None = None) -> Tensor:
        """Sum of log h over the known variables: (B,) float64."""
        base = self.family.log_base(x)
        if isinstance(base, Tensor):
            return (base if known is None else torch.where(known, base, 0.0)).sum(1)
        count = torch.full((len(x),), x.shape[1], device=x.device) if known is None else known.sum(1)
        return base * count.double()
