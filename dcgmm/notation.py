"""The paper's notation for layer stacks, e.g. "F(8,2)-G(49)-F(11,1)-G(49)" (Table V), and their shapes (Table VI).

`parse` reads the notation into layer specifications, `place` fits them to an input shape. Nothing here computes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod

Shape = tuple[int, int, int]  # height, width, channels


class ConfigurationError(ValueError):
    """A layer stack that cannot be built; the message names the layer, the shapes and the reason."""


def _check_window(size: int, stride: int, shape: Shape) -> None:
    """Raise ValueError where a window that moves by `stride` cannot cover inputs of this shape."""
    if stride > size:
        raise ValueError(f"its stride {stride} is larger than its size {size}, so it would skip inputs")
    for axis, extent in zip(("height", "width"), shape[:2], strict=True):
        if extent < size:
            raise ValueError(f"its size {size} is larger than the input's {axis} {extent}")


@dataclass(frozen=True)
class Folding:
    """F(size, stride): copies overlapping square patches into the channels (Eq. 9)."""

    size: int
    stride: int

    def __str__(self) -> str:
        return f"F({self.size},{self.stride})"

    def output_shape(self, shape: Shape) -> Shape:
        """(H', W', C') → (1 + (H'-f)/Δ, 1 + (W'-f)/Δ, f²C'), Table VI."""
        _check_window(self.size, self.stride, shape)
        for axis, extent in zip(("height", "width"), shape[:2], strict=True):
            if (extent - self.size) % self.stride:
                raise ValueError(
                    f"the {axis} {extent} minus the size {self.size} is not a multiple of the stride {self.stride}"
                )
        h, w, c = shape
        return 1 + (h - self.size) // self.stride, 1 + (w - self.size) // self.stride, self.size**2 * c


@dataclass(frozen=True)
class Pooling:
    """P(size, stride): max-pooling; the last window is cut at the border, unless `valid`, which drops it."""

    size: int
    stride: int
    valid: bool = False

    def __str__(self) -> str:
        return f"P({self.size},{self.stride}{',valid' if self.valid else ''})"

    def output_shape(self, shape: Shape) -> Shape:
        """(H', W', C') → (1 + ceil((H'-f)/Δ), …, C'), or with floor instead of ceil where `valid`."""
        _check_window(self.size, self.stride, shape)
        rounding = 0 if self.valid else self.stride - 1
        h, w = (1 + (extent - self.size + rounding) // self.stride for extent in shape[:2])
        return h, w, shape[2]


@dataclass(frozen=True)
class Cgmm:
    """G(components): a mixture of diagonal Gaussians at every position, one parameter set or one per position."""

    components: int
    independent: bool = False

    def __str__(self) -> str:
        return f"G({self.components}{',independent' if self.independent else ''})"

    def output_shape(self, shape: Shape) -> Shape:
        """(H', W', C') → (H', W', K)."""
        return shape[0], shape[1], self.components


@dataclass(frozen=True)
class Classifier:
    """C(classes) or C(classes, sources): softmax regression on the activities of the `sources` highest cGMM layers."""

    classes: int
    sources: int = 1

    def __str__(self) -> str:
        return f"C({self.classes}{f',{self.sources}' if self.sources > 1 else ''})"

    def output_shape(self, shape: Shape) -> Shape:
        """Any shape → (1, 1, S)."""
        return 1, 1, self.classes


LayerSpec = Folding | Pooling | Cgmm | Classifier

_FORMS: dict[str, tuple[str, str, type]] = {
    "F": (r"(\d+),(\d+)", "F(size,stride)", Folding),
    "P": (r"(\d+),(\d+)(,valid)?", "P(size,stride) or P(size,stride,valid)", Pooling),
    "G": (r"(\d+)(,independent)?", "G(components) or G(components,independent)", Cgmm),
    "C": (r"(\d+)(?:,(\d+))?", "C(classes) or C(classes,sources)", Classifier),
}


def _parse_layer(index: int, text: str) -> LayerSpec:
    known = "; ".join(form for _, form, _ in _FORMS.values())
    match = re.fullmatch(r"([A-Z])\((.*)\)", text)
    if match is None or match[1] not in _FORMS:
        raise ConfigurationError(f"layer {index} {text!r} is not a layer: write one of {known}")
    pattern, form, kind = _FORMS[match[1]]
    arguments = re.fullmatch(pattern, match[2])
    if arguments is None:
        raise ConfigurationError(f"layer {index} {text!r} has arguments that do not fit: write {form}")
    values = [value for value in arguments.groups() if value is not None]
    numbers = [int(value) for value in values if value.isdigit()]
    if 0 in numbers:
        raise ConfigurationError(f"layer {index} {text!r} has a zero: every number must be at least 1")
    return kind(*numbers, *([True] if len(numbers) < len(values) else []))


def parse(config: str) -> tuple[LayerSpec, ...]:
    """Read a configuration string, bottom layer first; blanks are ignored.

    Raises:
        ConfigurationError: a layer is misspelt, or the stack has no cGMM layer, or a classifier that is not on top.
    """
    if not isinstance(config, str):
        raise ConfigurationError(f'config={config!r}: expected text such as "F(28,1)-G(49)"')
    text = re.sub(r"\s+", "", config)
    if not text:
        raise ConfigurationError('the configuration is empty: write layers such as "F(28,1)-G(49)"')
    layers = tuple(_parse_layer(i, part) for i, part in enumerate(text.split("-")))
    if not any(isinstance(layer, Cgmm) for layer in layers):
        raise ConfigurationError(f"{config!r} has no cGMM layer: add at least one G(components)")
    for i, layer in enumerate(layers):
        if not isinstance(layer, Classifier):
            continue
        below = sum(isinstance(other, Cgmm) for other in layers[:i])
        if i != len(layers) - 1:
            raise ConfigurationError(f"layer {i} {layer} is a classifier below other layers: it must be the last layer")
        if not isinstance(layers[i - 1], Cgmm):
            raise ConfigurationError(f"layer {i} {layer} stands on {layers[i - 1]}: a classifier reads cGMM activities")
        if layer.sources > below:
            raise ConfigurationError(f"layer {i} {layer} reads {layer.sources} cGMM layers, but only {below} lie below")
    last = layers[-2] if isinstance(layers[-1], Classifier) else layers[-1]
    if not isinstance(last, Cgmm):
        raise ConfigurationError(f"layer {len(layers) - 1} {last} is on top and feeds nothing: end with a cGMM layer")
    return layers


def unparse(layers: tuple[LayerSpec, ...]) -> str:
    """The canonical configuration string of parsed layers: `parse(unparse(layers)) == layers`."""
    return "-".join(str(layer) for layer in layers)


@dataclass(frozen=True)
class PlacedLayer:
    """A layer at its place in a stack: its index, and the shapes (H, W, C) that it receives and gives."""

    index: int
    spec: LayerSpec
    input_shape: Shape
    output_shape: Shape

    @property
    def positions(self) -> int:
        """Number of parameter sets of a cGMM layer: 1 when shared, else H·W."""
        shared = not (isinstance(self.spec, Cgmm) and self.spec.independent)
        return 1 if shared else prod(self.input_shape[:2])

    @property
    def centroid_parameters(self) -> int:
        """P·K·D of a cGMM layer, 0 of any other: what Table V counts."""
        if not isinstance(self.spec, Cgmm):
            return 0
        return self.positions * self.spec.components * self.input_shape[2]


@dataclass(frozen=True)
class Architecture:
    """Layers with shapes, bottom first."""

    input_shape: Shape
    layers: tuple[PlacedLayer, ...]

    @property
    def config(self) -> str:
        return unparse(tuple(layer.spec for layer in self.layers))

    @property
    def cgmm_layers(self) -> tuple[PlacedLayer, ...]:
        return tuple(layer for layer in self.layers if isinstance(layer.spec, Cgmm))

    @property
    def classifier(self) -> PlacedLayer | None:
        return self.layers[-1] if isinstance(self.layers[-1].spec, Classifier) else None

    @property
    def centroid_parameters(self) -> int:
        """The parameter count of Table V: centroids only."""
        return sum(layer.centroid_parameters for layer in self.layers)


def place(config: str, input_shape: tuple[int, ...]) -> Architecture:
    """Fit a configuration to images of shape (H, W, C).

    Raises:
        ConfigurationError: a layer does not fit what it receives; the message names layer, shapes and reason.
    """
    if len(input_shape) != 3 or any(int(n) != n or n < 1 for n in input_shape):
        raise ConfigurationError(
            f"the input shape {input_shape!r} must be three positive integers (height, width, channels)"
        )
    height, width, channels = (int(n) for n in input_shape)
    shape: Shape = (height, width, channels)
    placed: list[PlacedLayer] = []
    for index, spec in enumerate(parse(config)):
        try:
            output = spec.output_shape(shape)
        except ValueError as error:
            raise ConfigurationError(
                f"layer {index} {spec} of {config!r} cannot take an input of shape {shape}: {error}"
            ) from None
        placed.append(PlacedLayer(index, spec, shape, output))
        shape = output
    return Architecture((height, width, channels), tuple(placed))
