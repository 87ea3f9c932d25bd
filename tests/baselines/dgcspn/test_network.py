"""The kernels of a DGC-SPN against its definition, written down naively, and against PyTorch's operators in float64."""

import copy
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.dgcspn import downward, upward
from baselines.dgcspn.architecture import Architecture
from baselines.dgcspn.initial import initial_weights, normalized
from baselines.dgcspn.network import Network
from baselines.dgcspn.operators import OperatorNetwork


def made(shape=(4, 4, 1), sums=3, products=3, leaves=2, *, alpha=0.5, seed=0, threads=1):
    architecture = Architecture(shape, sums, products, leaves)
    return Network(architecture, initial_weights(architecture, alpha, np.random.default_rng(seed)), threads=threads)


def copied(network, threads=1):
    return Network(network.architecture, [w.copy() for w in network.weights], threads=threads)


def in_float64(network):
    return OperatorNetwork(network.architecture, network.weights, device="cpu", dtype=torch.float64)


def log_leaves_of(network, images, spread=1.5, seed=0):
    height, width, leaves, _ = network.architecture.leaf_shape
    drawn = np.random.default_rng(seed).standard_normal((height, width, leaves, images))
    return (spread * drawn).astype(np.float32)


def naive_log_density(network, log_leaves):
    """The definition, node by node, for one image (H, W, leaves): no arrays of layers, no scales."""
    height, width, leaves = log_leaves.shape
    below = {(r, c): np.exp(log_leaves[r, c].astype(np.float64)) for r in range(height) for c in range(width)}
    count = network.architecture.products
    for k in range(count):
        step = 2**k
        rows = 1 + max(r for r, _ in below)
        columns = 1 + max(c for _, c in below)
        pads = (step, step) if k < count - 1 else (2 * step - rows, 2 * step - columns)
        size = (rows + step, columns + step) if k < count - 1 else (step, step)
        above, total = {}, 0.0
        for r, c in itertools.product(range(size[0]), range(size[1])):
            patch = [(r - pads[0] + a, c - pads[1] + b) for a in (0, step) for b in (0, step)]
            channels = leaves if k == 0 else network.architecture.sums
            factors = [below.get(place, np.ones(channels)) for place in patch]
            if k == 0:
                index = itertools.product(range(leaves), repeat=4)  # the last digit runs fastest
                product = np.array(
                    [np.prod([f[d] for f, d in zip(factors, digits[::-1], strict=True)]) for digits in index]
                )
            else:
                product = np.prod(factors, axis=0)
            weights = network.weights[k][r, c].astype(np.float64)
            if k == count - 1:
                total += float(weights[:, 0] @ product)
            else:
                above[r, c] = weights.T @ product
        below = above
    return np.log(total)


def test_parameters_of_table_iii_by_arithmetic():
    # 28 → 29 → 31 → 35 → 43 → 59 → 91 rows, 256 products at first, then 16; the root sees 64·64·16; 4 means and scales.
    sums = 29**2 * 256 * 16 + sum(side**2 for side in (31, 35, 43, 59, 91)) * 16 * 16
    assert sums + 64 * 64 * 16 + 28 * 28 * 4 * 2 == 7_560_576
    assert Architecture((28, 28, 1), 16, 7, 4).count_params() == 7_560_576


def test_impossible_architectures_are_refused():
    with pytest.raises(ValueError, match="no room for more than 17 rows and columns; take more products"):
        Architecture((28, 28, 1), 16, 5, 4)
    assert Architecture((33, 2, 1), 2, 6, 1).layers[-1].size == (32, 32)


