"""DGC-SPN (Van de Wolfshaar and Pronobis 2019, arXiv 1902.06155) on the layers of libspn-keras 0.6.0.

The package needs the Keras 2 of TensorFlow (tf-keras) in its process, and TensorFlow's oneDNN kernels, the only ones
with a gradient of dilated convolutions on CPUs. Both are switched by environment variables that TensorFlow reads when
it is imported; `DgcSpnLibspn` sets them, and refuses to start where TensorFlow is there already with other ones.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from baselines.dgcspn.architecture import Architecture
from baselines.dgcspn.model import WEIGHTS, DgcSpn, Images


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


class DgcSpnLibspn(DgcSpn):
    """The model of `baselines.dgcspn:DgcSpn` by another program, as a check on it: ten times slower, online EM only.

    Densities and steps of training are the package's: its layers, on its normal leaves, with its dropout. Constants,
    initial weights, the order of images and the way down from the root (on the package's weights) are those of
    `DgcSpn`, and so are the parameters. A training with dropout draws other noise each time.
    """

    machine: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        image_shape: Sequence[int],
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
        super().__init__(
            image_shape,
            seed=seed,
            sums=sums,
            products=products,
            leaves=leaves,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            dropout=dropout,
            alpha=alpha,
            normalization=normalization,
            device="cpu",
        )
        import_libspn()

    def _place(self, weights: list[Images] | None) -> Any:
        from baselines.dgcspn.initial import initial_weights

        if weights is None:
            weights = initial_weights(self._architecture, self.alpha, np.random.default_rng([WEIGHTS, self.seed]))
        return LibspnNetwork(self._architecture, weights, self.dropout)

    def __getstate__(self) -> dict[str, Any]:
        tensors = self._tensors(moments=False) if self._kept is not None else None
        return {"params": self.get_params(), "tensors": tensors, "constants": self._constants(), "past": self._past}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state["params"])  # type: ignore[misc] # TensorFlow's layers cannot be copied
        if state["tensors"] is not None:
            self._set_tensors(state["tensors"], state["constants"], "the copied model")
            self._past = state["past"]


class LibspnNetwork:
    """The products and sums above the leaves, with the methods of `baselines.dgcspn.network:Network`.

    Log-values of leaves are (H, W, leaves, n), weights (rows, columns, children, sums), lowest first.
    """

    def __init__(self, architecture: Architecture, weights: list[Images], dropout: float) -> None:
        self.architecture = architecture
        self.moments: list[Images] = []  # of a gradient ascent, which is not on offer
        self._tf, self._spn = import_libspn()
        self._build(dropout)
        for variable, value in zip(self._variables(), weights, strict=True):
            variable.assign(value.reshape(variable.shape))
        leaves = self._tf.TensorSpec((None, *architecture.image_shape[:2], architecture.leaves), self._tf.float32)
        rate = self._tf.TensorSpec((), self._tf.float32)
        self._learn = self._tf.function(self._em_step, input_signature=[leaves, rate])
        self._score = self._tf.function(self._upward, input_signature=[leaves])

    def _build(self, dropout: float) -> None:
        """The layers above the leaves. Sum operations are passed, since the package's default is global."""
        layers, shape = self._spn.layers, self.architecture
        sum_options = {"sum_op": self._spn.SumOpEMBackprop(), "logspace_accumulators": False}
        self._layers: list[Any] = []
        for index in range(shape.products):
            last = index == shape.products - 1
            self._layers.append(
                layers.Conv2DProduct(
                    strides=[1, 1],
                    dilations=[2**index] * 2,
                    kernel_size=[2, 2],
                    padding="final" if last else "full",
                    depthwise=index > 0,
                )
            )
            if not last:
                # A sum that loses all its children makes NaNs: where that can happen at all, one child is kept, which
                # costs another pass over the noise.
                children = shape.sums if index else shape.leaves**4
                keep_one = -1 if dropout**children > 1e-14 else None
                self._layers.append(layers.LogDropout(dropout, axis_at_least_one=keep_one))
                self._layers.append(layers.Local2DSum(num_sums=shape.sums, **sum_options))
        self._layers += [layers.SpatialToRegions(), layers.RootSum(return_weighted_child_logits=False, **sum_options)]
        self._upward(self._tf.zeros((1, *shape.image_shape[:2], shape.leaves)))  # creates the weights

    def _upward(self, log_leaves: Any, training: bool = False) -> Any:
        """Log-density (n,) from log-values of the leaves (n, H, W, leaves)."""
        values = log_leaves
        for layer in self._layers:
            values = layer(values, training=training)
        return self._tf.reshape(values, (-1,))

    def _variables(self) -> list[Any]:
        return [variable for layer in self._layers for variable in layer.trainable_variables]

    def _em_step(self, log_leaves: Any, rate: Any) -> Any:
        """One step of online EM; the log-densities (n,) before it.

        The package's EM sum operation makes "gradients" of minus the normalised expected counts.
        """
        variables = self._variables()
        with self._tf.GradientTape() as tape:
            log_density = self._upward(log_leaves, training=True)
            loss = -self._tf.reduce_mean(log_density)
        for weight, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            weight.assign(weight.constraint((1.0 - rate) * weight - rate * gradient))
        return log_density

    @property
    def weights(self) -> list[Images]:
        shapes = self.architecture.weight_shapes
        return [v.numpy().reshape(shape) for v, shape in zip(self._variables(), shapes, strict=True)]

    def step(self, log_leaves: Images, *, rate: float, **_: Any) -> npt.NDArray[np.float64]:
        """One step of online EM; the log-densities (n,) before it."""
        return self._learn(np.moveaxis(log_leaves, -1, 0), np.float32(rate)).numpy().astype(np.float64)

    def log_density(self, log_leaves: Images) -> npt.NDArray[np.float64]:
        """Log-density (n,) of normalised images."""
        return self._score(np.moveaxis(log_leaves, -1, 0)).numpy().astype(np.float64)

    def values(self, log_leaves: Images) -> Any:
        """What `Network.values` makes of these weights, for the way down."""
        from baselines.dgcspn.network import Network

        return Network(self.architecture, self.weights).values(log_leaves)
