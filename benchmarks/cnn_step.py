"""CPU time of a training step of the judge's CNN, against the speed of one large matrix product on the same core.

    OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 python -m benchmarks.cnn_step

1,000 random 28×28 images, batch 100. What a training of three epochs takes more than one of a single epoch is the time
of two; so compilation is not counted.
"""

from __future__ import annotations

import time

import numpy as np

from baselines.cnn import Cnn

IMAGES, SIDE = 1_000, 2_000
# Multiplications of a forward pass: convolutions (padded: 28, 28, 14, 7), dense layers. A step is three passes.
FORWARD = 9 * 64 * 28**2 + 9 * 64**2 * (28**2 + 14**2 + 7**2) + 350 * (9 * 64 + 2 * 350 + 10)
STEP_FLOPS = 3 * 2 * FORWARD


def training_seconds(x: np.ndarray, epochs: int) -> float:
    """CPU time of building and training."""
    started = time.process_time()
    cnn = Cnn((28, 28, 1), epochs=epochs, learning_rate=0.001)
    cnn.fit(x, labels=np.zeros(len(x), int), progress=False)
    return time.process_time() - started


def product_seconds(rng: np.random.Generator) -> float:
    """CPU time of one product of two square matrices, the second of two."""
    matrix = rng.random((SIDE, SIDE), dtype=np.float32)
    matrix @ matrix
    started = time.process_time()
    matrix @ matrix
    return time.process_time() - started


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((IMAGES, 28, 28, 1), dtype=np.float32)
    training_seconds(x, 1)
    epoch = (training_seconds(x, 3) - training_seconds(x, 1)) / 2
    print(f"CNN: {epoch / IMAGES * 1000:.2f} CPU s / 1,000 images, {STEP_FLOPS * IMAGES / epoch / 1e9:.0f} GFLOP/s")
    print(f"matrix product: {2 * SIDE**3 / product_seconds(rng) / 1e9:.0f} GFLOP/s")


if __name__ == "__main__":
    main()
