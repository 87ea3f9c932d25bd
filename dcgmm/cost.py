"""What a training step of a configuration costs, from its layers alone: nothing is built, JAX is not imported."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dcgmm.notation import place

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Cost:
    """step_flops: of one training step's densities and gradients, per image; parameters: as `count_params()` gives
    them; peak_bytes: of parameters, their gradients, and the activations of a batch; classes: of the classifier, None
    without one."""

    step_flops: int
    parameters: int
    peak_bytes: int
    classes: int | None = None


def cost(image_shape: Sequence[int], *, config: str, batch_size: int = 100, **_: Any) -> Cost:
    """The cost of a DCGMM for images (H, W, C); other parameters of training do not matter.

    A mixture layer multiplies its input D and its square with centroids and precisions, D·K each at every position, and
    the gradient does so again: 8·D·K operations per position.
    """
    architecture = place(config, tuple(image_shape))
    flops, parameters, activations = 0, 0, 0
    for layer in architecture.cgmm_layers:
        inputs, components = math.prod(layer.input_shape), layer.output_shape[2]
        flops += 8 * inputs * components
        parameters += layer.positions * components * (2 * layer.input_shape[2] + 1)
        activations += inputs + math.prod(layer.output_shape)
    if (classifier := architecture.classifier) is not None:
        read = architecture.cgmm_layers[-classifier.spec.sources :]  # type: ignore[union-attr]
        parameters += (sum(math.prod(layer.output_shape) for layer in read) + 1) * classifier.output_shape[2]
    peak = FLOAT_BYTES * (3 * parameters + 4 * batch_size * activations)
    return Cost(flops, parameters, peak, None if classifier is None else classifier.output_shape[2])
