"""Sampling (Sec. III-I): backwards through the stack, from a cGMM layer's control signal to images.

Each cGMM layer chooses a component per position by the control signal from above and draws a patch from it; folding
and pooling layers hand the patches down as the control signal of the next lower cGMM layer. Mini-batches are compiled;
an image depends on the seed and its own number only (dcgmm.randomness), not on how many are drawn.
"""

from __future__ import annotations

import functools
import math
import numbers
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from dcgmm import randomness
from dcgmm.layers import cgmm
from dcgmm.layers.folding import unfold
from dcgmm.layers.pooling import upsample
from dcgmm.network import Stage
from dcgmm.notation import Folding, PlacedLayer
from dcgmm.sharpening import SharpeningDiverged, sharpen, target_loss

MINI_BATCHES = (10, 100)  # images at a time: the smallest that holds all, or the largest; each is compiled once
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
        if self.top_s is not None:
            _check_whole("top_s", self.top_s, 1, ", or None to keep all components")
        for name in ("divisor", "power"):
            _check_number(name, getattr(self, name), zero=False)
        if isinstance(self.component, bool) or not isinstance(self.component, str | int | np.integer):
            raise TypeError(f'component={self.component!r} must be "draw", "cycle" or the number of a component')
        check_flag("sharpen", self.sharpen)
        _check_whole("sharpen_iterations", self.sharpen_iterations, 0)
        _check_number("sharpen_step", self.sharpen_step, zero=True)
        if self.sharpen_target is not None:
            _check_whole("sharpen_target", self.sharpen_target, 0, ", the number of a cGMM layer, or None")


def check_flag(name: str, value: Any) -> None:
    """Refuse what is not True or False: any text would count as True."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}={value!r} is no truth value: give True or False")


def _check_whole(name: str, value: Any, least: int, otherwise: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name}={value!r} is not an integer: give one of at least {least}{otherwise}")
    if value < least:
        raise ValueError(f"{name}={value!r} must be at least {least}{otherwise}")


def _check_number(name: str, value: Any, *, zero: bool) -> None:
    wanted = f"give a finite number {'of at least' if zero else 'above'} 0"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}={value!r} is not a number: {wanted}")
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        raise ValueError(f"{name}={value!r} is outside its range: {wanted}")


class Numbers(NamedTuple):
    """Options that may change without compiling anew, one entry per cGMM layer, bottom first."""

    divisor: tf.Tensor  # (L,)
    power: tf.Tensor  # (L,)
    component: tf.Tensor  # (L,) int32
    iterations: tf.Tensor  # (L,) int32
    step: tf.Tensor  # (L,)


class Shape(NamedTuple):
    """Options that shape the graph of one cGMM layer: a change of them compiles anew."""

    top_s: int | None = None
    powered: bool = False  # whether the power is another than 1
    component: str = "draw"  # or "cycle", or "fixed": a number
    trace: int = 0  # places for losses of the sharpening; 0 without sharpening
    target: int | None = None


TRACE_PLACES = 1024  # for the losses before every iteration and after the last; more where more are needed


def shape_of(options: LayerOptions) -> Shape:
    """What of a layer's options shapes the graph."""
    iterations = options.sharpen_iterations if options.sharpen else 0
    return Shape(
        top_s=options.top_s,
        powered=options.power != 1.0,
        component=options.component if isinstance(options.component, str) else "fixed",
        trace=max(TRACE_PLACES, 1 << int(iterations).bit_length()) if iterations else 0,
        target=options.sharpen_target if iterations else None,
    )


def numbers_of(options: Sequence[LayerOptions]) -> Numbers:
    """What of the layers' options does not."""
    return Numbers(
        tf.constant([own.divisor for own in options], tf.float32),
        tf.constant([own.power for own in options], tf.float32),
        tf.constant([0 if isinstance(own.component, str) else int(own.component) for own in options], tf.int32),
        tf.constant([own.sharpen_iterations for own in options], tf.int32),
        tf.constant([own.sharpen_step for own in options], tf.float32),
    )


