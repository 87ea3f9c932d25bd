import math

import pytest
import torch

from baselines.einsum import BinomialLeaf, CategoricalLeaf, Circuit, NormalLeaf, poon_domingos, random_binary_trees
from baselines.einsum.training import GradientAscent, e_step, m_step

FAMILIES = [NormalLeaf(1e-3, 0.1), BinomialLeaf(5), CategoricalLeaf(6)]


def make(family, graph=None, **more):
    return Circuit(graph or random_binary_trees(12, 2, 3, seed=0), 4, family, seed=1, **more)


def data(family, n=60):
    """Two clusters of counts 0 … 5, or of values in [0, 1] for normal leaves."""
    generator = torch.Generator().manual_seed(7)
    rate = torch.where(torch.rand(n, 1, generator=generator) < 0.4, 0.2, 0.7) * torch.linspace(0.3, 1, 12)
    counts = torch.binomial(torch.full((n, 12), 5.0), rate, generator=generator)
    return counts / 5 if family.name == "normal" else counts


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
@pytest.mark.parametrize("graph", [random_binary_trees(12, 2, 3, seed=0), poon_domingos(3, 4, 1)], ids=["trees", "pd"])
def test_full_em_never_lowers_the_likelihood(family, graph):
    circuit = make(family, graph).double()
    x = data(family).double()
    scores = []
    for _ in range(25):
        total, statistics = e_step(circuit, x)
        scores.append(float(total))
        m_step(circuit, statistics, 1.0)
    gains = torch.tensor(scores).diff()
    assert (gains > -1e-6 * abs(scores[-1])).all()
    assert scores[-1] > scores[0] + 10


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_one_unit_em_finds_the_moments_of_the_data(family):
    circuit = Circuit(random_binary_trees(12, 1, 1, seed=0), 1, family, seed=0)
    x = data(family)
    m_step(circuit, e_step(circuit, x)[1], 1.0)
    (group,) = circuit.leaf_groups
    columns = x[:, group.scopes]  # (n, G, s)
    if family.name == "normal":
        assert torch.allclose(group.moments[:, 0, 0], columns.mean(0), atol=1e-6)
        expected = columns.var(0, unbiased=False).clamp(1e-3, 0.1)
        assert torch.allclose(group.moments[:, 0, 1], expected, atol=1e-6)
    elif family.name == "binomial":
        assert torch.allclose(group.moments[:, 0, 0], columns.mean(0) / 5, atol=1e-6)
    else:
        frequencies = torch.nn.functional.one_hot(columns.long(), 6).double().mean(0).float()
        assert torch.allclose(group.moments[..., 0], frequencies, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_a_small_step_is_a_part_of_the_way(family):
    x = data(family)

    def stepped(step):
        circuit = make(family)
        m_step(circuit, e_step(circuit, x)[1], step)
        return circuit

    start, part, full = make(family), stepped(0.25), stepped(1.0)
    for a, b, c in zip(start.sum_levels, part.sum_levels, full.sum_levels, strict=True):
        assert torch.allclose(b.weight, 0.75 * a.weight + 0.25 * c.weight, atol=1e-6)
    a, b, c = (circuit.leaf_groups[0].moments for circuit in (start, part, full))
    means = (slice(None), slice(None), slice(0, 1)) if family.name == "normal" else ()
    assert torch.allclose(b[means], 0.75 * a[means] + 0.25 * c[means], atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_splitting_a_batch_changes_nothing(family):
    circuits = [make(family), make(family)]
    for circuit, micro in zip(circuits, (0, 7), strict=True):
        m_step(circuit, e_step(circuit, data(family), micro=micro)[1], 0.5)
    for a, b in zip(circuits[0].state_dict().values(), circuits[1].state_dict().values(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
@pytest.mark.parametrize("graph", [random_binary_trees(12, 2, 3, seed=0), poon_domingos(3, 4, 1)], ids=["trees", "pd"])
def test_gradient_ascent_climbs_and_stays_normalised(family, graph):
    circuit = make(family, graph)
    ascent = GradientAscent(circuit, "Adam", 0.05)
    x = data(family)
    scores = [ascent.step(x) for _ in range(40)]
    assert scores[-1] > scores[0] + 10
    for level in circuit.sum_levels:
        assert torch.allclose(level.weight.sum(2), torch.ones(()), atol=1e-5)
        if level.mixing is not None:
            assert torch.allclose(level.mixing.sum(1), torch.ones(()), atol=1e-5)


def test_gradient_steps_start_from_the_circuits_parameters():
    circuit = make(NormalLeaf(1e-3, 0.1))
    x = data(circuit.family)
    before = float(circuit.log_ratio(x).sum())
    for group in circuit.leaf_groups:  # away from the bounds, where the parameterisation is exact
        group.moments[:, :, 1] = 0.05
    before = float(circuit.log_ratio(x).sum())
    assert GradientAscent(circuit, "SGD", 1e-6).step(x) == pytest.approx(before, rel=1e-4)


def test_labels_train_their_own_root():
    circuit = make(BinomialLeaf(5), classes=2)
    x = data(circuit.family)
    labels = (x.mean(1) > 1.7).long()
    for _ in range(30):
        m_step(circuit, e_step(circuit, x, labels)[1], 1.0)
    assert float((circuit(x).argmax(1) == labels).double().mean()) > 0.9


def test_an_unknown_optimiser_is_named():
    with pytest.raises(ValueError, match="'Newton'"):
        GradientAscent(make(BinomialLeaf(5)), "Newton", 0.1)


def test_optimisers_that_cannot_work_are_refused():
    for name in ("LBFGS", "SparseAdam", "Muon"):
        if hasattr(torch.optim, name):
            with pytest.raises(ValueError, match=f"{name}.*cannot be used"):
                GradientAscent(make(BinomialLeaf(5)), name, 0.1)
    with pytest.raises(ValueError, match="colour"):
        GradientAscent(make(BinomialLeaf(5)), "Adam", 0.1, {"colour": 1})
    ascent = GradientAscent(make(BinomialLeaf(5)), "SGD", 0.1, {"momentum": 0.9})
    assert ascent.optimiser.param_groups[0]["momentum"] == 0.9


def test_gradient_ascent_finds_the_variance_that_em_finds():
    x = 0.5 + 0.02 * torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    circuits = [Circuit(random_binary_trees(4, 1, 1, 0), 1, NormalLeaf()) for _ in range(2)]
    for group in circuits[1].leaf_groups:  # as near as the pixels of an image: Adam is slow to forget a long way
        group.moments[:, :, 0] = torch.rand(group.moments[:, :, 0].shape, generator=torch.Generator().manual_seed(1))
    m_step(circuits[0], e_step(circuits[0], x)[1], 1.0)
    ascent = GradientAscent(circuits[1], "Adam", 0.01)
    for _ in range(300):
        ascent.step(x)
    (em,), (gradient,) = (circuit.leaf_groups for circuit in circuits)
    ratio = gradient.moments[:, :, 1] / em.moments[:, :, 1]
    assert ((ratio > 0.5) & (ratio < 2)).all(), ratio


@pytest.mark.parametrize("graph", [random_binary_trees(12, 2, 3, seed=0), poon_domingos(3, 4, 1)], ids=["trees", "pd"])
def test_weights_that_vanish_do_no_harm(graph):
    circuit = make(BinomialLeaf(5), graph)
    ascent = GradientAscent(circuit, "Adam", 300.0)
    x = data(circuit.family)
    assert all(math.isfinite(ascent.step(x)) for _ in range(20))
    assert all(torch.isfinite(t).all() for t in circuit.state_dict().values())
