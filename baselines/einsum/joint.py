"""Several circuits as one plan: online and full EM of N models of one configuration side by side, on a GPU.

A step of a small circuit is bound by the launches of its kernels. Circuits that are laid out together share them, and a
CUDA graph replays all kernels of a step with one launch. Nothing here asks the GPU for a number until an epoch ends.

Axes: N circuits, B images of a batch, V variables of one circuit, T steps of an epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from baselines.einsum import training
from baselines.einsum.circuit import Circuit
from baselines.einsum.passes import Statistics

WARM_UP = 3  # steps before a CUDA graph is captured, as PyTorch asks for: libraries set themselves up


class Steps(NamedTuple):
    """An epoch of every circuit: row numbers of `images` (T, N, B), `counts` (T, N, B) 1 where there is an image
    and 0 where a batch has fewer, `step` (T, N): how far EM moves after this batch, 0 for a circuit that has finished.
    """

    images: Tensor
    counts: Tensor
    step: Tensor


def epoch_steps(
    orders: Sequence[np.ndarray], batch_size: int, every: int, step_size: float, device: torch.device
) -> Steps:
    """The steps of one epoch. orders: for each circuit its images in the order of this epoch; none for one that rests.

    every: batches between two updates, 0 for one update at the end (full EM).
    """
    steps = max(-(-len(order) // batch_size) for order in orders)
    index = np.zeros((steps, len(orders), batch_size), np.int64)
    counts = np.zeros(index.shape, np.float64)
    step = np.zeros(index.shape[:2], np.float64)
    for c, order in enumerate(orders):
        own = -(-len(order) // batch_size)
        flat_index, flat_counts = np.zeros(own * batch_size, np.int64), np.zeros(own * batch_size)
        flat_index[: len(order)], flat_counts[: len(order)] = order, 1.0
        index[:own, c], counts[:own, c] = flat_index.reshape(own, -1), flat_counts.reshape(own, -1)
        window = every or own
        for start in range(0, own, window):
            end = min(start + window, own)
            images = int(counts[start:end, c].sum())
            # all circuits are updated together: one with fewer batches than the longest waits for its last update
            slot = min(start + window, steps) if every else steps
            step[slot - 1, c] = training.online_step(step_size, images, window * batch_size) if every else 1.0
    return Steps(*(torch.from_numpy(a).to(device) for a in (index, counts, step)))


class Joint:
    """The circuits of several models, trained together.

    circuits: of one configuration, on one device. data: (n, V) images of all of them, on the same device.
    every: batches between two updates of EM. compiled: as a CUDA graph, or each kernel by itself.
    """

    def __init__(
        self, circuits: Sequence[Circuit], data: Tensor, batch_size: int, every: int, micro: int, compiled: bool
    ) -> None:
        first = circuits[0]
        self.circuits, self.data, self.every, self.micro = circuits, data, every, micro
        graphs = [c.graphs[0] for c in circuits]
        blocks = {"block_elements": first.block_elements, "chunk_elements": first.chunk_elements}
        self.circuit = Circuit(graphs, first.units, first.family, classes=first.classes, **blocks).to(first.device)
        shape, device = (len(circuits), batch_size), first.device
        self.images = torch.zeros(shape, dtype=torch.long, device=device)
        self.counts = torch.zeros(shape, dtype=torch.float64, device=device)
        self.step = torch.zeros(len(circuits), dtype=torch.float64, device=device)
        self.total = torch.zeros(len(circuits), dtype=torch.float64, device=device)
        self._statistics: Statistics | None = None  # gathered since the last update
        self._places = [_places(self.circuit, c, number) for number, c in enumerate(circuits)]
        self.take()
        # Replays of CUDA graphs. No methods of its own: in a circle, the memory would not be free for the next plan.
        self._both: Callable[[], None] | None = None
        self._gather: Callable[[], None] | None = None
        self._update: Callable[[], None] | None = None
        if compiled and every == 1:
            self._both = self._captured(self._both_now)
        elif compiled:
            self._gather, self._update = self._captured(self._gather_now), self._captured(self._update_now)

    def take(self) -> None:
        """Copy the parameters of the models' circuits in."""
        for circuit, places in zip(self.circuits, self._places, strict=True):
            for joint, own, rows in _pairs(self.circuit, circuit, places):
                joint[rows] = own

    def give(self) -> None:
        """Copy the parameters out, into the models' circuits."""
        for circuit, places in zip(self.circuits, self._places, strict=True):
            for joint, own, rows in _pairs(self.circuit, circuit, places):
                own.copy_(joint[rows])

    def run(self, steps: Steps, after_update: Callable[[int], None], first: int = 0) -> None:
        """The steps of an epoch from number `first` on; `total` (N,) gathers the log-likelihoods, without log h.

        after_update: called with the number of steps done, each time that the parameters have moved.
        """
        last = len(steps.images)
        for number in range(first, last):
            self.images.copy_(steps.images[number])
            self.counts.copy_(steps.counts[number])
            self.step.copy_(steps.step[number])
            if self.every == 1:
                (self._both or self._both_now)()
            else:
                (self._gather or self._gather_now)()
                if number + 1 < last and (not self.every or (number + 1) % self.every):
                    continue
                (self._update or self._update_now)()
            after_update(number + 1)

    def _e_step(self) -> Statistics:
        x = self.data[self.images]  # (N, B, V)
        x = x.transpose(0, 1).reshape(x.shape[1], -1)
        total, found = training.e_step(self.circuit, x, micro=self.micro, counts=self.counts)
        self.total.add_(total)
        return found

    def _both_now(self) -> None:
        training.m_step(self.circuit, self._e_step(), self.step)

    def _gather_now(self) -> None:
        found = self._e_step()
        self._statistics = found if self._statistics is None else self._statistics.add_(found)

    def _update_now(self) -> None:
        assert self._statistics is not None
        training.m_step(self.circuit, self._statistics, self.step)
        for t in self._statistics.tensors():
            t.zero_()

    def _captured(self, run: Callable[[], None]) -> Callable[[], None]:
        """A part of a step as a CUDA graph. What it does to the parameters while it is made is undone."""
        before = {name: t.clone() for name, t in self.circuit.state_dict().items()}
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                run()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            run()
        self.circuit.load_state_dict(before)
        self.total.zero_()
        for t in [] if self._statistics is None else self._statistics.tensors():
            t.zero_()
        return graph.replay


