"""DGC-SPN (Van de Wolfshaar and Pronobis 2019, arXiv 1902.06155) on the layers of libspn-keras 0.6.0.

The package needs the Keras 2 of TensorFlow (tf-keras) in its process, and TensorFlow's oneDNN kernels, the only ones
with a gradient of dilated convolutions on CPUs. Both are switched by environment variables that TensorFlow reads when
it is imported; `DgcSpnLibspn` sets them, and refuses to start where TensorFlow is there already with other ones.
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from baselines.keras_model import KerasModel
from baselines.keras_variables import load_variables, save_variables, write_json
from dcgmm.history import History

EPSILON = 1e-8  # added to standard deviations, as libspn-keras does
MONITORED = 500  # validation images looked at after each epoch: scoring costs a third of training


def import_libspn() -> tuple[Any, Any]:
    """The modules tensorflow and libspn_keras, with the environment that they need.

    Raises RuntimeError when TensorFlow was imported before without it.
    """
    loaded = sys.modules.get("tensorflow")
    if loaded is not None and not getattr(loaded, "_tf_uses_legacy_keras", False):
        raise RuntimeError(
            "TensorFlow was already imported with Keras 3, and libspn-keras needs tf-keras: use DgcSpnLibspn in a "
            "process of its own, or set TF_USE_LEGACY_KERAS=1 before TensorFlow is imported."
        )
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") == "0":
        raise RuntimeError(
            "TF_ENABLE_ONEDNN_OPTS=0 is set, and TensorFlow's own CPU kernels have no gradient of dilated "
            "convolutions: unset it to train or sample a DGC-SPN."
        )
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    import libspn_keras
    import tensorflow

    return tensorflow, libspn_keras


class DgcSpnLibspn(KerasModel):
    """The model of `baselines.dgcspn:DgcSpn` by another program, as a check on it: ten times slower, online EM only.

    Normal leaves of scale 1 on normalised pixels, then `products` times a 2×2 product of dilation 1, 2, 4, ...
    ("full" padding, "final" at the top; the first with all combinations of its channels, the others depthwise), each
    but the last followed by `sums` local sums, then the root. `products=7` and `sums=16` are the 7,560,576
    parameters of Table III; 28×28 pixels need six. The leaf means are those of `leaves` quantiles of each pixel's
    training values and stay fixed.

    normalization: "global" (one mean and standard deviation of all training pixels; `score_samples` is then the
    log-density of the pixels), or "sample" (each image by its own, as in the authors' script: in-painting then sees
    the statistics of the hidden pixels, unconditional samples are scaled by the mean statistics of the training
    images, and `score_samples` is the log-density of the normalised image).

    Each epoch visits the images in an order of its own; w ← (1 - learning_rate) w + learning_rate · (normalised
    expected counts). A resumed training draws other dropout noise than an uninterrupted one.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        seed: int = 0,
        sums: int = 16,
        products: int = 7,
        leaves: int = 4,
        epochs: int = 15,
        batch_size: int = 128,
        learning_rate: float = 0.01,
        dropout: float = 0.1,
        alpha: float = 0.1,
        normalization: str = "global",
    ) -> None:
        if normalization not in ("global", "sample"):
            raise ValueError(f"normalization={normalization!r} given: expected 'global' or 'sample'.")
        largest = 2 ** (products - 1) + 1
        if max(image_shape[:2]) > largest:
            raise ValueError(
                f"products={products} given for images of shape {tuple(image_shape)}: the top product then has no room "
                f"for more than {largest} rows and columns; take more products."
            )
        self._tf, self._spn = import_libspn()
        super().__init__(image_shape, seed=seed, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate)
        self.sums = sums
        self.products = products
        self.leaves = leaves
        self.dropout = dropout
        self.alpha = alpha
        self.normalization = normalization
        self.mean_, self.std_ = 0.0, 1.0
        self._tf.random.set_seed(seed)  # the package's Dirichlet initialiser takes no seed of its own
        self._build()
        self._step = self._tf.function(
            self._em_step, input_signature=[self._tf.TensorSpec((None, *self.image_shape), self._tf.float32)]
        )
        self._log_density = self._tf.function(
            lambda leaves: self._upward(leaves)[-1],
            input_signature=[self._tf.TensorSpec((None, *self.image_shape[:2], leaves), self._tf.float32)],
        )

    # --- the network ---------------------------------------------------------------------------------------------

    def _build(self) -> None:
        """The leaf layer and the layers above it. Sum operations are passed, since the package's default is global."""
        layers = self._spn.layers
        self._leaf = layers.NormalLeaf(num_components=self.leaves, location_trainable=False)
        sum_options = {
            "sum_op": self._spn.SumOpEMBackprop(),
            "accumulator_initializer": self._spn.initializers.Dirichlet(axis=-2, alpha=self.alpha),
            "logspace_accumulators": False,
        }
        self._upper: list[Any] = []
        for index in range(self.products):
            last = index == self.products - 1
            self._upper.append(
                layers.Conv2DProduct(
                    strides=[1, 1],
                    dilations=[2**index] * 2,
                    kernel_size=[2, 2],
                    padding="final" if last else "full",
                    depthwise=index > 0,
                )
            )
            if not last:
                self._upper += [self._log_dropout(index), layers.Local2DSum(num_sums=self.sums, **sum_options)]
        self._upper += [layers.SpatialToRegions(), layers.RootSum(return_weighted_child_logits=False, **sum_options)]
        self._upward(self._leaf(self._tf.zeros((1, *self.image_shape))))  # creates the weights

    def _log_dropout(self, index: int) -> Any:
        """Dropout of product nodes. A sum that loses all its children makes NaNs: where that can happen at all, one
        child is kept, which costs another pass over the noise."""
        children = self.sums if index else self.leaves**4
        keep_one = -1 if self.dropout**children > 1e-14 else None
        return self._spn.layers.LogDropout(self.dropout, axis_at_least_one=keep_one)

    def _upward(self, log_leaves: Any, training: bool = False) -> list[Any]:
        """Log-values of all layers from the leaves' (n, H, W, leaves) to the root's (n,), each layer's input first."""
        values = [log_leaves]
        for layer in self._upper:
            values.append(layer(values[-1], training=training))
        values[-1] = self._tf.reshape(values[-1], (-1,))
        return values

    def _weights(self) -> list[Any]:
        """All sum weights, bottom first, axes (row, column, child, sum), root last."""
        return [variable for layer in self._upper for variable in layer.trainable_variables]

    def _em_step(self, normalized: Any) -> Any:
        """One online EM step on (n, H, W, C); returns the mean log-density.

        The package's EM sum operation makes "gradients" of minus the normalised expected counts.
        """
        weights = self._weights()
        with self._tf.GradientTape() as tape:
            log_density = self._tf.reduce_mean(self._upward(self._leaf(normalized), training=True)[-1])
            loss = -log_density
        for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
            weight.assign(weight.constraint((1.0 - self.learning_rate) * weight - self.learning_rate * gradient))
        return log_density

    # --- normalisation -------------------------------------------------------------------------------------------

    def _statistics(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each image, both (n, 1, 1, 1): its own, or the training set's."""
        if self.normalization == "sample":
            return x.mean((1, 2, 3), keepdims=True), x.std((1, 2, 3), keepdims=True)
        shape = (len(x), 1, 1, 1)
        return np.full(shape, self.mean_, np.float32), np.full(shape, self.std_, np.float32)

    def _normalize(self, x: np.ndarray) -> np.ndarray:
        mean, std = self._statistics(x)
        return ((x - mean) / (std + EPSILON)).astype(np.float32)

    def _adapt(self, x: np.ndarray) -> None:
        """Constants of the normalisation and the leaf means, from the training images."""
        if self.normalization == "sample":
            mean, std = self._statistics(x)
            self.mean_, self.std_ = float(mean.mean()), float(std.mean())
        else:
            self.mean_, self.std_ = float(x.mean(dtype=np.float64)), float(x.std(dtype=np.float64))
        ordered = np.sort(self._normalize(x), axis=0)
        means = [part.mean(axis=0) for part in np.array_split(ordered, self.leaves)]
        self._leaf.loc.assign(np.stack(means, axis=-2)[None])

    # --- the model interface -------------------------------------------------------------------------------------

    def fit(
        self,
        x: np.ndarray,
        *,
        validation: np.ndarray | None = None,
        progress: bool = True,
        checkpoint: str | Path | None = None,
    ) -> History:
        """Train on x (n, H, W, C). The history counts batches, with the mean log-density of each epoch (with dropout)
        and of the first 500 validation images, both of normalised images.

        Raises ValueError for images of another shape.
        """
        self._check(x)
        self._adapt(x)
        history, note = self._resume(checkpoint)
        for epoch in range(note["epochs"], self.epochs):
            total = self._epoch(x, epoch, progress)
            step = self._steps(epoch + 1, len(x))
            history.add(step, 0, "train", total / len(x))
            if validation is not None:
                history.add(step, 0, "validation", self._log_densities(validation[:MONITORED]).mean())
            self._keep(checkpoint, history, epoch + 1)
        return history

    def _epoch(self, x: np.ndarray, epoch: int, progress: bool) -> float:
        """One pass over the images; the sum of their log-densities as they were met."""
        from rich.progress import track

        order = np.random.default_rng([self.seed, epoch]).permutation(len(x))
        total = 0.0
        label = f"DGC-SPN, epoch {epoch + 1} of {self.epochs}"
        starts = range(0, len(x), self.batch_size)
        for start in track(starts, label, disable=not progress):
            batch = x[order[start : start + self.batch_size]]
            total += len(batch) * float(self._step(self._normalize(batch)))
        return total

    def _training_state(self) -> dict[str, list[Any]]:
        return {"sums": self._weights()}

    def _log_densities(self, x: np.ndarray, batch: int = 100) -> np.ndarray:
        """Log-density of the normalised images, (n,) float64."""
        parts = [
            self._log_density(self._leaf(self._normalize(x[start : start + batch])))
            for start in range(0, len(x), batch)
        ]
        return np.concatenate(parts).astype(np.float64)

    def score_samples(self, x: np.ndarray) -> np.ndarray:
        """Log-density in nats, (n,) float64: of the pixels with global normalisation, else of the normalised image."""
        self._check(x)
        scale = math.prod(self.image_shape) * math.log(self.std_ + EPSILON) if self.normalization == "global" else 0.0
        return self._log_densities(x) - scale

    def sample(self, n: int, *, seed: int, draw_leaves: bool = False, batch: int = 50) -> np.ndarray:
        """n images (n, H, W, C), clipped to [0, 1], drawn from the root down.

        draw_leaves: draw from the chosen normal leaves (their scale is the standard deviation of all pixels, which
        buries the image in noise); by default their means are taken.
        """
        blank = np.zeros((n, *self.image_shape), np.float32)
        return self._complete(blank, np.zeros(blank.shape[:3], bool), seed, draw_leaves, batch, evidence=False)

    def inpaint(
        self, x: np.ndarray, known: np.ndarray, *, seed: int, draw_leaves: bool = False, batch: int = 50
    ) -> np.ndarray:
        """x with the pixels where `known` ((H, W) or (n, H, W) bool) is False drawn from their exact conditional
        distribution (of components; then as in `sample`)."""
        self._check(x)
        mask = np.broadcast_to(np.asarray(known, bool), x.shape[:3])
        return self._complete(x, mask, seed, draw_leaves, batch, evidence=True)

    def _complete(
        self, x: np.ndarray, known: np.ndarray, seed: int, draw_leaves: bool, batch: int, *, evidence: bool
    ) -> np.ndarray:
        rng = np.random.default_rng(seed)
        means = self._leaf.loc.numpy()[0]  # (H, W, leaves, C)
        rows, columns = np.indices(self.image_shape[:2])
        completed = []
        for start in range(0, len(x), batch):
            images, seen = x[start : start + batch], known[start : start + batch, ..., None]
            log_leaves = np.where(seen, self._leaf(self._normalize(images)).numpy(), 0.0).astype(np.float32)
            drawn = means[rows, columns, self._components(log_leaves, rng)]
            if draw_leaves:
                drawn = drawn + rng.standard_normal(drawn.shape)
            mean, std = self._statistics(images) if evidence else (self.mean_, self.std_)
            pixels = np.clip(drawn * (std + EPSILON) + mean, 0.0, 1.0).astype(np.float32)
            completed.append(np.where(seen, images, pixels))
        return np.concatenate(completed) if completed else x.copy()

    # --- drawing from the root down --------------------------------------------------------------------------------

    def _components(self, log_leaves: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The leaf component of each pixel, (n, H, W), drawn given log-values of the leaves (n, H, W, leaves).

        A marginalised pixel has log-value 0 in all components. Each sum that is reached draws one child with
        probability weight · value; a product reaches all its children, which is its gradient.
        """
        values = self._upward(self._tf.constant(log_leaves))
        reached = np.ones((len(log_leaves), 1, 1, 1), bool)  # the root
        for layer, below in zip(reversed(self._upper), reversed(values[:-1]), strict=True):
            if isinstance(layer, (self._spn.layers.RootSum, self._spn.layers.Local2DSum)):
                reached = self._draw_children(reached, below.numpy(), layer, rng)
            elif not isinstance(layer, self._spn.layers.LogDropout):
                reached = self._reached_below(layer, below, reached)
        return reached.argmax(axis=-1)

    def _draw_children(
        self, reached: np.ndarray, below: np.ndarray, layer: Any, rng: np.random.Generator
    ) -> np.ndarray:
        """(n, h, w, children) bool: the child drawn at each reached sum (n, h, w, sums); `below` are log-values."""
        image, row, column, which = np.nonzero(reached)
        weights = layer.get_weights()[0][row, column, :, which]
        score = np.log(weights) + below[image, row, column]
        child = (score + rng.gumbel(size=score.shape)).argmax(axis=1)
        drawn = np.zeros(below.shape, bool)
        drawn[image, row, column, child] = True
        return drawn

    def _reached_below(self, layer: Any, below: Any, reached: np.ndarray) -> np.ndarray:
        """The inputs of a product (or reshaping) layer that its reached outputs are made of, as bool."""
        with self._tf.GradientTape() as tape:
            tape.watch(below)
            above = layer(below)
        gradient = tape.gradient(above, below, output_gradients=reached.reshape(above.shape).astype(np.float32))
        return gradient.numpy() > 0.5

    def count_params(self) -> int:
        """Sum weights, leaf means and leaf scales."""
        return int(sum(math.prod(v.shape) for v in [*self._weights(), self._leaf.loc, self._leaf.scale]))

    def save(self, path: str | Path) -> None:
        """Write `network.safetensors` and `dgcspn.json` into the directory `path`."""
        groups = {"sums": self._weights(), "means": [self._leaf.loc]}
        save_variables(Path(path) / "network.safetensors", groups, {})
        constants = {"mean": self.mean_, "std": self.std_}
        write_json(Path(path) / "dgcspn.json", {"params": self.get_params(), "constants": constants})

    @classmethod
    def load(cls, path: str | Path) -> DgcSpnLibspn:
        """The model that `save` wrote into the directory `path`."""
        content = json.loads((Path(path) / "dgcspn.json").read_text())
        params = content["params"]
        model = cls(tuple(params.pop("image_shape")), **params)
        load_variables(Path(path) / "network.safetensors", {"sums": model._weights(), "means": [model._leaf.loc]})
        model.mean_, model.std_ = content["constants"]["mean"], content["constants"]["std"]
        return model
