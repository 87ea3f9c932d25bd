"""Sampling (Sec. III-I): backwards through the stack, from a cGMM layer's control signal to images.

Each cGMM layer chooses a component per position by the control signal from above and draws a patch from it; folding
and pooling layers hand the patches down as the control signal of the next lower cGMM layer. Mini-batches are compiled;
an image depends on the seed and its own number only (dcgmm.randomness), not on how many are drawn.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from dcgmm import randomness
from dcgmm.layers import cgmm
from dcgmm.layers.folding import unfold
from dcgmm.layers.pooling import upsample
from dcgmm.network import Stage
from dcgmm.notation import Folding, PlacedLayer
from dcgmm.sharpening import sharpen, target_loss

MINI_BATCHES = (10, 100)  # images drawn at a time: the smallest that holds all, or the largest
STREAMS_PER_LAYER = 2  # of random numbers: choice of components, noise


@dataclass(frozen=True)
class LayerOptions:
    """How one cGMM layer is sampled.

    Attributes:
        top_s: S, how many of the largest entries of the control signal are kept; None for all.
        divisor: standard deviations are divided by it.
        power: the control signal, negative entries set to 0, is raised to it before it is normalised.
        component: of the layer where sampling starts without a control signal: "draw", "cycle" (image i takes component
            i mod K, at all positions), or the number of a component.
        sharpen: whether the results of the folding layers below are sharpened (dcgmm.sharpening).
        sharpen_iterations: I.
        sharpen_step: ε_sh, see `dcgmm.sharpening.sharpen` for what a step is.
        sharpen_target: the target cGMM layer, counted from the lowest; None for the layer itself, which is the next
            higher cGMM layer of the foldings below it.
    """

    top_s: int | None = None
    divisor: float = 1.0
    power: float = 1.0
    component: str | int = "draw"
    sharpen: bool = False
    sharpen_iterations: int = 300
    sharpen_step: float = 1.0
    sharpen_target: int | None = None

    def __post_init__(self) -> None:
        if self.top_s is not None and self.top_s < 1:
            raise ValueError(f"top_s={self.top_s!r} must be at least 1, or None to keep all components")
        for name in ("divisor", "power"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)!r} must be positive")
        if self.sharpen_iterations < 0 or self.sharpen_step < 0:
            raise ValueError(
                f"sharpen_iterations={self.sharpen_iterations!r} and sharpen_step={self.sharpen_step!r} "
                "must not be negative"
            )


class Numbers(NamedTuple):
    """Options that may change without compiling anew, one entry per cGMM layer, bottom first."""

    divisor: tf.Tensor  # (L,)
    step: tf.Tensor  # (L,)


def layer_options(
    common: Mapping[str, Any], overrides: Mapping[int, Mapping[str, Any]] | None, chain: Sequence[Stage], start: int
) -> tuple[LayerOptions, ...]:
    """Options of every cGMM layer from the common ones and the overrides of single layers.

    Args:
        common: options of all layers.
        overrides: number of a cGMM layer (negative: from the top) → its own options.
        start: the layer where sampling starts.

    Raises:
        ValueError: a layer or component that does not exist, or a value outside its range.
        TypeError: an option that does not exist.
    """
    layers = len(chain)
    own: list[dict[str, Any]] = [dict(common) for _ in chain]
    known = [field.name for field in fields(LayerOptions)]
    for index, changes in (overrides or {}).items():
        if index not in range(-layers, layers):
            raise ValueError(f"layer_options has a layer {index!r}: there are cGMM layers 0 to {layers - 1}")
        for name in changes:
            if name not in known:
                raise TypeError(f"layer_options[{index}] has no option {name!r}: choose from {', '.join(known)}")
        own[range(layers)[index]].update(changes)
    options = tuple(LayerOptions(**each) for each in own)
    for index, each in enumerate(options):
        _check_component(each.component, index, chain[index].components, start)
        target = each.sharpen_target
        if target is not None and not index <= target < layers:
            raise ValueError(
                f"sharpen_target={target!r} of cGMM layer {index} must be a cGMM layer from {index} to {layers - 1}"
            )
    return options


def _check_component(component: str | int, index: int, components: int, start: int) -> None:
    if component == "draw":
        return
    if index != start:
        raise ValueError(
            f"component={component!r} is set for cGMM layer {index}, but only the layer where sampling starts, "
            f"{start}, has no control signal to choose by"
        )
    if component != "cycle" and component not in range(components):
        raise ValueError(
            f'component={component!r} of cGMM layer {index} must be "draw", "cycle" or an integer '
            f"from 0 to {components - 1}"
        )


# -- one cGMM layer backwards ------------------------------------------------------------------------------------------


def choose_components(control: tf.Tensor, u: tf.Tensor, top_s: int | None = None, power: float = 1.0) -> tf.Tensor:
    """Draw a component per position with probability proportional to the control signal's S largest entries.

    Args:
        control: (N, h, w, K); negative entries count as 0, a position without positive entries is uniform.
        u: (N, h, w) uniform in [0, 1 - 2^-23].
        top_s: S, None for all.
        power: exponent of the entries.

    Returns:
        (N, h, w) int32.
    """
    p = tf.maximum(control, 0.0)
    p = tf.where(tf.reduce_max(p, -1, keepdims=True) > 0.0, p, tf.ones_like(p))
    p = p / tf.reduce_max(p, -1, keepdims=True)
    if power != 1.0:
        p = tf.pow(p, power)
    if top_s == 1:
        return tf.argmax(p, -1, output_type=tf.int32)
    kept = None
    if top_s is not None and top_s < p.shape[-1]:
        p, kept = tf.math.top_k(p, top_s)
    cumulative = tf.cumsum(p, -1)
    drawn = tf.reduce_sum(tf.cast(cumulative <= u[..., None] * cumulative[..., -1:], tf.int32), -1)
    return drawn if kept is None else tf.gather(kept, drawn, batch_dims=3)


def draw_patches(
    parameters: cgmm.Parameters, component: tf.Tensor, noise: tf.Tensor, divisor: tf.Tensor | float
) -> tf.Tensor:
    """Patches from N(mu, (1/s)²/divisor²) of the chosen components; no noise where s is at its upper bound.

    Args:
        component: (N, h, w) int32.
        noise: (N, h, w, D), standard normal.

    Returns:
        (N, h, w, D).
    """
    mu, s, _ = parameters
    deviation = tf.where(s < cgmm.S_MAX * (1.0 - 1e-6), 1.0 / (s * divisor), tf.zeros_like(s))
    sets, components, dimension = mu.shape
    if sets > 1:
        position = tf.reshape(tf.range(sets) * components, (1, *component.shape[1:]))
        component = component + position
    both = tf.gather(tf.reshape(tf.concat([mu, deviation], -1), (-1, 2 * dimension)), component)
    return both[..., :dimension] + both[..., dimension:] * noise


def start_components(
    stage: Stage, parameters: cgmm.Parameters, option: str | int, images: tf.Tensor, u: tf.Tensor, use_weights: bool
) -> tf.Tensor:
    """Components (N, h, w) of the layer where sampling starts without a control signal."""
    shape = tf.shape(u)
    if option == "cycle":
        return tf.broadcast_to((images % stage.components)[:, None, None], shape)
    if option != "draw":
        return tf.fill(shape, int(option))
    h, w = stage.patches.grid
    weights = tf.nn.softmax(parameters.w) if use_weights else tf.ones_like(parameters.w)
    per_position = weights if weights.shape[0] > 1 else tf.repeat(weights, h * w, 0)
    prior = tf.reshape(per_position, (1, h, w, stage.components))
    return choose_components(tf.repeat(prior, u.shape[0], 0), u)


# -- the stack backwards -----------------------------------------------------------------------------------------------


def _undo(placed: PlacedLayer, signal: tf.Tensor) -> tf.Tensor:
    if isinstance(placed.spec, Folding):
        return unfold(signal, placed.spec, placed.input_shape)
    return upsample(signal, placed.spec, placed.input_shape)  # type: ignore[arg-type]


def _folding(stage: Stage) -> PlacedLayer | None:
    """The folding right below a stage's cGMM layer, None where there is none."""
    patches = stage.patches
    if patches.size == 1 and patches.stride == 1:
        return None
    return PlacedLayer(
        stage.layer.index - 1, Folding(patches.size, patches.stride), patches.input_shape, stage.layer.input_shape
    )


