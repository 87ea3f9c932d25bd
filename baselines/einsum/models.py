"""RAT-SPN and PD-SPN behind the suite's model interface."""

from __future__ import annotations

import json
import math
import operator
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import Progress
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from baselines.einsum import inference, training
from baselines.einsum.circuit import Circuit
from baselines.einsum.cost import (
    BLOCK_ELEMENTS,
    FLOAT_BYTES,
    SCORE_BATCH,
    graph_cost,
    pd_graph,
    rat_graph,
    with_channels,
)
from baselines.einsum.layers import CHUNK_ELEMENTS
from baselines.einsum.leaves import make_leaf
from baselines.einsum.region_graph import RegionGraph, step_sizes
from dcgmm.history import History

Images = npt.NDArray[np.float32]

PIXELS = ("counts", "unit")
LEARNING = ("em", "full_em", "gradient")
STATE_FILE = "state.safetensors"


class EinsumSpn:
    """An Einsum network over any region graph; `RatSpn` and `PdSpn` make theirs themselves.

    Images are float32 (n, H, W, C) in [0, 1]; the circuit's variables are pixels times channels. graph: over the H·W
    pixels (row · W + column; a pixel's channels stay together), or over all H·W·C variables (pixel · C + channel).

    Leaves and what `score_samples` means:
    - "binomial", pixels "counts": log-probability (nats) of the counts round(x·trials), binomial coefficient included.
    - "binomial", pixels "unit" (protocol `paper`): the same formula evaluated at x itself. This is what the published
      runs computed; it is not the log of a normalised density.
    - "normal": log-density of x, variances kept in [min_variance, max_variance]. `pixels` has no influence.
    - "categorical": log-probability of the values round(x·trials) (`pixels` has no influence).

    Training parameters (see training.py): epochs, batch_size; learning "em" (online, `step_size` every `frequency`
    batches), "full_em" (one M-step per epoch) or "gradient" (`optimizer` from torch.optim with `learning_rate` and,
    as keywords, `optimizer_options`).
    memory_limit: bytes that parameters and a batch's temporaries may take (the images themselves are not counted);
    batches are split to stay below. Log-likelihoods change by rounding alone; draws are others of the same
    distribution.
    device: "auto" (CUDA if present), or any torch device name.

    >>> graph = poon_domingos(28, 28, (14, 7))  # doctest: +SKIP
    >>> model = EinsumSpn((28, 28, 1), graph, sums=10, leaf="normal")  # doctest: +SKIP
    """

    kind: ClassVar[str] = "Einsum network"
    structure: ClassVar[tuple[str, ...]] = ()  # parameters that the region graph is made from

    def __init__(
        self,
        image_shape: Sequence[int],
        graph: RegionGraph,
        structure: Mapping[str, Any] | None = None,
        *,
        sums: int = 10,
        leaf: str = "binomial",
        trials: int = 255,
        pixels: str = "counts",
        seed: int = 0,
        epochs: int = 25,
        batch_size: int = 100,
        learning: str = "em",
        step_size: float = 0.1,
        frequency: int = 1,
        optimizer: str = "Adam",
        learning_rate: float = 0.01,
        optimizer_options: Mapping[str, Any] | None = None,
        min_variance: float = 1e-6,
        max_variance: float = 0.1,
        memory_limit: int | None = None,
        device: str = "auto",
    ) -> None:
        self.image_shape = _image_shape(image_shape)
        _one_of("pixels", pixels, PIXELS)
        _one_of("learning", learning, LEARNING)
        if not 0 < step_size <= 1:
            raise ValueError(f"step_size is {step_size}: online EM expects a number above 0 and at most 1.")
        self.params: dict[str, Any] = {
            **(structure or {}),
            "sums": _integer("sums", sums, 1),
            "leaf": leaf,
            "trials": _integer("trials", trials, 1),
            "pixels": pixels,
            "seed": _integer("seed", seed, 0),
            "epochs": _integer("epochs", epochs, 0),
            "batch_size": _integer("batch_size", batch_size, 1),
            "learning": learning,
            "step_size": float(step_size),
            "frequency": _integer("frequency", frequency, 1),
            "optimizer": optimizer,
            "learning_rate": float(learning_rate),
            "optimizer_options": dict(optimizer_options or {}),
            "min_variance": float(min_variance),
            "max_variance": float(max_variance),
            "memory_limit": None if memory_limit is None else _integer("memory_limit", memory_limit, 1),
            "device": device,
        }
        p = self.params
        training.make_optimiser(optimizer, [torch.zeros(1, requires_grad=True)], learning_rate, p["optimizer_options"])
        self.graph = _over_variables(graph, self.image_shape)
        family = make_leaf(leaf, trials=p["trials"], min_variance=p["min_variance"], max_variance=p["max_variance"])
        blocks = {}
        if memory_limit is not None:  # an eighth of the limit for products, an eighth for choices on the way down
            blocks["block_elements"] = max(1, min(BLOCK_ELEMENTS, p["memory_limit"] // (8 * 2 * FLOAT_BYTES)))
            blocks["chunk_elements"] = max(1, min(CHUNK_ELEMENTS, p["memory_limit"] // (8 * 6 * FLOAT_BYTES)))
        self.circuit = Circuit(self.graph, p["sums"], family, seed=p["seed"], **blocks).place(_device(device))
        self.history = History()

    # --- images and variables ------------------------------------------------------------------------------------

    @property
    def _scale(self) -> float:
        """Variables per unit of image intensity."""
        p = self.params
        counts = p["leaf"] == "categorical" or (p["leaf"] == "binomial" and p["pixels"] == "counts")
        return float(p["trials"]) if counts else 1.0

    def _variables(self, x: npt.ArrayLike) -> Tensor:
        """Images (n, H, W, C) as values of the circuit's variables (n, V) on the model's device."""
        array = np.asarray(x, dtype=np.float32)
        if array.shape[1:] != self.image_shape:
            raise ValueError(f"Images have shape {array.shape}: expected (n, {', '.join(map(str, self.image_shape))}).")
        values = torch.from_numpy(np.ascontiguousarray(array)).reshape(len(array), self.graph.num_variables)
        values = values if self._scale == 1.0 else (values * self._scale).round_()
        return values.to(self.circuit.device, self.circuit.dtype)

    def _training_values(self, x: npt.ArrayLike, name: str) -> Tensor:
        """`_variables` of images to learn from or to validate with, refused where no leaf can have their values."""
        values = self._variables(x)
        if not bool(torch.isfinite(values).all()):
            raise ValueError(f"{name} holds NaN or infinite pixels: every pixel of a training image must be a number.")
        if self._scale != 1.0 and len(values):
            low, high = float(values.min()), float(values.max())
            if low < 0 or high > self._scale:
                raise ValueError(
                    f"{name} holds counts from {low:.0f} to {high:.0f}: expected images in [0, 1], which are counts "
                    f"from 0 to {self._scale:.0f}."
                )
        return values

    def _images(self, values: Tensor) -> Images:
        array = (values.float() / self._scale).clamp_(0.0, 1.0).cpu().numpy()
        return array.reshape(-1, *self.image_shape)

    def _known(self, known: npt.ArrayLike, n: int) -> Tensor:
        """A mask (H, W) or (n, H, W), bool, as (n, V)."""
        mask = np.asarray(known)
        height, width, channels = self.image_shape
        if mask.dtype != np.bool_ or mask.shape not in ((height, width), (n, height, width)):
            raise ValueError(
                f"known has shape {mask.shape} and type {mask.dtype}: expected bool, ({height}, {width}) or "
                f"({n}, {height}, {width})."
            )
        full = np.broadcast_to(mask, (n, height, width)).reshape(n, height * width)
        return torch.from_numpy(np.repeat(full, channels, axis=1)).to(self.circuit.device)

    def _generator(self, seed: int) -> torch.Generator:
        return torch.Generator(self.circuit.device).manual_seed(seed)

    def _piece(self, batch: int, what: str) -> int:
        """How many of a batch's images fit into memory_limit at a time; what: "train", "score" or "down"."""
        p, limit = self.params, self.params["memory_limit"]
        if limit is None:
            return batch
        cost = graph_cost(self.graph, p["sums"], leaf=p["leaf"], trials=p["trials"])
        per_image = {"train": cost.image_bytes, "score": cost.score_bytes, "down": cost.down_bytes}[what]
        per_image += 2 * FLOAT_BYTES * p["sums"] ** 2  # a block holds one partition at least
        # the optimiser has its own copies, weights before their softmax and up to two moments
        parameters = cost.parameter_bytes * (3 if p["learning"] == "gradient" and what == "train" else 1)
        room = limit - limit // 4 - parameters
        if room < per_image:
            need = (parameters + per_image) * 4 // 3 + 4
            raise ValueError(f"memory_limit is {limit} bytes, but one image needs {need}: raise the limit.")
        return int(min(batch, room // per_image))

    # --- the interface -------------------------------------------------------------------------------------------

    def fit(
        self,
        x: npt.ArrayLike,
        *,
        validation: npt.ArrayLike | None = None,
        progress: bool = True,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> History:
        """Train from the initial parameters on images (n, H, W, C).

        validation: images whose mean log-likelihood is measured after every epoch. checkpoint: directory in which
        the state is kept after every epoch; training resumes from what is there, with the same numbers as without
        the interruption. History: split "train" is the mean over the epoch's batches, each before its update, in nats
        per image; step counts batches.

        Raises ValueError for images of the wrong shape, no images, values that the leaves cannot have (NaN, or counts
        outside 0 to trials), a checkpoint that is unreadable, of a model with other parameters or of more epochs, and
        when gradient ascent has diverged.
        """
        data = self._training_values(x, "x")
        if len(data) == 0:
            raise ValueError("fit was given no images: expected at least one.")
        held_out = None if validation is None else self._training_values(validation, "validation")
        self.circuit.initialise(self.params["seed"])
        self.circuit.set_centre(data)
        self.history = History()
        gradient = None
        if self.params["learning"] == "gradient":
            p = self.params
            gradient = training.GradientAscent(self.circuit, p["optimizer"], p["learning_rate"], p["optimizer_options"])
        first = 0 if checkpoint is None else self._resume(Path(checkpoint), gradient)
        epochs = self.params["epochs"]
        base = self._mean_log_base(data)
        with Progress(disable=not progress, transient=True) as bar:
            task = bar.add_task(self.kind, total=epochs, completed=first)
            for epoch in range(first, epochs):
                mean = self._epoch(data, epoch, gradient) / len(data) + base
                if math.isnan(mean):
                    raise ValueError(
                        f"The log-likelihood is NaN after epoch {epoch + 1}: training has diverged, learning_rate is "
                        f"{self.params['learning_rate']}; try a smaller one."
                    )
                step = (epoch + 1) * math.ceil(len(data) / self.params["batch_size"])
                self.history.add(step, 0, "train", mean)
                if held_out is not None:
                    self.history.add(step, 0, "validation", float(self._log_likelihood(held_out).mean()))
                if checkpoint is not None:
                    self._write_checkpoint(Path(checkpoint), epoch + 1, gradient)
                bar.update(task, advance=1, description=f"{self.kind} {mean:.1f} nats")
        return self.history

    def _mean_log_base(self, data: Tensor) -> float:
        """Mean over images of log h(x), nats."""
        sums = [self.circuit.log_base(batch, None) for batch in data.split(self._piece(SCORE_BATCH, "score"))]
        if isinstance(sums[0], Tensor):
            return float(torch.cat([s for s in sums if isinstance(s, Tensor)]).double().mean())
        return float(sums[0])

    def _epoch(self, data: Tensor, epoch: int, gradient: training.GradientAscent | None) -> float:
        """One pass over the data in an order that depends on (seed, epoch) alone; summed nats without log h."""
        p = self.params
        order = np.random.default_rng([p["seed"], epoch]).permutation(len(data))
        batches = torch.from_numpy(order).to(data.device).split(p["batch_size"])
        micro = self._piece(p["batch_size"], "train")
        if gradient is not None:
            return sum(gradient.step(data[batch], micro=micro) for batch in batches)
        total, every = 0.0, len(batches) if p["learning"] == "full_em" else p["frequency"]
        step_size = 1.0 if p["learning"] == "full_em" else p["step_size"]
        weights = self.circuit.weights(requires_grad=True)
        for number, batch in enumerate(batches, 1):
            total += training.accumulate(self.circuit, weights, data[batch], micro=micro)
            if number % every == 0 or number == len(batches):
                training.em_update(self.circuit, weights, step_size)
                weights = self.circuit.weights(requires_grad=True)
        return total

    @torch.no_grad()
    def _log_likelihood(self, values: Tensor, known: Tensor | None = None) -> Tensor:
        """(n, V) to (n,) float64, in batches."""
        weights = self.circuit.weights()
        size = self._piece(SCORE_BATCH, "score" if known is None else "down")
        masks = [None] * math.ceil(len(values) / size) if known is None else list(known.split(size))
        parts = [
            self.circuit.log_likelihood(batch, mask, weights)[:, 0].double()
            for batch, mask in zip(values.split(size), masks, strict=True)
        ]
        return torch.cat(parts) if parts else torch.empty(0, dtype=torch.float64)

    def score_samples(self, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Log-likelihood in nats of each image, (n,) float64; of what density, the class says."""
        values = self._variables(x)
        if len(values) == 0:
            return np.empty(0)
        return self._log_likelihood(values).cpu().numpy()

    def marginal_log_likelihood(self, x: npt.ArrayLike, known: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Exact log-likelihood in nats of the known pixels alone, (n,) float64; known: bool (H, W) or (n, H, W).

        Unknown pixels are summed out and may hold anything, NaN included. The conditional log-likelihood of pixels a
        given pixels b is the difference of two marginals.
        """
        values = self._variables(x)
        if len(values) == 0:
            return np.empty(0)
        return self._log_likelihood(values, self._known(known, len(values))).cpu().numpy()

    def sample(self, n: int, *, seed: int, leaves: str = "draw") -> Images:
        """n images (n, H, W, C). leaves: "draw" from the leaf distributions, or take their "mean" (no pixel noise).

        With pixels "unit", drawn counts above 1 are cut to 1, as the published pictures cut them.
        """
        _one_of("leaves", leaves, ("draw", "mean"))
        generator = self._generator(seed)
        size = self._piece(SCORE_BATCH, "down")
        pieces = [min(size, n - start) for start in range(0, n, size)]
        drawn = [self._images(inference.sample(self.circuit, size, generator, leaves=leaves)) for size in pieces]
        return np.concatenate(drawn) if drawn else np.empty((0, *self.image_shape), np.float32)

    def inpaint(self, x: npt.ArrayLike, known: npt.ArrayLike, *, seed: int, mode: str = "draw") -> Images:
        """Complete images: known pixels come back untouched, unknown ones are filled in.

        known: bool (H, W) or (n, H, W), True where x is to be kept. mode: "draw" is an exact conditional sample,
        "mean" an exact draw of the latent choices with each leaf's mean (no pixel noise), "mpe" the approximate most
        probable explanation by max-backtracking (no randomness, `seed` has no influence).
        """
        _one_of("mode", mode, ("draw", "mean", "mpe"))
        array = np.asarray(x, dtype=np.float32)
        values = self._variables(array)
        mask = self._known(known, len(values))
        generator = self._generator(seed)
        if len(values) == 0:
            return array
        done, size = [], self._piece(SCORE_BATCH, "down")
        for part, part_mask in zip(values.split(size), mask.split(size), strict=True):
            part = torch.where(part_mask, part, 0.0)
            if mode == "mpe":
                filled = inference.approximate_mpe(self.circuit, part, part_mask)[0]
            else:
                filled = inference.conditional_sample(self.circuit, part, part_mask, generator, leaves=mode)
            done.append(self._images(filled))
        return np.where(mask.cpu().numpy().reshape(array.shape), array, np.concatenate(done))

    def count_params(self) -> int:
        """Parameters of leaves (one per binomial, two per normal), sum weights and mixing weights."""
        return self.circuit.count_params()

    # --- files ---------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the directory `path`: model.json (class, image shape, parameters), graph.json, weights.safetensors."""
        directory = Path(path)
        directory.mkdir(parents=True, exist_ok=True)
        tensors = {name: t.cpu().contiguous() for name, t in self.circuit.state_dict().items()}
        _write(directory / "weights.safetensors", safetensors_bytes(tensors))
        # Random trees could not be drawn again: NumPy promises no stream of permutations across versions.
        _write(directory / "graph.json", self.graph.to_json().encode())
        description = {
            "class": type(self).__name__,
            "image_shape": self.image_shape,
            "params": self.params,
            "history": list(self.history),
        }
        _write(directory / "model.json", json.dumps(description, indent=1).encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, device: str = "auto") -> EinsumSpn:
        """The model that `save` wrote to this directory. Raises ValueError when it holds another class."""
        description = json.loads((Path(path) / "model.json").read_text())
        if description["class"] != cls.__name__:
            raise ValueError(f"{path} holds a {description['class']}, not a {cls.__name__}: load it with that class.")
        params = {**description["params"], "device": device}
        stored = Path(path) / "graph.json"
        if stored.exists():
            structure = {name: params.pop(name) for name in cls.structure}
            model = cls.__new__(cls)
            graph = RegionGraph.from_json(stored.read_text())
            EinsumSpn.__init__(model, description["image_shape"], graph, structure, **params)
        else:  # written before graphs were
            model = cls(description["image_shape"], **params)
        with safe_open(Path(path) / "weights.safetensors", "pt") as file:
            model.circuit.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        for row in description["history"]:
            model.history.add(*row)
        return model

    def _identity(self) -> str:
        """What a checkpoint must share with this model (epochs may grow, the device may change)."""
        kept = {k: v for k, v in self.params.items() if k not in ("epochs", "device", "memory_limit")}
        if not kept["optimizer_options"]:
            del kept["optimizer_options"]
        return json.dumps([type(self).__name__, self.image_shape, kept], sort_keys=True)

    def _write_checkpoint(self, directory: Path, epoch: int, gradient: training.GradientAscent | None) -> None:
        """State after `epoch` epochs, in one file that is replaced as a whole."""
        tensors = {f"circuit.{name}": t for name, t in self.circuit.state_dict().items()}
        scalars: dict[str, float] = {}
        if gradient is not None:
            tensors |= {f"raw.{i}": t.detach() for i, t in enumerate(gradient.parameters())}
            for i, state in gradient.optimiser.state_dict()["state"].items():
                for name, value in state.items():
                    if isinstance(value, Tensor):
                        tensors[f"optimiser.{i}.{name}"] = value
                    else:
                        scalars[f"{i}.{name}"] = value
        metadata = {
            "identity": self._identity(),
            "epoch": str(epoch),
            "history": json.dumps(list(self.history)),
            "scalars": json.dumps(scalars),
        }
        directory.mkdir(parents=True, exist_ok=True)
        tensors = {name: t.cpu().contiguous() for name, t in tensors.items()}
        _write(directory / STATE_FILE, safetensors_bytes(tensors, metadata))

    def _resume(self, directory: Path, gradient: training.GradientAscent | None) -> int:
        """Take up the state in `directory`, if there is one; returns the number of epochs done."""
        path = directory / STATE_FILE
        if not path.exists():
            return 0
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(f"{path} is no readable checkpoint: remove it to restart ({error}).") from error
        if metadata is None or "identity" not in metadata:
            raise ValueError(f"{path} is no checkpoint of this model: remove it to restart.")
        if metadata["identity"] != self._identity():
            raise ValueError(
                f"The checkpoint in {directory} is of a model with other parameters: remove it to restart."
            )
        done = int(metadata["epoch"])
        if done > self.params["epochs"]:
            raise ValueError(
                f"The checkpoint in {directory} has {done} epochs, more than the {self.params['epochs']} asked for: "
                "ask for as many, or remove it to restart."
            )
        own = {name.removeprefix("circuit."): t for name, t in tensors.items() if name.startswith("circuit.")}
        self.circuit.load_state_dict(own)
        if gradient is not None:
            _restore_gradient(gradient, tensors, json.loads(metadata["scalars"]))
        for row in json.loads(metadata["history"]):
            self.history.add(*row)
        return done


class RatSpn(EinsumSpn):
    """RAT-SPN: random balanced binary trees (Peharz et al., UAI 2019, arXiv 1806.01910) as an Einsum network.

    Parameters
    ----------
    image_shape: (H, W, C).
    sums: K, sums per region and distributions per leaf region (the paper's S and I).
    depth, repetitions: of the random trees over pixels (the paper's D and R). The trees depend on `seed`.
    leaf, trials, pixels, seed and training parameters: see `EinsumSpn`.

    >>> model = RatSpn((28, 28, 1), sums=10, depth=4, repetitions=10, leaf="normal", epochs=5)
    >>> model.fit(x); model.score_samples(x); model.sample(25, seed=0)  # doctest: +SKIP
    """

    kind = "RAT-SPN"
    structure = ("depth", "repetitions")

    def __init__(
        self,
        image_shape: Sequence[int],
        sums: int = 10,
        depth: int = 4,
        repetitions: int = 10,
        leaf: str = "binomial",
        trials: int = 255,
        pixels: str = "counts",
        seed: int = 0,
        **training: Any,
    ) -> None:
        depth, repetitions = _integer("depth", depth, 1), _integer("repetitions", repetitions, 1)
        graph = rat_graph(_image_shape(image_shape), depth, repetitions, _integer("seed", seed, 0))
        structure = {"depth": depth, "repetitions": repetitions}
        super().__init__(
            image_shape, graph, structure, sums=sums, leaf=leaf, trials=trials, pixels=pixels, seed=seed, **training
        )


class PdSpn(EinsumSpn):
    """PD-SPN: Poon-Domingos rectangles (UAI 2011) as an Einsum network (Peharz et al., ICML 2020, arXiv 2004.06231).

    Parameters
    ----------
    image_shape: (H, W, C).
    sums: K, sums per region and distributions per leaf region.
    delta: distance of the cuts in pixels, or several from coarse to fine.
    axes: "horizontal" (strips side by side, the paper's choice), "vertical", or both.
    leaf, trials, pixels, seed and training parameters: see `EinsumSpn`.
    """

    kind = "PD-SPN"
    structure = ("delta", "axes")

    def __init__(
        self,
        image_shape: Sequence[int],
        sums: int = 10,
        delta: int | Sequence[int] = 7,
        axes: str | Sequence[str] = ("horizontal",),
        leaf: str = "binomial",
        trials: int = 255,
        pixels: str = "counts",
        seed: int = 0,
        **training: Any,
    ) -> None:
        graph = pd_graph(_image_shape(image_shape), delta, axes)
        steps = step_sizes(delta)
        structure = {
            "delta": steps[0] if len(steps) == 1 else list(steps),
            "axes": [axes] if isinstance(axes, str) else list(axes),
        }
        super().__init__(
            image_shape, graph, structure, sums=sums, leaf=leaf, trials=trials, pixels=pixels, seed=seed, **training
        )


def _image_shape(image_shape: Sequence[int]) -> tuple[int, ...]:
    shape = tuple(int(n) for n in image_shape)
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"image_shape is {tuple(image_shape)}: expected (height, width, channels), each at least 1.")
    return shape


def _over_variables(graph: RegionGraph, image_shape: tuple[int, ...]) -> RegionGraph:
    """A graph over pixels or over all variables as one over all variables."""
    height, width, channels = image_shape
    if graph.num_variables == height * width * channels:
        return graph
    if graph.num_variables != height * width:
        raise ValueError(
            f"The region graph has {graph.num_variables} variables: images {image_shape} have {height * width} pixels."
        )
    return with_channels(graph, channels)


def _integer(name: str, value: int, least: int) -> int:
    """`value` as an int (NumPy's integers are fine)."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise ValueError(f"{name} is {value!r}: expected a whole number of at least {least}.")
    return number


def _one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}: expected one of {', '.join(allowed)}.")


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _restore_gradient(gradient: training.GradientAscent, tensors: dict[str, Tensor], scalars: dict[str, float]) -> None:
    """Put a checkpoint's raw parameters and optimiser state back."""
    state: dict[int, dict[str, Any]] = {}
    with torch.no_grad():
        for i, parameter in enumerate(gradient.parameters()):
            parameter.copy_(tensors[f"raw.{i}"])
    for key, tensor in tensors.items():
        if key.startswith("optimiser."):
            _, number, name = key.split(".", 2)
            state.setdefault(int(number), {})[name] = tensor
    for key, value in scalars.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = value
    groups = gradient.optimiser.state_dict()["param_groups"]
    gradient.optimiser.load_state_dict({"state": state, "param_groups": groups})


def _write(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
