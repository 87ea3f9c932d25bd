"""Region graphs: which variables a circuit splits, and how. Data only, no parameters, no torch.

A *region* is a set of variables (its scope). A *partition* (parent, left, right) says that the parent's scope is the
disjoint union of the two children's. Leaf regions have no partition, the root region holds all variables and has no
parent. Sums sit in regions, products in partitions, so every graph here describes a smooth and decomposable circuit.

Sources: random binary trees (RAT-SPN): Peharz et al., arXiv 1806.01910, Algorithm 1. Poon-Domingos: Poon & Domingos,
UAI 2011, with the step size of Peharz et al., arXiv 2004.06231, Section 4.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from dcgmm import checks

AXES = ("vertical", "horizontal")  # the order of image axes: rows, columns


class Partition(NamedTuple):
    """Region `parent` is the disjoint union of regions `left` and `right` (indices into `RegionGraph.regions`)."""

    parent: int
    left: int
    right: int


@dataclass(frozen=True)
class RegionGraph:
    """A rooted region graph, validated when made.

    Attributes
    ----------
    num_variables: number of variables, 0 to num_variables - 1; the root holds all of them.
    regions: scope of each region, ascending; the root is `regions[0]`. Two regions may share a scope (the repetitions
        of a RAT-SPN do): they are then different vectors of distributions over the same variables.
    partitions: (parent, left, right), any order; a region with several is a mixture of that many products.

    Raises ValueError when the graph is no circuit: the message names the region or partition and says why.
    """

    num_variables: int
    regions: tuple[tuple[int, ...], ...]
    partitions: tuple[Partition, ...]

    def __post_init__(self) -> None:
        self._check_scopes()
        self._check_partitions()
        self._check_reachable()

    def _check_scopes(self) -> None:
        if not self.regions or self.regions[0] != tuple(range(self.num_variables)):
            raise ValueError(
                f"regions[0] must be the root, with all {self.num_variables} variables in ascending order."
            )
        for index, scope in enumerate(self.regions):
            if not scope or list(scope) != sorted(set(scope)) or scope[0] < 0 or scope[-1] >= self.num_variables:
                raise ValueError(f"Region {index} has scope {scope}: expected ascending variables, each once.")

    def _check_partitions(self) -> None:
        for index, (parent, left, right) in enumerate(self.partitions):
            if not all(0 <= region < len(self.regions) for region in (parent, left, right)):
                raise ValueError(f"Partition {index} {(parent, left, right)} names a region that does not exist.")
            a, b, union = set(self.regions[left]), set(self.regions[right]), set(self.regions[parent])
            if a & b:
                raise ValueError(f"Partition {index} is not decomposable: both children hold {sorted(a & b)}.")
            if a | b != union:
                raise ValueError(
                    f"Partition {index} is not smooth: its children cover {sorted(a | b)}, not the parent."
                )

    def _check_reachable(self) -> None:
        seen, stack = {0}, [0]
        while stack:
            for p in self.partitions_of[stack.pop()]:
                for child in (self.partitions[p].left, self.partitions[p].right):
                    if child not in seen:
                        seen.add(child)
                        stack.append(child)
        if len(seen) != len(self.regions):
            lost = sorted(set(range(len(self.regions))) - seen)
            raise ValueError(f"Regions {lost[:5]} cannot be reached from the root: remove them or connect them.")

    @cached_property
    def partitions_of(self) -> tuple[tuple[int, ...], ...]:
        """For each region the indices of the partitions whose parent it is."""
        lists: list[list[int]] = [[] for _ in self.regions]
        for index, partition in enumerate(self.partitions):
            lists[partition.parent].append(index)
        return tuple(map(tuple, lists))

    @cached_property
    def leaves(self) -> tuple[int, ...]:
        """Regions without a partition."""
        return tuple(index for index, own in enumerate(self.partitions_of) if not own)

    @cached_property
    def level_of(self) -> tuple[int, ...]:
        """Height of each region: 0 for leaves, else one more than its highest child."""
        level = [0] * len(self.regions)
        # Children have smaller scopes, so going up by size sees every child before its parents.
        for index in sorted(range(len(self.regions)), key=lambda i: len(self.regions[i])):
            for p in self.partitions_of[index]:
                _, left, right = self.partitions[p]
                level[index] = max(level[index], level[left] + 1, level[right] + 1)
        return tuple(level)

    def to_json(self) -> str:
        """The graph as a JSON object with keys num_variables, regions, partitions."""
        return json.dumps(
            {
                "num_variables": self.num_variables,
                "regions": [list(scope) for scope in self.regions],
                "partitions": [list(partition) for partition in self.partitions],
            }
        )

    @classmethod
    def from_json(cls, text: str) -> RegionGraph:
        """The inverse of `to_json`. Raises ValueError when the text describes no valid graph."""
        data = json.loads(text)
        keys = ("num_variables", "regions", "partitions")
        if not isinstance(data, dict) or not set(keys) <= set(data):
            raise ValueError(f"A region graph is a JSON object with the keys {', '.join(keys)}: {text[:60]!r} is not.")
        try:
            return cls(
                operator.index(data["num_variables"]),
                tuple(tuple(map(operator.index, scope)) for scope in data["regions"]),
                tuple(Partition(*map(operator.index, partition)) for partition in data["partitions"]),
            )
        except TypeError as error:
            raise ValueError(
                "A region graph needs whole numbers: regions as lists of variables, partitions as lists of three "
                f"regions ({error})."
            ) from error

    def draw(self, axes: Any = None) -> Any:
        """Draw the graph with matplotlib (regions as boxes with their scopes, partitions as dots); returns the axes.

        Raises ValueError above 100 regions, which would be illegible.
        """
        if len(self.regions) > 100:
            raise ValueError(f"This graph has {len(self.regions)} regions; a drawing is legible up to 100.")
        import matplotlib.pyplot as plt

        axes = axes if axes is not None else plt.subplots(figsize=(10, 6))[1]
        place = self._layout()
        for parent, left, right in self.partitions:
            x = (place[left][0] + place[right][0]) / 2 * 0.7 + place[parent][0] * 0.3
            y = place[parent][1] - 0.5
            axes.plot([place[parent][0], x], [place[parent][1], y], color="0.6", lw=1, zorder=1)
            for child in (left, right):
                axes.plot([x, place[child][0]], [y, place[child][1]], color="0.6", lw=1, zorder=1)
            axes.plot([x], [y], "o", color="black", ms=5, zorder=2)
        for index, scope in enumerate(self.regions):
            text = ",".join(map(str, scope)) if len(scope) <= 6 else f"{scope[0]}…{scope[-1]} ({len(scope)})"
            box = {"boxstyle": "round", "fc": "white" if self.partitions_of[index] else "0.9", "ec": "black"}
            axes.text(*place[index], text, ha="center", va="center", fontsize=7, bbox=box, zorder=3)
        axes.set_axis_off()
        return axes

    def _layout(self) -> list[tuple[float, float]]:
        place = [(0.0, 0.0)] * len(self.regions)
        for level in range(self.level_of[0] + 1):
            members = [i for i, height in enumerate(self.level_of) if height == level]
            members.sort(key=lambda i: self.regions[i])
            for position, index in enumerate(members):
                place[index] = ((position + 0.5) / len(members), float(level))
        return place


def random_binary_trees(num_variables: int, depth: int, repetitions: int, seed: int) -> RegionGraph:
    """RAT-SPN: `repetitions` random balanced binary trees of the given depth below one root (arXiv 1806.01910).

    Every region is split into two random halves, sizes differing by at most one, until `depth` or until one variable
    is left. The repetitions share nothing but the root.

    Raises ValueError for fewer than two variables, or a depth or number of repetitions below one.
    """
    if num_variables < 2:
        raise ValueError(f"num_variables is {num_variables}: a tree needs at least two variables to split.")
    if depth < 1 or repetitions < 1:
        raise ValueError(f"depth is {depth} and repetitions is {repetitions}: both must be at least 1.")
    rng = np.random.default_rng(seed)
    regions: list[tuple[int, ...]] = [tuple(range(num_variables))]
    partitions: list[Partition] = []
    for _ in range(repetitions):
        front = [0]
        for _ in range(depth):
            children: list[int] = []
            for parent in front:
                if len(regions[parent]) < 2:
                    continue
                order = rng.permutation(np.array(regions[parent]))
                half = len(order) // 2
                left, right = len(regions), len(regions) + 1
                regions.append(tuple(sorted(order[:half].tolist())))
                regions.append(tuple(sorted(order[half:].tolist())))
                partitions.append(Partition(parent, left, right))
                children += [left, right]
            front = children
    return RegionGraph(num_variables, tuple(regions), tuple(partitions))


def poon_domingos(
    height: int, width: int, delta: int | Sequence[int], axes: str | Sequence[str] = ("vertical", "horizontal")
) -> RegionGraph:
    """Poon-Domingos: all rectangles reached by cutting an image on a grid, shared wherever they coincide.

    Parameters
    ----------
    height, width: pixels; variable number = row · width + column.
    delta: distance of the cuts in pixels, or several from coarse to fine: a rectangle is cut with the first that fits
        at all.
    axes: which way to cut: "horizontal" moves along the columns (strips side by side), "vertical" along the rows.

    Raises ValueError for an unknown axis, a delta below one, deltas that do not descend, or that cut nothing.
    """
    deltas, named = step_sizes(delta), [axes] if isinstance(axes, str) else axes or ()
    if not isinstance(named, Sequence) or not named or any(axis not in AXES for axis in named):
        raise ValueError(f"axes is {named!r}: expected one or both of {AXES}.")
    dimensions = [AXES.index(axis) for axis in AXES if axis in named]

    full = (0, 0, height, width)
    index = {full: 0}
    boxes, partitions, position = [full], [], 0
    while position < len(boxes):
        for left, right in _cuts(boxes[position], deltas, dimensions):
            for box in (left, right):
                if box not in index:
                    index[box] = len(boxes)
                    boxes.append(box)
            partitions.append(Partition(position, index[left], index[right]))
        position += 1
    if not partitions:
        raise ValueError(f"delta {delta!r} cuts a {height}×{width} image nowhere along {axes}: use a smaller one.")
    grid = np.arange(height * width).reshape(height, width)
    regions = tuple(tuple(grid[top:bottom, left:right].ravel().tolist()) for top, left, bottom, right in boxes)
    return RegionGraph(height * width, regions, tuple(partitions))


def step_sizes(delta: int | Sequence[int]) -> tuple[int, ...]:
    """One or several step sizes as a tuple; raises ValueError unless they are whole, positive and descending."""
    given = delta if isinstance(delta, Sequence | np.ndarray) else (delta,)
    try:
        deltas = tuple(checks.integer(step, name="delta") for step in given)
    except ValueError:
        deltas = ()
    if not deltas:
        raise ValueError(f"delta is {delta!r}: expected one or several step sizes of at least 1 pixel.")
    if any(a <= b for a, b in pairwise(deltas)):
        raise ValueError(f"delta is {delta!r}: several step sizes must descend, from coarse to fine.")
    return deltas


Box = tuple[int, int, int, int]  # top, left, bottom, right; the latter two exclusive


def _cuts(box: Box, deltas: Sequence[int], dimensions: Sequence[int]) -> list[tuple[Box, Box]]:
    """All cuts of a box with the first step size that cuts it at all."""
    for step in deltas:
        cuts = []
        for d in dimensions:
            low, high = box[d], box[d + 2]
            for cut in range((low // step + 1) * step, high, step):
                first, second = list(box), list(box)
                first[d + 2] = second[d] = cut
                cuts.append((_box(first), _box(second)))
        if cuts:
            return cuts
    return []


def _box(values: list[int]) -> Box:
    top, left, bottom, right = values
    return top, left, bottom, right