@dataclass(frozen=True)
class Backwards:
    """What is compiled: the way from a cGMM layer down to the images, with the options that shape the graph."""

    chain: tuple[Stage, ...]
    start: int
    options: tuple[LayerOptions, ...]
    use_weights: bool

    def __call__(
        self, parameters: Any, control: tf.Tensor | None, images: tf.Tensor, keys: tf.Tensor, numbers: Numbers
    ) -> tuple[tf.Tensor, dict[int, tf.Tensor]]:
        """Images from the control signal of the start layer.

        Args:
            parameters: of all cGMM layers.
            control: (N, h, w, K), or None for a draw from the prior.
            images: (N,) int32 numbers of the images.
            keys: (2L, 2) uint32.

        Returns:
            (N, H, W, C), and the sharpening traces (I + 1, N) by index of the folding layer.
        """
        traces: dict[int, tf.Tensor] = {}
        for index in range(self.start, -1, -1):
            stage, own = self.chain[index], self.options[index]
            h, w = stage.patches.grid
            u = randomness.uniform(keys[STREAMS_PER_LAYER * index], images, (h, w))
            if control is None:
                component = start_components(stage, parameters[index], own.component, images, u, self.use_weights)
            else:
                component = choose_components(control, u, own.top_s, own.power)
            noise = randomness.normal(keys[STREAMS_PER_LAYER * index + 1], images, (h, w, stage.patches.dimension))
            signal = draw_patches(parameters[index], component, noise, numbers.divisor[index])
            control = self._down(index, signal, parameters, numbers.step[index], traces)
        return control, traces

    def _down(
        self, index: int, signal: tf.Tensor, parameters: Any, step: tf.Tensor, traces: dict[int, tf.Tensor]
    ) -> tf.Tensor:
        """From a cGMM layer's patches to the control signal of the next lower one, sharpened at each folding."""
        stage, own = self.chain[index], self.options[index]
        folding = _folding(stage)
        layers = [*stage.transforms, *([folding] if folding else [])]
        for skipped in range(len(layers) - 1, -1, -1):
            placed = layers[skipped]
            signal = _undo(placed, signal)
            if own.sharpen and own.sharpen_iterations and isinstance(placed.spec, Folding):
                target = index if own.sharpen_target is None else own.sharpen_target
                loss = functools.partial(
                    _loss_of, self.chain[index:], parameters[index:], target=target - index, skipped=skipped
                )
                signal, traces[placed.index] = sharpen(loss, signal, own.sharpen_iterations, step)
        return signal


