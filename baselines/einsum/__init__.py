"""Einsum networks: RAT-SPN and PD-SPN, exact tractable densities of images, in PyTorch.

    from baselines.einsum import RatSpn
    model = RatSpn((28, 28, 1), sums=10, depth=4, repetitions=10, leaf="normal", epochs=5)
    model.fit(x)

Other structures: make a `RegionGraph` and hand it to `EinsumSpn`. Own circuits: choose a leaf family too, build a
`Circuit`; `training` and `inference` do the rest.
Torch is imported when a name that needs it is first used, so region graphs and cost estimates are cheap to import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from baselines.einsum.circuit import Circuit
    from baselines.einsum.leaves import BinomialLeaf, CategoricalLeaf, NormalLeaf
    from baselines.einsum.models import PdSpn, RatSpn
    from baselines.einsum.region_graph import Partition, RegionGraph, poon_domingos, random_binary_trees
    from baselines.einsum.spn import EinsumSpn

_HOME = {
    "Circuit": "circuit",
    "BinomialLeaf": "leaves",
    "CategoricalLeaf": "leaves",
    "NormalLeaf": "leaves",
    "EinsumSpn": "spn",
    "PdSpn": "models",
    "RatSpn": "models",
    "Partition": "region_graph",
    "RegionGraph": "region_graph",
    "poon_domingos": "region_graph",
    "random_binary_trees": "region_graph",
}
__all__ = [
    "BinomialLeaf",
    "CategoricalLeaf",
    "Circuit",
    "EinsumSpn",
    "NormalLeaf",
    "Partition",
    "PdSpn",
    "RatSpn",
    "RegionGraph",
    "poon_domingos",
    "random_binary_trees",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
