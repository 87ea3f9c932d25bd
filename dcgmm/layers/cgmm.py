"""Convolutional Gaussian mixture layer G(K), Sec. III-C: densities, responsibilities, losses, gradients.

Symbols: N images; h·w positions with a patch vector of length D each, so M = N·h·w patches; K components;
P parameter sets (1 when shared, h·w when independent). Parameters are centroids mu (P, K, D), inverse standard
deviations s (P, K, D), raw weights w (P, K) with pi = softmax(w).

No (M, K, D) array is ever made. Expanding the square makes a log-density linear in (x, x²), so densities are
matrix products or convolutions; and a smoothed gradient is a K × K product of sums over each winner's patches, so
gradients are sums of rows. How patches are taken from a layer's input is the layer's *form* (`dcgmm.layers.forms`).
"""

from __future__ import annotations

from math import log, pi

import jax
import jax.numpy as jnp

from dcgmm.layers.forms import Form, form_of
from dcgmm.layers.parameters import Parameters, QuadraticForm, WinnerSums
from dcgmm.layers.patches import Patches
from dcgmm.layers.products import matmul

__all__ = ["Parameters", "Patches", "QuadraticForm", "WinnerSums"]

# Responsibilities below exp(-30) of the largest are set to zero: far below what float32 resolves in the next layer,
# and their squares would otherwise become denormal numbers, on which CPUs are many times slower.
NEGLIGIBLE_LOG_RATIO = -30.0

S_MAX = 20.0**0.5
S_MIN = 1e-3  # keeps log s defined


def quadratic_form(parameters: Parameters) -> QuadraticForm:
    """Expand log pi_k + Σ_d log s_kd - ½ Σ_d s_kd² (x_d - mu_kd)² - D/2 log 2π in powers of x."""
    mu, s, w = parameters
    precision = s * s
    linear = precision * mu
    normalisation = 0.5 * log(2.0 * pi) * mu.shape[-1]
    constant = jax.nn.log_softmax(w) + (jnp.log(s) - 0.5 * linear * mu).sum(-1) - normalisation
    return QuadraticForm(linear, -0.5 * precision, constant)


def log_densities(x: jax.Array, form: QuadraticForm, patches: Patches) -> jax.Array:
    """log p_k of every patch under every component, weights included (Eqs. 1, 6; nats).

    Args:
        x: (N, H', W', C') input of the layer, before folding.

    Returns:
        In the order of axes of the layer's form, which the functions below understand.
    """
    return form_of(patches).log_densities(form_of(patches).prepare(x), form)


def responsibilities(log_p: jax.Array, patches: Patches) -> jax.Array:
    """Posterior of the components (Eqs. 4, 7), (N, h, w, K); negligible ones are zero."""
    form = form_of(patches)
    return form.by_image(posterior(log_p, form.component_axis))


def posterior(log_p: jax.Array, axis: int = -1) -> jax.Array:
    """softmax along an axis, in the order of axes of `log_p`, with negligible values set to zero."""
    ratio = log_p - log_p.max(axis, keepdims=True)
    unnormalised = jnp.where(ratio > NEGLIGIBLE_LOG_RATIO, jnp.exp(ratio), 0.0)
    return unnormalised / unnormalised.sum(axis, keepdims=True)


def log_likelihood(log_p: jax.Array, patches: Patches, mode: str = "max") -> jax.Array:
    """A layer's log-likelihood of each image: mean over positions of max_k log p_k (Eq. 8), in nats.

    Args:
        mode: "max", or "exact" for log-sum-exp in place of the maximum (Eq. 5).

    Returns:
        (N,)
    """
    by_image = form_of(patches).by_image(log_p)
    reduced = by_image.max(-1) if mode == "max" else jax.nn.logsumexp(by_image, -1)
    return reduced.mean((1, 2))


def winners(log_p: jax.Array, patches: Patches) -> tuple[jax.Array, jax.Array]:
    """Index (int32) of the first maximal component and the maximum, both (N, h, w)."""
    winner, best = form_of(patches).winners(log_p)
    return form_of(patches).values_by_image(winner), form_of(patches).values_by_image(best)


def smooth(log_p: jax.Array, smoothing: jax.Array, form: Form) -> jax.Array:
    """Σ_j G_kj log p_j, in the order of axes of `log_p`; `smoothing` is G, (K, K)."""
    return matmul(log_p, smoothing.T) if form.component_axis == -1 else matmul(smoothing, log_p)


def gradient(
    parameters: Parameters, sums: WinnerSums, smoothing: jax.Array | None, patches_per_set: float
) -> Parameters:
    """Closed-form ascent direction of the smoothed max-component loss (arXiv 1912.09379).

    With R = G[winner] (M, K), the sums over R are G times the sums over winners. Then, M the number of patches,
    d mu = s²(RᵀX - n·mu)/M,  d s = (n/s - s(RᵀX² - 2mu·RᵀX + n·mu²))/M,  d w = (n - pi·Σn)/M.

    Args:
        smoothing: G, (K, K), or None once annealing is over and G is the identity.
        patches_per_set: M / P: N·h·w when shared; N when independent, where the gradient of the mean over positions
            is multiplied by their number.
    """
    mu, s, w = parameters
    number, first, second = sums
    if smoothing is not None:
        number, first, second = matmul(number, smoothing), matmul(smoothing.T, first), matmul(smoothing.T, second)
    scale = 1.0 / patches_per_set
    n = number[..., None]
    d_mu = scale * s * s * (first - n * mu)
    d_s = scale * (n / s - s * (second - 2.0 * mu * first + n * mu * mu))
    d_w = scale * (number - jax.nn.softmax(w) * number.sum(-1, keepdims=True))
    return Parameters(d_mu, d_s, d_w)


def ascend(parameters: Parameters, direction: Parameters, rates: tuple[jax.Array | float, ...]) -> Parameters:
    """One step of plain SGD ascent; s stays within [S_MIN, √20]."""
    mu, s, w = (value + rate * step for value, step, rate in zip(parameters, direction, rates, strict=True))
    return Parameters(mu, jnp.clip(s, S_MIN, S_MAX), w)
