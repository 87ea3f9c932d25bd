import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from baselines.einsum import BinomialLeaf, CategoricalLeaf, Circuit, NormalLeaf, poon_domingos, random_binary_trees
from baselines.einsum.inference import approximate_mpe, conditional_sample, sample
from baselines.einsum.training import e_step, m_step
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


@pytest.mark.parametrize("family", [BinomialLeaf(2), CategoricalLeaf(3)], ids=lambda f: f.name)
@pytest.mark.parametrize(
    "graph",
    [random_binary_trees(4, 2, 2, seed=3), poon_domingos(1, 4, 1), poon_domingos(2, 2, 1)],
    ids=["trees", "line", "square"],
)
def test_explanations_are_the_best_induced_tree(family, graph):
    circuit = Circuit(graph, 2, family, seed=5).double()
    generator = torch.Generator().manual_seed(2)
    x = torch.randint(3, (6, 4), generator=generator).double()
    known = torch.rand(6, 4, generator=generator) < torch.tensor([0.0, 0.3, 0.5, 0.5, 0.7, 1.0])[:, None]
    values, bound = approximate_mpe(circuit, x, known)
    found = circuit(values)[:, 0]
    for i in range(len(x)):
        best = max(oracle.induced_trees(circuit, x[i].numpy(), known[i].numpy(), 3))
        assert float(bound[i]) == pytest.approx(best, abs=1e-6)
        # the values are those of that tree
        again = max(oracle.induced_trees(circuit, values[i].numpy(), np.ones(4, bool), 3))
        assert again == pytest.approx(best, abs=1e-6)
        assert float(found[i]) >= best - 1e-9


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
    m_step(circuit, e_step(circuit, torch.zeros(10, 2))[1], 1.0)
    drawn = sample(circuit, 200_000, torch.Generator().manual_seed(0))
    others = 1 - float(circuit(torch.zeros(1, 2)).double().exp())
    observed = float((drawn.sum(1) > 0).double().mean())
    assert observed == pytest.approx(others, abs=4 * (others / 200_000) ** 0.5)
    assert others > 1e-4


@pytest.mark.parametrize("make", CIRCUITS.values(), ids=CIRCUITS)
def test_two_masks_in_one_batch_have_their_own_frequencies(make):
    circuit = make()
    n, size = circuit.graph.num_variables, 20_000
    states = oracle.all_states(n, 2)
    masks = torch.stack([torch.arange(n) % 2 == 0, torch.arange(n) < n // 2])
    images = torch.stack([states[11 % len(states)], states[22 % len(states)]])
    which = torch.arange(2 * size) % 2
    drawn = conditional_sample(circuit, images[which], masks[which], torch.Generator().manual_seed(3))
    for half in range(2):
        x, known = images[half], masks[half]
        p = circuit(states)[:, 0].double().exp() * ((states == x) | ~known).all(1)
        assert p_value(drawn[which == half], states, p / p.sum()) > 1e-3


EXTREMES = {
    "normal": (NormalLeaf(1e-6, 2e-6), [0.0, 1.0, -5.0, 1e4]),
    "binomial": (BinomialLeaf(255), [0.0, 255.0]),
    "categorical": (CategoricalLeaf(256), [0.0, 255.0]),
}


@pytest.mark.parametrize(("family", "levels"), EXTREMES.values(), ids=EXTREMES)
@pytest.mark.parametrize("graph", [random_binary_trees(784, 4, 3, seed=0), poon_domingos(28, 28, 7)], ids=["rat", "pd"])
def test_extreme_images_are_completed(family, levels, graph):
    circuit = Circuit(graph, 4, family, seed=0)
    if family.name != "normal":  # certain of values that the images do not have
        for group in circuit.leaf_groups:
            group.moments.zero_()
            if family.name == "categorical":
                group.moments[:, :, 77] = 1
                group.moments.clamp_min_(family.floor)
    x = torch.tensor(levels)[:, None].expand(-1, 784)
    known = (torch.arange(784) % 2 == 0).expand_as(x)
    assert torch.isfinite(circuit(x, known)).all()
    values, bound = approximate_mpe(circuit, x, known)
    assert torch.isfinite(bound).all()
    completions = [values] + [
        conditional_sample(circuit, x, known, torch.Generator().manual_seed(0), leaves=how) for how in ("draw", "mean")
    ]
    for filled in completions:
        assert torch.equal(filled[known], x[known])
        assert torch.isfinite(filled).all()
    if family.name == "categorical":
        assert all((filled[~known] == 77).all() for filled in completions[:2])


def test_several_roots_are_drawn_equally_often():
    circuit = Circuit(poon_domingos(1, 2, 1), 2, CategoricalLeaf(2), classes=3, seed=1)
    states = oracle.all_states(2, 2)
    p = circuit(states).double().exp()
    drawn = sample(circuit, 20_000, torch.Generator().manual_seed(0))
    assert p_value(drawn, states, p.mean(1)) > 1e-3
    second = sample(circuit, 20_000, torch.Generator().manual_seed(0), classes=torch.ones(20_000, dtype=torch.long))
    assert p_value(second, states, p[:, 1]) > 1e-3
    with pytest.raises(ValueError, match="classes has shape"):
        sample(circuit, 3, torch.Generator(), classes=torch.zeros(2, dtype=torch.long))


def test_chunks_change_no_explanation():
    graph = random_binary_trees(30, 3, 2, seed=0)
    whole, pieces = (Circuit(graph, 5, NormalLeaf(), seed=0, chunk_elements=n) for n in (2**20, 1))
    generator = torch.Generator().manual_seed(0)
    x, known = torch.rand(9, 30, generator=generator), torch.rand(9, 30, generator=generator) < 0.5
    for a, b in zip(approximate_mpe(whole, x, known), approximate_mpe(pieces, x, known), strict=True):
        assert torch.equal(a, b)
