"""A stack of layers with its parameters: the base of every other part of a model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np

from dcgmm import checks, devices
from dcgmm.annealing import Annealing
from dcgmm.layers.parameters import Parameters
from dcgmm.network import initial_parameters, stages
from dcgmm.notation import place
from dcgmm.options import TrainingOptions
from dcgmm.storage import DamagedFileError, read_json, read_tensors, tensors_digest, write_json, write_tensors


class NoClassifierError(NotImplementedError, ValueError):
    """Asked for a class, a model whose configuration has no classifier layer: it cannot, and the labels do not fit."""


class Stack:
    """Layers, parameters, files and checks of `dcgmm.DCGMM`, which describes the arguments."""

    def __init__(
        self,
        config: str,
        input_shape: Sequence[int] = (28, 28, 1),
        *,
        seed: int = 0,
        device: str = "auto",
        **training: Any,
    ) -> None:
        self.config = config
        self.input_shape = checks.image_shape(input_shape, name="input_shape")
        self.seed = checks.seed(seed)
        self.options = TrainingOptions.of(training)
        self.architecture = place(config, self.input_shape)
        self.device = device
        self._chain = stages(self.architecture, devices.platform_of(self._device))
        # Each centroid has an s; both are drawn in float64, kept in float32 and trained with their gradients.
        need = 32 * self.architecture.centroid_parameters + 8 * math.prod(self._classifier_shape)
        checks.memory(need, what=f"config={config!r}")
        self._replace(*self._initial())
        self._forget_training()

    @property
    def _device(self) -> jax.Device:
        return devices.resolve(self.device)

    @property
    def _sources(self) -> int:
        """How many of the highest cGMM layers feed the classifier; 0 without one."""
        placed = self.architecture.classifier
        return 0 if placed is None else placed.spec.sources  # type: ignore[union-attr]

    @property
    def _classifier_shape(self) -> tuple[int, int]:
        """(D, S): activities that the classifier reads, and its classes; (0, 0) without one."""
        placed = self.architecture.classifier
        if placed is None:
            return 0, 0
        sources = self._chain[-self._sources :]
        return sum(stage.components * stage.patches.positions for stage in sources), placed.output_shape[2]

    def _initial(self) -> tuple[list[Parameters], tuple[np.ndarray, ...]]:
        """Initial parameters of the cGMM layers, and (W, b) of the classifier: a function of the seed."""
        parameters = initial_parameters(self._chain, np.random.default_rng(self.seed))
        dimension, classes = self._classifier_shape
        if not classes:
            return parameters, ()
        return parameters, (np.zeros((dimension, classes), np.float32), np.zeros(classes, np.float32))

    def _forget_training(self) -> None:
        """How far training has come: nowhere."""
        self.sigmas_: list[float] = []
        self._annealing: list[Annealing] | None = None
        self._iteration = 0

    def _replace(self, parameters: Sequence[Parameters], classifier: Sequence[Any]) -> None:
        """Make these the model's parameters, on its device."""
        self._parameters, self._classifier = jax.device_put((list(parameters), tuple(classifier)), self._device)

    # -- parameters --------------------------------------------------------------------------------------------

    def count_params(self, kind: str = "all") -> int:
        """Number of parameters: "all" trainable ones, or "centroids", which is what Table V counts."""
        if kind == "centroids":
            return self.architecture.centroid_parameters
        if kind != "all":
            raise ValueError(f"kind={kind!r} is not known: choose 'all' or 'centroids'")
        return sum(value.size for value in jax.tree.leaves((self._parameters, self._classifier)))

    def get_parameters(self) -> list[dict[str, np.ndarray]]:
        """Copies of the parameters of each trainable layer, bottom first.

        A cGMM layer gives {"mu": (P, K, D), "s": (P, K, D), "w": (P, K)} with P = 1 when shared, else H·W;
        a classifier {"W": (D, S), "b": (S,)}. All float32.
        """
        layers = [{name: np.array(value) for name, value in own._asdict().items()} for own in self._parameters]
        if self._classifier:
            layers.append({name: np.array(value) for name, value in zip("Wb", self._classifier, strict=True)})
        return layers

    def set_parameters(self, parameters: Sequence[Mapping[str, np.ndarray]]) -> None:
        """Replace all parameters, given as `get_parameters` returns them. They are kept as float32.

        The annealing of the former ones is forgotten: `sigmas_` is empty, a warm start begins it anew.

        Raises:
            ValueError: a layer, a name or a shape differs, a value is no finite float32 or too large for a density,
                or an s is not positive; nothing is changed then.
        """
        current = self.get_parameters()
        if isinstance(parameters, Mapping | str) or not isinstance(parameters, Sequence):
            kind = type(parameters).__name__
            raise ValueError(f"parameters is {kind}: expected a list with a mapping for each trainable layer")
        if len(parameters) != len(current):
            raise ValueError(
                f"{len(parameters)} layers were given: {self.config!r} has {len(current)} trainable layers"
            )
        arrays: list[dict[str, np.ndarray]] = [{} for _ in current]
        for index, (given, own) in enumerate(zip(parameters, current, strict=True)):
            if not isinstance(given, Mapping):
                kind = type(given).__name__
                raise ValueError(f"trainable layer {index} was given {kind}: expected a mapping of {sorted(own)}")
            if set(given) != set(own):
                raise ValueError(f"trainable layer {index} was given {sorted(given)}: expected {sorted(own)}")
            for name, value in own.items():
                what = f"{name} of trainable layer {index}"
                array = checks.as_array(given[name], what)
                if array.shape != value.shape:
                    raise ValueError(f"{what} has shape {array.shape}: expected {value.shape}")
                if array.dtype.kind not in "fiu":
                    raise ValueError(f"{what} has type {array.dtype}: expected real numbers")
                with np.errstate(over="ignore", under="ignore"):
                    array = np.array(array, np.float32)
                if not np.isfinite(array).all():
                    raise ValueError(f"{what} holds values that are not finite in float32")
                if name == "s" and array.min() < checks.FLOAT_MIN:
                    raise ValueError(f"{what} has values that are not positive in float32")
                arrays[index][name] = array
        own_layers = [Parameters(**layer) for layer in arrays[: len(self._chain)]]  # type: ignore[arg-type]
        for index, (mu, s, _) in enumerate(own_layers):
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                if not np.isfinite((s * s * np.maximum(abs(mu), 1) ** 2).sum(-1)).all():
                    raise ValueError(f"mu and s of trainable layer {index} are so large that densities are not finite")
        self._replace(own_layers, (arrays[-1]["W"], arrays[-1]["b"]) if self._classifier else ())
        self._forget_training()

    # -- files -------------------------------------------------------------------------------------------------

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
            "iteration": self._iteration,
            "parameters": tensors_digest(tensors),
            "annealing": None if self._annealing is None else [asdict(control) for control in self._annealing],
        }
        write_json(path / "model.json", description)

    @classmethod
    def load(cls, path: str | Path, *, device: str = "auto") -> Self:
        """Read a model that `save` wrote.

        Raises:
            FileNotFoundError: the directory holds no model.
            dcgmm.storage.DamagedFileError: a file is truncated or altered.
        """
        path = Path(path)
        description_path = path / "model.json"
        if not description_path.is_file():
            raise FileNotFoundError(f"{path} holds no saved DCGMM: there is no {description_path}")
        description = read_json(description_path, unchecked=True)
        kept = ("config", "input_shape", "seed", "training")
        if not str(description.get("class")).endswith("DCGMM") or any(name not in description for name in kept):
            raise DamagedFileError(
                f"{description_path} describes a {description.get('class')}, not a DCGMM with {', '.join(kept)}: load "
                "it with its own class, or make it again"
            )
        config, shape, seed, training = (description[name] for name in kept)
        model = cls(config, shape, seed=seed, device=device, **training)
        tensors, _ = read_tensors(path / "parameters.safetensors")
        belonging = description.get("parameters")  # version 0.1 did not say
        if belonging is not None and belonging != tensors_digest(tensors):
            raise DamagedFileError(
                f"{path} holds the parameters of another model than {description_path.name} describes (was `save` "
                "interrupted?): save the model again, or train it again"
            )
        layers: list[dict[str, np.ndarray]] = [{} for _ in model.get_parameters()]
        for name, value in tensors.items():
            index, _, parameter = name.partition(".")
            if index not in map(str, range(len(layers))):
                raise DamagedFileError(f"{path} holds the parameters of another model: it has {name!r}")
            layers[int(index)][parameter] = value
        try:
            model.set_parameters(layers)
        except ValueError as error:
            raise DamagedFileError(f"{path} holds the parameters of another model: {error}") from None
        model.sigmas_ = description.get("sigmas", [])
        model._iteration = description.get("iteration", 0)
        if description.get("annealing") is not None:
            model._annealing = [Annealing(**control) for control in description["annealing"]]
        return model

    # -- checks ------------------------------------------------------------------------------------------------

    def _check_images(self, x: Any) -> np.ndarray:
        """Contiguous float32 (n, H, W, C)."""
        return checks.images(x, self.input_shape)

    def _check_labels(self, labels: Any, count: int, used: np.ndarray) -> np.ndarray | None:
        """(n,) int32, None for a model without a classifier; `used`: indices of the images whose labels count."""
        placed = self.architecture.classifier
        if placed is None:
            if labels is not None:  # of no effect; nonsense is refused all the same
                checks.labels(labels, count, 2**31, used=used)
            return None
        if labels is None:
            raise ValueError(f"{self.config!r} has a classifier layer: fit needs labels=, one integer per image")
        return checks.labels(labels, count, placed.output_shape[2], used=used).astype(np.int32)

    def _need_classifier(self) -> None:
        if self.architecture.classifier is None:
            raise NoClassifierError(f"{self.config!r} has no classifier layer: end the configuration with C(classes)")

    def __repr__(self) -> str:
        return f"DCGMM({self.config!r}, input_shape={self.input_shape}, seed={self.seed})"
