"""Sampling (Sec. III-I): backwards through the stack, from a cGMM layer's control signal to images.

Each cGMM layer chooses a component per position by the control signal from above and draws a patch from it; folding
and pooling layers hand the patches down as the control signal of the next lower cGMM layer. Mini-batches are compiled;
an image depends on the seed and its own number only (dcgmm.randomness), not on how many are drawn.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dcgmm import randomness
from dcgmm.backwards import choose_components, draw_patches, layers_below, start_components, undo
from dcgmm.batches import mini_batch_size, padded
from dcgmm.layers import cgmm
from dcgmm.network import Stage
from dcgmm.notation import Folding
from dcgmm.sampling_options import LayerOptions
from dcgmm.sharpening import SharpeningDiverged, sharpen, target_loss

STREAMS_PER_LAYER = 2  # of random numbers: choice of components, noise
TRACE_PLACES = 1024  # for the losses before every iteration and after the last; more where more are needed


class Numbers(NamedTuple):
    """Options that may change without a new compilation, one entry per cGMM layer, bottom first."""

    divisor: np.ndarray  # (L,)
    power: np.ndarray  # (L,)
    component: np.ndarray  # (L,) int32
    iterations: np.ndarray  # (L,) int32
    step: np.ndarray  # (L,)


class Shape(NamedTuple):
    """Options that shape the program of one cGMM layer: a change compiles a new one."""

    top_s: int | None = None
    powered: bool = False  # whether the power is another than 1
    component: str = "draw"  # or "cycle", or "fixed": a number
    trace: int = 0  # places for losses of the sharpening; 0 without sharpening
    target: int | None = None


def shape_of(options: LayerOptions) -> Shape:
    """What of a layer's options shapes the program."""
    iterations = options.sharpen_iterations if options.sharpen else 0
    return Shape(
        top_s=None if options.top_s is None else int(options.top_s),
        powered=options.power != 1.0,
        component=options.component if isinstance(options.component, str) else "fixed",
        trace=max(TRACE_PLACES, 1 << int(iterations).bit_length()) if iterations else 0,
        target=options.sharpen_target if iterations else None,
    )


def numbers_of(options: Sequence[LayerOptions]) -> Numbers:
    """What of the layers' options does not."""
    return Numbers(
        np.array([own.divisor for own in options], np.float32),
        np.array([own.power for own in options], np.float32),
        np.array([0 if isinstance(own.component, str) else int(own.component) for own in options], np.int32),
        np.array([own.sharpen_iterations for own in options], np.int32),
        np.array([own.sharpen_step for own in options], np.float32),
    )


@dataclass(frozen=True)
class Backwards:
    """What is compiled: the way from a cGMM layer down to the images, with the options that shape the program."""

    chain: tuple[Stage, ...]
    start: int
    shapes: tuple[Shape, ...]  # of the layers up to the start
    use_weights: bool

    def __call__(
        self, parameters: Any, control: jax.Array | None, keys: jax.Array, images: jax.Array, numbers: Numbers
    ) -> tuple[jax.Array, dict[int, jax.Array]]:
        """Images from the control signal of the start layer.

        Args:
            parameters: of all cGMM layers.
            control: (N, h, w, K), or None for a draw from the prior.
            keys: (2L, 2) uint32.
            images: (N,) int32 numbers of the images.

        Returns:
            (N, H, W, C), and the sharpening traces (places, N) by index of the folding layer, of which the first I + 1
            rows are in use.
        """
        traces: dict[int, jax.Array] = {}
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
        assert control is not None
        return control, traces

    def _down(
        self, index: int, signal: jax.Array, parameters: Any, numbers: Numbers, traces: dict[int, jax.Array]
    ) -> jax.Array:
        """From a cGMM layer's patches to the control signal of the next lower one, sharpened at each folding."""
        own = self.shapes[index]
        layers = layers_below(self.chain[index])
        for skipped in range(len(layers) - 1, -1, -1):
            placed = layers[skipped]
            signal = undo(placed, signal)
            if own.trace and isinstance(placed.spec, Folding):
                last = 1 + (index if own.target is None else own.target)
                loss = functools.partial(target_loss, self.chain[index:last], parameters[index:last], skipped=skipped)
                signal, traces[placed.index] = sharpen(
                    loss, signal, numbers.iterations[index], numbers.step[index], own.trace
                )
        return signal


