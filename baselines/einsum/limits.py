"""What fits into `memory_limit`, in bytes: images of a batch, circuits side by side, products of a block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from baselines.einsum.cost import BLOCK_ELEMENTS, FLOAT_BYTES, graph_cost
from baselines.einsum.layers import CHUNK_ELEMENTS
from baselines.einsum.region_graph import RegionGraph


def block_sizes(limit: int | None) -> dict[str, int]:
    """Arguments of `Circuit`: an eighth of the limit for products, an eighth for choices on the way down."""
    if limit is None:
        return {}
    return {
        "block_elements": max(1, min(BLOCK_ELEMENTS, limit // (8 * 2 * FLOAT_BYTES))),
        "chunk_elements": max(1, min(CHUNK_ELEMENTS, limit // (8 * 6 * FLOAT_BYTES))),
    }


class Need(NamedTuple):
    """Bytes of one circuit, and of each image that it computes at a time; what: "train", "joint", "score", "down"."""

    parameters: int
    image: int

    @classmethod
    def of(cls, graph: RegionGraph, params: Mapping[str, Any], what: str) -> Need:
        cost = graph_cost(graph, params["sums"], leaf=params["leaf"], trials=params["trials"])
        kinds = {"train": cost.image_bytes, "joint": cost.image_bytes, "score": cost.score_bytes}
        # the optimiser has its own copies, weights before their softmax and up to two moments; a joint plan is a copy,
        # whose statistics are kept beside those of a batch
        gradient = params["learning"] == "gradient" and what == "train"
        copies = 3 if gradient else 2 if what == "joint" else 1
        # a block holds one partition at least
        return cls(
            copies * cost.parameter_bytes, kinds.get(what, cost.down_bytes) + 2 * FLOAT_BYTES * params["sums"] ** 2
        )


def images_at_a_time(graph: RegionGraph, params: Mapping[str, Any], batch: int, what: str) -> int:
    """How many of a batch's images one circuit may compute at a time.

    Raises ValueError where the limit is too low for one.
    """
    limit = params["memory_limit"]
    if limit is None:
        return batch
    need = Need.of(graph, params, what)
    room = _room(limit) - need.parameters
    if room < need.image:
        least = (need.parameters + need.image) * 4 // 3 + 4
        raise ValueError(f"memory_limit is {limit} bytes, but one image needs {least}: raise the limit.")
    return int(min(batch, room // need.image))


def circuits_at_a_time(graph: RegionGraph, params: Mapping[str, Any], most: int) -> int:
    """How many of `most` circuits may train side by side on whole batches; at least one, on pieces of a batch."""
    limit = params["memory_limit"]
    if limit is None:
        return most
    need = Need.of(graph, params, "joint")
    return max(1, min(most, _room(limit) // (need.parameters + need.image * params["batch_size"])))


def _room(limit: int) -> int:
    """What is left beside the blocks (see `block_sizes`)."""
    return limit - limit // 4
