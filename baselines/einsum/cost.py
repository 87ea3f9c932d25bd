"""What a grid point costs, from its region graph alone: nothing is built, torch is not imported.

Counts follow the executed algorithm (layers.py, leaves.py), so a DAG can leave points out before starting them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from baselines.einsum.region_graph import RegionGraph, poon_domingos, random_binary_trees

FLOAT_BYTES = 4
SCORE_BATCH = 500  # images that models score, sample or complete at a time
# Floats per variable of a leaf region that training, scoring and masks gather for an image (table look-ups: int64).
GATHERED = {"normal": (2, 2, 1), "binomial": (1, 1, 1), "categorical": (10, 4, 2)}
# Products l_i·r_j that exist at a time, in a block of partitions: 1 MB, or up to six partitions in 4 MB.
# Larger blocks fall out of the cache, and the C library returns their memory to the system after every step (some
# thousand page faults, a tenth of the time); smaller ones cost launches, and cores share one partition's product badly.
# The best of 2^16 to 2^22 for PD and RAT with K of 10, 20 and 40 on a 2-core EPYC.
CACHED_ELEMENTS, BLOCK_ELEMENTS, ENOUGH_PARTITIONS = 2**18, 2**20, 6
GPU_BLOCK_ELEMENTS = 2**28  # 1 GB: launches are what counts there
LEAF_ELEMENTS = 2**17  # statistics that leaves gather at a time: 1 MB of float64, for the same reason


def partitions_at_a_time(products: int, block_elements: int = BLOCK_ELEMENTS) -> int:
    """Partitions in a block, when each has so many `products` and a block holds at most `block_elements` (or one)."""
    if block_elements > BLOCK_ELEMENTS:  # a GPU
        return max(1, block_elements // products)
    wanted = max(CACHED_ELEMENTS // products, ENOUGH_PARTITIONS)
    return max(1, min(wanted, block_elements // products))


@dataclass(frozen=True)
class Cost:
    """Estimates for one grid point.

    parameters: exact number of parameters, as `count_params()` gives it.
    forward_flops: of one image's log-likelihood (a multiplication and an addition are two).
    step_flops: of one training step per image: forward, both backward products, leaf statistics.
    parameter_bytes: float32 parameters, their gradients, and one temporary of EM.
    image_bytes: activations per image of a training batch, forward and backward (linear in the batch).
    score_bytes: likewise when only log-likelihoods are computed.
    down_bytes: likewise of completing images: all regions' activations are kept for the way down.
    peak_bytes: estimate of the peak of training with the given batch and of scoring SCORE_BATCH images, whichever is
        higher.
    """

    parameters: int
    forward_flops: int
    step_flops: int
    parameter_bytes: int
    image_bytes: int
    score_bytes: int
    down_bytes: int
    peak_bytes: int

    def to_dict(self) -> dict[str, int]:
        return asdict(self)


def graph_cost(
    graph: RegionGraph, sums: int, *, leaf: str = "binomial", trials: int = 255, batch_size: int = 100, classes: int = 1
) -> Cost:
    """Cost of a circuit over this graph (its variables are pixels times channels) with `sums` units per region."""
    statistics = {"normal": 2, "binomial": 1, "categorical": trials + 1}.get(leaf)
    if statistics is None:
        raise ValueError(f"leaf is {leaf!r}: expected normal, binomial or categorical.")
    leaf_variables = sum(len(graph.regions[r]) for r in graph.leaves)
    per_partition = Counter(classes if p.parent == 0 else sums for p in graph.partitions)
    sum_weights = sum(count * outputs * sums * sums for outputs, count in per_partition.items())
    mixed = [(r, len(own)) for r, own in enumerate(graph.partitions_of) if len(own) > 1]
    mixing = sum(count * (classes if r == 0 else sums) for r, count in mixed)
    leaf_parameters = leaf_variables * sums * statistics

    touched = 1 if leaf == "categorical" else statistics  # a table look-up touches one entry per variable
    leaf_flops = 2 * leaf_variables * sums * touched
    few = {outputs: outputs < sums for outputs in per_partition}  # then no K² products
    products = sum(count * sums * (outputs if few[outputs] else sums) for outputs, count in per_partition.items())
    forward = leaf_flops + 2 * sum_weights + products
    step = 2 * leaf_flops + 6 * sum_weights + 5 * products

    units = len(graph.regions) * sums + sum(count * outputs for outputs, count in per_partition.items())
    leaf_units = len(graph.leaves) * sums
    kept = 3 * sum(count * outputs * sums for outputs, count in per_partition.items() if few[outputs])
    training, scoring, masks = GATHERED[leaf]
    pixels = 4 * graph.num_variables
    image_bytes = FLOAT_BYTES * (4 * units + kept + training * leaf_variables + pixels)
    # Leaf statistics are gone when the sums have begun, so the larger of the two counts.
    score_bytes = FLOAT_BYTES * (max(scoring * leaf_variables + leaf_units, 5 * units // 4) + pixels)
    gathered = (scoring + masks) * leaf_variables
    down_bytes = FLOAT_BYTES * (max(gathered + 2 * leaf_units, 3 * units) + pixels)
    parameters = leaf_parameters + sum_weights + mixing
    parameter_bytes = FLOAT_BYTES * 3 * parameters
    train_peak = image_bytes * batch_size + 2 * _block_bytes(sums * sums * batch_size)
    score_peak = score_bytes * SCORE_BATCH + _block_bytes(sums * sums * SCORE_BATCH)
    peak = parameter_bytes + max(train_peak, score_peak)
    return Cost(parameters, forward, step, parameter_bytes, image_bytes, score_bytes, down_bytes, peak)


def _block_bytes(products: int) -> int:
    """At most so many bytes for a block, when each partition has so many products."""
    return FLOAT_BYTES * max(BLOCK_ELEMENTS, products)


def rat_graph(image_shape: Sequence[int], depth: int, repetitions: int, seed: int = 0) -> RegionGraph:
    """Region graph of `RatSpn`, over pixels."""
    height, width, _ = image_shape
    return _trees(height * width, depth, repetitions, seed)


@lru_cache(maxsize=16)  # a grid asks for the same trees with every number of sums
def _trees(pixels: int, depth: int, repetitions: int, seed: int) -> RegionGraph:
    return random_binary_trees(pixels, depth, repetitions, seed)


def pd_graph(image_shape: Sequence[int], delta: int | Sequence[int], axes: str | Sequence[str]) -> RegionGraph:
    """Region graph of `PdSpn`, over pixels."""
    height, width, _ = image_shape
    return poon_domingos(height, width, delta, axes)


def with_channels(graph: RegionGraph, channels: int) -> RegionGraph:
    """The same graph over pixels times channels: a pixel's channels stay together (variable = pixel·C + channel)."""
    if channels == 1:
        return graph
    regions = tuple(tuple(p * channels + c for p in scope for c in range(channels)) for scope in graph.regions)
    return RegionGraph(graph.num_variables * channels, regions, graph.partitions)


def rat_spn_cost(image_shape: Sequence[int], *, depth: int = 4, repetitions: int = 10, **params: Any) -> Cost:
    """Cost of `RatSpn` with these parameters; those of its constructor that do not matter are accepted too."""
    return _spn_cost(rat_graph(image_shape, depth, repetitions), image_shape, **params)


def pd_spn_cost(
    image_shape: Sequence[int],
    *,
    delta: int | Sequence[int] = 7,
    axes: str | Sequence[str] = ("horizontal",),
    **params: Any,
) -> Cost:
    """Cost of `PdSpn` with these parameters; those of its constructor that do not matter are accepted too."""
    return _spn_cost(pd_graph(image_shape, delta, axes), image_shape, **params)


def _spn_cost(graph: RegionGraph, image_shape: Sequence[int], *, sums: int = 10, **params: Any) -> Cost:
    known = {name: params[name] for name in ("leaf", "trials", "batch_size") if name in params}
    return graph_cost(with_channels(graph, image_shape[2]), sums, **known)
