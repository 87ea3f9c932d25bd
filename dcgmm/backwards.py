"""The layers backwards: a component per position, a patch per component, and the way through folding and pooling."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from dcgmm.layers import cgmm
from dcgmm.layers.folding import unfold
from dcgmm.layers.pooling import upsample
from dcgmm.network import Stage
from dcgmm.notation import Folding, PlacedLayer


def choose_components(
    control: jax.Array, u: jax.Array, top_s: int | None = None, power: jax.Array | float | None = None
) -> jax.Array:
    """Draw a component per position with probability proportional to the control signal's S largest entries.

    Args:
        control: (N, h, w, K); negative entries count as 0; at a position without positive entries all K components are
            equally probable, whatever S.
        u: (N, h, w) uniform in [0, 1 - 2^-23].
        top_s: S, None for all.
        power: exponent of the entries, None for 1.

    Returns:
        (N, h, w) int32.
    """
    p = jnp.maximum(control, 0.0)
    components = p.shape[-1]
    largest = p.max(-1, keepdims=True)
    said = largest > 0.0
    p = jnp.where(said, p / largest, 1.0)
    if top_s is None or top_s >= components:
        return _drawn(p, u, power)
    p, kept = jax.lax.top_k(p, top_s)
    drawn = kept[..., 0] if top_s == 1 else jnp.take_along_axis(kept, _drawn(p, u, power)[..., None], -1)[..., 0]
    any_component = jnp.minimum((u * components).astype(jnp.int32), components - 1)
    return jnp.where(said[..., 0], drawn, any_component)


def _drawn(p: jax.Array, u: jax.Array, power: jax.Array | float | None) -> jax.Array:
    """(N, h, w) int32, with probabilities proportional to p (N, h, w, S), not negative, to a power."""
    cumulative = jnp.cumsum(p if power is None else p**power, -1)
    return (cumulative <= u[..., None] * cumulative[..., -1:]).sum(-1, dtype=jnp.int32)


def draw_patches(
    parameters: cgmm.Parameters, component: jax.Array, noise: jax.Array, divisor: jax.Array | float
) -> jax.Array:
    """Patches from N(mu, (1/s)²/divisor²) of the chosen components; no noise where s is at its upper bound √20.

    Training never takes s above the bound; where `set_parameters` has, there is noise as everywhere else.

    Args:
        component: (N, h, w) int32.
        noise: (N, h, w, D), standard normal.

    Returns:
        (N, h, w, D).
    """
    mu, s, _ = parameters
    at_bound = (s >= cgmm.S_MAX * (1.0 - 1e-6)) & (s <= cgmm.S_MAX * (1.0 + 1e-6))
    deviation = jnp.where(at_bound, 0.0, 1.0 / (s * divisor))
    sets, components, dimension = mu.shape
    if sets > 1:
        position = jnp.arange(sets, dtype=jnp.int32) * components
        component = component + position.reshape(1, *component.shape[1:])
    both = jnp.concatenate([mu, deviation], -1).reshape(-1, 2 * dimension)
    chosen = both.at[component].get(mode="promise_in_bounds")
    return chosen[..., :dimension] + chosen[..., dimension:] * noise


def start_components(
    stage: Stage,
    parameters: cgmm.Parameters,
    option: str,
    component: jax.Array,
    images: jax.Array,
    u: jax.Array,
    use_weights: bool,
) -> jax.Array:
    """Components (N, h, w) of the layer where sampling starts without a control signal.

    Args:
        option: "draw", "cycle", or "fixed" for the one that `component` names.
        images: (N,) int32 numbers of the images.
        u: (N, h, w) uniform in [0, 1).
        use_weights: draw by the layer's weights pi, else uniformly.
    """
    if option == "cycle":
        return jnp.broadcast_to((images % stage.components)[:, None, None], u.shape)
    if option == "fixed":
        return jnp.broadcast_to(component, u.shape)
    weights = jax.nn.softmax(parameters.w) if use_weights else jnp.ones_like(parameters.w)
    h, w = stage.patches.grid
    prior = jnp.broadcast_to(weights, (h * w, stage.components)).reshape(1, h, w, -1)
    return choose_components(jnp.broadcast_to(prior, (*u.shape, stage.components)), u)


def undo(placed: PlacedLayer, signal: jax.Array) -> jax.Array:
    """A folding or pooling layer backwards: (N, H, W, C) of its output → (N, H', W', C') of its input."""
    if isinstance(placed.spec, Folding):
        return unfold(signal, placed.spec, placed.input_shape)
    return upsample(signal, placed.spec, placed.input_shape)  # type: ignore[arg-type]


def layers_below(stage: Stage) -> list[PlacedLayer]:
    """The layers between a stage's cGMM layer and the one below it, bottom first."""
    patches = stage.patches
    if patches.size == 1 and patches.stride == 1:
        return list(stage.transforms)
    folding = Folding(patches.size, patches.stride)
    return [
        *stage.transforms,
        PlacedLayer(stage.layer.index - 1, folding, patches.input_shape, stage.layer.input_shape),
    ]
