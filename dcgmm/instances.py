"""The paper's instances: Table V with its slips mended (docs/errata.md), and the variants of Secs. V-G and V-I."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dcgmm.notation import Cgmm, parse, unparse


@dataclass(frozen=True)
class Instance:
    """A named configuration: for 28×28 images, for 32×32 images where there is one, and its training constants."""

    config: str
    config_32: str | None = None
    params: dict[str, Any] = field(default_factory=dict)


INSTANCES: dict[str, Instance] = {
    "A": Instance("F(28,1)-G(49)", "F(32,1)-G(49)"),
    "B": Instance("F(8,2)-G(49)-F(11,1)-G(49)", "F(12,5)-G(64,independent)-F(5,5)-G(100)"),
    "C": Instance("F(8,1)-G(49)-P(2,2,valid)-F(10,1)-G(49)"),
    "D": Instance("F(3,1)-G(25)-P(2,2)-F(4,1)-G(25)-P(2,2)-F(5,5)-G(49)"),
    "E": Instance("F(3,1)-G(25)-F(4,2)-G(25)-F(12,1)-G(49)"),
    "F": Instance("F(3,1)-G(25)-F(4,2)-G(25)-F(4,2)-G(25)-F(5,1)-G(49)"),
    "G": Instance("F(3,1)-G(25)-P(2,2)-F(3,1)-G(25)-P(2,2)-F(3,1)-G(25)-P(2,2)-F(2,1)-G(49)"),
    # Sec. V-I in the settings of the authors' scripts.
    "B-classifier": Instance("F(4,2)-G(121,independent)-F(13,1)-G(16)-C(10,2)"),
}


def independent_below_top(config: str) -> str:
    """The configuration with every cGMM layer but the top one in independent mode (Sec. III-C)."""
    layers = parse(config)
    top = max(i for i, layer in enumerate(layers) if isinstance(layer, Cgmm))
    return unparse(
        tuple(
            Cgmm(layer.components, independent=True) if isinstance(layer, Cgmm) and i != top else layer
            for i, layer in enumerate(layers)
        )
    )


def instance_config(name: str, input_shape: tuple[int, int, int], *, sharing: str = "shared") -> str:
    """The configuration of a named instance for images of this shape.

    Args:
        name: "A" to "G" (Table V) or "B-classifier".
        input_shape: (H, W, C); instances are defined for 28×28, A and B for 32×32 as well.
        sharing: "shared" as the instance is written (Table V; B for 32×32 images and "B-classifier" have a layer of
            independent mode), or "independent" for all cGMM layers below the top.

    Raises:
        ValueError: unknown name or sharing, or no configuration for this image size.
    """
    if not isinstance(name, str) or name not in INSTANCES:
        raise ValueError(f"there is no instance {name!r}: choose one of {', '.join(INSTANCES)}")
    if sharing not in ("shared", "independent"):
        raise ValueError(f"sharing={sharing!r} is not known: choose 'shared' or 'independent'")
    instance = INSTANCES[name]
    config = {(28, 28): instance.config, (32, 32): instance.config_32}.get((input_shape[0], input_shape[1]))
    if config is None:
        raise ValueError(
            f"instance {name} is not defined for images of shape {tuple(input_shape)}: "
            "give 28×28 images (A and B: also 32×32), or a configuration of your own"
        )
    return independent_below_top(config) if sharing == "independent" else config
