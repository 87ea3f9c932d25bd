"""A stack as a chain of stages: each cGMM layer with the transformations right below it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from dcgmm.layers import cgmm
from dcgmm.layers.folding import fold
from dcgmm.layers.pooling import pool
from dcgmm.notation import Architecture, Cgmm, Folding, PlacedLayer, Pooling


@dataclass(frozen=True)
class Stage:
    """One cGMM layer, and what happens to its input before the folding that the cGMM layer does itself."""

    transforms: tuple[PlacedLayer, ...]  # poolings, and foldings that are not right below the cGMM layer
    patches: cgmm.Patches
    components: int
    layer: PlacedLayer

    def transform(self, x: tf.Tensor, skipped: int = 0) -> tf.Tensor:
        """(N, H', W', C') activities of the stage below → what `patches` describes; without `skipped` first steps."""
        for placed in self.transforms[skipped:]:
            spec = placed.spec
            if isinstance(spec, Pooling):
                x = pool(x, spec)
            elif isinstance(spec, Folding):
                x = fold(x, spec.size, spec.stride)
        return x

    @property
    def parameter_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of mu, s and w: (P, K, D), (P, K, D), (P, K)."""
        full = (self.layer.positions, self.components, self.patches.dimension)
        return full, full, full[:2]


def stages(architecture: Architecture) -> tuple[Stage, ...]:
    """The stages of an architecture, bottom first."""
    found: list[Stage] = []
    pending: list[PlacedLayer] = []
    for placed in architecture.layers:
        if not isinstance(placed.spec, Cgmm):
            pending.append(placed)
            continue
        below = pending[-1] if pending and isinstance(pending[-1].spec, Folding) else None
        transforms = tuple(pending[:-1] if below else pending)
        size, stride = (below.spec.size, below.spec.stride) if below else (1, 1)  # type: ignore[union-attr]
        shape = below.input_shape if below else placed.input_shape
        patches = cgmm.Patches(size, stride, shape, placed.spec.independent)
        found.append(Stage(transforms, patches, placed.spec.components, placed))
        pending = []
    return tuple(found)


def initial_parameters(chain: tuple[Stage, ...], rng: np.random.Generator) -> list[cgmm.Parameters]:
    """Random start: mu uniform in [-0.1, 0.1], s = √20, w = 1/K, float32."""
    start = []
    for stage in chain:
        shape, _, weights = stage.parameter_shapes
        start.append(
            cgmm.Parameters(
                tf.constant(rng.uniform(-0.1, 0.1, shape).astype(np.float32)),
                tf.fill(shape, np.float32(cgmm.S_MAX)),
                tf.fill(weights, np.float32(1.0 / stage.components)),
            )
        )
    return start


def forward(
    chain: tuple[Stage, ...], parameters: Any, x: tf.Tensor, *, last_activities: bool = False
) -> Iterator[tuple[Stage, tf.Tensor, tf.Tensor, tf.Tensor | None]]:
    """Forward mode through all stages.

    Yields, bottom first: the stage, its transformed input (N, H', W', C'), its log-densities in the layout of
    `stage.patches.component_axis`, and its activities (N, h, w, K), None for the last stage unless asked for.
    """
    for index, (stage, own) in enumerate(zip(chain, parameters, strict=True)):
        x = stage.transform(x)
        log_p = cgmm.log_densities(x, cgmm.quadratic_form(own), stage.patches)
        activities = None
        if last_activities or index < len(chain) - 1:
            activities = cgmm.responsibilities(log_p, axis=stage.patches.component_axis)
        yield stage, x, log_p, activities
        x = activities
