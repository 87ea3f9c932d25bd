"""Sharpening (Sec. III-I): gradient ascent on a control signal toward the training statistics of a cGMM layer.

A folding layer in backwards mode averages the overlapping patches that were drawn for it, which blurs. What it gives is
the input of the cGMM layers above, and they know what their inputs look like. So it is changed, by plain gradient
ascent, until it looks more like an input of the target layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from dcgmm.layers import cgmm
from dcgmm.layers.folding import add_copies
from dcgmm.network import Stage

# The authors' code averages the target loss over a mini-batch of 100 images, so that an image moves by step/100 times
# the gradient of its own loss. We keep the meaning of the paper's steps, and fix this number, whatever our mini-batch.
BATCH_OF_THE_PAPER = 100


class SharpeningDiverged(ArithmeticError):
    """A signal or its loss is not a finite number any more: the step was too large."""


def target_loss(
    chain: Sequence[Stage], parameters: Sequence[cgmm.Parameters], control: tf.Tensor, target: int, skipped: int = 0
) -> tf.Tensor:
    """Log-likelihood (Eq. 8) of the target layer for each control signal, in nats.

    Args:
        chain: stages from the one that the signal enters.
        parameters: of these stages.
        control: (N, H', W', C') signal that enters the first stage of `chain`, behind its first `skipped` transforms.
        target: index in `chain` of the stage whose cGMM layer is the target.

    Returns:
        (N,)
    """
    for index in range(target + 1):
        stage = chain[index]
        x = stage.transform(control, skipped if index == 0 else 0)
        if index == target:
            return log_likelihood(x, parameters[index], stage.patches)
        log_p = cgmm.log_densities(x, cgmm.quadratic_form(parameters[index]), stage.patches)
        control = cgmm.responsibilities(log_p, axis=stage.patches.component_axis)
    raise ValueError(f"the target {target} is below the signal")


def log_likelihood(x: tf.Tensor, parameters: cgmm.Parameters, patches: cgmm.Patches) -> tf.Tensor:
    """Log-likelihood (Eq. 8) of a layer's input, (N,) in nats, with a closed form of its gradient.

    Only the winning component k of each patch has a gradient, s_k²(mu_k - x): a row of a table per patch, where going
    back through the densities would be a product with all components.

    Args:
        x: (N, H', W', C') input before folding.
    """
    form = cgmm.quadratic_form(parameters)
    h, w = patches.grid
    components, dimension = form.linear.shape[1:]
    # Rows in the order of a folding of two channels for each one: s²mu beside s².
    pulls = tf.reshape(tf.stack([form.linear, -2.0 * form.quadratic], -1), (-1, 2 * dimension))

    @tf.custom_gradient
    def value(x: tf.Tensor) -> Any:
        log_p = cgmm.log_densities(x, form, patches)
        winner, best = cgmm.winners(log_p, axis=patches.component_axis)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            row = winner
            if patches.independent:
                row = winner + tf.reshape(tf.range(h * w) * components, (1, h, w))
            height, width, channels = patches.input_shape
            summed = add_copies(tf.gather(pulls, row), patches.size, patches.stride, (height, width, 2 * channels))
            centre, precision = tf.unstack(tf.reshape(summed, (-1, height, width, channels, 2)), axis=-1)
            return upstream[:, None, None, None] / (h * w) * (centre - precision * x)

        return tf.reduce_mean(best, (1, 2)), gradient

    return value(x)


def sharpen(
    loss: Callable[[tf.Tensor], tf.Tensor],
    control: tf.Tensor,
    iterations: tf.Tensor | int,
    step: tf.Tensor | float,
    places: int | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Gradient ascent of each image's own loss, all images at once, as one loop of the graph.

    An iteration adds step/100 times the gradient of the image's loss, a mean over positions (see BATCH_OF_THE_PAPER):
    the result for an image does not depend on the others in its mini-batch.

    Args:
        loss: (N, H', W', C') → (N,), differentiable; image by image.
        control: (N, H', W', C') signal to start from.
        iterations: I of the paper.
        step: ε_sh of the paper.
        places: length of the trace where I is not static, at least I + 1.

    Returns:
        The sharpened signal, and the trace (I + 1, N): each image's loss before every iteration and at the end; with
        `places`, zeros behind them.
    """
    rate = tf.cast(step, control.dtype) / BATCH_OF_THE_PAPER
    trace = tf.TensorArray(control.dtype, places or int(iterations) + 1, element_shape=control.shape[:1])

    def body(i: Any, signal: Any, trace: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(signal)
            losses = loss(signal)
        return i + 1, signal + rate * tape.gradient(losses, signal), trace.write(i, losses)

    _, control, trace = tf.while_loop(lambda i, *_: i < iterations, body, (0, control, trace), parallel_iterations=1)
    return control, trace.write(iterations, loss(control)).stack()
