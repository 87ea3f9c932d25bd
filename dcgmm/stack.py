"""A stack of layers with its parameters: the base of every other part of a model."""

from __future__ import annotations

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
from dcgmm.storage import DamagedFileError, read_json, read_tensors, write_json, write_tensors


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
        # Each centroid has an s; both are drawn in float64, kept in float32 and trained with their gradients.
        checks.memory(32 * self.architecture.centroid_parameters, what=f"config={config!r}")
        self.device = device
        self._chain = stages(self.architecture, devices.platform_of(self._device))
        self._replace(*self._initial())
        self.sigmas_: list[float] = []
        self._annealing: list[Annealing] | None = None
        self._iteration = 0

    @property
    def _device(self) -> jax.Device:
        return devices.resolve(self.device)

    @property
    def _sources(self) -> int:
        """How many of the highest cGMM layers feed the classifier; 0 without one."""
        placed = self.architecture.classifier
        return 0 if placed is None else placed.spec.sources  # type: ignore[union-attr]

    def _initial(self) -> tuple[list[Parameters], tuple[np.ndarray, ...]]:
        """Initial parameters of the cGMM layers, and (W, b) of the classifier: a function of the seed."""
        parameters = initial_parameters(self._chain, np.random.default_rng(self.seed))
        placed = self.architecture.classifier
        if placed is None:
            return parameters, ()
        sources = self._chain[-self._sources :]
        dimension = sum(stage.components * stage.patches.positions for stage in sources)
        classes = placed.output_shape[2]
        return parameters, (np.zeros((dimension, classes), np.float32), np.zeros(classes, np.float32))

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
        arrays = [{name: np.array(value, np.float32) for name, value in layer.items()} for layer in parameters]
        own_layers = [Parameters(**layer) for layer in arrays[: len(self._chain)]]  # type: ignore[arg-type]
        self._replace(own_layers, (arrays[-1]["W"], arrays[-1]["b"]) if self._classifier else ())

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

    def _check_labels(self, labels: Any, count: int) -> np.ndarray | None:
        """(n,) int32, None for a model without a classifier."""
        placed = self.architecture.classifier
        if placed is None:
            return None
        if labels is None:
            raise ValueError(f"{self.config!r} has a classifier layer: fit needs labels=, one integer per image")
        return checks.labels(labels, count, placed.output_shape[2]).astype(np.int32)

    def _need_classifier(self) -> None:
        if self.architecture.classifier is None:
            raise ValueError(f"{self.config!r} has no classifier layer: end the configuration with C(classes)")

    def __repr__(self) -> str:
        return f"DCGMM({self.config!r}, input_shape={self.input_shape}, seed={self.seed})"
