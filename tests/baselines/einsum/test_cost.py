import subprocess
import sys

import pytest

from baselines.einsum import PdSpn, RatSpn
from baselines.einsum.cost import SCORE_BATCH, pd_spn_cost, rat_spn_cost


@pytest.mark.parametrize("leaf", ["binomial", "normal", "categorical"])
@pytest.mark.parametrize(
    ("model", "cost", "params"),
    [
        (RatSpn, rat_spn_cost, {"sums": 4, "depth": 3, "repetitions": 2}),
        (RatSpn, rat_spn_cost, {"sums": 3, "depth": 9, "repetitions": 1}),
        (PdSpn, pd_spn_cost, {"sums": 4, "delta": 2}),
        (PdSpn, pd_spn_cost, {"sums": 2, "delta": (4, 2), "axes": ("vertical", "horizontal")}),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_parameters_are_exact(model, cost, params, leaf, channels):
    shape = (8, 8, channels)
    assert (
        cost(shape, leaf=leaf, trials=7, **params).parameters
        == model(shape, leaf=leaf, trials=7, **params).count_params()
    )


def test_flops_of_the_einsum_layers():
    # ten trees with 14 products of K³ weights and one of K² below the root, two operations for each weight
    cost = rat_spn_cost((28, 28, 1), sums=20, depth=4, repetitions=10)
    einsum = 2 * 10 * (14 * 20**3 + 20**2)
    assert einsum < cost.forward_flops < 1.3 * einsum


def test_memory_is_linear_in_the_batch():
    one, two = (rat_spn_cost((28, 28, 1), sums=10, batch_size=n) for n in (500, 600))
    assert two.peak_bytes - one.peak_bytes == 100 * one.image_bytes


def test_small_batches_peak_while_scoring():
    one, two = (rat_spn_cost((28, 28, 1), sums=10, batch_size=n) for n in (10, 20))
    assert one.peak_bytes == two.peak_bytes > one.parameter_bytes + SCORE_BATCH * one.score_bytes
    assert one.down_bytes > one.score_bytes


def test_no_torch_is_needed():
    code = "from baselines.einsum.cost import *; rat_spn_cost((8, 8, 1)); import sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_leaves_are_named():
    with pytest.raises(ValueError, match="'gamma'"):
        rat_spn_cost((8, 8, 1), leaf="gamma")
