"""From region graphs to levels: which rows are computed from which, in what order. No torch, no parameters.

Several graphs (one per circuit of a `fit_many`) are laid out together: level l of the plan holds the regions of level
l of every graph, so one batched product serves all circuits. A region is named (circuit, number in its graph).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from baselines.einsum.region_graph import RegionGraph

Region = tuple[int, int]  # circuit, region of its graph


@dataclass(frozen=True)
class LevelPlan:
    """One level: which rows of which lower levels its partitions read, and how they are mixed.

    regions: in the order of this level's output rows. sources: levels whose outputs, one after the other, are the
    input rows. left, right: input row of each partition's children. parts: for each region its partitions (rows of the
    einsum's output), which follow each other.
    """

    regions: tuple[Region, ...]
    sources: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    parts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Plan:
    """Graphs ordered for execution: `order[l]` are the regions of level l, `levels[l - 1]` how to get them."""

    order: tuple[tuple[Region, ...], ...]
    levels: tuple[LevelPlan, ...]


def make_plan(graphs: Sequence[RegionGraph]) -> Plan:
    """Order the regions of every level so that lefts and rights are contiguous where the graphs allow (trees do).

    Raises ValueError where graphs have different numbers of levels.
    """
    heights = {graph.level_of[0] for graph in graphs}
    if len(heights) != 1:
        raise ValueError(f"Graphs of {sorted(heights)} levels: only graphs of equally many levels share a plan.")
    top = heights.pop()
    order: list[list[Region]] = [[] for _ in range(top + 1)]
    order[top] = [(c, 0) for c in range(len(graphs))]
    seen = set(order[top])
    for level in range(top, 0, -1):
        pairs = _children(graphs, order[level])
        for child in [left for left, _ in pairs] + [right for _, right in pairs]:
            if child not in seen:
                seen.add(child)
                order[graphs[child[0]].level_of[child[1]]].append(child)
    levels = []
    for level in range(1, top + 1):
        pairs = _children(graphs, order[level])
        sources = sorted({graphs[c].level_of[r] for pair in pairs for c, r in pair})
        row = {region: i for i, region in enumerate(r for source in sources for r in order[source])}
        parts, start = [], 0
        for circuit, region in order[level]:
            count = len(graphs[circuit].partitions_of[region])
            parts.append(tuple(range(start, start + count)))
            start += count
        left, right = tuple(row[a] for a, _ in pairs), tuple(row[b] for _, b in pairs)
        levels.append(LevelPlan(tuple(order[level]), tuple(sources), left, right, tuple(parts)))
    return Plan(tuple(map(tuple, order)), tuple(levels))


def _children(graphs: Sequence[RegionGraph], regions: Sequence[Region]) -> list[tuple[Region, Region]]:
    """Left and right child of every partition of these regions, in order."""
    partitions = [(c, graphs[c].partitions[p]) for c, r in regions for p in graphs[c].partitions_of[r]]
    return [((c, p.left), (c, p.right)) for c, p in partitions]
