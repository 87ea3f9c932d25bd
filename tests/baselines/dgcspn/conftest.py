import numpy as np
import pytest


@pytest.fixture(scope="module")
def images():
    """Two kinds of 4×4 images, bright left or bright top, with noise: (200, 4, 4, 1)."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0.0, 0.2, (200, 4, 4, 1))
    x[:100, :, :2] += 0.8
    x[100:, :2] += 0.8
    return rng.permutation(x.astype(np.float32))
