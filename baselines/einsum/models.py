"""RAT-SPN and PD-SPN: Einsum networks that make their region graphs themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from baselines.einsum.cost import pd_graph, rat_graph
from baselines.einsum.region_graph import step_sizes
from baselines.einsum.spn import EinsumSpn
from dcgmm import checks


class RatSpn(EinsumSpn):
    """RAT-SPN: random balanced binary trees (Peharz et al., UAI 2019, arXiv 1806.01910) as an Einsum network.

    Parameters
    ----------
    image_shape: (H, W, C).
    sums: K, sums per region and distributions per leaf region (the paper's S and I).
    depth, repetitions: of the random trees over pixels (the paper's D and R). The trees depend on `seed`.
    leaf, trials, pixels, seed and training parameters: see `EinsumSpn`.

    >>> model = RatSpn((28, 28, 1), sums=10, depth=4, repetitions=10, leaf="normal", epochs=5)
    >>> model.fit(x); model.score_samples(x); model.sample(25, seed=0)  # doctest: +SKIP
    """

    kind = "RAT-SPN"
    structure = ("depth", "repetitions")

    def __init__(
        self,
        image_shape: Sequence[int],
        sums: int = 10,
        depth: int = 4,
        repetitions: int = 10,
        leaf: str = "binomial",
        trials: int = 255,
        pixels: str = "counts",
        seed: int = 0,
        **training: Any,
    ) -> None:
        structure = {
            "depth": checks.integer(depth, name="depth"),
            "repetitions": checks.integer(repetitions, name="repetitions"),
        }
        graph = rat_graph(checks.image_shape(image_shape), **structure, seed=checks.seed(seed))
        super().__init__(
            image_shape, graph, structure, sums=sums, leaf=leaf, trials=trials, pixels=pixels, seed=seed, **training
        )


class PdSpn(EinsumSpn):
    """PD-SPN: Poon-Domingos rectangles (UAI 2011) as an Einsum network (Peharz et al., ICML 2020, arXiv 2004.06231).

    Parameters
    ----------
    image_shape: (H, W, C).
    sums: K, sums per region and distributions per leaf region.
    delta: distance of the cuts in pixels, or several from coarse to fine.
    axes: "horizontal" (strips side by side, the paper's choice), "vertical", or both.
    leaf, trials, pixels, seed and training parameters: see `EinsumSpn`.
    """

    kind = "PD-SPN"
    structure = ("delta", "axes")

    def __init__(
        self,
        image_shape: Sequence[int],
        sums: int = 10,
        delta: int | Sequence[int] = 7,
        axes: str | Sequence[str] = ("horizontal",),
        leaf: str = "binomial",
        trials: int = 255,
        pixels: str = "counts",
        seed: int = 0,
        **training: Any,
    ) -> None:
        graph = pd_graph(checks.image_shape(image_shape), delta, axes)
        steps = step_sizes(delta)
        structure = {
            "delta": steps[0] if len(steps) == 1 else list(steps),
            "axes": [axes] if isinstance(axes, str) else list(axes),
        }
        super().__init__(
            image_shape, graph, structure, sums=sums, leaf=leaf, trials=trials, pixels=pixels, seed=seed, **training
        )
