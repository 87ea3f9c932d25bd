"""Sharpening (Sec. III-I): gradient ascent on a control signal toward the training statistics of a cGMM layer.

A folding layer in backwards mode averages the overlapping patches that were drawn for it, which blurs. What it gives is
the input of the cGMM layers above, and they know what their inputs look like. So it is changed, by plain gradient
ascent, until it looks more like an input of the target layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from dcgmm.layers import cgmm
from dcgmm.layers.folding import add_copies
from dcgmm.network import Stage

# The authors' code averages the target loss over a mini-batch of 100 images, so that an image moves by step/100 times
# the gradient of its own loss. We keep the meaning of the paper's steps, and fix this number, whatever our mini-batch.
BATCH_OF_THE_PAPER = 100


class SharpeningDiverged(ArithmeticError):
    """A signal or its loss has become NaN or infinite: the step was too large."""


def target_input(
    chain: Sequence[Stage], parameters: Sequence[cgmm.Parameters], control: jax.Array, skipped: int = 0
) -> jax.Array:
    """What enters the highest cGMM layer of the chain, before its folding, for a control signal further down.

    Args:
        chain: stages from the one that the signal enters to the target's.
        parameters: of these stages.
        control: (N, H', W', C') signal that enters the first stage, behind its first `skipped` transforms.

    Returns:
        (N, H', W', C') input of the last stage's cGMM layer.
    """
    for index, stage in enumerate(chain):
        control = stage.transform(control, skipped if index == 0 else 0)
        if index < len(chain) - 1:
            log_p = cgmm.log_densities(control, cgmm.quadratic_form(parameters[index]), stage.patches)
            control = cgmm.responsibilities(log_p, stage.patches)
    return control


def target_loss(
    chain: Sequence[Stage], parameters: Sequence[cgmm.Parameters], control: jax.Array, skipped: int = 0
) -> tuple[jax.Array, jax.Array]:
    """Log-likelihood (Eq. 8) under the chain's highest cGMM layer for each control signal, and its gradient.

    Args:
        chain, parameters, control, skipped: as for `target_input`.

    Returns:
        (N,) in nats, and (N, H', W', C') each image's derivative by its own signal.
    """
    x, back = jax.vjp(lambda signal: target_input(chain, parameters, signal, skipped), control)
    loss, gradient = log_likelihood(x, parameters[len(chain) - 1], chain[-1].patches)
    return loss, back(gradient)[0]


def log_likelihood(x: jax.Array, parameters: cgmm.Parameters, patches: cgmm.Patches) -> tuple[jax.Array, jax.Array]:
    """Log-likelihood (Eq. 8) of a layer's input, and its gradient in closed form.

    Only the winning component k of each patch has a gradient, s_k²(mu_k - x): a row of a table per patch, where going
    back through the densities would be a product with all components.

    Args:
        x: (N, H', W', C') input before folding.

    Returns:
        (N,) in nats, (N, H', W', C').
    """
    form = cgmm.quadratic_form(parameters)
    winner, best = cgmm.winners(cgmm.log_densities(x, form, patches), patches)
    _, components, dimension = form.linear.shape
    # Rows in the order of a folding of two channels for each one: s²mu beside s².
    pulls = jnp.stack([form.linear, -2.0 * form.quadratic], -1).reshape(-1, 2 * dimension)
    if patches.independent:
        winner = winner + jnp.arange(patches.positions, dtype=jnp.int32).reshape(1, *patches.grid) * components
    height, width, channels = patches.input_shape
    rows = pulls.at[winner].get(mode="promise_in_bounds")
    summed = add_copies(rows, patches.size, patches.stride, (height, width, 2 * channels))
    split = summed.reshape(-1, height, width, channels, 2)
    return best.mean((1, 2)), (split[..., 0] - split[..., 1] * x) / patches.positions


def sharpen(
    loss: Callable[[jax.Array], tuple[jax.Array, jax.Array]],
    control: jax.Array,
    iterations: jax.Array | int,
    step: jax.Array | float,
    places: int,
) -> tuple[jax.Array, jax.Array]:
    """Gradient ascent of each image's own loss, all images at once, as one loop of the program.

    An iteration adds step/100 times the gradient of the image's loss, a mean over positions (see BATCH_OF_THE_PAPER):
    the result for an image does not depend on the others in its mini-batch.

    Args:
        loss: (N, H', W', C') → (N,), and its gradient (N, H', W', C'), image by image.
        control: (N, H', W', C') signal to start from.
        iterations: I of the paper.
        step: ε_sh of the paper.
        places: length of the trace, at least I + 1: I itself may change without compiling anew.

    Returns:
        The sharpened signal, and the trace (places, N): each image's loss before every iteration and after the last,
        zeros behind them.
    """
    rate = jnp.asarray(step, control.dtype) / BATCH_OF_THE_PAPER
    count = jnp.asarray(iterations, jnp.int32)

    def body(i: jax.Array, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        signal, trace = state
        losses, gradient = loss(signal)
        return signal + rate * gradient, trace.at[i].set(losses)

    start = (control, jnp.zeros((places, control.shape[0]), control.dtype))
    control, trace = jax.lax.fori_loop(jnp.zeros((), jnp.int32), count, body, start)
    return control, trace.at[count].set(loss(control)[0])
