import numpy as np
import pytest

SHAPE = (6, 8, 1)


@pytest.fixture
def images():
    """images(n) or images(n, shape): two kinds of ramps with noise, float32 (n, H, W, C) in [0, 1]."""

    def make(n=40, shape=SHAPE, seed=0):
        rng = np.random.default_rng(seed)
        bright = rng.random((n, 1, 1, 1)) < 0.5
        ramp = np.linspace(0, 1, shape[1])[None, None, :, None]
        return np.clip(np.where(bright, ramp, 1 - ramp) + 0.1 * rng.normal(size=(n, *shape)), 0, 1).astype(np.float32)

    return make
