"""`fit` and `fit_many`: what is trained on what, in which order, kept where."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from baselines.einsum import devices, limits, training
from baselines.einsum.circuit import Circuit
from baselines.einsum.cost import SCORE_BATCH, graph_cost
from baselines.einsum.joint import Joint, epoch_steps
from baselines.einsum.region_graph import RegionGraph
from dcgmm import checks
from dcgmm.checkpoint import Checkpoint, identity
from dcgmm.history import History
from dcgmm.storage import array_digest, class_path

Images = npt.NDArray[np.float32]
Validation = npt.ArrayLike | Mapping[str, npt.ArrayLike] | None
NOT_IDENTITY = ("seed", "epochs", "device", "memory_limit")  # a checkpoint may be taken up with other ones
JOINT_SHARE = 0.7  # of a GPU's memory for circuits that are trained together


class Network(Protocol):
    """What is trained: an `EinsumSpn`."""

    kind: ClassVar[str]
    structure: ClassVar[tuple[str, ...]]
    params: dict[str, Any]
    image_shape: tuple[int, int, int]
    graph: RegionGraph
    circuit: Circuit
    history: History

    def _piece(self, batch: int, what: str) -> int: ...
    def _variables(self, x: Images) -> Tensor: ...
    def _log_likelihood(self, values: Tensor) -> Tensor: ...


@dataclass
class Training:
    """One model's training: where it is, and what it sees. rows: images of `data` (n,); None for all of them."""

    model: Network
    rows: npt.NDArray[np.int64] | None
    data: Tensor
    splits: dict[str, Tensor]
    base: float
    epoch: int = 0
    batch: int = 0  # of the epoch, at the last update
    total: float = 0.0  # log-likelihoods of the epoch so far, nats, without log h
    gradient: training.GradientAscent | None = None
    refresh: Callable[[], None] | None = None  # brings model and position to where a joint plan is

    @property
    def images(self) -> int:
        return len(self.data) if self.rows is None else len(self.rows)

    @property
    def batches(self) -> int:
        return -(-self.images // int(self.model.params["batch_size"]))

    def order(self) -> npt.NDArray[np.int64]:
        """This epoch's images, in an order that depends on (seed, epoch) alone."""
        order = np.random.default_rng([self.model.params["seed"], self.epoch]).permutation(self.images)
        return order if self.rows is None else self.rows[order]

    def begin(self) -> None:
        """From the initial parameters."""
        model, p = self.model, self.model.params
        model.circuit.initialise(p["seed"])
        model.circuit.set_centre(self.data, None if self.rows is None else torch.from_numpy(self.rows))
        model.history = History()
        if p["learning"] == "gradient":
            options = p["optimizer"], p["learning_rate"], p["optimizer_options"]
            self.gradient = training.GradientAscent(model.circuit, *options)

    def end_epoch(self, total: float) -> float:
        """Count the epoch, with its history; returns the mean log-likelihood. Raises ValueError where it is NaN."""
        mean = total / self.images + self.base
        if math.isnan(mean):
            raise ValueError(
                f"The log-likelihood is NaN after epoch {self.epoch + 1}: training has diverged, learning_rate is "
                f"{self.model.params['learning_rate']}; try a smaller one."
            )
        self.epoch, self.batch, self.total = self.epoch + 1, 0, 0.0
        step = self.epoch * self.batches
        self.model.history.add(step, 0, "train", mean)
        for split, values in self.splits.items():
            self.model.history.add(step, 0, split, float(self.model._log_likelihood(values).mean()))
        return mean

    def state(self) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
        """Tensors and progress, as `Checkpoint` keeps them."""
        tensors = {f"circuit.{name}": t for name, t in self.model.circuit.state_dict().items()}
        scalars: dict[str, float] = {}
        if self.gradient is not None:
            more, scalars = self.gradient.state()
            tensors |= more
        progress = {"epoch": self.epoch, "batch": self.batch, "total": self.total, "scalars": scalars}
        progress["history"] = list(self.model.history)
        return {name: t.detach().cpu().numpy() for name, t in tensors.items()}, progress

    def resume(self, tensors: Mapping[str, npt.NDArray[Any]], progress: Mapping[str, Any]) -> None:
        """Resume a state."""
        found = {name: torch.from_numpy(t) for name, t in tensors.items()}
        own = {name.removeprefix("circuit."): t for name, t in found.items() if name.startswith("circuit.")}
        self.model.circuit.load_state_dict(own)
        if self.gradient is not None:
            self.gradient.restore(found, progress["scalars"])
        self.epoch, self.batch, self.total = progress["epoch"], progress["batch"], progress["total"]
        for row in progress["history"]:
            self.model.history.add(*row)


def fit_models(
    models: Sequence[Network],
    x: npt.ArrayLike,
    rows: Sequence[npt.ArrayLike] | None,
    *,
    validation: Validation | Sequence[Validation],
    progress: bool,
    checkpoint: str | os.PathLike[str] | None,
    joint: bool | None = None,
) -> list[History]:
    """Train models of one configuration; see `EinsumSpn.fit_many`.

    joint: as one plan of all circuits; None where that pays (EM on a GPU).
    """
    _same_configuration(models)
    first = models[0]
    images = checks.images(x, first.image_shape, name="x")
    chosen = [None] * len(models) if rows is None else checks.rows(rows, len(models), len(images))
    splits = _splits(models, validation)
    data = first._variables(images)
    trainings = [
        Training(model, own, data, measured, _mean_log_base(model, data, own))
        for model, own, measured in zip(models, chosen, splits, strict=True)
    ]
    kept = Checkpoint(os.fspath(checkpoint) if checkpoint is not None else None, _identity(models, images, chosen))
    found = kept.read()
    for own in found[1]["models"] if found is not None else ():
        _refuse_further(own["epoch"], own["batch"], first.params["epochs"])
    for t in trainings:
        t.begin()
    if found is not None:
        tensors, position = found
        for number, (t, own) in enumerate(zip(trainings, position["models"], strict=True)):
            prefix = f"{number}."
            t.resume({n.removeprefix(prefix): a for n, a in tensors.items() if n.startswith(prefix)}, own)
    if joint is None:
        joint = first.circuit.device.type == "cuda" and first.params["learning"] != "gradient"

    def state() -> tuple[dict[str, Any], dict[str, Any]]:
        for t in trainings:
            if t.refresh is not None:
                t.refresh()
        states = [t.state() for t in trainings]
        tensors = {f"{number}.{name}": a for number, (own, _) in enumerate(states) for name, a in own.items()}
        return tensors, {"models": [own for _, own in states]}

    done, ahead = sum(t.epoch for t in trainings), len(trainings) * first.params["epochs"]
    with _bar(first.kind, done, ahead, progress) as report, kept.kept(state) as after_update:
        if joint:
            for group in _groups(trainings):
                _run_joint(group, report, after_update)
        else:
            for t in trainings:
                _run(t, report, after_update)
    kept.remove()
    return [model.history for model in models]


def _refuse_further(epoch: int, batch: int, epochs: int) -> None:
    """Raises ValueError for a checkpoint of so many epochs and batches of the next, if that is more than `epochs`."""
    if epoch + bool(batch) > epochs:
        has = f"{epoch} epochs" + (f" and {batch} batches of the next" if epoch == epochs else "")
        raise ValueError(f"the checkpoint has {has}, more than the {epochs} given: raise epochs, or remove it")


def _run(t: Training, report: Callable[[float], None], after_update: Callable[[], None]) -> None:
    """The rest of one model's training."""
    p, circuit = t.model.params, t.model.circuit
    size, micro = p["batch_size"], t.model._piece(p["batch_size"], "train")
    while t.epoch < p["epochs"]:
        batches = torch.from_numpy(t.order()).to(t.data.device).split(size)
        every = len(batches) if p["learning"] == "full_em" else p["frequency"]
        total, found, images = t.total, None, 0
        for number, batch in enumerate(batches[t.batch :], t.batch + 1):
            if t.gradient is not None:
                total += t.gradient.step(t.data[batch], micro=micro)
            else:
                log_likelihood, statistics = training.e_step(circuit, t.data[batch], micro=micro)
                total += float(log_likelihood)
                found, images = statistics if found is None else found.add_(statistics), images + len(batch)
                if number % every and number < len(batches):
                    continue
                step = 1.0
                if p["learning"] == "em":
                    step = training.online_step(p["step_size"], images, every * size)
                training.m_step(circuit, found, step)
                found, images = None, 0
            t.batch, t.total = number, total
            if number < len(batches):
                after_update()
        report(t.end_epoch(total))
        after_update()


def _run_joint(group: Sequence[Training], report: Callable[[float], None], after_update: Callable[[], None]) -> None:
    """The rest of several trainings that are at the same place, side by side."""
    first = group[0]
    p, device = first.model.params, first.model.circuit.device
    every = 0 if p["learning"] == "full_em" else p["frequency"]
    # several side by side are no more than fit with whole batches
    micro = first.model._piece(p["batch_size"], "joint") if len(group) == 1 else p["batch_size"]
    circuits = [t.model.circuit for t in group]
    joint = Joint(circuits, first.data, p["batch_size"], every, micro, compiled=device.type == "cuda")

    def now() -> None:
        """Bring models and positions to where the plan is."""
        joint.give()
        for t, total in zip(group, joint.total.tolist(), strict=True):
            t.total = total

    def updated(number: int) -> None:
        for t in group:
            t.batch = number
        after_update()

    first.refresh = now
    try:
        while first.epoch < p["epochs"]:
            joint.total.copy_(torch.tensor([t.total for t in group], dtype=torch.float64))
            steps = epoch_steps([t.order() for t in group], p["batch_size"], every, p["step_size"], device)
            joint.run(steps, updated, first.batch)
            now()
            for t in group:
                report(t.end_epoch(t.total))
    finally:
        now()
        first.refresh = None


def _groups(trainings: Sequence[Training]) -> Iterator[list[Training]]:
    """Trainings that are at the same place and fit into the device's memory, and `memory_limit`, together."""
    model = trainings[0].model
    p = model.params
    cost = graph_cost(model.graph, p["sums"], leaf=p["leaf"], trials=p["trials"], batch_size=p["batch_size"])
    most = max(1, int(JOINT_SHARE * devices.memory(model.circuit.device) // cost.peak_bytes))
    most = limits.circuits_at_a_time(model.graph, p, most)
    places: dict[tuple[int, int], list[Training]] = {}
    for t in trainings:
        places.setdefault((t.epoch, t.batch), []).append(t)
    for group in places.values():
        yield from (group[start : start + most] for start in range(0, len(group), most))


def _same_configuration(models: Sequence[Network]) -> None:
    if not models:
        raise ValueError("there are no models to train: give at least one")
    if len({id(model) for model in models}) < len(models):
        raise ValueError("a model is given twice: give models of their own, for example with other seeds")

    def configuration(model: Network) -> dict[str, Any]:
        # a class that makes its graphs itself does so from its parameters
        of_graph = {"region graph": None if model.structure else _signature(model.graph)}
        return {"class": type(model), "image_shape": model.image_shape, **model.params, "seed": None, **of_graph}

    for number, model in enumerate(models):
        ours, theirs = configuration(models[0]), configuration(model)
        other = [name for name in ours if ours[name] != theirs.get(name)]
        if other:
            raise ValueError(
                f"models of one training differ in their seeds only: model {number} has another {other[0]} than model 0"
            )


def _signature(graph: RegionGraph) -> tuple[int, ...]:
    """What is alike in region graphs of one kind, which random trees of other seeds share."""
    level = [graph.level_of[region] for region in range(len(graph.regions))]
    sizes = sorted((where, len(scope)) for where, scope in zip(level, graph.regions, strict=True))
    return (graph.num_variables, len(graph.partitions), *(number for pair in sizes for number in pair))


def _splits(models: Sequence[Network], validation: Any) -> list[dict[str, Tensor]]:
    """The images that are scored after every epoch, as variables, by split, for each model."""
    each = checks.one_for_each(validation, len(models), name="validation")
    done: dict[int, Tensor] = {}
    found = []
    for model, own in zip(models, each, strict=True):
        named = own if isinstance(own, Mapping) else {"validation": own}
        checks.splits(named)
        splits = {}
        for name, x in named.items():
            if x is not None:
                if id(x) not in done:
                    done[id(x)] = model._variables(checks.images(x, model.image_shape, name=name))
                splits[name] = done[id(x)]
        found.append(splits)
    return found


def _mean_log_base(model: Network, data: Tensor, rows: npt.NDArray[np.int64] | None) -> float:
    """Mean over images of log h(x), nats."""
    own = data if rows is None else data[torch.from_numpy(rows)]
    return float(torch.cat([model.circuit.log_base(batch) for batch in own.split(SCORE_BATCH)]).mean())


def _identity(models: Sequence[Network], x: Images, rows: Sequence[npt.NDArray[np.int64] | None]) -> dict[str, Any]:
    """What a checkpoint must share with these trainings."""
    first = models[0]
    parameters = {name: value for name, value in first.params.items() if name not in NOT_IDENTITY}
    parameters["graph"] = [hashlib.sha256(model.graph.to_json().encode()).hexdigest() for model in models]
    parameters["rows"] = [None if own is None else array_digest(own) for own in rows]
    seeds: Any = [model.params["seed"] for model in models]
    kind = class_path(type(first))
    return identity(kind, parameters, seeds if len(seeds) > 1 else seeds[0], x)


@contextmanager
def _bar(kind: str, done: int, total: int, shown: bool) -> Iterator[Callable[[float], None]]:
    """A progress bar over epochs; yields what is called after each with its mean log-likelihood."""
    if not shown:
        yield lambda mean: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(transient=True, console=Console(stderr=True)) as bar:
        task = bar.add_task(kind, total=total, completed=done)
        yield lambda mean: bar.update(task, advance=1, description=f"{kind} {mean:.1f} nats")
