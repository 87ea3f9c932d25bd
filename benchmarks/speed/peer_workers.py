"""The sides of `benchmarks.speed.peers`, each run in a process of its own, the peers' in an environment of their own.

A side is a function of a seed and images (1000, 28, 28, 1); it returns a training step on a batch of 100 by its number,
the drawing of 100 samples (None: it has none), and the number of parameters. Imports stay inside the functions.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.speed.workers import serve

BATCH, STEPS = 100, 5  # images of a step, steps of a measurement
WINDOW = 100  # of DCGMM: the steps that one program runs
SLOW = ("SPFlow", "deeprob-kit", "libspn-keras")  # of them one step
SHAPE = (28, 28, 1)
SUMS, DEPTH, REPETITIONS = 10, 4, 10  # of the RAT-SPNs
CHANNELS, LEAVES, PRODUCTS = 16, 4, 6  # of the DGC-SPNs; six products are what 28×28 pixels need
COMPONENTS = 49  # of the mixtures

Side = tuple[Callable[[int], Any], Callable[[], Any] | None, int]


def rat_ours(x: np.ndarray) -> Side:
    from baselines.einsum import RatSpn

    sizes = {"sums": SUMS, "depth": DEPTH, "repetitions": REPETITIONS}
    model = RatSpn(SHAPE, **sizes, leaf="normal", epochs=1, batch_size=BATCH)
    model.fit(x, progress=False)
    return _by_fit(model, x), lambda: model.sample(BATCH, seed=0), model.count_params()


def rat_ours_gradient(x: np.ndarray) -> Side:
    from baselines.einsum import RatSpn

    sizes = {"sums": SUMS, "depth": DEPTH, "repetitions": REPETITIONS}
    model = RatSpn(SHAPE, **sizes, leaf="normal", epochs=1, batch_size=BATCH, learning="gradient")
    model.fit(x, progress=False)
    return _by_fit(model, x), lambda: model.sample(BATCH, seed=0), model.count_params()


def rat_spflow_einet(x: np.ndarray) -> Side:
    from spflow.zoo.einet import Einet

    model = Einet(
        [_spflow_leaves(SUMS)],
        num_sums=SUMS,
        num_leaves=SUMS,
        depth=DEPTH,
        num_repetitions=REPETITIONS,
        layer_type="einsum",
    )
    return _spflow(model, x)


def rat_spflow(x: np.ndarray) -> Side:
    from spflow.zoo.rat import RatSPN

    model = RatSPN(
        [_spflow_leaves(SUMS)],
        n_root_nodes=1,
        n_region_nodes=SUMS,
        num_repetitions=REPETITIONS,
        depth=DEPTH,
        outer_product=True,
    )
    return _spflow(model, x)


def rat_deeprob(x: np.ndarray) -> Side:
    from deeprob.spn.models.ratspn import GaussianRatSpn

    model = GaussianRatSpn(
        x[0].size, rg_depth=DEPTH, rg_repetitions=REPETITIONS, rg_batch=SUMS, rg_sum=SUMS, random_state=0
    )
    return _deeprob(model, x.reshape(len(x), -1), lambda: model.sample(BATCH))


def dgcspn_ours(x: np.ndarray) -> Side:
    from baselines.dgcspn import DgcSpn

    model = DgcSpn(SHAPE, sums=CHANNELS, products=PRODUCTS, leaves=LEAVES, epochs=1, batch_size=BATCH, dropout=0.0)
    model.fit(x, progress=False)
    return _by_fit(model, x, warm_start=True), lambda: model.sample(BATCH, seed=0), model.count_params()


def dgcspn_ours_gradient(x: np.ndarray) -> Side:
    from baselines.dgcspn import DgcSpn

    sizes = {"sums": CHANNELS, "products": PRODUCTS, "leaves": LEAVES}
    model = DgcSpn(SHAPE, **sizes, epochs=1, batch_size=BATCH, dropout=0.0, learning="gradient")
    model.fit(x, progress=False)
    return _by_fit(model, x, warm_start=True), lambda: model.sample(BATCH, seed=0), model.count_params()


def dgcspn_libspn(x: np.ndarray) -> Side:
    from baselines.dgcspn.libspn import DgcSpnLibspn

    sizes = {"sums": CHANNELS, "products": PRODUCTS, "leaves": LEAVES}
    model = DgcSpnLibspn(SHAPE, **sizes, epochs=1, batch_size=BATCH, dropout=0.0)
    model.fit(x[:BATCH], progress=False)
    return _by_fit(model, x, 1), lambda: model.sample(BATCH, seed=0), model.count_params()


def dgcspn_deeprob(x: np.ndarray) -> Side:
    from deeprob.spn.models.dgcspn import DgcSpn

    model = DgcSpn((1, 28, 28), n_batch=LEAVES, sum_channels=CHANNELS, depthwise=[False, True], uniform_loc=(-1.0, 1.0))
    return _deeprob(model, x.transpose(0, 3, 1, 2), None)


def mixture_ours(x: np.ndarray) -> Side:
    from dcgmm import DCGMM

    options: dict[str, Any] = {"input_shape": SHAPE, "iterations": WINDOW, "batch_size": BATCH, "measurements": 0}
    model = DCGMM(f"F(28,1)-G({COMPONENTS})", **options)
    model.fit(x, progress=False)
    return _by_fit(model, x, WINDOW), lambda: model.sample(BATCH, seed=0), model.count_params()


def mixture_sklearn(x: np.ndarray) -> Side:
    import warnings

    from sklearn.mixture import GaussianMixture

    warnings.simplefilter("ignore")  # one iteration does not converge
    options: dict[str, Any] = {"init_params": "random_from_data", "reg_covar": 0.05, "warm_start": True, "max_iter": 1}
    model = GaussianMixture(COMPONENTS, covariance_type="diag", random_state=0, **options)
    flat = x.reshape(len(x), -1).astype(np.float64)
    model.fit(flat)
    parameters = model.means_.size + model.covariances_.size + model.weights_.size
    return lambda k: model.fit(_batch(flat, k)), lambda: model.sample(BATCH), parameters


# --- how each library trains -----------------------------------------------------------------------------------------


def _batch(x: Any, number: int) -> Any:
    start = number * BATCH % len(x)
    return x[start : start + BATCH]


def _by_fit(model: Any, x: np.ndarray, steps: int = STEPS, **options: Any) -> Callable[[int], Any]:
    """All steps of a measurement by one `fit`, when the first is asked for."""
    images = x[: BATCH * steps]
    return lambda number: model.fit(images, progress=False, **options) if number == 0 else None


def _spflow_leaves(channels: int) -> Any:
    from spflow.meta.data.scope import Scope
    from spflow.modules.leaves.normal import Normal

    return Normal(Scope(list(range(784))), out_channels=channels, num_repetitions=REPETITIONS)


def _spflow(model: Any, x: np.ndarray) -> Side:
    flat = x.reshape(len(x), -1)
    return _adam(model, flat, lambda: model.sample(BATCH), lambda batch: -model.log_likelihood(batch).mean())


def _deeprob(model: Any, x: np.ndarray, sample: Callable[[], Any] | None) -> Side:
    return _adam(model, x, sample, lambda batch: model.loss(model(batch)))


def _adam(model: Any, x: np.ndarray, sample: Callable[[], Any] | None, loss: Callable[[Any], Any]) -> Side:
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    images, adam = torch.tensor(x), torch.optim.Adam(model.parameters(), lr=0.01)
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)

    def step(number: int) -> None:
        adam.zero_grad()
        loss(_batch(images, number)).backward()
        adam.step()

    return step, sample, parameters


SIDES = {
    "RAT-SPN, ours": rat_ours,
    "RAT-SPN, ours, gradient": rat_ours_gradient,
    "RAT-SPN, SPFlow Einet": rat_spflow_einet,
    "RAT-SPN, SPFlow RatSPN": rat_spflow,
    "RAT-SPN, deeprob-kit": rat_deeprob,
    "DGC-SPN, ours": dgcspn_ours,
    "DGC-SPN, ours, gradient": dgcspn_ours_gradient,
    "DGC-SPN, libspn-keras": dgcspn_libspn,
    "DGC-SPN, deeprob-kit": dgcspn_deeprob,
    "mixture, ours (DCGMM-A)": mixture_ours,
    "mixture, scikit-learn": mixture_sklearn,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("side", choices=SIDES)
    args = parser.parse_args()
    x = np.random.default_rng(0).random((10 * BATCH, *SHAPE), dtype=np.float32)
    step, sample, parameters = SIDES[args.side](x)
    steps = 1 if any(name in args.side for name in SLOW) else WINDOW if "DCGMM" in args.side else STEPS
    tasks: dict[str, Callable[[], Any]] = {"step": lambda: [step(number) for number in range(steps)]}
    if sample is not None:
        tasks["sample"] = sample
    serve(tasks, {"parameters": parameters, "tasks": list(tasks), "steps": steps})


if __name__ == "__main__":
    main()
