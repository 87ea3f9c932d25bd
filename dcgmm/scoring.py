"""What a DCGMM says of images: log-likelihoods, activities, classes, as methods of the model."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dcgmm.batches import mini_batch_size, padded
from dcgmm.layers import cgmm, classifier
from dcgmm.network import Stage, classifier_features, forward
from dcgmm.stack import Stack


class Scoring(Stack):
    """The judging half of `dcgmm.DCGMM`."""

    def score_layers(self, x: np.ndarray, *, mode: str = "max") -> np.ndarray:
        """Log-likelihood of each image under each cGMM layer, bottom first (Eq. 8).

        Args:
            x: (n, H, W, C) images.
            mode: "max" for the max-component approximation, "exact" for log-sum-exp over components (Eq. 5).

        Returns:
            (n, number of cGMM layers) float64, nats, averaged over the layer's positions.
        """
        if mode not in ("max", "exact"):
            raise ValueError(f"mode={mode!r} is not known: choose 'max' or 'exact'")
        return self._map(f"score_{mode}", self._check_images(x)).astype(np.float64)

    def score_samples(self, x: np.ndarray, *, mode: str = "max") -> np.ndarray:
        """Log-likelihood of each image under the highest cGMM layer, (n,) float64 in nats; `mode` as above."""
        return self.score_layers(x, mode=mode)[:, -1]

    def activities(self, x: np.ndarray, layer: int = -1) -> np.ndarray:
        """Responsibilities of a cGMM layer's components, (n, h, w, K) float32 (Eqs. 4, 7).

        Args:
            layer: which cGMM layer, counted from 0 at the bottom or from -1 at the top.
        """
        chain = range(len(self._chain))
        whole = isinstance(layer, int | np.integer) and not isinstance(layer, bool)
        if not whole or layer not in range(-len(chain), len(chain)):
            raise ValueError(f"layer={layer!r} is not a cGMM layer of {self.config!r}, which has {len(chain)}")
        return self._map(f"activities_{chain[layer]}", self._check_images(x))

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Class probabilities of the classifier layer, (n, S) float32 (Sec. III-F).

        Raises:
            ValueError: the model has no classifier layer.
        """
        self._need_classifier()
        return self._map("probabilities", self._check_images(x))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The most probable class of each image, (n,) int64."""
        return self.predict_proba(x).argmax(axis=1)

    def _map(self, what: str, x: np.ndarray, parameters: Any = None) -> np.ndarray:
        """Run a compiled function of (batch, parameters, classifier) over all images, in batches of one shape."""
        size = mini_batch_size(len(x))
        function = _compiled(self._chain, self._sources, what)
        own = tuple(self._parameters if parameters is None else parameters)
        results = []
        for start in range(0, max(1, len(x)), size):
            batch = x[start : start + size]
            result = function(jax.device_put(padded(batch, size), self._device), own, self._classifier)
            results.append(np.asarray(result)[: len(batch)])
        return np.concatenate(results)


@functools.lru_cache(maxsize=64)
def _compiled(chain: tuple[Stage, ...], sources: int, what: str) -> Callable[..., jax.Array]:
    """A compiled function of (batch of images, parameters, classifier), shared by all models with this stack."""
    kind, _, argument = what.partition("_")

    def score(x: jax.Array, parameters: Sequence[cgmm.Parameters], weights: Any) -> jax.Array:
        each = [
            cgmm.log_likelihood(log_p, stage.patches, argument) for stage, _, log_p, _ in forward(chain, parameters, x)
        ]
        return jnp.stack(each, 1)

    def activities(x: jax.Array, parameters: Sequence[cgmm.Parameters], weights: Any) -> jax.Array:
        count = int(argument) + 1
        *_, (_, _, _, last) = forward(chain[:count], parameters[:count], x, last_activities=True)
        assert last is not None
        return last

    def probabilities(x: jax.Array, parameters: Sequence[cgmm.Parameters], weights: Any) -> jax.Array:
        return jax.nn.softmax(classifier.logits(classifier_features(chain, parameters, x, sources), *weights))

    return jax.jit({"score": score, "activities": activities, "probabilities": probabilities}[kind])
