import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.einsum import (
    BinomialLeaf,
    CategoricalLeaf,
    Circuit,
    NormalLeaf,
    poon_domingos,
    random_binary_trees,
)
from tests.baselines.einsum import oracle


@given(oracle.circuits(8, 2))
@settings(max_examples=25, deadline=None)
def test_probabilities_of_all_states_sum_to_one(circuit):
    states = oracle.all_states(circuit.graph.num_variables, 2).double()
    assert float(circuit(states).exp().sum()) == pytest.approx(1, abs=1e-9)


def test_sixteen_binary_variables_sum_to_one_in_float32():
    circuit = Circuit(random_binary_trees(16, 4, 3, seed=5), 5, BinomialLeaf(1), seed=1)
    total = sum(float(circuit(part).double().exp().sum()) for part in oracle.all_states(16, 2).split(8192))
    assert total == pytest.approx(1, abs=1e-5)


@given(oracle.circuits(5, 3), st.data())
@settings(max_examples=25, deadline=None)
def test_log_density_equals_the_definition(circuit, data):
    n = circuit.graph.num_variables
    x = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)), float)
    known = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    ours = circuit(torch.tensor(x)[None], torch.tensor(known)[None])
    assert float(ours) == pytest.approx(oracle.log_density(circuit, x, known), abs=1e-8)


@given(oracle.circuits(6, 2), st.data())
@settings(max_examples=20, deadline=None)
def test_marginals_equal_sums_over_states(circuit, data):
    n = circuit.graph.num_variables
    states = oracle.all_states(n, 2).double()
    p = circuit(states)[:, 0].exp()
    known = torch.tensor(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    x = states[data.draw(st.integers(0, len(states) - 1))]
    agrees = ((states == x) | ~known).all(1)
    assert float(circuit(x[None], known[None]).exp()) == pytest.approx(float(p[agrees].sum()), abs=1e-9)


def test_each_image_of_a_batch_has_its_own_mask():
    circuit = Circuit(poon_domingos(2, 3, 1), 3, NormalLeaf()).double()
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(5, 6, generator=generator, dtype=torch.float64)
    known = torch.rand(5, 6, generator=generator) < 0.5
    x = torch.where(known, x, torch.nan)  # what is unknown may be anything
    for ours, image, mask in zip(circuit(x, known), x.numpy(), known.numpy(), strict=True):
        assert float(ours) == pytest.approx(oracle.log_density(circuit, image, mask), abs=1e-8)


def test_normal_leaves_are_a_density():
    circuit = Circuit(random_binary_trees(2, 1, 2, seed=0), 3, NormalLeaf(1e-2, 0.1), seed=4).double()
    axis = torch.linspace(-5, 6, 601, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    assert float(circuit(grid).exp().sum() * (axis[1] - axis[0]) ** 2) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("family", [NormalLeaf(), BinomialLeaf(255), CategoricalLeaf(256)])
def test_single_precision_agrees_with_double(family):
    circuit = Circuit(random_binary_trees(784, 4, 3, seed=0), 4, family, seed=0)
    x = torch.rand(6, 784, generator=torch.Generator().manual_seed(1))
    x = x if family.name == "normal" else (x * 255).round()
    single = circuit(x).double()
    double = circuit.double()(x.double())
    assert torch.allclose(single, double, rtol=2e-5)


def test_extreme_images_have_finite_scores():
    circuit = Circuit(random_binary_trees(784, 4, 3, seed=0), 4, NormalLeaf(1e-6, 2e-6), seed=0)
    scores = circuit(torch.stack([torch.zeros(784), torch.ones(784), torch.full((784,), 1e4)]))
    assert torch.isfinite(scores).all()
    circuit = Circuit(random_binary_trees(784, 4, 3, seed=0), 4, BinomialLeaf(255), seed=0)
    circuit.leaf_groups[0].moments.zero_()
    assert torch.isfinite(circuit(torch.full((1, 784), 255.0))).all()


def test_blocks_do_not_change_the_result():
    graph = random_binary_trees(30, 3, 4, seed=2)
    x = oracle.all_states(5, 2).repeat(1, 6)
    whole, pieces = (Circuit(graph, 5, BinomialLeaf(1), seed=3, block_elements=n) for n in (2**20, 1))
    assert torch.allclose(whole(x), pieces(x), atol=1e-6)


def test_root_classes_are_separate_densities():
    circuit = Circuit(poon_domingos(2, 3, 1), 3, CategoricalLeaf(2), classes=4, seed=2)
    p = circuit(oracle.all_states(6, 2)).exp()
    assert p.shape == (64, 4)
    assert torch.allclose(p.sum(0), torch.ones(4).double(), atol=1e-5)
    assert not torch.allclose(p[:, 0], p[:, 1])


def test_categorical_values_out_of_range_are_refused():
    circuit = Circuit(poon_domingos(1, 2, 1), 2, CategoricalLeaf(3))
    with pytest.raises(ValueError, match="expects 0 to 2"):
        circuit(torch.tensor([[0.0, 3.0]]))


@pytest.mark.parametrize("family", [NormalLeaf(), BinomialLeaf(2), CategoricalLeaf(3)], ids=lambda f: f.name)
@pytest.mark.parametrize("variables", [5, 9])
def test_images_of_another_size_are_refused(family, variables):
    circuit = Circuit(poon_domingos(2, 3, 1), 2, family)
    with pytest.raises(ValueError, match=r"expected \(batch, 6\)"):
        circuit(torch.zeros(2, variables))
    with pytest.raises(ValueError, match="known has shape"):
        circuit(torch.zeros(2, 6), torch.ones(1, 6, dtype=torch.bool))
