"""A DGC-SPN on a CPU: its weights, the pass upward, and a training step."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from baselines.dgcspn import downward, learning, upward
from baselines.dgcspn.architecture import Architecture, ProductLayer

Floats = npt.NDArray[np.float32]
RULES = {"em": learning.EM, "gradient": learning.GRADIENT}
PARTS = 4  # pieces of a layer for each thread: a thread that is held up delays the others by less
NOTHING = np.empty((0, 0, 0, 0), np.float32)


def threads_of_job() -> int:
    """Threads that this process is meant to use: OMP_NUM_THREADS, else one."""
    text = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return max(1, int(text)) if text.isdigit() else 1


class Network:
    """The sums and products above the leaves.

    weights: of all sum layers, lowest first, as in `Architecture.weight_shapes`; changed in place by a step.
    threads: how many share a layer; results are the same for any number.
    """

    def __init__(self, architecture: Architecture, weights: list[Floats], *, threads: int = 1) -> None:
        self.architecture = architecture
        self.weights = weights
        self.threads = threads
        self.moments: list[Floats] = []  # of Adam, two for each array of weights
        self._layers = architecture.layers
        self._memory: dict[str, npt.NDArray[Any]] = {}
        self._pool: ThreadPoolExecutor | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_memory": {}, "_pool": None}  # a copy makes its own

    # --- upward ------------------------------------------------------------------------------------------------------

    def log_density(self, log_leaves: Floats) -> npt.NDArray[np.float64]:
        """Log-density (N,) from the log-values of the leaves (H, W, leaves, N); 0 in all of a pixel's: marginalised."""
        return self._up(log_leaves, 0.0, (0,))

    def values(self, log_leaves: Floats) -> tuple[list[Floats], Floats]:
        """What drawing from the root down needs: the sum layers' values (rows, columns, sums, N), each right up to a
        factor for each position and image; and the root's weighted children (rows, columns, sums, N), right up to one
        for each image."""
        self._up(log_leaves, 0.0, (0,))
        images = log_leaves.shape[-1]
        sums = [np.array(self._array(f"values{k}", (*layer.size, self.architecture.sums, images)))
                for k, layer in enumerate(self._layers[:-1])]  # fmt: skip
        top, exponents = self._top(images)[0], self._top(images)[2]
        powers = np.ldexp(np.float32(1), np.maximum(exponents - self._highest, -126)[:, :, None])
        return sums, top * self.weights[-1] * powers

    def _up(self, log_leaves: Floats, dropout: float, key: tuple[int, ...]) -> npt.NDArray[np.float64]:
        largest = log_leaves.max(axis=2, keepdims=True)
        leaves = np.exp(log_leaves - largest, dtype=np.float32)
        self._leaves = np.ascontiguousarray(leaves)
        images, limit, keys = leaves.shape[-1], self._limit(dropout), self._keys(key)
        below: tuple[Floats, npt.NDArray[np.int32]] | None = None
        for k, layer in enumerate(self._layers[:-1]):
            above = self._sums(k, images)
            if below is None:
                self._share(upward.first_up, layer, self._leaves, self.weights[0], *above, limit, keys[0])
            else:
                self._share(upward.upper_up, layer, *below, self.weights[k], *above, layer.step, limit, keys[k])
            below = above
        assert below is not None
        top, shares, exponents = self._top(images)
        layer = self._layers[-1]
        own = (self.weights[-1], top, shares, exponents)
        self._share(upward.top_up, layer, *below, *own, layer.step, *layer.pad)
        self._highest, self._total = np.empty(images, np.int32), np.empty(images, np.float64)
        upward.root_up(shares, exponents, self._highest, self._total)
        with np.errstate(divide="ignore"):
            density = np.log(self._total) + math.log(2.0) * self._highest
        return density + largest.sum(axis=(0, 1, 2), dtype=np.float64)

    # --- a training step ---------------------------------------------------------------------------------------------

    def step(
        self,
        log_leaves: Floats,
        *,
        rule: str,
        rate: float,
        steps: int,
        dropout: float = 0.0,
        key: tuple[int, ...] = (0,),
    ) -> npt.NDArray[np.float64]:
        """One step of "em" or "gradient" (Adam, its step number `steps` from 1); the log-densities (N,) before it.

        dropout: share of the products that are left out; key: of its noise, another one for each step.
        """
        density = self._up(log_leaves, dropout, key)
        images, limit, keys = log_leaves.shape[-1], self._limit(dropout), self._keys(key)
        moments = self._moments(rule)
        learn = (RULES[rule], np.float32(rate), steps)
        flows, layer = self._root_down(images, learn, moments), self._layers[-1]
        for k in range(len(self._layers) - 2, -1, -1):
            values, exponents = self._sums(k, images)
            own = (self.weights[k], *moments[k], values, exponents, flows, layer.step, *layer.pad)
            lower = self._layers[k]
            if k == 0:
                self._share(downward.first_down, lower, self._leaves, *own, *learn, limit, keys[0])
            else:
                below = self._sums(k - 1, images)
                self._share(downward.upper_down, lower, *below, lower.step, *own, *learn, limit, keys[k])
            flows, layer = values, lower
        return density

    def _root_down(
        self, images: int, learn: tuple[int, np.float32, int], moments: list[tuple[Floats, Floats]]
    ) -> Floats:
        top, _, exponents = self._top(images)
        root = self.weights[-1][..., 0]
        counts = np.empty_like(root)
        self._share(downward.root_down, self._layers[-1], top, root, counts, exponents, self._highest, self._total)
        tables = [table.reshape(-1, 1) for table in (root, counts, *moments[-1])]
        learning.learn(*tables, np.empty(1, np.float32), *learn[:2], images, learn[2])
        return top

    def _moments(self, rule: str) -> list[tuple[Floats, Floats]]:
        if rule == "em":
            return [(NOTHING, NOTHING)] * len(self.weights)
        if not self.moments:
            self.moments = [np.zeros_like(weight) for weight in self.weights for _ in range(2)]
        return list(zip(self.moments[::2], self.moments[1::2], strict=True))

    # --- memory and threads ------------------------------------------------------------------------------------------

    def _sums(self, k: int, images: int) -> tuple[Floats, npt.NDArray[np.int32]]:
        size = self._layers[k].size
        values = self._array(f"values{k}", (*size, self.architecture.sums, images))
        return values, self._array(f"exponents{k}", (*size, images), np.int32)

    def _top(self, images: int) -> tuple[Floats, Floats, npt.NDArray[np.int32]]:
        size = self._layers[-1].size
        top = self._array("top", (*size, self.architecture.sums, images))
        return top, self._array("shares", (*size, images)), self._array("exponents", (*size, images), np.int32)

    def _array(self, name: str, shape: tuple[int, ...], kind: type = np.float32) -> Any:
        """An array that is kept for the next batch, as long as the largest batch so far needs."""
        size = math.prod(shape)
        if name not in self._memory or self._memory[name].size < size:
            self._memory[name] = np.empty(size, kind)
        return self._memory[name][:size].reshape(shape)

    def _share(self, kernel: Callable[..., None], layer: ProductLayer, *arguments: Any) -> None:
        """Run a kernel on all rows of a layer, on all threads.

        Rows that share rows of the layer below follow each other: what they read is then still in the cache.
        """
        rows = np.concatenate([np.arange(start, layer.size[0], layer.step) for start in range(layer.step)])
        if self.threads == 1:
            kernel(*arguments, rows)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads)
        shares = np.array_split(rows, PARTS * self.threads)
        parts = [self._pool.submit(kernel, *arguments, share) for share in shares]
        for part in parts:
            part.result()

    def _limit(self, dropout: float) -> np.uint32:
        return np.uint32(round(dropout * 2**16))

    def _keys(self, key: tuple[int, ...]) -> npt.NDArray[Any]:
        """Keys of the noise of each layer."""
        return np.random.SeedSequence(key).generate_state(len(self._layers), np.uint32)