@pytest.mark.parametrize(
    "shape, sums, products, leaves", [((4, 4, 1), 3, 3, 2), ((2, 3, 1), 2, 2, 3), ((5, 1, 1), 1, 3, 1)]
)
def test_log_density_is_that_of_the_definition(shape, sums, products, leaves):
    network = made(shape, sums, products, leaves)
    log_leaves = log_leaves_of(network, 5)
    expected = [naive_log_density(network, log_leaves[..., n]) for n in range(5)]
    np.testing.assert_allclose(network.log_density(log_leaves), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(in_float64(network).log_density(log_leaves), expected, rtol=1e-7)


def test_density_is_the_mixture_of_all_combinations_of_components():
    """Every pixel belongs to each term of the polynomial exactly once: products are of disjoint pixels, sums of equal
    ones. So marginals are exact."""
    network = made((3, 3, 1), 2, 3, 2)
    combinations = np.array(list(itertools.product(range(2), repeat=9)))  # (512, 9)
    forced = np.full((512, 9, 2), -np.inf, np.float32)
    np.put_along_axis(forced, combinations[..., None], 0.0, axis=2)
    probability = np.exp(network.log_density(np.ascontiguousarray(forced.transpose(1, 2, 0)).reshape(3, 3, 2, 512)))
    assert probability.sum() == pytest.approx(1.0, abs=1e-5)
    log_leaves = log_leaves_of(network, 1)
    each = log_leaves.reshape(9, 2)[np.arange(9), combinations].sum(axis=1)
    assert network.log_density(log_leaves)[0] == pytest.approx(np.log((probability * np.exp(each)).sum()), abs=1e-5)
    log_leaves[1, 2] = 0.0  # marginalised: its probability is summed over both components
    each = log_leaves.reshape(9, 2)[np.arange(9), combinations].sum(axis=1)
    assert network.log_density(log_leaves)[0] == pytest.approx(np.log((probability * np.exp(each)).sum()), abs=1e-5)


architectures = st.tuples(
    st.integers(1, 5), st.integers(1, 5), st.integers(1, 9), st.integers(3, 4), st.integers(1, 3), st.integers(1, 40)
)


@settings(max_examples=25, deadline=None)
@given(architectures, st.floats(0.1, 6.0), st.integers(0, 99), st.sampled_from([0.05, 0.5, 5.0]))
def test_float32_kernels_agree_with_operators_in_float64(sizes, spread, seed, alpha):
    height, width, sums, products, leaves, images = sizes
    network = made((height, width, 1), sums, products, leaves, alpha=alpha, seed=seed)
    log_leaves = log_leaves_of(network, images, spread, seed)
    exact = in_float64(network)
    np.testing.assert_allclose(network.log_density(log_leaves), exact.log_density(log_leaves), rtol=1e-4, atol=1e-4)
    network.step(log_leaves, rule="em", rate=0.1, steps=1)
    exact.step(log_leaves, rule="em", rate=0.1, steps=1)
    for ours, theirs in zip(network.weights, exact.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_sizes_of_the_paper_in_float32_and_float64():
    network = made((28, 28, 1), 16, 7, 4, alpha=0.1)
    log_leaves = log_leaves_of(network, 8)
    exact = in_float64(network)
    np.testing.assert_allclose(network.log_density(log_leaves), exact.log_density(log_leaves), rtol=1e-6)
    network.step(log_leaves, rule="em", rate=0.05, steps=1)
    exact.step(log_leaves, rule="em", rate=0.05, steps=1)
    for ours, theirs in zip(network.weights, exact.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_em_raises_the_likelihood_of_its_batch():
    network = made(sums=4)
    log_leaves = log_leaves_of(network, 30)
    found = [network.step(log_leaves, rule="em", rate=1.0, steps=1).mean() for _ in range(12)]
    assert (np.diff(found) > -1e-5).all()
    assert found[-1] > found[0] + 1.0


def test_gradient_step_is_that_of_torch_optim_adam_on_logits():
    network = made(sums=4)
    log_leaves = log_leaves_of(network, 30)
    exact = in_float64(network)
    logits = [torch.tensor(np.log(w), dtype=torch.float64, requires_grad=True) for w in network.weights]
    adam = torch.optim.Adam(logits, lr=0.05)
    for step in range(1, 6):
        network.step(log_leaves, rule="gradient", rate=0.05, steps=step)
        root = logits[-1].flatten().softmax(0).reshape(logits[-1].shape)
        exact._weights = [*(theta.softmax(2) for theta in logits[:-1]), root]
        adam.zero_grad()
        (-exact._up(torch.tensor(log_leaves, dtype=torch.float64))[-1].mean()).backward()
        adam.step()
    for ours, theta in zip(network.weights[:-1], logits[:-1], strict=True):
        np.testing.assert_allclose(ours, theta.softmax(2).detach().numpy(), atol=2e-4)


def test_gradient_steps_of_kernels_and_operators_agree():
    network = made(sums=4)
    log_leaves, operators = log_leaves_of(network, 30), in_float64(network)
    for step in range(1, 6):
        network.step(log_leaves, rule="gradient", rate=0.05, steps=step)
        operators.step(log_leaves, rule="gradient", rate=0.05, steps=step)
    for ours, theirs in zip(network.weights + network.moments, operators.weights + operators.moments, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-4)


@pytest.mark.parametrize("rule", ["em", "gradient"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_threads_change_no_bit(rule, dropout):
    one = made((7, 5, 1), 4, 4, 2)
    three = copied(one, threads=3)
    log_leaves = log_leaves_of(one, 21)
    for step in (1, 2):
        options = {"rule": rule, "rate": 0.1, "steps": step, "dropout": dropout, "key": (1, step)}
        np.testing.assert_array_equal(one.step(log_leaves, **options), three.step(log_leaves, **options))
    for ours, theirs in zip(one.weights, three.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_copy_has_threads_of_its_own():
    network = made(threads=2)
    log_leaves = log_leaves_of(network, 20)
    network.step(log_leaves, rule="em", rate=0.1, steps=1)
    twin = copy.deepcopy(network)
    before = twin.log_density(log_leaves)
    network.step(log_leaves, rule="em", rate=0.1, steps=1)
    np.testing.assert_array_equal(twin.log_density(log_leaves), before)
    assert (network.log_density(log_leaves) != before).all()


def test_batches_of_several_sizes_share_memory_and_nothing_else():
    network, fresh = made(), made()
    large, small = log_leaves_of(network, 40), log_leaves_of(network, 7, seed=1)
    network.log_density(large)
    np.testing.assert_array_equal(network.log_density(small), fresh.log_density(small))


# --- dropout ---------------------------------------------------------------------------------------------------------


def test_dropout_leaves_products_out_going_up_and_going_down_alike():
    """With one image and a rate of 1 the new weights are the normalised counts. Those of the lowest sums are, but for
    what is left out, those without dropout."""
    whole, dropped = made(sums=5, leaves=3), made(sums=5, leaves=3)
    log_leaves = log_leaves_of(whole, 1, spread=0.5)
    whole.step(log_leaves, rule="em", rate=1.0, steps=1)
    dropped.step(log_leaves, rule="em", rate=1.0, steps=1, dropout=0.25, key=(5,))
    full, kept = whole.weights[0], dropped.weights[0]
    out = (kept < 1e-11).all(axis=3)  # (rows, columns, products), the same for all sums
    assert out.mean() == pytest.approx(0.25, abs=0.03)
    expected = normalized(np.where(out[..., None], 0.0, full).astype(np.float32), root=False)
    np.testing.assert_allclose(kept, expected, atol=1e-5)


def test_dropout_keeps_a_child_of_every_sum():
    network = made(sums=2, leaves=1)
    log_leaves = log_leaves_of(network, 50)
    lowest = network.weights[0].copy()
    density = network.step(log_leaves, rule="em", rate=0.5, steps=1, dropout=0.95)
    assert np.isfinite(density).all()
    assert all(np.isfinite(weights).all() for weights in network.weights)
    np.testing.assert_array_equal(network.weights[0], lowest)  # only children stay


@pytest.mark.parametrize("rule", ["em", "gradient"])
def test_an_image_of_which_dropout_leaves_nothing_does_no_harm(rule):
    """In float32 a leaf far from the likeliest has the value 0, and all of a sum's other products may be left out."""
    network = made(sums=2)
    log_leaves = log_leaves_of(network, 50)
    log_leaves[:, :, 1] = log_leaves[:, :, 0] - 200
    density = network.step(log_leaves, rule=rule, rate=0.5, steps=1, dropout=0.5)
    assert 0 < np.isfinite(density).sum() < 50 and (density[~np.isfinite(density)] == -np.inf).all()
    before = [weights.copy() for weights in network.weights]
    assert all(np.isfinite(weights).all() for weights in before)
    assert (network.step(log_leaves, rule=rule, rate=0.5, steps=1, dropout=0.95) == -np.inf).all()
    assert all(np.isfinite(weights).all() for weights in network.weights)


def test_a_position_without_a_share_in_the_root_has_no_flow():
    """Its exponent may be the highest: the factor of its flow is then no float32."""
    shares = np.float32([0.0, 2.0**30]).reshape(1, 2, 1)
    exponents = np.int32([0, -126]).reshape(1, 2, 1)
    highest, total = np.empty(1, np.int32), np.empty(1)
    upward.root_up(shares, exponents, highest, total)
    top, counts = shares[:, :, None].copy(), np.empty((1, 2, 1), np.float32)
    downward.root_down(top, np.ones_like(counts), counts, exponents, highest, total, np.arange(1))
    np.testing.assert_allclose(counts.ravel(), [0.0, 2.0**70])
    np.testing.assert_array_equal(top.ravel(), counts.ravel())


def test_operators_divide_small_counts_before_they_multiply():
    """Counts of a sum that is hardly used are denormal numbers, by which a rate cannot be divided in float32."""
    network = made(sums=2)
    lowest, upper, _ = network.weights
    lowest[...], upper[...] = 1e-11, 5e-11
    lowest[:, :, 0, 0] = lowest[:, :, -1, 1] = upper[:, :, 0] = 1.0
    log_leaves = log_leaves_of(network, 6)
    log_leaves[:, :, 1] = log_leaves[:, :, 0] - 100  # so that the second sum is 1e-11 of the first, four of them 1e-44
    operators = OperatorNetwork(network.architecture, network.weights, device="cpu")
    operators.step(log_leaves, rule="em", rate=0.5, steps=1)
    assert all(np.isfinite(weights).all() for weights in operators.weights)


def test_noise_of_dropout_follows_its_key_alone():
    network = made(sums=4)
    log_leaves = log_leaves_of(network, 20)

    def density(key):
        return copied(network).step(log_leaves, rule="em", rate=0.1, steps=1, dropout=0.3, key=key)

    np.testing.assert_array_equal(density((1, 2)), density((1, 2)))
    assert np.abs(density((1, 2)) - density((1, 3))).max() > 1e-3
    assert (density((1, 2)) <= network.log_density(log_leaves) + 1e-4).all()


# --- weights ---------------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.floats(0.01, 10.0))
def test_weights_stay_positive_and_normalised(seed, alpha):
    network = made(sums=4, alpha=alpha, seed=seed)
    for step in range(1, 4):
        rule = "em" if seed % 2 else "gradient"
        network.step(log_leaves_of(network, 9, 3.0, seed), rule=rule, rate=1.0, steps=step, dropout=0.2, key=(step,))
    for weights in network.weights:
        sums = weights.sum(axis=(0, 1, 2) if weights is network.weights[-1] else 2)
        np.testing.assert_allclose(sums, 1.0, atol=1e-5)
        assert weights.min() > 0
    assert network.log_density(np.zeros((4, 4, 2, 1), np.float32))[0] == pytest.approx(0.0, abs=1e-4)