def _loss_of(chain: Any, parameters: Any, signal: tf.Tensor, *, target: int, skipped: int) -> tf.Tensor:
    return target_loss(chain, parameters, signal, target, skipped)


@functools.lru_cache(maxsize=32)
def _compiled(backwards: Backwards, mini_batch: int, controlled: bool) -> Any:
    """The compiled way down; models of one architecture share it."""
    return tf.function(
        backwards
        if controlled
        else lambda parameters, images, keys, numbers: backwards(parameters, None, images, keys, numbers),
        jit_compile=True,
        autograph=False,
    )


def draw(
    chain: tuple[Stage, ...],
    parameters: Sequence[cgmm.Parameters],
    n: int,
    *,
    seed: int,
    start: int,
    options: tuple[LayerOptions, ...],
    control: np.ndarray | None = None,
    use_weights: bool = False,
) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Draw images in compiled mini-batches.

    Args:
        chain, parameters: of the model.
        n: number of images.
        seed: of all random choices.
        start: the cGMM layer to start from, counted from the lowest.
        options: of every cGMM layer.
        control: (n, h, w, K) control signal of the start layer, or None to draw its components.
        use_weights: draw them by the layer's weights instead of uniformly.

    Returns:
        (n, H, W, C) float32, not clipped; and the sharpening traces (I + 1, n) by index of the folding layer.
    """
    keys = tf.constant(randomness.stream_keys(seed, STREAMS_PER_LAYER * len(chain)))
    numbers = Numbers(
        tf.constant([own.divisor for own in options], tf.float32),
        tf.constant([own.sharpen_step for own in options], tf.float32),
    )
    static = tuple(replace(own, divisor=1.0, sharpen_step=1.0) for own in options)
    size = next((b for b in MINI_BATCHES if n <= b), MINI_BATCHES[-1])
    way_down = _compiled(Backwards(chain, start, static, use_weights and control is None), size, control is not None)

    def mini_batch(first: int) -> tuple[np.ndarray, dict[int, np.ndarray]]:
        given = () if control is None else (tf.constant(padded(control[first : first + size], size)),)
        result, trace = way_down(tuple(parameters), *given, tf.range(first, first + size), keys, numbers)
        return result.numpy(), {index: losses.numpy() for index, losses in trace.items()}

    starts = range(0, max(n, 1), size)
    done = [mini_batch(starts[0])]  # which compiles
    if len(starts) > 1:
        with ThreadPoolExecutor(_cores()) as pool:  # a mini-batch keeps one core busy
            done += pool.map(mini_batch, starts[1:])
    joined = {index: np.concatenate([trace[index] for _, trace in done], 1)[:, :n] for index in done[0][1]}
    return np.concatenate([images for images, _ in done])[:n], joined


def _cores() -> int:
    """How many mini-batches at once: TensorFlow's threads where they are limited, else the cores of this process."""
    limit = tf.config.threading.get_intra_op_parallelism_threads()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(limit, cores) if limit else cores


def padded(x: np.ndarray, size: int) -> np.ndarray:
    """`x` with zeros appended to `size` rows, so that every mini-batch has the compiled shape."""
    missing = size - len(x)
    return np.concatenate([x, np.zeros((missing, *x.shape[1:]), x.dtype)]) if missing else x