@functools.lru_cache(maxsize=32)
def _compiled(backwards: Backwards, mini_batch: int, controlled: bool, many: bool) -> Callable[..., Any]:
    """The compiled way down, for all models of one architecture; `many`: with an axis of models, see `_Way.run`."""
    if many:
        axes = (0, 1 if controlled else None, 0, None, None)
        return jax.jit(jax.vmap(backwards, in_axes=axes, out_axes=(1, -1)))
    return jax.jit(backwards)


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
        chain, parameters: of the model; the program runs where the parameters are.
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
    (drawn,) = draw_many(
        chain,
        [parameters],
        n,
        seeds=[seed],
        start=start,
        options=options,
        controls=[control],
        use_weights=use_weights,
    )
    return drawn


def draw_many(
    chain: tuple[Stage, ...],
    models: Sequence[Sequence[cgmm.Parameters]],
    n: int,
    *,
    seeds: Sequence[int],
    start: int,
    options: tuple[LayerOptions, ...],
    controls: Sequence[np.ndarray | None],
    use_weights: bool = False,
) -> list[tuple[np.ndarray, dict[int, np.ndarray]]]:
    """`draw` for several models of one architecture: in one program on a GPU, one after another on a CPU.

    Args:
        models: parameters of each.
        seeds: of each.
        controls: of each, either all None or none.
    """
    keys = [randomness.stream_keys(seed, STREAMS_PER_LAYER * len(chain)) for seed in seeds]
    way = _Way(chain, n, start, options, use_weights, controls[0] is not None)
    if len(models) > 1 and chain[0].patches.platform == "gpu":
        stacked = jax.tree.map(lambda *each: jnp.stack(each), *map(tuple, models))
        control = None if controls[0] is None else np.stack(controls, 1)  # type: ignore[arg-type]
        together, traces = way.run(stacked, control, np.stack(keys), many=True)
        each = [(together[:, i], {index: trace[..., i] for index, trace in traces.items()}) for i in range(len(models))]
    else:
        rows = zip(models, controls, keys, strict=True)
        each = [way.run(tuple(parameters), control, key) for parameters, control, key in rows]
    for images, traces in each:
        way.check(images, traces)
    return each


class _Way:
    """The way down for n images, mini-batch by mini-batch."""

    def __init__(
        self,
        chain: tuple[Stage, ...],
        n: int,
        start: int,
        options: tuple[LayerOptions, ...],
        use_weights: bool,
        controlled: bool,
    ) -> None:
        shapes = tuple(map(shape_of, options[: start + 1]))
        # Without a control signal, only "draw" looks at the weights.
        weighted = use_weights and not controlled and shapes[start].component == "draw"
        self.backwards = Backwards(chain, start, shapes, weighted)
        self.n, self.size, self.controlled = n, mini_batch_size(n), controlled
        self.options, self.numbers = options, numbers_of(options)
        self.layer_of = {placed.index: at for at in range(start + 1) for placed in layers_below(chain[at])}

    def run(
        self, parameters: Any, control: np.ndarray | None, keys: np.ndarray, *, many: bool = False
    ) -> tuple[np.ndarray, dict[int, np.ndarray]]:
        """Images (n, H, W, C) and traces (I + 1, n).

        With `many`, parameters and keys have a leading axis of models, and control its second; images (n, models, H, W,
        C), traces (I + 1, n, models).
        """
        way_down = _compiled(self.backwards, self.size, self.controlled, many)
        images, traces = [], []
        for first in range(0, max(self.n, 1), self.size):
            part = None if control is None else padded(control[first : first + self.size], self.size)
            which = np.arange(first, first + self.size, dtype=np.int32)
            drawn, trace = way_down(parameters, part, keys, which, self.numbers)
            images.append(np.asarray(drawn))
            traces.append({index: np.asarray(losses)[: self._rows(index)] for index, losses in trace.items()})
        joined = {index: np.concatenate([own[index] for own in traces], 1)[:, : self.n] for index in traces[0]}
        return np.concatenate(images)[: self.n], joined

    def _rows(self, index: int) -> int:
        """How many rows of the trace of a folding layer are in use."""
        return int(self.options[self.layer_of[index]].sharpen_iterations) + 1

    def check(self, drawn: np.ndarray, traces: dict[int, np.ndarray]) -> None:
        """Refuse what is not a number."""
        for index, losses in traces.items():
            if not (np.isfinite(losses[-1]).all() and np.isfinite(drawn).all()):
                step = self.options[self.layer_of[index]].sharpen_step
                raise SharpeningDiverged(
                    f"sharpening diverged at layer {index} of the configuration: lower sharpen_step={step!r}"
                )
