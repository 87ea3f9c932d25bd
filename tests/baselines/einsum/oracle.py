"""The circuit written down from its definition, one region at a time, in float64: the reference for the folded code."""

from itertools import product

import numpy as np
import torch
from hypothesis import strategies as st
from scipy import stats

from baselines.einsum import BinomialLeaf, CategoricalLeaf, Circuit, RegionGraph, poon_domingos, random_binary_trees


def leaf_log_density(circuit: Circuit, region: int, x: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(K,) log-densities of one leaf region for one image, with scipy's distributions."""
    for group in circuit.leaf_groups:
        for g, scope in enumerate(group.scopes.tolist()):
            if tuple(scope) == circuit.graph.regions[region] and leaf_number(circuit, group, g) == region:
                out = np.zeros(circuit.units)
                for d, variable in enumerate(scope):
                    if known[variable]:
                        out += variable_log_density(circuit, group.moments.double().numpy(), g, d, x[variable])
                return out
    raise AssertionError(f"region {region} is not a leaf")


def leaf_number(circuit: Circuit, wanted, row: int) -> int:
    """Region number of a row of a leaf group."""
    sizes = [len(circuit.graph.regions[r]) for _, r in circuit.plan.order[0]]
    members = [r for (_, r), s in zip(circuit.plan.order[0], sizes, strict=True) if s == wanted.scopes.shape[1]]
    return members[row]


def variable_log_density(circuit: Circuit, moments: np.ndarray, g: int, d: int, value: float) -> np.ndarray:
    family = circuit.family
    if isinstance(family, CategoricalLeaf):
        return np.log(moments[g, d, int(value)])
    if isinstance(family, BinomialLeaf):
        return stats.binom.logpmf(value, family.trials, moments[g, :, 0, d])
    return stats.norm.logpdf(value, moments[g, :, 0, d], np.sqrt(moments[g, :, 1, d]))


def partition_weights(circuit: Circuit) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """For each partition its sum weights (O, K²) and its part in the region's mixture (O,)."""
    rows = {}
    for plan, level in zip(circuit.plan.levels, circuit.sum_levels, strict=True):
        row = 0
        for i, (_, region) in enumerate(plan.regions):
            for m, p in enumerate(circuit.graph.partitions_of[region]):
                weight = level.weight[row].double().numpy()
                mixing = np.ones(len(weight)) if level.mixing is None else level.mixing[i, m].double().numpy()
                rows[p] = (weight, mixing)
                row += 1
    return rows


def log_density(circuit: Circuit, x: np.ndarray, known: np.ndarray | None = None) -> float:
    """log p of one image (V,), unknown variables summed out, by recursion over regions (no log-sum-exp tricks)."""
    known = np.ones(len(x), bool) if known is None else known
    graph, memory, rows = circuit.graph, {}, partition_weights(circuit)

    def value(region: int) -> np.ndarray:
        if region not in memory:
            if not graph.partitions_of[region]:
                memory[region] = np.exp(leaf_log_density(circuit, region, x, known))
            else:
                memory[region] = sum(term(p) for p in graph.partitions_of[region])
        return memory[region]

    def term(p: int) -> np.ndarray:
        weight, mixing = rows[p]
        _, left, right = graph.partitions[p]
        return mixing * (weight @ np.outer(value(left), value(right)).ravel())

    return float(np.log(value(0)[0]))


def induced_trees(circuit: Circuit, x: np.ndarray, known: np.ndarray, values: int) -> list[float]:
    """Log-densities of all induced trees (one partition, one pair of units per region), with the best of 0 … values - 1
    for every unknown variable of a tree's leaves. Enumerated one by one: for tiny circuits only.
    """
    graph, rows = circuit.graph, partition_weights(circuit)

    def leaf(region: int, unit: int) -> float:
        total = 0.0
        for variable in graph.regions[region]:
            only = np.arange(len(x)) == variable
            tried = [x] if known[variable] else [np.where(only, v, x) for v in range(values)]
            total += max(leaf_log_density(circuit, region, image, only)[unit] for image in tried)
        return total

    def trees(region: int, unit: int) -> list[float]:
        if not graph.partitions_of[region]:
            return [leaf(region, unit)]
        found = []
        for p in graph.partitions_of[region]:
            weight, mixing = rows[p]
            _, left, right = graph.partitions[p]
            for i, j in product(range(circuit.units), repeat=2):
                here = np.log(mixing[unit]) + np.log(weight[unit, i * circuit.units + j])
                found += [here + a + b for a, b in product(trees(left, i), trees(right, j))]
        return found

    return trees(0, 0)


def all_states(variables: int, values: int) -> torch.Tensor:
    """(values ** variables, variables): every state of a small domain."""
    return torch.tensor(list(product(range(values), repeat=variables)), dtype=torch.float32)


@st.composite
def graphs(draw, largest: int = 8) -> RegionGraph:
    """Random-tree and Poon-Domingos graphs with up to `largest` variables."""
    if draw(st.booleans()):
        return random_binary_trees(
            draw(st.integers(2, largest)), draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(0, 99))
        )
    height = draw(st.integers(1, 3))
    width = draw(st.integers(2, max(2, largest // height)))
    delta = draw(st.sampled_from([1, (2, 1), (1,)]))
    axes = draw(st.sampled_from([("horizontal",), ("vertical", "horizontal")]))
    return poon_domingos(height, width, delta, axes)


@st.composite
def circuits(draw, largest: int = 8, values: int = 2) -> Circuit:
    """Small circuits over values 0 … values - 1, float64."""
    family = draw(st.sampled_from([BinomialLeaf(values - 1), CategoricalLeaf(values)]))
    circuit = Circuit(
        draw(graphs(largest)),
        draw(st.integers(1, 4)),
        family,
        seed=draw(st.integers(0, 99)),
        block_elements=draw(st.sampled_from([1, 2**18])),
    )
    circuit.double()
    for level in circuit.sum_levels:  # drawn and normalised in float32: normalise to double precision
        level.weight /= level.weight.sum(2, keepdim=True)
        if level.mixing is not None:
            level.mixing /= level.mixing.sum(1, keepdim=True)
    if isinstance(family, CategoricalLeaf):
        for group in circuit.leaf_groups:
            group.moments /= group.moments.sum(2, keepdim=True)
    return circuit
