"""Einsum networks behind the suite's model interface."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from baselines.einsum import devices, fitting, inference, limits, stored, training
from baselines.einsum.circuit import Circuit
from baselines.einsum.cost import SCORE_BATCH, graph_cost, with_channels
from baselines.einsum.leaves import LEAVES, make_leaf
from baselines.einsum.parameters import generator_of
from baselines.einsum.region_graph import RegionGraph
from dcgmm import checks
from dcgmm.history import History
from dcgmm.storage import class_path

Images = npt.NDArray[np.float32]

PIXELS = ("counts", "unit")
LEARNING = ("em", "full_em", "gradient")
MODES = ("draw", "mean", "mpe")
MOST_TRIALS = 2**24  # counts are float32, which has all integers so far


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
    Counts are rounded in one place, for `fit`, scores and in-painting alike, also with `trials` 1 (bits); pixels that
    in-painting is told to keep come back as they were given.

    Training parameters (see training.py): epochs, batch_size; learning "em" (online, `step_size` every `frequency`
    batches; a batch of fewer images moves the parameters less), "full_em" (one M-step per epoch) or "gradient"
    (`optimizer` from torch.optim with `learning_rate` and, as keywords, `optimizer_options`).
    memory_limit: bytes that parameters and a batch's temporaries may take (the images themselves are not counted);
    batches are split to stay below. Log-likelihoods change by rounding alone; draws are others of the same
    distribution.
    device: "auto" (a GPU if there is one), "cpu" or "gpu".

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
        self.image_shape = checks.image_shape(image_shape)
        self.params: dict[str, Any] = {
            **(structure or {}),
            "sums": checks.integer(sums, name="sums"),
            "leaf": checks.choice(leaf, LEAVES, name="leaf"),
            "trials": checks.integer(trials, name="trials", at_most=MOST_TRIALS),
            "pixels": checks.choice(pixels, PIXELS, name="pixels"),
            "seed": checks.seed(seed),
            "epochs": checks.epochs(epochs),
            "batch_size": checks.integer(batch_size, name="batch_size"),
            "learning": checks.choice(learning, LEARNING, name="learning"),
            "step_size": checks.number(step_size, name="step_size", above=0, at_most=1),
            "frequency": checks.integer(frequency, name="frequency"),
            "optimizer": optimizer,
            "learning_rate": checks.positive(learning_rate, name="learning_rate"),
            "optimizer_options": _options(optimizer_options),
            "min_variance": checks.positive(min_variance, name="min_variance"),
            "max_variance": checks.positive(max_variance, name="max_variance"),
            "memory_limit": None if memory_limit is None else checks.integer(memory_limit, name="memory_limit"),
            "device": device,
        }
        p = self.params
        options = p["optimizer_options"]
        training.optimiser_class(optimizer)
        if options or p["learning"] == "gradient":
            training.make_optimiser(optimizer, [torch.zeros(1, requires_grad=True)], p["learning_rate"], options)
        where = devices.resolve(device)
        self.graph = _over_variables(graph, self.image_shape)
        self._refuse_what_does_not_fit(devices.memory(where))
        family = make_leaf(leaf, trials=p["trials"], min_variance=p["min_variance"], max_variance=p["max_variance"])
        blocks = limits.block_sizes(p["memory_limit"])
        self.circuit = Circuit(self.graph, p["sums"], family, seed=p["seed"], **blocks).to(where)
        self.history = History()

    def _refuse_what_does_not_fit(self, memory: int) -> None:
        """Raises ValueError where the parameters alone need more bytes than there are."""
        p = self.params
        need = graph_cost(self.graph, p["sums"], leaf=p["leaf"], trials=p["trials"]).parameter_bytes
        if need > memory:
            raise ValueError(
                f"sums={p['sums']} over this region graph needs {need / 2**30:,.1f} GiB for parameters and their "
                f"updates, the device has {memory / 2**30:,.1f} GiB: take fewer sums, or a smaller structure"
            )

    # --- images and variables ------------------------------------------------------------------------------------

    @property
    def _counts(self) -> bool:
        """Whether leaves see counts from 0 to `trials`, so that scores are of probabilities."""
        p = self.params
        return p["leaf"] == "categorical" or (p["leaf"] == "binomial" and p["pixels"] == "counts")

    @property
    def _scale(self) -> float:
        """Variables per unit of image intensity."""
        return float(self.params["trials"]) if self._counts else 1.0

    def _variables(self, x: Images) -> Tensor:
        """Checked images (n, H, W, C) as values of the circuit's variables (n, V) on the model's device.

        The one place where pixels are rounded to counts.
        """
        values = torch.from_numpy(x if x.flags.writeable else x.copy()).reshape(len(x), self.graph.num_variables)
        values = (values * self._scale).round_() if self._counts else values
        return values.to(self.circuit.device, self.circuit.dtype)

    def _images(self, values: Tensor) -> Images:
        array = (values.float() / self._scale).clamp_(0.0, 1.0).cpu().numpy()
        return array.reshape(-1, *self.image_shape)

    def _mask(self, known: npt.NDArray[np.bool_]) -> Tensor:
        """A checked mask (n, H, W) as (n, V)."""
        flat = known.reshape(len(known), -1)
        return torch.from_numpy(np.repeat(flat, self.image_shape[2], axis=1)).to(self.circuit.device)

    def _generator(self, seed: int) -> torch.Generator:
        return generator_of(checks.seed(seed), self.circuit.device)

    def _piece(self, batch: int, what: str) -> int:
        """How many of a batch's images fit into memory_limit at a time; what: as in `limits.Need`."""
        return limits.images_at_a_time(self.graph, self.params, batch, what)

    # --- the interface -------------------------------------------------------------------------------------------

    def fit(
        self,
        x: npt.ArrayLike,
        *,
        validation: fitting.Validation = None,
        progress: bool = True,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> History:
        """Train from the initial parameters on images (n, H, W, C).

        If it is interrupted (Ctrl-C), the checkpoint is written and the model keeps its current parameters.

        validation: images whose mean log-likelihood is measured after every epoch, or several by split name.
        checkpoint: a directory for the state of an unfinished training. An existing state is resumed, with the same
        numbers as without the interruption; it is removed when training is complete. History: split "train" is the
        mean over the epoch's batches, each before its update, in nats per image; step counts batches.

        Raises ValueError for invalid images (`dcgmm.checks.images`), for the checkpoint of another training
        or of more epochs, and when gradient ascent has diverged.
        """
        options: dict[str, Any] = {"validation": [validation], "progress": progress, "checkpoint": checkpoint}
        return fitting.fit_models([self], x, None, **options)[0]

    @classmethod
    def fit_many(
        cls,
        models: Sequence[Self],
        x: npt.ArrayLike,
        rows: Sequence[npt.ArrayLike] | None = None,
        *,
        validation: fitting.Validation | Sequence[fitting.Validation] = None,
        progress: bool = True,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> list[History]:
        """Train several models of one configuration, which differ in seeds and images.

        Model i becomes what `models[i].fit(x[rows[i]])` makes of it: to the bit on a CPU, where they train one after
        another; up to rounding on a GPU, where EM is one plan of all circuits.

        rows: for each model the indices (or n booleans) of the images that it sees; None: all of them. validation: as
        for `fit`, for all models; or a list with one for each. checkpoint: of all models together.

        Raises ValueError as `fit` does, and for models that differ in more than the seed.
        """
        models = checks.several(models, cls, called=cls.__name__)
        return fitting.fit_models(models, x, rows, validation=validation, progress=progress, checkpoint=checkpoint)

    @torch.no_grad()
    def _log_likelihood(self, values: Tensor, known: Tensor | None = None) -> Tensor:
        """(n, V) to (n,) float64, in batches."""
        weights = self.circuit.weights()
        size = self._piece(SCORE_BATCH, "score" if known is None else "down")
        masks: Sequence[Tensor | None] = [None] * -(-len(values) // size) if known is None else known.split(size)
        parts = [
            self.circuit.log_likelihood(batch, mask, weights)[:, 0]
            for batch, mask in zip(values.split(size), masks, strict=True)
        ]
        found = torch.cat(parts)
        # The weights of a sum add up to 1 but for the last digit, and no probability is above 1.
        return found.clamp_max_(0.0) if self._counts else found

    def score_samples(self, x: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Log-likelihood in nats of each image, (n,) float64; of what density, the class says."""
        return self._log_likelihood(self._variables(checks.images(x, self.image_shape))).cpu().numpy()

    def marginal_log_likelihood(self, x: npt.ArrayLike, known: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Exact log-likelihood in nats of the known pixels alone, (n,) float64; known: bool (H, W) or (n, H, W).

        Unknown pixels are summed out. The conditional log-likelihood of pixels a given pixels b is the difference of
        two marginals.
        """
        array, seen = checks.partly_known(x, known, self.image_shape)
        mask = self._mask(seen)
        return self._log_likelihood(self._variables(array), mask).cpu().numpy()

    def sample(self, n: int, *, seed: int, leaves: str = "draw") -> Images:
        """n images (n, H, W, C). leaves: "draw" from the leaf distributions, or take their "mean" (no pixel noise).

        With pixels "unit", drawn counts above 1 are cut to 1, as the published pictures cut them.
        """
        checks.choice(leaves, ("draw", "mean"), name="leaves")
        n, generator = checks.count(n), self._generator(seed)
        size = self._piece(SCORE_BATCH, "down")
        pieces = [min(size, n - start) for start in range(0, n, size)]
        drawn = [self._images(inference.sample(self.circuit, size, generator, leaves=leaves)) for size in pieces]
        return np.concatenate(drawn) if drawn else np.empty((0, *self.image_shape), np.float32)

    def inpaint(self, x: npt.ArrayLike, known: npt.ArrayLike, *, seed: int, mode: str = "draw") -> Images:
        """Complete images: known pixels come back untouched, unknown ones are filled in, whatever their values in x.

        known: bool (H, W) or (n, H, W), True where x is to be kept. mode: "draw" is an exact conditional sample,
        "mean" an exact draw of the latent choices with each leaf's mean (no pixel noise), "mpe" the approximate most
        probable explanation by max-backtracking (no randomness, `seed` has no influence).
        """
        checks.choice(mode, MODES, name="mode")
        array, seen = checks.partly_known(x, known, self.image_shape)
        mask = self._mask(seen)
        generator = self._generator(seed)
        done, size = [], self._piece(SCORE_BATCH, "down")
        for part, part_mask in zip(self._variables(array).split(size), mask.split(size), strict=True):
            if mode == "mpe":
                filled = inference.approximate_mpe(self.circuit, part, part_mask)[0]
            else:
                filled = inference.conditional_sample(self.circuit, part, part_mask, generator, leaves=mode)
            done.append(self._images(filled))
        return np.where(mask.cpu().numpy().reshape(array.shape), array, np.concatenate(done))

    def count_params(self) -> int:
        """Parameters of leaves (one per binomial, two per normal), sum weights and mixing weights."""
        return self.circuit.count_params()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the directory `path`: model.json (class, image shape, parameters), graph.json, weights.safetensors."""
        description = {
            "class": class_path(type(self)),
            "image_shape": self.image_shape,
            "params": self.params,
            "history": list(self.history),
        }
        stored.save(path, stored.Stored(description, self.graph, self.circuit.state_dict()))

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, device: str | None = None) -> Self:
        """The model that `save` wrote to this directory. device: None for "cpu" where that was saved, else "auto".

        Raises ValueError where it holds another class, `dcgmm.storage.DamagedFileError` for altered files.
        """
        description, graph, tensors = stored.load(path, class_path(cls))
        own = "cpu" if description["params"].get("device") == "cpu" else "auto"
        params = {**description["params"], "device": own if device is None else device}
        structure = {name: params.pop(name) for name in cls.structure}
        model = cls.__new__(cls)
        EinsumSpn.__init__(model, description["image_shape"], graph, structure, **params)
        try:
            model.circuit.load_state_dict(tensors)
        except RuntimeError as error:
            raise stored.other_model(path, error) from None
        for row in description["history"]:
            model.history.add(*row)
        return model


def _options(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping | type(None)):
        raise ValueError(f"optimizer_options={value!r}: expected a mapping of names to values")
    return dict(value or {})


def _over_variables(graph: RegionGraph, image_shape: tuple[int, int, int]) -> RegionGraph:
    """A graph over pixels or over all variables as one over all variables."""
    if not isinstance(graph, RegionGraph):
        raise ValueError(f"graph is {type(graph).__name__}: expected a RegionGraph, as `poon_domingos` makes one")
    height, width, channels = image_shape
    if graph.num_variables == height * width * channels:
        return graph
    if graph.num_variables != height * width:
        raise ValueError(
            f"The region graph has {graph.num_variables} variables: images {image_shape} have {height * width} pixels."
        )
    return with_channels(graph, channels)
