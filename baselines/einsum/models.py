"""RAT-SPN and PD-SPN behind the suite's model interface."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import Progress
from safetensors import safe_open
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from baselines.einsum import inference, training
from baselines.einsum.circuit import Circuit
from baselines.einsum.cost import graph_cost, pd_graph, rat_graph, with_channels
from baselines.einsum.leaves import make_leaf
from baselines.einsum.region_graph import RegionGraph
from dcgmm.history import History

Images = npt.NDArray[np.float32]

PIXELS = ("counts", "unit")
LEARNING = ("em", "full_em", "gradient")
EVALUATION_BATCH = 500
STATE_FILE = "state.safetensors"


class EinsumSpn:
    """What RAT-SPN and PD-SPN share. Not used by itself: see `RatSpn` and `PdSpn`.

    Images are float32 (n, H, W, C) in [0, 1]; the circuit's variables are pixels times channels.

    Leaves and what `score_samples` means:
    - "binomial", pixels "counts": log-probability (nats) of the counts round(x·trials), binomial coefficient included.
    - "binomial", pixels "unit" (protocol `paper`): the same formula evaluated at x itself. This is what the published
      runs computed; it is not the log of a normalised density.
    - "normal": log-density of x, variances kept in [min_variance, max_variance]. `pixels` has no influence.
    - "categorical": log-probability of the values round(x·trials) (`pixels` has no influence).

    Training parameters (see training.py): epochs, batch_size; learning "em" (online, `step_size` every `frequency`
    batches), "full_em" (one M-step per epoch) or "gradient" (`optimizer` from torch.optim, `learning_rate`).
    memory_limit: bytes; batches are split to stay below it, which does not change results beyond rounding.
    device: "auto" (CUDA if present), or any torch device name.
    """

    kind: ClassVar[str]

    def __init__(
        self,
        image_shape: Sequence[int],
        graph: RegionGraph,
        structure: dict[str, Any],
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
        min_variance: float = 1e-6,
        max_variance: float = 0.1,
        memory_limit: int | None = None,
        device: str = "auto",
    ) -> None:
        self.image_shape = _image_shape(image_shape)
        _one_of("pixels", pixels, PIXELS)
        _one_of("learning", learning, LEARNING)
        if epochs < 0 or batch_size < 1 or frequency < 1:
            raise ValueError(
                f"epochs is {epochs}, batch_size {batch_size}, frequency {frequency}: expected at least 0, 1 and 1."
            )
        if not 0 < step_size <= 1:
            raise ValueError(f"step_size is {step_size}: online EM expects a number above 0 and at most 1.")
        self.params: dict[str, Any] = {
            **structure,
            "sums": sums,
            "leaf": leaf,
            "trials": trials,
            "pixels": pixels,
            "seed": seed,
            "epochs": epochs,
            "batch_size": batch_size,
            "learning": learning,
            "step_size": step_size,
            "frequency": frequency,
            "optimizer": optimizer,
            "learning_rate": learning_rate,
            "min_variance": min_variance,
            "max_variance": max_variance,
            "memory_limit": memory_limit,
            "device": device,
        }
        self.graph = with_channels(graph, self.image_shape[2])
        family = make_leaf(leaf, trials=trials, min_variance=min_variance, max_variance=max_variance)
        self.circuit = Circuit(self.graph, sums, family, seed=seed).place(_device(device))
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
        full = np.broadcast_to(mask, (n, height, width)).reshape(n, -1)
        return torch.from_numpy(np.repeat(full, channels, axis=1)).to(self.circuit.device)

    def _generator(self, seed: int) -> torch.Generator:
        return torch.Generator(self.circuit.device).manual_seed(seed)

    def _micro_batch(self, batch: int) -> int:
        """Largest piece of a batch that stays below memory_limit; 0 for no split."""
        limit = self.params["memory_limit"]
        if limit is None:
            return 0
        cost = graph_cost(self.graph, self.params["sums"], leaf=self.params["leaf"], trials=self.params["trials"])
        per_image = cost.image_bytes + 8 * self.params["sums"] ** 2
        room = int((limit - cost.parameter_bytes) // per_image)
        if room < 1:
            need = cost.parameter_bytes + per_image
            raise ValueError(f"memory_limit is {limit} bytes, but one image needs {need}: raise the limit.")
        return 0 if room >= batch else room

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

        Raises ValueError for images of the wrong shape, no images, or a checkpoint of a model with other parameters.
        """
        data = self._variables(x)
        if len(data) == 0:
            raise ValueError("fit was given no images: expected at least one.")
        held_out = None if validation is None else self._variables(validation)
        self.circuit.initialise(self.params["seed"])
        self.circuit.set_centre(data)
        self.history = History()
        gradient = None
        if self.params["learning"] == "gradient":
            gradient = training.GradientAscent(self.circuit, self.params["optimizer"], self.params["learning_rate"])
        first = 0 if checkpoint is None else self._resume(Path(checkpoint), gradient)
        epochs = self.params["epochs"]
        base = self._mean_log_base(data)
        with Progress(disable=not progress, transient=True) as bar:
            task = bar.add_task(self.kind, total=epochs, completed=first)
            for epoch in range(first, epochs):
                mean = self._epoch(data, epoch, gradient) / len(data) + base
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
        sums = [self.circuit.log_base(batch, None) for batch in data.split(EVALUATION_BATCH)]
        if isinstance(sums[0], Tensor):
            return float(torch.cat([s for s in sums if isinstance(s, Tensor)]).double().mean())
        return float(sums[0])

    def _epoch(self, data: Tensor, epoch: int, gradient: training.GradientAscent | None) -> float:
        """One pass over the data in an order that depends on (seed, epoch) alone; summed nats without log h."""
        p = self.params
        order = np.random.default_rng([p["seed"], epoch]).permutation(len(data))
        batches = torch.from_numpy(order).to(data.device).split(p["batch_size"])
        micro = self._micro_batch(p["batch_size"])
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
        size = self._micro_batch(EVALUATION_BATCH) or EVALUATION_BATCH
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
        pieces = [min(EVALUATION_BATCH, n - start) for start in range(0, n, EVALUATION_BATCH)]
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
        done = [np.empty((0, *self.image_shape), np.float32)]
        for part, part_mask in zip(values.split(EVALUATION_BATCH), mask.split(EVALUATION_BATCH), strict=True):
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
        """Write the directory `path`: model.json (class, image shape, parameters) and weights.safetensors."""
        directory = Path(path)
        directory.mkdir(parents=True, exist_ok=True)
        tensors = {name: t.cpu().contiguous() for name, t in self.circuit.state_dict().items()}
        _write(directory / "weights.safetensors", safetensors_bytes(tensors))
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
        model = cls(description["image_shape"], **{**description["params"], "device": device})
        with safe_open(Path(path) / "weights.safetensors", "pt") as file:
            model.circuit.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        for row in description["history"]:
            model.history.add(*row)
        return model

    def _identity(self) -> str:
        """What a checkpoint must share with this model (epochs may grow, the device may change)."""
        kept = {k: v for k, v in self.params.items() if k not in ("epochs", "device", "memory_limit")}
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
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata["identity"] != self._identity():
            raise ValueError(
                f"The checkpoint in {directory} is of a model with other parameters: remove it to restart."
            )
        own = {name.removeprefix("circuit."): t for name, t in tensors.items() if name.startswith("circuit.")}
        self.circuit.load_state_dict(own)
        if gradient is not None:
            _restore_gradient(gradient, tensors, json.loads(metadata["scalars"]))
        for row in json.loads(metadata["history"]):
            self.history.add(*row)
        return int(metadata["epoch"])


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
        graph = rat_graph(_image_shape(image_shape), depth, repetitions, seed)
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

    def __init__(
        self,
        image_shape: Sequence[int],
        sums: int = 10,
        delta: int | Sequence[int] = 7,
        axes: Sequence[str] = ("horizontal",),
        leaf: str = "binomial",
        trials: int = 255,
        pixels: str = "counts",
        seed: int = 0,
        **training: Any,
    ) -> None:
        graph = pd_graph(_image_shape(image_shape), delta, axes)
        structure = {"delta": delta if isinstance(delta, int) else list(delta), "axes": list(axes)}
        super().__init__(
            image_shape, graph, structure, sums=sums, leaf=leaf, trials=trials, pixels=pixels, seed=seed, **training
        )


def _image_shape(image_shape: Sequence[int]) -> tuple[int, ...]:
    shape = tuple(int(n) for n in image_shape)
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"image_shape is {tuple(image_shape)}: expected (height, width, channels), each at least 1.")
    return shape


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
