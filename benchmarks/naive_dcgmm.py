"""DCGMM written down plainly: the opponent in the benchmarks and the oracle in the tests.

Nothing here is meant to be fast, and nothing here imports `dcgmm`, so that agreement between the two means something.
The first half is NumPy in float64: each formula as the paper prints it, brute force. The second half, `NaiveDCGMM`, is
the straightforward TensorFlow implementation of training: unfold by the indices of Eq. 9, broadcast to N×H×W×K×D,
the smoothed max-component loss, one `tf.GradientTape` per layer, plain SGD ascent, clip.

Axes: images and activities (N, H, W, C); cGMM parameters mu, s (P, K, D) and w (P, K), where P is 1 when all
positions share one set and H·W otherwise. Log-likelihoods are in nats.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

S_MAX = math.sqrt(20.0)
S_MIN = 1e-3
SIGMA_END = 0.01


# ---------------------------------------------------------------------------------------------- notation


def parse(config: str) -> list[tuple[str, list[str]]]:
    """'F(3,1)-G(25,independent)' -> [('F', ['3', '1']), ('G', ['25', 'independent'])]."""
    tokens = re.findall(r"([FGPC])\(([^)]*)\)", config)
    return [(kind, [a.strip() for a in arguments.split(",")]) for kind, arguments in tokens]


# ---------------------------------------------------------------------------------------------- folding, pooling


def fold_indices(height: int, width: int, channels: int, f: int, stride: int) -> np.ndarray:
    """(H, W, f²C', 3): the place (h', w', c') that each folded entry is copied from, by Eq. 9."""
    h, w, c = np.meshgrid(
        np.arange(1 + (height - f) // stride),
        np.arange(1 + (width - f) // stride),
        np.arange(f * f * channels),
        indexing="ij",
    )
    return np.stack([h * stride + c // (f * channels), w * stride + (c // channels) % f, c % channels], axis=-1)


def fold(x: np.ndarray, f: int, stride: int) -> np.ndarray:
    """(N, H', W', C') -> (N, H, W, f²C')."""
    index = fold_indices(*x.shape[1:], f, stride)
    return x[:, index[..., 0], index[..., 1], index[..., 2]]


def fold_backward(t: np.ndarray, input_shape: tuple[int, int, int], f: int, stride: int) -> np.ndarray:
    """(N, H, W, f²C') -> (N, H', W', C'): the average over all places that a pixel was copied to; 0 where none."""
    total = np.zeros((len(t), *input_shape))
    copies = np.zeros(input_shape)
    index = fold_indices(*input_shape, f, stride)
    for h, w, c in np.ndindex(*index.shape[:3]):
        source = tuple(index[h, w, c])
        total[(slice(None), *source)] += t[:, h, w, c]
        copies[source] += 1
    return total / np.maximum(copies, 1)


def pool_size(size: int, f: int, stride: int, valid: bool) -> int:
    """Output length: floored when `valid`, otherwise the last window is cut at the border."""
    return 1 + (math.floor((size - f) / stride) if valid else math.ceil((size - f) / stride))


def pool(x: np.ndarray, f: int, stride: int, valid: bool = False) -> np.ndarray:
    """(N, H', W', C) -> (N, H, W, C): maximum over each window."""
    height, width = (pool_size(n, f, stride, valid) for n in x.shape[1:3])
    out = np.empty((len(x), height, width, x.shape[3]), x.dtype)
    for h, w in np.ndindex(height, width):
        out[:, h, w] = x[:, h * stride : h * stride + f, w * stride : w * stride + f].max(axis=(1, 2))
    return out


# ---------------------------------------------------------------------------------------------- cGMM layer


def log_weights(w: np.ndarray) -> np.ndarray:
    """log pi, pi = softmax(w) over the last axis."""
    w = np.asarray(w, np.float64)
    shifted = w - w.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def log_densities(x: np.ndarray, mu: np.ndarray, s: np.ndarray, w: np.ndarray) -> np.ndarray:
    """log(pi_k N_k(x)) for x (N, H, W, D) -> (N, H, W, K) float64, one position and one component at a time."""
    x, mu, s = (np.asarray(a, np.float64) for a in (x, mu, s))
    n, height, width, d = x.shape
    log_pi = log_weights(w)
    out = np.empty((n, height, width, mu.shape[1]))
    for i, j in np.ndindex(height, width):
        p = i * width + j if len(mu) > 1 else 0
        for k in range(mu.shape[1]):
            square = (s[p, k] * (x[:, i, j] - mu[p, k])) ** 2
            out[:, i, j, k] = (
                log_pi[p, k] + np.log(s[p, k]).sum() - 0.5 * square.sum(axis=-1) - 0.5 * d * math.log(2 * math.pi)
            )
    return out


def exact_log_likelihood(log_p: np.ndarray) -> np.ndarray:
    """log sum_k p_k, (..., K) -> (...)."""
    log_p = np.asarray(log_p, np.float64)
    top = log_p.max(axis=-1, keepdims=True)
    return (top + np.log(np.exp(log_p - top).sum(axis=-1, keepdims=True)))[..., 0]


def responsibilities(log_p: np.ndarray) -> np.ndarray:
    """Eq. 4: softmax of the log densities over components."""
    return np.exp(log_p - exact_log_likelihood(log_p)[..., None])


def scores(log_p: np.ndarray, mode: str = "max") -> np.ndarray:
    """(N, H, W, K) -> (N,): mean over positions of max_k (Eq. 8) or, with mode "exact", of log-sum-exp."""
    per_position = log_p.max(axis=-1) if mode == "max" else exact_log_likelihood(log_p)
    return per_position.mean(axis=(1, 2))


def smoothing_matrix(k: int, sigma: float) -> np.ndarray:
    """G (K, K): row i is a Gaussian of width sigma over the torus distance to component i, normalised to sum 1."""
    side = math.isqrt(k)
    g = np.empty((k, k))
    for a in range(k):
        for b in range(k):
            rows, columns = abs(a // side - b // side), abs(a % side - b % side)
            squared = min(rows, side - rows) ** 2 + min(columns, side - columns) ** 2
            g[a, b] = math.exp(-squared / (2 * sigma**2))
    return g / g.sum(axis=1, keepdims=True)


def smoothed_max_loss(log_p: np.ndarray, g: np.ndarray) -> float:
    """Mean over samples and positions of max_k sum_j G_kj log p_j (to be maximised)."""
    return float((log_p @ g.T).max(axis=-1).mean())


@dataclass
class Annealing:
    """The control loop of sigma and learning rate of one layer, fed with one loss per learning iteration."""

    k: int
    sigma: float = 0.0
    learning_rate: float = 0.011
    sigma_end: float = SIGMA_END
    learning_rate_end: float = 0.01
    window: int = 100

    def __post_init__(self) -> None:
        self.sigma = self.sigma or 0.25 * math.sqrt(2 * self.k)
        self.losses: list[float] = []

    def update(self, loss: float) -> None:
        self.losses.append(loss)
        if len(self.losses) % self.window == 0:
            means = np.asarray(self.losses, np.float64).reshape(-1, self.window).mean(axis=1)
            if len(means) >= 3 and -0.10 < (means[-1] - means[-2]) / (means[-2] - means[0]) < 0.05:
                self.sigma = max(0.9 * self.sigma, self.sigma_end)
                self.learning_rate = max(0.9 * self.learning_rate, self.learning_rate_end)


# ---------------------------------------------------------------------------------------------- whole model, float64


def forward(config: str, parameters: list[dict[str, np.ndarray]], x: np.ndarray) -> list[np.ndarray]:
    """Log densities (N, H, W, K) of every cGMM layer, bottom first. Classifiers are skipped."""
    a, found, left = np.asarray(x, np.float64), [], list(parameters)
    for kind, arguments in parse(config):
        if kind == "F":
            a = fold(a, int(arguments[0]), int(arguments[1]))
        elif kind == "P":
            a = pool(a, int(arguments[0]), int(arguments[1]), "valid" in arguments)
        elif kind == "G":
            found.append(log_densities(a, **left.pop(0)))
            a = responsibilities(found[-1])
    return found


def score_layers(config: str, parameters: list[dict[str, np.ndarray]], x: np.ndarray, mode: str = "max") -> np.ndarray:
    """(N, number of cGMM layers): Eq. 8 of every layer for every image, nats."""
    return np.stack([scores(log_p, mode) for log_p in forward(config, parameters, x)], axis=1)


# ---------------------------------------------------------------------------------------------- training, TensorFlow


class NaiveDCGMM:
    """Straightforward training of a DCGMM with automatic differentiation.

    Parameters
    ----------
    config: notation, e.g. "F(3,1)-G(25)-F(4,2)-G(25,independent)"; a classifier C(S) or C(S,2) may stand on top.
    input_shape: (H, W, C) of the images.
    factors: learning-rate factors of centroids, inverse standard deviations and weights.
    dtype: "float32", or "float64" for comparisons.
    compiled: run the step as one tf.function, as anybody would who cares about speed at all.
    """

    def __init__(
        self,
        config: str,
        input_shape: tuple[int, int, int],
        *,
        seed: int = 0,
        factors: tuple[float, float, float] = (1.0, 0.1, 0.0),
        classifier_rate: float = 0.01,
        dtype: str = "float32",
        compiled: bool = True,
    ) -> None:
        import tensorflow as tf

        self.dtype, self.factors, self.classifier_rate = dtype, factors, classifier_rate
        self.plan: list[dict[str, Any]] = []
        rng, shape, sizes = np.random.default_rng(seed), tuple(input_shape), []
        for kind, arguments in parse(config):
            layer: dict[str, Any] = {"kind": kind, "numbers": [int(a) for a in arguments if a.isdigit()]}
            if kind == "F":
                f, stride = layer["numbers"]
                index = fold_indices(*shape, f, stride)
                layer["index"] = np.ravel_multi_index(np.moveaxis(index, -1, 0), shape)
                shape = index.shape[:3]
            elif kind == "P":
                f, stride = layer["numbers"]
                layer["padding"] = "VALID" if "valid" in arguments else "CUT"
                shape = (*(pool_size(n, f, stride, "valid" in arguments) for n in shape[:2]), shape[2])
                layer["shape"] = shape
            elif kind == "G":
                k, d = layer["numbers"][0], shape[2]
                positions = shape[0] * shape[1] if "independent" in arguments else 1
                layer["independent"] = positions > 1 or "independent" in arguments
                layer["grid"] = shape[:2] if positions > 1 else (1, 1)
                layer["positions"] = shape[0] * shape[1]
                layer["mu"] = tf.Variable(rng.uniform(-0.1, 0.1, (positions, k, d)), dtype=dtype)
                layer["s"] = tf.Variable(np.full((positions, k, d), S_MAX), dtype=dtype)
                layer["w"] = tf.Variable(np.full((positions, k), 1.0 / k), dtype=dtype)
                layer["annealing"] = Annealing(k)
                shape = (*shape[:2], k)
                sizes.append(math.prod(shape))
            else:
                classes, reads = (layer["numbers"] + [1])[:2]
                layer["reads"] = reads
                layer["W"] = tf.Variable(np.zeros((sum(sizes[-reads:]), classes)), dtype=dtype)
                layer["b"] = tf.Variable(np.zeros(classes), dtype=dtype)
            self.plan.append(layer)
        self.step_function = tf.function(self._step) if compiled else self._step

    @property
    def trainable(self) -> list[dict[str, Any]]:
        return [layer for layer in self.plan if layer["kind"] in "GC"]

    @property
    def cgmms(self) -> list[dict[str, Any]]:
        return [layer for layer in self.plan if layer["kind"] == "G"]

    def get_parameters(self) -> list[dict[str, np.ndarray]]:
        names = {"G": ("mu", "s", "w"), "C": ("W", "b")}
        return [{n: layer[n].numpy() for n in names[layer["kind"]]} for layer in self.trainable]

    def set_parameters(self, parameters: list[dict[str, np.ndarray]]) -> None:
        for layer, values in zip(self.trainable, parameters, strict=True):
            for name, value in values.items():
                layer[name].assign(np.asarray(value, self.dtype))

    @staticmethod
    def log_densities(layer: dict[str, Any], x: Any) -> Any:
        """(N, H, W, D) -> (N, H, W, K) by way of (N, H, W, K, D)."""
        import tensorflow as tf

        k, d = layer["mu"].shape[1:]
        mu, s = (tf.reshape(layer[n], (1, *layer["grid"], k, d)) for n in ("mu", "s"))
        log_pi = tf.reshape(tf.nn.log_softmax(layer["w"]), (1, *layer["grid"], k))
        log_norm = tf.reduce_sum(tf.math.log(s), axis=-1) - 0.5 * d * math.log(2 * math.pi)
        return log_pi + log_norm - 0.5 * tf.reduce_sum(tf.square(s * (x[..., None, :] - mu)), axis=-1)

    @staticmethod
    def pool(layer: dict[str, Any], x: Any) -> Any:
        import tensorflow as tf

        f, stride = layer["numbers"]
        if layer["padding"] == "CUT":  # activities are probabilities: zeros beyond the border never win
            missing = [(n - 1) * stride + f - m for n, m in zip(layer["shape"][:2], x.shape[1:3], strict=True)]
            x = tf.pad(x, [[0, 0], [0, missing[0]], [0, missing[1]], [0, 0]])
        return tf.nn.max_pool2d(x, f, stride, "VALID")

    def _step(self, x: Any, labels: Any, smoothing: list[Any], rates: list[Any]) -> tuple[list[Any], list[Any]]:
        """Forward through all layers, one tape each; then every update. `rates` is 0 for a layer that waits."""
        import tensorflow as tf

        a, activities, losses, updates, smoothing = x, [], [], [], list(smoothing)
        for layer in self.plan:
            a = tf.stop_gradient(a)
            if layer["kind"] == "F":
                a = tf.gather(tf.reshape(a, (tf.shape(a)[0], -1)), layer["index"], axis=1)
            elif layer["kind"] == "P":
                a = self.pool(layer, a)
            elif layer["kind"] == "G":
                variables = [layer["mu"], layer["s"], layer["w"]]
                with tf.GradientTape() as tape:
                    log_p = self.log_densities(layer, a)
                    smoothed = tf.einsum("nhwj,kj->nhwk", log_p, smoothing.pop(0))
                    loss = tf.reduce_mean(tf.reduce_max(smoothed, axis=-1))
                a = tf.nn.softmax(log_p)
                activities.append(a)
                losses.append(loss)
                scale = layer["positions"] if layer["independent"] else 1.0
                updates.append([scale * g for g in tape.gradient(loss, variables)])
            else:
                flat = tf.concat([tf.reshape(b, (tf.shape(b)[0], -1)) for b in activities[-layer["reads"] :]], axis=1)
                with tf.GradientTape() as tape:
                    logits = flat @ layer["W"] + layer["b"]
                    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
                losses.append(loss)
                for variable, g in zip(
                    (layer["W"], layer["b"]), tape.gradient(loss, [layer["W"], layer["b"]]), strict=True
                ):
                    variable.assign_sub(self.classifier_rate * g)
        for layer, gradients, rate in zip(self.cgmms, updates, rates, strict=True):
            for name, g, factor in zip(("mu", "s", "w"), gradients, self.factors, strict=True):
                layer[name].assign_add(rate * factor * g)
            layer["s"].assign(tf.clip_by_value(layer["s"], S_MIN, S_MAX))
        return losses, updates

    def train_step(self, x: np.ndarray, labels: np.ndarray | None = None, learning: list[bool] | None = None) -> list:
        """One batch. `learning[L]` is False while cGMM layer L waits for its turn. Returns the layers' losses."""
        import tensorflow as tf

        learning = learning or [True] * len(self.cgmms)
        g = [tf.constant(smoothing_matrix(c["annealing"].k, c["annealing"].sigma), self.dtype) for c in self.cgmms]
        rates = [
            tf.constant(c["annealing"].learning_rate * active, self.dtype)
            for c, active in zip(self.cgmms, learning, strict=True)
        ]
        labels = np.zeros(len(x), np.int64) if labels is None else labels
        losses, self.gradients = self.step_function(tf.constant(x, self.dtype), tf.constant(labels), g, rates)
        for layer, loss, active in zip(self.cgmms, losses, learning, strict=False):
            if active:
                layer["annealing"].update(float(loss))
        return [float(loss) for loss in losses]