def layer_options(
    common: Mapping[str, Any], overrides: Mapping[int, Mapping[str, Any]] | None, chain: Sequence[Stage], start: int
) -> tuple[LayerOptions, ...]:
    """Options of every cGMM layer from the common ones and the overrides of single layers.

    Args:
        common: options of all layers.
        overrides: number of a cGMM layer (negative: from the top) → its own options.
        start: the layer where sampling starts.

    Raises:
        ValueError: a layer or component that does not exist, a value outside its range, or one layer named twice.
        TypeError: an option that does not exist, or a value of another type.
    """
    layers = len(chain)
    _check_names("the common options have", common)
    own: list[dict[str, Any]] = [dict(common) for _ in chain]
    for index, changes in _overrides(overrides, layers).items():
        _check_names(f"layer_options[{index}] has", changes)
        own[index].update(changes)
    options = tuple(LayerOptions(**each) for each in own)
    for index, each in enumerate(options):
        _check_component(each.component, index, chain[index].components, start)
        target = each.sharpen_target
        if target is not None and not index <= target < layers:
            raise ValueError(
                f"sharpen_target={target!r} of cGMM layer {index} must be a cGMM layer from {index} to {layers - 1}"
            )
    return options


def _check_names(whose: str, options: Mapping[str, Any]) -> None:
    known = [field.name for field in fields(LayerOptions)]
    for name in options:
        if name not in known:
            raise TypeError(f"{whose} no option {name!r}: choose from {', '.join(known)}")


def _overrides(overrides: Any, layers: int) -> dict[int, Mapping[str, Any]]:
    """The options of single layers, by number counted from the lowest."""
    if overrides is None:
        return {}
    form = 'give a mapping of layers to their options, for example {0: {"top_s": 1}}'
    if not isinstance(overrides, Mapping):
        raise TypeError(f"layer_options={overrides!r} is no mapping: {form}")
    found: dict[int, Mapping[str, Any]] = {}
    for index, changes in overrides.items():
        if isinstance(index, bool) or not isinstance(index, int | np.integer):
            raise TypeError(f"layer_options has a layer {index!r}, which is not an integer: {form}")
        if index not in range(-layers, layers):
            raise ValueError(f"layer_options has a layer {index!r}: there are cGMM layers 0 to {layers - 1}")
        if not isinstance(changes, Mapping):
            raise TypeError(f"layer_options[{index}]={changes!r} is no mapping: {form}")
        place = range(layers)[index]
        if place in found:
            names = f"{place} and {place - layers}"
            raise ValueError(f"layer_options names one cGMM layer twice, as {names}: put its options together")
        found[place] = changes
    return found


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


def choose_components(
    control: tf.Tensor, u: tf.Tensor, top_s: int | None = None, power: tf.Tensor | float | None = None
) -> tf.Tensor:
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
    p = tf.maximum(control, 0.0)
    components = p.shape[-1]
    largest = tf.reduce_max(p, -1, keepdims=True)
    said = largest > 0.0
    p = tf.where(said, p / largest, tf.ones_like(p))
    if top_s is None or top_s >= components:
        return _drawn(p, u, power)
    if top_s == 1:
        drawn = tf.argmax(p, -1, output_type=tf.int32)
    else:
        p, kept = tf.math.top_k(p, top_s)
        drawn = tf.gather(kept, _drawn(p, u, power), batch_dims=3)
    any_component = tf.minimum(tf.cast(u * components, tf.int32), components - 1)
    return tf.where(said[..., 0], drawn, any_component)


def _drawn(p: tf.Tensor, u: tf.Tensor, power: tf.Tensor | float | None) -> tf.Tensor:
    """(N, h, w) int32, with probabilities proportional to p (N, h, w, S), not negative, to a power."""
    cumulative = tf.cumsum(p if power is None else tf.pow(p, power), -1)
    return tf.reduce_sum(tf.cast(cumulative <= u[..., None] * cumulative[..., -1:], tf.int32), -1)


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
    stage: Stage,
    parameters: cgmm.Parameters,
    option: str,
    component: tf.Tensor,
    images: tf.Tensor,
    u: tf.Tensor,
    use_weights: bool,
) -> tf.Tensor:
    """Components (N, h, w) of the layer where sampling starts without a control signal; `option`: see `Shape`."""
    shape = tf.shape(u)
    if option == "cycle":
        return tf.broadcast_to((images % stage.components)[:, None, None], shape)
    if option == "fixed":
        return tf.fill(shape, component)
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


def _below(stage: Stage) -> list[PlacedLayer]:
    """The layers between a stage's cGMM layer and the one below it, bottom first."""
    folding = _folding(stage)
    return [*stage.transforms, *([folding] if folding else [])]


