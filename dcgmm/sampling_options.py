"""Options of sampling: of every cGMM layer its own, checked before anything is computed."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from dcgmm.checks import FLOAT_MAX, FLOAT_MIN
from dcgmm.network import Stage

INT_MAX = int(np.iinfo(np.int32).max)


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
        raise TypeError(f"{name}={value!r} is not True or False")


def _check_whole(name: str, value: Any, least: int, otherwise: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name}={value!r} is not an integer: give one of at least {least}{otherwise}")
    if value < least:
        raise ValueError(f"{name}={value!r} must be at least {least}{otherwise}")
    if value > INT_MAX:
        raise ValueError(f"{name}={value!r} must be at most {INT_MAX}")


def _check_number(name: str, value: Any, *, zero: bool) -> None:
    wanted = f"give a number {'of at least' if zero else 'above'} 0 that float32 can hold"
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}={value!r} is not a number: {wanted}")
    if not (FLOAT_MIN <= float(value) <= FLOAT_MAX or (zero and value == 0)):
        raise ValueError(f"{name}={value!r} is outside its range: {wanted}")


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
