"""What the benchmarks of speed run on: instances A to G, images, parameters as training leaves them, and what a step
needs at least. NumPy alone, beside the notation of `dcgmm`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import naive_dcgmm as naive
from dcgmm.instances import instance_config
from dcgmm.notation import Cgmm, place

SHAPE = (28, 28, 1)
BATCH = 100
SHARINGS = ("shared", "independent")
STATES = ("initial", "trained")

EPOCHS = {"A": 80, "B": 40, "C": 20, "D": 20, "E": 80, "F": 40, "G": 25}  # the catalogue's

CONFIGS = {name: instance_config(name, SHAPE) for name in "ABCDEFG"}


def images(n: int, seed: int = 0) -> np.ndarray:
    """(n, 28, 28, 1) float32 in [0, 1]: three white strokes on black, drawn with replacement from 500."""
    rng = np.random.default_rng(seed)
    ends = rng.uniform(4.0, 23.0, (500, 3, 2, 2))
    first, along = ends[:, :, 0], ends[:, :, 1] - ends[:, :, 0]
    pixels = np.stack(np.meshgrid(np.arange(28.0), np.arange(28.0), indexing="ij"), -1).reshape(1, 1, -1, 2)
    offset = pixels - first[:, :, None]
    share = (offset * along[:, :, None]).sum(-1) / np.maximum((along**2).sum(-1), 1e-6)[..., None]
    nearest = offset - np.clip(share, 0.0, 1.0)[..., None] * along[:, :, None]
    brightness = np.clip(2.0 - np.linalg.norm(nearest, axis=-1), 0.0, 1.0).max(1)
    return brightness.reshape(-1, *SHAPE).astype(np.float32)[rng.integers(0, 500, n)]


def log_densities(x: np.ndarray, mu: np.ndarray, s: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The plain form of the oracle, for shared parameters and all positions at once (it is only needed once here)."""
    out = [
        np.log(s[0, k]).sum()
        - 0.5 * ((s[0, k] * (x - mu[0, k])) ** 2).sum(-1)
        - 0.5 * x.shape[-1] * math.log(2 * math.pi)
        for k in range(mu.shape[1])
    ]
    return np.stack(out, axis=-1) + naive.log_weights(w[0])


def trained_like(config: str, x: np.ndarray, seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Parameters (shared, contract layout) after one hard-EM iteration from random inputs, layer by layer.

    Responsibilities underflow as those of a trained model do; many would be denormal.
    """
    rng, a, parameters = np.random.default_rng(seed), x.astype(np.float32), []
    for kind, arguments in naive.parse(config):
        if kind == "F":
            a = naive.fold(a, int(arguments[0]), int(arguments[1]))
        elif kind == "P":
            a = naive.pool(a, int(arguments[0]), int(arguments[1]), "valid" in arguments)
        elif kind == "G":
            k, rows = int(arguments[0]), a.reshape(-1, a.shape[-1])
            rows = rows[rng.permutation(len(rows))[:20000]]
            layer = {
                "mu": np.resize(rows[:k], (1, k, rows.shape[1])).copy(),
                "s": np.full((1, k, rows.shape[1]), naive.S_MAX, np.float32),
                "w": np.zeros((1, k), np.float32),
            }
            winner = log_densities(rows, **layer).argmax(-1)
            for component in range(k):
                mine = rows[winner == component]
                if len(mine):
                    layer["mu"][0, component] = mine.mean(0)
                    layer["s"][0, component] = np.minimum(1 / np.maximum(mine.std(0), 1e-6), naive.S_MAX)
            parameters.append(layer)
            a = naive.responsibilities(log_densities(a, **layer)).astype(np.float32)
    return parameters


def initial(config: str, seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Parameters as training starts, shared."""
    rng, parameters = np.random.default_rng(seed), []
    for placed in place(config, SHAPE).layers:
        if isinstance(placed.spec, Cgmm):
            shape = (1, placed.spec.components, placed.input_shape[2])
            mu = rng.uniform(-0.1, 0.1, shape).astype(np.float32)
            weights = np.full(shape[:2], 1.0 / shape[1], np.float32)
            parameters.append({"mu": mu, "s": np.full(shape, naive.S_MAX, np.float32), "w": weights})
    return parameters


@dataclass(frozen=True)
class Case:
    """One row of the table: what is trained, from where.

    Attributes:
        state: "initial": parameters as training starts, sigma wide. "trained": `trained_like`, sigma at its end.
    """

    name: str
    sharing: str
    state: str

    @property
    def config(self) -> str:
        return instance_config(self.name, SHAPE, sharing=self.sharing)

    def arrays(self) -> dict[str, Any]:
        """All that a step works with: config, batch x, and for layer i mu_i, s_i, w_i, sigma_i, and G_i (K, K)."""
        x = images(BATCH)
        shared = instance_config(self.name, SHAPE)
        layers = initial(shared) if self.state == "initial" else trained_like(shared, x)
        found: dict[str, Any] = {"config": self.config, "x": x}
        cgmms = [placed for placed in place(self.config, SHAPE).layers if isinstance(placed.spec, Cgmm)]
        for i, (placed, layer) in enumerate(zip(cgmms, layers, strict=True)):
            components = placed.spec.components  # type: ignore[union-attr]
            sigma = 0.25 * math.sqrt(2 * components) if self.state == "initial" else naive.SIGMA_END
            found |= {f"{name}_{i}": np.repeat(value, placed.positions, 0) for name, value in layer.items()}
            found[f"sigma_{i}"] = sigma
            found[f"G_{i}"] = naive.smoothing_matrix(components, sigma).astype(np.float32)
        return found


def needs(case: Case) -> tuple[float, float]:
    """What one step of one model needs at least: (bytes moved, floating-point operations).

    Bytes: the batch is read, every layer's activities are written and read by the next, every parameter is read and
    written, once, float32. Operations of a layer of M patches of length D: 4·M·D·K for the densities (products of x
    and of x² with K components), 2·M·K² to smooth them before the annealing is over, 3·M·D for the sums over winners
    (without one-hot products). The responsibilities, and everything that has the size of the parameters, are left out.
    """
    moved, operations = 4.0 * BATCH * math.prod(SHAPE), 0.0
    cgmms = [placed for placed in place(case.config, SHAPE).layers if isinstance(placed.spec, Cgmm)]
    for placed in cgmms:
        components = placed.spec.components  # type: ignore[union-attr]
        h, w, _ = placed.output_shape
        patches, dimension = BATCH * h * w, placed.input_shape[2]
        operations += patches * (4.0 * dimension * components + 3.0 * dimension)
        if case.state == "initial":
            operations += 2.0 * patches * components**2
        moved += 2 * 4.0 * placed.positions * components * (2 * dimension + 1)
        if placed is not cgmms[-1]:
            moved += 2 * 4.0 * patches * components
    return moved, operations