def _places(joint: Circuit, own: Circuit, number: int) -> dict[str, Tensor | slice]:
    """Where in the joint circuit's tensors the rows of circuit `number` are, by the tensors' names."""
    variables = own.variables
    places: dict[str, Tensor | slice] = {"centre": slice(number * variables, (number + 1) * variables)}
    for g, (wide, narrow) in enumerate(zip(joint.leaf_groups, own.leaf_groups, strict=True)):
        row = {region: i for i, region in enumerate(wide.regions)}
        places[f"groups.{g}.moments"] = torch.tensor([row[number, r] for _, r in narrow.regions])
    for i, (all_of, one) in enumerate(zip(joint.plan.levels, own.plan.levels, strict=True)):
        row = {region: i for i, region in enumerate(all_of.regions)}
        regions = [row[number, r] for _, r in one.regions]
        places[f"levels.{i}.mixing"] = torch.tensor(regions)
        places[f"levels.{i}.weight"] = torch.tensor([part for r in regions for part in all_of.parts[r]])
    return {name: p if isinstance(p, slice) else p.to(joint.device) for name, p in places.items()}


def _pairs(
    joint: Circuit, own: Circuit, places: dict[str, Tensor | slice]
) -> Iterator[tuple[Tensor, Tensor, Tensor | slice]]:
    wide, narrow = joint.state_dict(), own.state_dict()
    return ((wide[name], narrow[name], places[name]) for name in narrow)
