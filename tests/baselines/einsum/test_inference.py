import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from baselines.einsum import BinomialLeaf, CategoricalLeaf, Circuit, NormalLeaf, poon_domingos, random_binary_trees
from baselines.einsum.inference import approximate_mpe, conditional_sample, sample
from baselines.einsum.training import accumulate, em_update
from tests.baselines.einsum import oracle

CIRCUITS = {
    "trees": lambda: Circuit(random_binary_trees(5, 2, 3, seed=1), 3, CategoricalLeaf(2), seed=3),
    "ragged trees": lambda: Circuit(random_binary_trees(5, 9, 2, seed=1), 2, BinomialLeaf(1), seed=3),
    "poon-domingos": lambda: Circuit(poon_domingos(2, 3, 1), 3, BinomialLeaf(1), seed=4),
}


def codes(x):
    return (x.long() * 2 ** torch.arange(x.shape[1])).sum(1)


def p_value(samples, states, p):
    """Of a chi-squared test of samples (n, V) against probabilities of all states."""
    index = torch.empty(len(states), dtype=torch.long)
    index[codes(states)] = torch.arange(len(states))
    observed = torch.bincount(index[codes(samples)], minlength=len(states)).double()
    keep = p * len(samples) > 1e-9
    assert observed[~keep].sum() == 0
    expected = p[keep] / p[keep].sum() * len(samples)
    return stats.chisquare(observed[keep].numpy(), expected.numpy()).pvalue


@pytest.mark.parametrize("make", CIRCUITS.values(), ids=CIRCUITS)
def test_samples_have_the_circuits_frequencies(make):
    circuit = make()
    states = oracle.all_states(circuit.graph.num_variables, 2)
    drawn = sample(circuit, 20_000, torch.Generator().manual_seed(0))
    assert p_value(drawn, states, circuit(states)[:, 0].double().exp()) > 1e-3


@pytest.mark.parametrize("make", CIRCUITS.values(), ids=CIRCUITS)
def test_conditional_samples_have_the_conditional_frequencies(make):
    circuit = make()
    states = oracle.all_states(circuit.graph.num_variables, 2)
    known = torch.arange(circuit.graph.num_variables) % 2 == 0
    x = states[37 % len(states)]
    agrees = ((states == x) | ~known).all(1)
    p = circuit(states)[:, 0].double().exp() * agrees
    n = 20_000
    drawn = conditional_sample(circuit, x.expand(n, -1), known.expand(n, -1), torch.Generator().manual_seed(1))
    assert (drawn[:, known] == x[known]).all()
    assert p_value(drawn, states, p / p.sum()) > 1e-3


def test_conditional_samples_respect_each_images_mask():
    circuit = Circuit(random_binary_trees(30, 3, 2, seed=0), 3, NormalLeaf(), seed=0)
    generator = torch.Generator().manual_seed(0)
    x, known = torch.rand(9, 30, generator=generator), torch.rand(9, 30, generator=generator) < 0.5
    drawn = conditional_sample(circuit, x, known, generator)
    assert (drawn[known] == x[known]).all()
    assert (drawn[~known] != x[~known]).all()


@given(oracle.circuits(6, 2), st.integers(0, 63), st.data())
@settings(max_examples=20, deadline=None)
def test_explanations_are_close_to_the_best_state(circuit, state, data):
    n = circuit.graph.num_variables
    states = oracle.all_states(n, 2).double()
    known = torch.tensor(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    x = states[state % len(states)]
    values, bound = approximate_mpe(circuit, x[None], known[None])
    assert (values[0][known] == x[known]).all()
    found = circuit(values)[0, 0]
    best = circuit(states)[((states == x) | ~known).all(1), 0].max()
    assert float(bound) <= float(found) + 1e-9  # one induced tree is a part of the whole
    assert float(found) <= float(best) + 1e-9


def test_explanations_are_exact_without_real_sums():
    circuit = Circuit(random_binary_trees(6, 2, 1, seed=0), 1, CategoricalLeaf(3), seed=2)
    states = oracle.all_states(6, 3)
    values, bound = approximate_mpe(circuit, torch.zeros(1, 6), torch.zeros(1, 6, dtype=torch.bool))
    assert torch.equal(values[0], states[circuit(states)[:, 0].argmax()])
    assert float(bound) == pytest.approx(float(circuit(values)), abs=1e-5)


def test_samples_depend_on_the_seed_alone():
    circuit = CIRCUITS["poon-domingos"]()
    a, b, c = (sample(circuit, 50, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_means_have_no_pixel_noise():
    circuit = Circuit(random_binary_trees(8, 1, 1, seed=0), 1, NormalLeaf(), seed=0)
    drawn = sample(circuit, 5, torch.Generator().manual_seed(0), leaves="mean")
    assert (drawn == drawn[0]).all()


def test_binomials_at_the_ends_are_drawn_as_they_are_scored():
    circuit = Circuit(poon_domingos(1, 2, 1), 1, BinomialLeaf(255))
    circuit.leaf_groups[0].moments.zero_()
    weights = circuit.weights(requires_grad=True)
    accumulate(circuit, weights, torch.zeros(10, 2))
    em_update(circuit, weights, 1.0)
    drawn = sample(circuit, 200_000, torch.Generator().manual_seed(0))
    others = 1 - float(circuit(torch.zeros(1, 2)).double().exp())
    observed = float((drawn.sum(1) > 0).double().mean())
    assert observed == pytest.approx(others, abs=4 * (others / 200_000) ** 0.5)
    assert others > 1e-4
