"""What a training step of DGC-SPN costs, and which TensorFlow options change that: `python -m benchmarks.dgcspn_step`.

One thread; CPU seconds for 1,000 images of 28×28, the first (tracing, compiling) step apart. Rows differ from the first
one, which is the published size (S = 16, seven products, batch 128), in what they are called.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from typing import Any

ROWS: dict[str, dict[str, Any]] = {
    "as published": {},
    "batch 32": {"batch": 32},
    "batch 256": {"batch": 256},
    "six products": {"products": 6},
    "no dropout": {"dropout": 0.0},
    "XLA": {"xla": True},
    "XLA, batch 32": {"xla": True, "batch": 32},
    "six products, XLA": {"products": 6, "xla": True},
}


def measure(steps: int, *, batch: int = 128, xla: bool = False, **params: Any) -> tuple[float, float]:
    """CPU seconds for 1,000 images, and of the first step."""
    import numpy as np

    from baselines.dgcspn.libspn import DgcSpnLibspn as DgcSpn

    model = DgcSpn((28, 28, 1), batch_size=batch, **params)
    network, tf = model._network, model._network._tf
    x = np.random.default_rng(0).random((batch, 28, 28, 1), np.float32)
    leaves = tf.constant(np.moveaxis(model._leaves.log_values(x), -1, 0))
    step = tf.function(network._em_step, jit_compile=xla)
    start = time.process_time()
    step(leaves, model.learning_rate).numpy()
    first = time.process_time() - start
    count = max(1, steps * 128 // batch)
    start = time.process_time()
    for _ in range(count):
        step(leaves, model.learning_rate).numpy()
    return (time.process_time() - start) / count / batch * 1000, first


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help=f"which rows (default: all): {', '.join(ROWS)}")
    parser.add_argument("--steps", type=int, default=3, help="steps of 128 images measured (default: 3)")
    args = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")
    print("| step | CPU s / 1,000 images | first step, CPU s | peak memory so far, GB |\n|---|---|---|---|")
    for row in args.rows or ROWS:
        each, first = measure(args.steps, **ROWS[row])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"| {row} | {each:.1f} | {first:.0f} | {peak:.2f} |", flush=True)


if __name__ == "__main__":
    main()
