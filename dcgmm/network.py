"""A stack as a chain of stages: each cGMM layer with the transformations right below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from dcgmm.layers import cgmm
from dcgmm.layers.folding import fold
from dcgmm.layers.forms import Form, Independent
from dcgmm.layers.pooling import pool, pool_by_rows
from dcgmm.notation import Architecture, Cgmm, Folding, PlacedLayer, Pooling


@dataclass(frozen=True)
class Stage:
    """One cGMM layer, and what happens to its input before the folding that the cGMM layer does itself."""

    transforms: tuple[PlacedLayer, ...]  # poolings, and foldings that are not right below the cGMM layer
    patches: cgmm.Patches
    components: int
    layer: PlacedLayer

    def transform(self, x: jax.Array, skipped: int = 0) -> jax.Array:
        """(N, H', W', C') activities of the stage below → what `patches` describes; without `skipped` first steps."""
        for placed in self.transforms[skipped:]:
            spec = placed.spec
            if isinstance(spec, Pooling):
                x = pool(x, spec)
            elif isinstance(spec, Folding):
                x = fold(x, spec.size, spec.stride)
        return x

    def transform_activities(self, activities: jax.Array, below: Form) -> jax.Array:
        """`transform` of the activities of the stage below as its form orders them, pooled before they are transposed
        where that is faster."""
        first = self.transforms[0].spec if self.transforms else None
        if not (isinstance(below, Independent) and below.row and isinstance(first, Pooling)):
            return self.transform(below.by_image(activities))
        pooled = pool_by_rows(activities.reshape(*below.patches.grid, *activities.shape[1:]), first)
        return self.transform(pooled.transpose(3, 0, 1, 2), skipped=1)

    @property
    def parameter_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of mu, s and w: (P, K, D), (P, K, D), (P, K)."""
        full = (self.layer.positions, self.components, self.patches.dimension)
        return full, full, full[:2]


def stages(architecture: Architecture, platform: str = "cpu") -> tuple[Stage, ...]:
    """The stages of an architecture, bottom first, in the forms that suit the platform, "cpu" or "gpu"."""
    found: list[Stage] = []
    pending: list[PlacedLayer] = []
    for placed in architecture.layers:
        if not isinstance(placed.spec, Cgmm):
            pending.append(placed)
            continue
        # The cGMM layer does the folding right below it; one of single positions, which it could not tell from none,
        # stays a step of its own: sampling sharpens it.
        below = pending[-1] if pending and isinstance(pending[-1].spec, Folding) else None
        below = None if below and (below.spec.size, below.spec.stride) == (1, 1) else below  # type: ignore[union-attr]
        transforms = tuple(pending[:-1] if below else pending)
        size, stride = (below.spec.size, below.spec.stride) if below else (1, 1)  # type: ignore[union-attr]
        shape = below.input_shape if below else placed.input_shape
        patches = cgmm.Patches(size, stride, shape, placed.spec.independent, platform)
        found.append(Stage(transforms, patches, placed.spec.components, placed))
        pending = []
    return tuple(found)


def initial_parameters(chain: tuple[Stage, ...], rng: np.random.Generator) -> list[cgmm.Parameters]:
    """Random start: mu uniform in [-0.1, 0.1], s = √20, w = 1/K; float32 in NumPy."""
    start = []
    for stage in chain:
        shape, _, weights = stage.parameter_shapes
        mu = rng.uniform(-0.1, 0.1, shape).astype(np.float32)
        s = np.full(shape, cgmm.S_MAX, np.float32)
        start.append(cgmm.Parameters(mu, s, np.full(weights, 1.0 / stage.components, np.float32)))  # type: ignore[arg-type]
    return start


def forward(
    chain: Sequence[Stage], parameters: Sequence[cgmm.Parameters], x: jax.Array, *, last_activities: bool = False
) -> Iterator[tuple[Stage, jax.Array, jax.Array, jax.Array | None]]:
    """Forward mode through all stages.

    Yields, bottom first: the stage, its transformed input (N, H', W', C'), its log-densities in the order of axes of
    its form, and its activities (N, h, w, K), None for the last stage unless asked for.
    """
    for index, (stage, own) in enumerate(zip(chain, parameters, strict=True)):
        x = stage.transform(x)
        log_p = cgmm.log_densities(x, cgmm.quadratic_form(own), stage.patches)
        activities = None
        if last_activities or index < len(chain) - 1:
            activities = cgmm.responsibilities(log_p, stage.patches)
        yield stage, x, log_p, activities
        if activities is not None:
            x = activities


def classifier_features(
    chain: Sequence[Stage], parameters: Sequence[cgmm.Parameters], x: jax.Array, sources: int
) -> jax.Array:
    """Flattened activities of the `sources` highest cGMM layers, lower layer first: (N, D)."""
    every = [a for *_, a in forward(chain, parameters, x, last_activities=True)]
    return jnp.concatenate([a.reshape(len(x), -1) for a in every[-sources:] if a is not None], -1)
