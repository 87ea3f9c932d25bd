"""DGC-SPN behind the suite's model interface."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from baselines.dgcspn.architecture import Architecture
from baselines.dgcspn.devices import CUDA, DEVICES, on_gpu
from baselines.dgcspn.drawing import draw_components
from baselines.dgcspn.leaves import NORMALIZATIONS, NormalLeaves
from baselines.progress import progress_bar
from dcgmm import checks
from dcgmm.checkpoint import Checkpoint, identity
from dcgmm.history import History, HistoryRow
from dcgmm.storage import (
    DamagedFileError,
    Tensors,
    class_path,
    read_json,
    read_tensors,
    tensors_digest,
    write_json,
    write_tensors,
)

Images = npt.NDArray[np.float32]

LEARNING = ("em", "gradient")
BATCH = 128  # images of a pass that does not train
WEIGHTS, ORDER, DROPOUT = 1, 2, 3  # streams of random numbers of one seed
MODEL_FILE, TENSOR_FILE = "model.json", "network.safetensors"


class Past(NamedTuple):
    """How far trainings have come: epochs that were begun, and steps."""

    epochs: int = 0
    steps: int = 0


class DgcSpn:
    """Deep generalised convolutional sum-product network; continuous density of images (n, H, W, C) in [0, 1].

    Normal leaves of scale 1 on normalised pixels, then `products` times a 2×2 product of dilation 1, 2, 4, …, each but
    the last followed by `sums` local sums at every position, then the root (see `Architecture`). `products=7` and
    `sums=16` are the 7,560,576 parameters of Table III; 28×28 pixels need six. The leaf means are those of `leaves`
    quantiles of each pixel's training values and stay fixed.

    normalization: "global" (one mean and standard deviation of all training pixels; `score_samples` is then the
    log-density of the pixels), or "sample" (each image by its own, as in the authors' script; in-painting by those of
    the known pixels; unconditional samples are scaled by the mean statistics of the training images, and
    `score_samples` is the log-density of the normalised image; a constant image is zeros).

    learning: "em", online: w ← (1 - learning_rate) w + learning_rate · (normalised expected counts of a batch); or
    "gradient": Adam on the logarithms of the weights before their softmax. Each epoch visits the images in an order of
    its own. dropout: share of the products that a training step leaves out, never all of a sum's. alpha: of the
    Dirichlet distribution of the initial weights.

    device: "cpu", "gpu" (CUDA, by PyTorch), "auto": a GPU if there is one. threads: on a CPU, None: OMP_NUM_THREADS,
    or one; results are the same for any number.

    >>> model = DgcSpn((28, 28, 1), sums=16, products=6, epochs=1)
    >>> model.count_params()
    5391488
    """

    machine: ClassVar[tuple[str, ...]] = ("device", "threads")  # arguments that are no property of the model

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
        learning: str = "em",
        learning_rate: float = 0.01,
        dropout: float = 0.1,
        alpha: float = 0.1,
        normalization: str = "global",
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        self.image_shape = checks.image_shape(image_shape)
        self.seed = checks.seed(seed)
        self.sums = checks.integer(sums, name="sums")
        self.products = checks.integer(products, name="products", at_least=2, at_most=30)
        self.leaves = checks.integer(leaves, name="leaves")
        self.epochs = checks.epochs(epochs)
        self.batch_size = checks.integer(batch_size, name="batch_size")
        self.learning = checks.choice(learning, LEARNING, name="learning")
        self.learning_rate = checks.number(learning_rate, name="learning_rate", above=0, at_most=1)
        self.dropout = checks.number(dropout, name="dropout", at_least=0, below=1)
        self.alpha = checks.positive(alpha, name="alpha")
        self.normalization = checks.choice(normalization, NORMALIZATIONS, name="normalization")
        self.device = checks.choice(device, DEVICES, name="device")
        self.threads = threads if threads is None else checks.integer(threads, name="threads")
        self._architecture = Architecture(self.image_shape, self.sums, self.products, self.leaves)
        checks.memory(8 * self._architecture.count_params(), what=f"leaves={self.leaves} with sums={self.sums}")
        self._leaves = NormalLeaves(self.image_shape, self.leaves, self.normalization)
        self._kept: Any = None
        self._past: Past | None = None  # None: never trained

    def get_params(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def count_params(self) -> int:
        """Sum weights, leaf means and leaf scales."""
        return self._architecture.count_params()

    # --- the network -------------------------------------------------------------------------------------------------

    @property
    def _network(self) -> Any:
        """`Network` or `OperatorNetwork`; with the initial weights of the seed before there are others."""
        if self._kept is None:
            self._kept = self._place(None)
        return self._kept

    def _place(self, weights: list[Images] | None) -> Any:
        from baselines.dgcspn.initial import initial_weights

        if weights is None:
            weights = initial_weights(self._architecture, self.alpha, np.random.default_rng([WEIGHTS, self.seed]))
        if on_gpu(self.device):
            from baselines.dgcspn.operators import OperatorNetwork

            return OperatorNetwork(self._architecture, weights, device=CUDA)
        from baselines.dgcspn.network import Network, threads_of_job

        return Network(self._architecture, weights, threads=self.threads or threads_of_job())

    # --- training ----------------------------------------------------------------------------------------------------

    def fit(
        self,
        x: Images,
        *,
        validation: Images | None = None,
        progress: bool = True,
        checkpoint: str | Path | None = None,
        warm_start: bool = False,
    ) -> History:
        """Train on x (n, H, W, C) from the initial weights; with `warm_start` from the current ones, for `epochs` more.

        A warm start goes on with everything: the order of images, the noise of dropout, Adam's moments, the number of
        steps; only an epoch that was interrupted is not taken up. An untrained model has nothing to go on with.

        The history counts batches, with the mean log-likelihood (as `score_samples`) of each epoch, with dropout, and
        of the validation images after it. checkpoint: a directory for the state, from which an interrupted training
        resumes, to the same weights.

        Raises ValueError for images of another shape, type or range, and where training has diverged,
        OtherTrainingError for another's checkpoint.
        """
        x = checks.images(x, self.image_shape)
        if validation is not None:
            validation = checks.images(validation, self.image_shape, name="validation images")
        warm_start = checks.flag(warm_start, name="warm_start")
        begun = self._past if warm_start else None
        apart = ("seed", "epochs", *self.machine)
        fixed = {name: value for name, value in self.get_params().items() if name not in apart}
        start = {} if begun is None else {"start": [tensors_digest(self._tensors()), begun]}
        kept = Checkpoint(
            checkpoint, identity(class_path(type(self)), {**fixed, "warm": warm_start, **start}, self.seed, x)
        )
        found = kept.read()
        if found is not None and found[1]["epoch"] + bool(found[1]["batch"]) > self.epochs:
            raise ValueError(
                f"the checkpoint {kept.path} has more than the {self.epochs} epochs given: raise epochs, or remove it"
            )
        history, total, epoch, batch = History(), 0.0, 0, 0
        if found is not None:
            past = found[1]
            self._set_tensors(found[0], past, str(kept.path))
            history.extend(HistoryRow(*row) for row in past["history"])
            total, epoch, batch = past["total"], past["epoch"], past["batch"]
        elif begun is None:
            self._leaves.adapt(x)
            self._kept = self._place(None)
        batches, volume = math.ceil(len(x) / self.batch_size), self._leaves.log_volume(math.prod(self.image_shape))
        before = begun or Past()

        def steps() -> int:
            return before.steps + epoch * batches + batch

        def state() -> tuple[Tensors, dict[str, Any]]:
            past = {"total": total, "epoch": epoch, "batch": batch, "history": history, **self._constants()}
            return self._tensors(), past

        try:
            with progress_bar("DGC-SPN", self.epochs * batches, progress) as show, kept.kept(state) as after_step:
                while epoch < self.epochs:
                    order = np.random.default_rng([ORDER, self.seed, before.epochs + epoch]).permutation(len(x))
                    while batch < batches:
                        rows = order[batch * self.batch_size : (batch + 1) * self.batch_size]
                        density = self._step(x[rows], steps())
                        total, batch = total + float(density.sum()), batch + 1
                        if not math.isfinite(total):
                            raise ValueError(
                                f"The log-likelihood is {density.mean()} in batch {batch} of epoch {epoch + 1}: "
                                f"training with seed {self.seed} has diverged, learning_rate is {self.learning_rate} "
                                f"and dropout {self.dropout}; try smaller ones."
                            )
                        show(epoch * batches + batch, f"epoch {epoch + 1}, {density.mean() - volume:.1f} nats")
                        after_step()
                    epoch, batch, mean, total = epoch + 1, 0, total / len(x), 0.0
                    history.add(steps(), 0, "train", mean - volume)
                    if validation is not None:
                        history.add(steps(), 0, "validation", self._log_density(validation).mean() - volume)
                    kept.write(state())
                    after_step()
        finally:
            self._past = Past(before.epochs + epoch + bool(batch), steps())
        return history

    def _step(self, x: Images, step: int) -> npt.NDArray[np.float64]:
        """Step number `step` (from 0) on images x; the log-densities of the normalised images before it."""
        return self._network.step(
            self._leaves.log_values(x),
            rule=self.learning,
            rate=self.learning_rate,
            steps=step + 1,
            dropout=self.dropout,
            key=(DROPOUT, self.seed, step),
        )

    # --- densities ---------------------------------------------------------------------------------------------------

    def score_samples(self, x: Images) -> npt.NDArray[np.float64]:
        """Log-density in nats, (n,) float64: of the pixels with global normalisation, else of the normalised image."""
        x = checks.images(x, self.image_shape)
        return self._log_density(x) - self._leaves.log_volume(math.prod(self.image_shape))

    def score_known(self, x: Images, known: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """Exact log-density (n,) of the known pixels alone, the others integrated out; `known` as in `inpaint`.

        With normalization "sample" an image is normalised by its known pixels."""
        x, mask = checks.partly_known(x, known, self.image_shape)
        volume = self._leaves.log_volume(1) * mask.sum(axis=(1, 2)) * self.image_shape[2]
        return self._log_density(x, mask) - volume

    def _log_density(self, x: Images, known: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.float64]:
        parts = []
        for start in range(0, len(x), BATCH):
            seen = None if known is None else known[start : start + BATCH]
            parts.append(self._network.log_density(self._leaves.log_values(x[start : start + BATCH], seen)))
        return np.concatenate(parts)

    # --- drawing -----------------------------------------------------------------------------------------------------

    def sample(self, n: int, *, seed: int, draw_leaves: bool = False) -> Images:
        """n images (n, H, W, C), clipped to [0, 1], drawn from the root down.

        draw_leaves: draw from the chosen normal leaves (their scale is the standard deviation of all pixels, which
        buries the image in noise); by default their means are taken.
        """
        n, rng = checks.count(n), np.random.default_rng(checks.seed(seed))
        draw_leaves = checks.flag(draw_leaves, name="draw_leaves")
        nothing = np.zeros((*self._leaves.means.shape[:3], 1), np.float32)
        drawn = [np.zeros((0, *self.image_shape), np.float32)]
        for start in range(0, n, BATCH):
            components = self._draw(nothing, np.zeros(min(BATCH, n - start), np.intp), rng)
            noise = rng if draw_leaves else None
            drawn.append(self._leaves.pixels(components, self._leaves.mean, self._leaves.std, noise))
        return np.concatenate(drawn)

    def inpaint(
        self, x: Images, known: npt.NDArray[np.bool_], *, seed: int, draw_leaves: bool = False
    ) -> Images:  # fmt: skip
        """x with the pixels where `known` ((H, W) or (n, H, W) bool) is False drawn from their exact conditional
        distribution (of components; then as in `sample`). Their values in x have no influence: with "sample", an image
        is normalised by its known pixels."""
        x, mask = checks.partly_known(x, known, self.image_shape)
        rng = np.random.default_rng(checks.seed(seed))
        draw_leaves = checks.flag(draw_leaves, name="draw_leaves")
        completed = []
        for start in range(0, len(x), BATCH):
            images, seen = x[start : start + BATCH], mask[start : start + BATCH]
            components = self._draw(self._leaves.log_values(images, seen), np.arange(len(images)), rng)
            mean, std = self._leaves.statistics(images, seen)
            drawn = self._leaves.pixels(components, mean, std, rng if draw_leaves else None)
            completed.append(np.where(seen[..., None], images, drawn))
        return np.concatenate(completed)

    def _draw(self, log_leaves: Images, source: npt.NDArray[np.intp], rng: np.random.Generator) -> npt.NDArray[np.intp]:
        """Leaf components (n, H, W), image by image given the log-values of the leaves at its `source`."""
        leaves = np.exp(log_leaves - log_leaves.max(axis=2, keepdims=True))
        values, children = self._network.values(log_leaves)
        return draw_components(self._architecture, self._network.weights, leaves, values, children, source, rng)

    # --- files -------------------------------------------------------------------------------------------------------

    def _tensors(self, *, moments: bool = True) -> Tensors:
        tensors = {f"sums/{k:02d}": weights for k, weights in enumerate(self._network.weights)}
        if moments:
            tensors.update({f"moments/{k:02d}": moment for k, moment in enumerate(self._network.moments)})
        return {**tensors, "means": self._leaves.means}

    def _constants(self) -> dict[str, float]:
        return {"mean": self._leaves.mean, "std": self._leaves.std}

    def _set_tensors(self, tensors: Tensors, constants: dict[str, Any], source: str) -> None:
        shapes = {f"sums/{k:02d}": shape for k, shape in enumerate(self._architecture.weight_shapes)}
        expected = {**shapes, "means": self._architecture.leaf_shape}
        found = {name: tensor.shape for name, tensor in tensors.items() if not name.startswith("moments/")}
        moments = [np.array(tensors[name]) for name in sorted(tensors) if name.startswith("moments/")]
        pairs = [shape for shape in shapes.values() for _ in range(2)]
        if found != expected or (moments and [moment.shape for moment in moments] != pairs):
            raise DamagedFileError(f"{source} holds the weights of another model than described: make it again")
        self._kept = self._place([np.array(tensors[name]) for name in shapes])
        self._kept.moments = moments
        self._leaves.means = np.array(tensors["means"])
        self._leaves.mean, self._leaves.std = float(constants["mean"]), float(constants["std"])

    def save(self, path: str | Path) -> None:
        """Write `network.safetensors` and `model.json` into the directory `path`, with all that a warm start needs."""
        wish = ("device", "cpu")  # where "gpu" needs that machine
        params = {key: own for key, own in self.get_params().items() if key not in self.machine or (key, own) == wish}
        write_tensors(Path(path) / TENSOR_FILE, self._tensors(), {})
        content = {"class": class_path(type(self)), "params": params, "constants": self._constants()}
        write_json(Path(path) / MODEL_FILE, content | {"trained": self._past})

    @classmethod
    def load(cls, path: str | Path) -> DgcSpn:
        """The model that `save` wrote into the directory `path`.

        Raises FileNotFoundError, or DamagedFileError for files that were truncated, altered, or of another model.
        """
        content, (tensors, _) = read_json(Path(path) / MODEL_FILE), read_tensors(Path(path) / TENSOR_FILE)
        if content.get("class") != class_path(cls):
            raise DamagedFileError(
                f"{Path(path) / MODEL_FILE} describes a {content.get('class')}, not a {cls.__name__}"
            )
        model = cls(**content["params"])
        model._set_tensors(tensors, content["constants"], str(Path(path) / TENSOR_FILE))
        past = content.get("trained", (model.epochs, 0))  # earlier versions did not say, and forgot Adam's moments
        model._past = None if past is None else Past(*past)
        return model
