"""DCGMM: a stack of convolutional Gaussian mixture layers as one model."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from dcgmm.annealing import Annealing
from dcgmm.history import History
from dcgmm.inpainting import VARIANTS, check_known, conditional_control
from dcgmm.instances import INSTANCES, instance_config
from dcgmm.layers import cgmm, classifier
from dcgmm.network import Stage, forward, initial_parameters, stages
from dcgmm.notation import place
from dcgmm.progress import training_progress
from dcgmm.runtime import keep_freed_memory
from dcgmm.sampling import LayerOptions, check_flag, draw, mini_batch_size, padded
from dcgmm.sampling import layer_options as options_of_layers
from dcgmm.storage import read_tensors, write_bytes, write_tensors
from dcgmm.training import (
    Batches,
    Trainer,
    TrainingOptions,
    TrainingState,
    classifier_features,
    resume_or_start,
)


class DCGMM:
    """Deep Convolutional Gaussian Mixture Model (Gepperth: A new perspective on probabilistic image modeling).

    Args:
        config: layers in the paper's notation, bottom first, e.g. "F(3,1)-G(25)-F(4,2)-G(25)-F(12,1)-G(49)".
        input_shape: (H, W, C) of the images.
        seed: of the initial parameters and of the order of training images.
        **training: constants of training, see `dcgmm.training.TrainingOptions`.

    Attributes:
        sigmas_: width of the smoothing of each cGMM layer when training ended, bottom first; `sigma_end` (0.01) where
            the annealing came to its end, without which scores still move by points. Empty before training.

    Images are float32 (N, H, W, C) in [0, 1]. Densities are continuous: a cGMM layer's log-likelihood is in nats per
    patch, the mean over its positions; scores of layers with different patch sizes are not comparable.

    Raises:
        dcgmm.notation.ConfigurationError: the layers cannot be built; the message names layer, shapes and reason.
        TypeError, ValueError: an unknown training constant, or one outside its range.
    """

    def __init__(
        self, config: str, input_shape: Sequence[int] = (28, 28, 1), *, seed: int = 0, **training: Any
    ) -> None:
        keep_freed_memory()
        self.config = config
        self.input_shape = tuple(int(n) for n in input_shape)
        self.seed = seed
        self.options = _training_options(training)
        self.architecture = place(config, self.input_shape)
        self._chain = stages(self.architecture)
        rng = np.random.default_rng(seed)
        self._parameters = initial_parameters(self._chain, rng)
        self._classifier = self._initial_classifier(rng)
        self.sigmas_: list[float] = []

    @classmethod
    def instance(
        cls, name: str, input_shape: Sequence[int] = (28, 28, 1), *, sharing: str = "shared", **kwargs: Any
    ) -> DCGMM:
        """A named instance of the paper: "A" to "G" of Table V (A, B also for 32×32 images), or "B-classifier".

        Args:
            sharing: "shared" as in Table V, or "independent" parameters in all cGMM layers below the top.
            **kwargs: as for the constructor; they override the instance's own training constants.
        """
        height, width, channels = input_shape
        config = instance_config(name, (height, width, channels), sharing=sharing)
        return cls(config, input_shape, **(INSTANCES[name].params | kwargs))

    def _initial_classifier(self, rng: np.random.Generator) -> tuple[tf.Tensor, ...]:
        placed = self.architecture.classifier
        if placed is None:
            return ()
        sources = self._chain[-placed.spec.sources :]  # type: ignore[union-attr]
        dimension = sum(stage.components * stage.patches.grid[0] * stage.patches.grid[1] for stage in sources)
        classes = placed.output_shape[2]
        return tf.zeros((dimension, classes)), tf.zeros(classes)

    # -- training ----------------------------------------------------------------------------------------------

    def fit(
        self,
        x: np.ndarray,
        *,
        labels: np.ndarray | None = None,
        validation: np.ndarray | Mapping[str, np.ndarray] | None = None,
        progress: bool = True,
        checkpoint: str | Path | None = None,
        **training: Any,
    ) -> History:
        """Train all layers in parallel from the current parameters (Sec. III-G).

        Args:
            x: (n, H, W, C) training images.
            labels: (n,) integer classes, for a model with a classifier layer.
            validation: images whose log-likelihoods are recorded as split "validation", or several by split name.
            progress: show a progress bar with the estimated time left on standard error.
            checkpoint: a directory for the state of an unfinished training. One that is there is resumed, with the
                same numbers as an uninterrupted run; it is removed when training is complete.
            **training: constants of training that replace those of the constructor.

        Returns:
            History rows (step, layer, split, log_likelihood in nats), for each cGMM layer.

        Raises:
            dcgmm.training.TrainingDiverged: a layer's loss is not a number any more.
            ValueError: images or labels do not fit, or the checkpoint belongs to another training.
        """
        options = _training_options(asdict(self.options) | training)
        x = self._check_images(x)
        if len(x) == 0:
            raise ValueError("there are no training images: x is empty")
        labels = self._check_labels(labels, len(x))
        splits = self._measured_splits(x, validation, options.measured_images)
        identity = self._training_identity(options, x, labels)
        path = None if checkpoint is None else Path(checkpoint) / "state.safetensors"
        start = TrainingState(
            list(self._parameters),
            self._classifier,
            [
                Annealing(
                    stage.components,
                    learning_rate=options.learning_rate,
                    learning_rate_end=options.learning_rate_end,
                    sigma_end=options.sigma_end,
                    window=options.window,
                )
                for stage in self._chain
            ],
        )
        state, remark = resume_or_start(path, identity, start)
        trainer = Trainer(
            self.architecture,
            self._chain,
            options,
            state,
            batches=Batches(x, options.batch_size, self.seed),
            labels=labels,
            measure=lambda parameters: self._measure(parameters, splits),
            checkpoint=path,
            identity=identity,
        )
        with training_progress(trainer.total, state.iteration, remark, shown=progress) as on_progress:
            trainer.run(on_progress)
        self._parameters, self._classifier = state.parameters, state.classifier
        self.sigmas_ = [control.sigma for control in state.annealing]
        if path is not None:
            path.unlink(missing_ok=True)
        return state.history

    def _training_identity(self, options: TrainingOptions, x: np.ndarray, labels: np.ndarray | None) -> dict[str, Any]:
        return {
            "config": self.architecture.config,
            "input_shape": list(self.input_shape),
            "seed": self.seed,
            "images": [len(x), float(x[:: max(1, len(x) // 1000)].sum(dtype=np.float64))],
            "labels": None if labels is None else int((labels * np.arange(1, len(labels) + 1)).sum()),
            **asdict(options),
        }

    def _measured_splits(self, x: np.ndarray, validation: Any, count: int) -> dict[str, np.ndarray]:
        others = validation if isinstance(validation, Mapping) else {"validation": validation}
        splits = {"train": x[:count]}
        return splits | {name: self._check_images(v)[:count] for name, v in others.items() if v is not None}

    def _measure(self, parameters: Any, splits: Mapping[str, np.ndarray]) -> list[tuple[int, str, float]]:
        rows = []
        for split, images in splits.items():
            means = self._map("score_max", images, parameters).mean(axis=0, dtype=np.float64)
            rows += [(layer, split, float(value)) for layer, value in enumerate(means)]
        return rows

    # -- scores ------------------------------------------------------------------------------------------------

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
        return self._map(f"score_{mode}", self._check_images(x), self._parameters).astype(np.float64)

    def score_samples(self, x: np.ndarray, *, mode: str = "max") -> np.ndarray:
        """Log-likelihood of each image under the top cGMM layer, (n,) float64 in nats; see `score_layers`."""
        return self.score_layers(x, mode=mode)[:, -1]

    def activities(self, x: np.ndarray, layer: int = -1) -> np.ndarray:
        """Responsibilities of a cGMM layer (Eq. 7), (n, h, w, K) float32; `layer` counts cGMM layers."""
        chain = range(len(self._chain))
        if layer not in range(-len(chain), len(chain)):
            raise ValueError(f"layer={layer} is not a cGMM layer of {self.config!r}, which has {len(chain)}")
        return self._map(f"activities_{chain[layer]}", self._check_images(x), self._parameters)

    def _map(self, what: str, x: np.ndarray, parameters: Any) -> np.ndarray:
        """Run a compiled function of (batch, parameters, classifier) over all images, in batches of one shape."""
        size = mini_batch_size(len(x))
        placed = self.architecture.classifier
        sources = placed.spec.sources if placed is not None else 0  # type: ignore[union-attr]
        function = _compiled(self._chain, sources, what, size)
        results = []
        for start in range(0, max(1, len(x)), size):
            batch = x[start : start + size]
            result = function(tf.constant(padded(batch, size)), tuple(parameters), self._classifier).numpy()
            results.append(result[: len(batch)])
        return np.concatenate(results)

    # -- sampling and in-painting ------------------------------------------------------------------------------

    def sample(
        self,
        n: int,
        *,
        seed: int,
        top_s: int | None = None,
        divisor: float = 1.0,
        power: float = 1.0,
        sharpen: bool = False,
        sharpen_iterations: int = 300,
        sharpen_step: float = 1.0,
        from_layer: int = -1,
        labels: Any = None,
        use_weights: bool = False,
        layer_options: Mapping[int, Mapping[str, Any]] | None = None,
    ) -> np.ndarray:
        """Draw images: backwards from a cGMM layer (Sec. III-I).

        Args:
            n: number of images. Image i depends on the seed and i only, so fewer images are the first of more.
            seed: of all random choices.
            top_s: S, how many of the largest entries of a control signal are kept; None for all.
            divisor: standard deviations are divided by it. Where s is at its upper bound √20 they are 0.
            power: control signals are raised to it before they are normalised (no effect where one entry is kept).
            sharpen: sharpen the result of every folding layer by gradient ascent (`dcgmm.sharpening`).
            sharpen_iterations: number of its iterations.
            sharpen_step: an iteration adds step/100 times the gradient of the image's own target loss: the paper's
                step with its batch of 100 images, independent of the batch here.
            from_layer: the cGMM layer to start from, counted from the lowest, negative from the highest.
            labels: a class for all or (n,) classes: the control signal of the highest cGMM layer is the inversion of
                the classifier layer (Sec. III-F), which is nearly flat: a `power` at this layer makes the class count
                (docs/sampling.md). Without labels, components of the start layer are drawn uniformly.
            use_weights: draw them by the layer's weights pi instead; no effect with labels, which control them.
            layer_options: number of a cGMM layer → options that replace the ones above for this layer, see
                `dcgmm.sampling.LayerOptions`; here also `component` of the start layer and `sharpen_target`.

        Returns:
            (n, H, W, C) float32, clipped to [0, 1]; the Gaussians themselves have no bounds.

        Raises:
            ValueError: an option outside its range, a layer that does not exist, or labels that do not fit.
            TypeError: an option that does not exist, or one of another type.
            dcgmm.sharpening.SharpeningDiverged: `sharpen_step` is too large.
        """
        common = dict(top_s=top_s, divisor=divisor, power=power)
        common |= dict(sharpen=sharpen, sharpen_iterations=sharpen_iterations, sharpen_step=sharpen_step)
        images, _ = self.sample_traced(
            n,
            seed=seed,
            from_layer=from_layer,
            labels=labels,
            use_weights=use_weights,
            layer_options=layer_options,
            **common,
        )
        return images

    def sample_traced(
        self,
        n: int,
        *,
        seed: int,
        from_layer: int = -1,
        labels: Any = None,
        use_weights: bool = False,
        layer_options: Mapping[int, Mapping[str, Any]] | None = None,
        **options: Any,
    ) -> tuple[np.ndarray, dict[int, np.ndarray]]:
        """`sample` with the course of the sharpening.

        Args:
            n, seed, from_layer, labels, use_weights, layer_options: as for `sample`.
            **options: the other options of `sample`, with the same defaults; also `component` of all layers
                (`dcgmm.sampling.LayerOptions`).

        Returns:
            The images of `sample`; and for each sharpened folding layer, by its index in the configuration, the target
            loss of each image before every iteration and after the last, (iterations + 1, n) in nats.
        """
        n = _count(n)
        check_flag("use_weights", use_weights)
        start, each = self._sampling_options(from_layer, options, layer_options)
        control = None if labels is None else self._class_control(labels, n, start, each)
        drawn, traces = draw(
            self._chain,
            self._parameters,
            n,
            seed=seed,
            start=start,
            options=each,
            control=control,
            use_weights=use_weights,
        )
        return np.clip(drawn, 0.0, 1.0), traces

    def inpaint(
        self,
        x: np.ndarray,
        known: np.ndarray,
        *,
        seed: int,
        variant: str = "paper",
        top_s: int | None = None,
        divisor: float = 1.0,
        power: float = 1.0,
        sharpen: bool = False,
        sharpen_iterations: int = 300,
        sharpen_step: float = 1.0,
        from_layer: int = -1,
        labels: Any = None,
        use_weights: bool = False,
        layer_options: Mapping[int, Mapping[str, Any]] | None = None,
    ) -> np.ndarray:
        """Complete images: forward with what is known, backwards from the activities (Sec. III-J).

        Args:
            x: (n, H, W, C) images; what stands in unknown pixels has no influence.
            known: (H, W) or (n, H, W) bool, True where a pixel is known.
            variant: "paper" sets unknown pixels to 0; "conditional" marginalises them out of the densities, which is
                exact for models of one layer at one position (`dcgmm.inpainting`).
            labels: as for `sample`; the class signal is multiplied with the activities.
            use_weights: no effect: components are chosen by the activities, which contain the weights.
            seed and the other options: as for `sample`; sampling goes backwards from the activities of `from_layer`.

        Returns:
            (n, H, W, C) float32 in [0, 1]; known pixels are those of `x` as float32, bit for bit.

        Raises:
            ValueError, TypeError, SharpeningDiverged: as for `sample`; an unknown variant; images or mask of another
                shape or type.
        """
        if variant not in VARIANTS:
            raise ValueError(f"variant={variant!r} is not known: choose one of {', '.join(VARIANTS)}")
        check_flag("use_weights", use_weights)
        x = np.asarray(x, np.float32)
        if x.ndim != 4 or x.shape[1:] != self.input_shape:
            x = self._check_images(x)
        known = check_known(known, x.shape)
        x = self._check_images(np.where(known[..., None], x, np.float32(0.0)))
        common = dict(top_s=top_s, divisor=divisor, power=power)
        common |= dict(sharpen=sharpen, sharpen_iterations=sharpen_iterations, sharpen_step=sharpen_step)
        start, each = self._sampling_options(from_layer, common, layer_options, controlled=True)
        if variant == "paper":
            control = self.activities(x, start)
        else:
            control = conditional_control(self._chain[: start + 1], self._parameters[: start + 1], x, known)
        if labels is not None:
            control = control * self._class_control(labels, len(x), start, each)
        drawn, _ = draw(self._chain, self._parameters, len(x), seed=seed, start=start, options=each, control=control)
        return np.where(known[..., None], x, np.clip(drawn, 0.0, 1.0))

    def _sampling_options(
        self,
        from_layer: int,
        common: Mapping[str, Any],
        overrides: Mapping[int, Mapping[str, Any]] | None,
        *,
        controlled: bool = False,
    ) -> tuple[int, tuple[LayerOptions, ...]]:
        """The start layer counted from the lowest, and the options of every cGMM layer."""
        layers = range(len(self._chain))
        if isinstance(from_layer, bool) or not isinstance(from_layer, int | np.integer):
            raise TypeError(f"from_layer={from_layer!r} is not an integer: give the number of a cGMM layer")
        if from_layer not in range(-len(layers), len(layers)):
            raise ValueError(
                f"from_layer={from_layer!r} is not a cGMM layer: {self.config!r} has {len(layers)}, "
                "counted from 0 at the bottom or from -1 at the top"
            )
        start = layers[from_layer]
        each = options_of_layers(common, overrides, self._chain, start)
        if controlled and each[start].component != "draw":
            raise ValueError(
                f"component={each[start].component!r} has no meaning with a control signal: leave it out, or sample "
                "without labels"
            )
        return start, each

    def _class_control(self, labels: Any, n: int, start: int, options: Sequence[LayerOptions]) -> np.ndarray:
        """Control signal of the highest cGMM layer for given classes, (n, h, w, K)."""
        self._need_classifier()
        placed = self.architecture.classifier
        classes = placed.output_shape[2]  # type: ignore[union-attr]
        if start != len(self._chain) - 1:
            raise ValueError(f"labels control the highest cGMM layer: leave from_layer={start} out")
        if options[start].component != "draw":
            raise ValueError(f"give either labels or component={options[start].component!r}, not both")
        labels = np.asarray(labels)
        if labels.shape not in ((), (n,)) or not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(f"labels must be one integer or {n} integers, got {labels.dtype} of shape {labels.shape}")
        if n and (labels.min() < 0 or labels.max() >= classes):
            raise ValueError(f"labels must be from 0 to {classes - 1}, as {placed.spec} has {classes} classes")  # type: ignore[union-attr]
        wanted = np.eye(classes, dtype=np.float32)[np.broadcast_to(labels, (n,))]
        stage = self._chain[-1]
        weights, bias = self._classifier
        features = math.prod(stage.layer.output_shape)  # the highest layer's, behind those of the layer below
        control = classifier.invert(tf.constant(wanted), weights[-features:], bias, stage.components)
        return control.numpy().reshape(n, *stage.layer.output_shape)

    # -- classification ----------------------------------------------------------------------------------------

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Class probabilities of the classifier layer, (n, S) float32 (Sec. III-F).

        Raises:
            ValueError: the model has no classifier layer.
        """
        self._need_classifier()
        return self._map("probabilities", self._check_images(x), self._parameters)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The most probable class of each image, (n,) int64."""
        return self.predict_proba(x).argmax(axis=1)

    def _need_classifier(self) -> None:
        if self.architecture.classifier is None:
            raise ValueError(f"{self.config!r} has no classifier layer: end the configuration with C(classes)")

    # -- parameters and files ----------------------------------------------------------------------------------

    def count_params(self, kind: str = "centroids") -> int:
        """Number of parameters: "centroids" as Table V counts them, or "all" (also s, w and the classifier)."""
        if kind == "centroids":
            return self.architecture.centroid_parameters
        if kind != "all":
            raise ValueError(f"kind={kind!r} is not known: choose 'centroids' or 'all'")
        return sum(value.size for layer in self.get_parameters() for value in layer.values())

    def get_parameters(self) -> list[dict[str, np.ndarray]]:
        """Copies of the parameters of each trainable layer, bottom first.

        A cGMM layer gives {"mu": (P, K, D), "s": (P, K, D), "w": (P, K)} with P = 1 when shared, else H·W;
        a classifier {"W": (D, S), "b": (S,)}. All float32.
        """
        layers = [{name: value.numpy().copy() for name, value in own._asdict().items()} for own in self._parameters]
        if self._classifier:
            layers.append({name: value.numpy().copy() for name, value in zip("Wb", self._classifier, strict=True)})
        return layers

    def set_parameters(self, parameters: Sequence[Mapping[str, np.ndarray]]) -> None:
        """Replace all parameters, given as `get_parameters` returns them.

        Raises:
            ValueError: a layer, a name or a shape differs, or an s is not positive; nothing is changed then.
        """
        current = self.get_parameters()
        if len(parameters) != len(current):
            raise ValueError(
                f"{len(parameters)} layers were given: {self.config!r} has {len(current)} trainable layers"
            )
        for index, (given, own) in enumerate(zip(parameters, current, strict=True)):
            if set(given) != set(own):
                raise ValueError(f"trainable layer {index} was given {sorted(given)}: expected {sorted(own)}")
            for name, value in own.items():
                if np.shape(given[name]) != value.shape:
                    shape = np.shape(given[name])
                    raise ValueError(f"{name} of trainable layer {index} has shape {shape}: expected {value.shape}")
                if not np.isfinite(given[name]).all():
                    raise ValueError(f"{name} of trainable layer {index} holds values that are not finite")
            if "s" in given and np.min(given["s"]) <= 0:
                raise ValueError(f"s of trainable layer {index} has values that are not positive")
        tensors = [{name: tf.constant(np.array(v, np.float32)) for name, v in layer.items()} for layer in parameters]
        self._parameters = [cgmm.Parameters(**layer) for layer in tensors[: len(self._chain)]]
        self._classifier = (tensors[-1]["W"], tensors[-1]["b"]) if self._classifier else ()

    def save(self, path: str | Path) -> None:
        """Write the model to a directory: parameters.safetensors and model.json, each by atomic rename."""
        path = Path(path)
        tensors = {f"{i}.{name}": v for i, layer in enumerate(self.get_parameters()) for name, v in layer.items()}
        write_tensors(path / "parameters.safetensors", tensors, {"config": self.architecture.config})
        description = {
            "class": "dcgmm:DCGMM",
            "config": self.config,
            "input_shape": list(self.input_shape),
            "seed": self.seed,
            "training": asdict(self.options),
            "sigmas": self.sigmas_,
        }
        write_bytes(path / "model.json", (json.dumps(description, indent=2) + "\n").encode())

    @classmethod
    def load(cls, path: str | Path) -> DCGMM:
        """Read a model that `save` wrote.

        Raises:
            FileNotFoundError: the directory holds no model.
            dcgmm.storage.DamagedFileError: a file is truncated or altered.
        """
        path = Path(path)
        description_path = path / "model.json"
        if not description_path.is_file():
            raise FileNotFoundError(f"{path} holds no saved DCGMM: there is no {description_path}")
        description = json.loads(description_path.read_text())
        model = cls(
            description["config"], description["input_shape"], seed=description["seed"], **description["training"]
        )
        tensors, _ = read_tensors(path / "parameters.safetensors")
        layers: list[dict[str, np.ndarray]] = [{} for _ in model.get_parameters()]
        for name, value in tensors.items():
            index, _, parameter = name.partition(".")
            layers[int(index)][parameter] = value
        model.set_parameters(layers)
        model.sigmas_ = description.get("sigmas", [])
        return model

    # -- checks ------------------------------------------------------------------------------------------------

    def _check_images(self, x: Any) -> np.ndarray:
        x = np.asarray(x)
        if x.ndim != 4 or x.shape[1:] != self.input_shape:
            raise ValueError(f"images have shape {x.shape}: expected (n, {', '.join(map(str, self.input_shape))})")
        if x.size and not (np.min(x) >= 0.0 and np.max(x) <= 1.0):
            raise ValueError(f"images have values from {np.min(x)} to {np.max(x)}: expected float32 in [0, 1]")
        return np.ascontiguousarray(x, dtype=np.float32)

    def _check_labels(self, labels: Any, count: int) -> np.ndarray | None:
        placed = self.architecture.classifier
        if placed is None:
            return None
        classes = placed.output_shape[2]
        if labels is None:
            raise ValueError(f"{self.config!r} has a classifier layer: fit needs labels=, one integer per image")
        labels = np.asarray(labels)
        if labels.shape != (count,):
            raise ValueError(f"labels have shape {labels.shape}: expected ({count},), one integer per image")
        if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= classes:
            raise ValueError(f"labels must be integers from 0 to {classes - 1}, as {placed.spec} has {classes} classes")
        return labels.astype(np.int64)

    def __repr__(self) -> str:
        return f"DCGMM({self.config!r}, input_shape={self.input_shape}, seed={self.seed})"


@functools.lru_cache(maxsize=64)
def _compiled(chain: tuple[Stage, ...], sources: int, what: str, size: int) -> Any:
    """A compiled function of (batch of `size` images, parameters, classifier), shared by all models with this stack."""
    kind, _, argument = what.partition("_")

    def score(x: Any, parameters: Any, weights: Any) -> Any:
        return tf.stack(
            [
                cgmm.log_likelihood(log_p, axis=stage.patches.component_axis, mode=argument)
                for stage, _, log_p, _ in forward(chain, parameters, x)
            ],
            axis=1,
        )

    def activities(x: Any, parameters: Any, weights: Any) -> Any:
        count = int(argument) + 1
        *_, last = forward(chain[:count], parameters[:count], x, last_activities=True)
        return last[3]

    def probabilities(x: Any, parameters: Any, weights: Any) -> Any:
        return tf.nn.softmax(classifier.logits(classifier_features(chain, parameters, x, sources), *weights))

    chosen = {"score": score, "activities": activities, "probabilities": probabilities}[kind]
    return tf.function(chosen, jit_compile=True, autograph=False)


def _count(n: Any) -> int:
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
        raise ValueError(f"n={n!r} is not a number of images: give an integer of at least 0")
    return int(n)


def _training_options(values: Mapping[str, Any]) -> TrainingOptions:
    known = TrainingOptions.__dataclass_fields__
    for name in values:
        if name not in known:
            raise TypeError(f"there is no training constant {name!r}: choose from {', '.join(known)}")
    return TrainingOptions(**values)