@dataclass(frozen=True)
class Backwards:
    """What is compiled: the way from a cGMM layer down to the images, with the options that shape the graph."""

    chain: tuple[Stage, ...]
    start: int
    shapes: tuple[Shape, ...]  # of the layers up to the start
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
            (N, H, W, C), and the sharpening traces (places, N) by index of the folding layer, of which the first I + 1
            rows are in use.
        """
        traces: dict[int, tf.Tensor] = {}
        for index in range(self.start, -1, -1):
            stage, own = self.chain[index], self.shapes[index]
            h, w = stage.patches.grid
            u = randomness.uniform(keys[STREAMS_PER_LAYER * index], images, (h, w))
            if control is None:
                number = numbers.component[index]
                component = start_components(
                    stage, parameters[index], own.component, number, images, u, self.use_weights
                )
            else:
                power = numbers.power[index] if own.powered else None
                component = choose_components(control, u, own.top_s, power)
            noise = randomness.normal(keys[STREAMS_PER_LAYER * index + 1], images, (h, w, stage.patches.dimension))
            signal = draw_patches(parameters[index], component, noise, numbers.divisor[index])
            control = self._down(index, signal, parameters, numbers, traces)
        return control, traces

    def _down(
        self, index: int, signal: tf.Tensor, parameters: Any, numbers: Numbers, traces: dict[int, tf.Tensor]
    ) -> tf.Tensor:
        """From a cGMM layer's patches to the control signal of the next lower one, sharpened at each folding."""
        stage, own = self.chain[index], self.shapes[index]
        layers = _below(stage)
        for skipped in range(len(layers) - 1, -1, -1):
            placed = layers[skipped]
            signal = _undo(placed, signal)
            if own.trace and isinstance(placed.spec, Folding):
                target = index if own.target is None else own.target
                loss = functools.partial(
                    _loss_of, self.chain[index:], parameters[index:], target=target - index, skipped=skipped
                )
                signal, traces[placed.index] = sharpen(
                    loss, signal, numbers.iterations[index], numbers.step[index], own.trace
                )
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

    Raises:
        dcgmm.sharpening.SharpeningDiverged: a loss of the sharpening, or a sharpened image, is not a finite number.
    """
    keys = tf.constant(randomness.stream_keys(seed, STREAMS_PER_LAYER * len(chain)))
    dynamic = numbers_of(options)
    shapes = tuple(map(shape_of, options[: start + 1]))
    # Without a control signal, only "draw" looks at the weights.
    use_weights = use_weights and control is None and shapes[start].component == "draw"
    size = mini_batch_size(n)
    way_down = _compiled(Backwards(chain, start, shapes, use_weights), size, control is not None)
    layer_of = {placed.index: at for at in range(start + 1) for placed in _below(chain[at])}

    def mini_batch(first: int) -> tuple[np.ndarray, dict[int, np.ndarray]]:
        given = () if control is None else (tf.constant(padded(control[first : first + size], size)),)
        result, trace = way_down(tuple(parameters), *given, tf.range(first, first + size), keys, dynamic)
        rows = {index: options[layer_of[index]].sharpen_iterations + 1 for index in trace}
        return result.numpy(), {index: losses.numpy()[: rows[index]] for index, losses in trace.items()}

    starts = range(0, max(n, 1), size)
    done = [mini_batch(starts[0])]  # which compiles
    if len(starts) > 1:
        with ThreadPoolExecutor(_cores()) as pool:  # a mini-batch keeps one core busy
            done += pool.map(mini_batch, starts[1:])
    joined = {index: np.concatenate([trace[index] for _, trace in done], 1)[:, :n] for index in done[0][1]}
    drawn = np.concatenate([images for images, _ in done])[:n]
    for index, losses in joined.items():
        if not (np.isfinite(losses[-1]).all() and np.isfinite(drawn).all()):
            step = options[layer_of[index]].sharpen_step
            raise SharpeningDiverged(
                f"sharpening diverged at layer {index} of the configuration: lower sharpen_step={step!r}"
            )
    return drawn, joined


def mini_batch_size(n: int) -> int:
    """How many of n images are processed at a time."""
    return next((size for size in MINI_BATCHES if n <= size), MINI_BATCHES[-1])


def _cores() -> int:
    """How many mini-batches at once: TensorFlow's threads where they are limited, else the cores of this process."""
    limit = tf.config.threading.get_intra_op_parallelism_threads()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(limit, cores) if limit else cores


def padded(x: np.ndarray, size: int) -> np.ndarray:
    """`x` with zeros appended to `size` rows, so that every mini-batch has the compiled shape."""
    missing = size - len(x)
    return np.concatenate([x, np.zeros((missing, *x.shape[1:]), x.dtype)]) if missing else x
