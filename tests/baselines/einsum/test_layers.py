"""The sum layers against their definition, and their way down against automatic differentiation of it."""

import pytest
import torch

from baselines.einsum import BinomialLeaf, CategoricalLeaf, Circuit, NormalLeaf, poon_domingos, random_binary_trees
from baselines.einsum.layers import einsum_down, einsum_up, from_logs, mix_down, mix_up, rescale, smallest
from baselines.einsum.passes import differentiable_log_ratio, downward, upward

B = 4


def generator():
    return torch.Generator().manual_seed(0)


def rand(*shape):
    return 0.1 + torch.rand(*shape, generator=generator(), dtype=torch.float64)


INDICES = {
    "all rows": (slice(0, 6), 3),
    "some rows": (slice(1, 5), 2),
    "shared": (torch.tensor([0, 1, 1, 5, 2, 3, 4, 5]), 4),
    "both children the same": (torch.tensor([3, 0, 0, 1, 1, 2, 3, 1]), 4),
}


@pytest.mark.parametrize("outputs", [1, 2, 3, 5])  # fewer than the three units, and more
@pytest.mark.parametrize("block", [1, 10**6])
@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_the_einsum_layer(index, block, outputs):
    children, partitions = index
    x, weight = rand(6, 3, B).requires_grad_(), rand(partitions, outputs, 9).requires_grad_()
    left, right = x[children].chunk(2)
    defined = torch.einsum("poij,pib,pjb->pob", weight.view(partitions, outputs, 3, 3), left, right)
    grad = rand(*defined.shape)
    of_x, of_weight = torch.autograd.grad(defined, (x, weight), grad)
    x, weight = x.detach(), weight.detach()
    total, inner = einsum_up(x, weight, children, block)
    assert torch.allclose(total, defined)
    ours, flow = einsum_down(grad, x, weight, children, inner, block)
    assert torch.allclose(ours, of_weight)
    assert torch.allclose(flow, x * of_x)  # the flow is the derivative by the logarithm


@pytest.mark.parametrize("padded", [False, True])
def test_the_mixing_layer(padded):
    rows = torch.tensor([[0, 1, 2], [3, 4, 3]]) if padded else None
    present = torch.tensor([[True] * 3, [True, True, False]]) if padded else None
    partitions = 5 if padded else 6
    total, scale = rand(partitions, 2, B).requires_grad_(), 300 * rand(partitions, 1, B) - 900
    weight = rand(2, 3, 2)
    if padded:
        weight[1, 2] = 0
    weight.requires_grad_()
    filled = total if rows is None else total[rows.view(-1)]
    scales = scale if rows is None else scale[rows.view(-1)]
    log = scales.view(2, 3, 1, B) + filled.view(2, 3, 2, B).log() + weight.clamp_min(1e-300).log().unsqueeze(3)
    if padded:
        log = log.masked_fill(~present[:, :, None, None], -torch.inf)
    defined = log.logsumexp(1)
    flow = rand(2, 2, B)
    of_total, of_weight = torch.autograd.grad(defined, (total, weight), flow)
    mixed = mix_up(total.detach(), scale, weight.detach(), rows, present)
    assert torch.allclose(mixed.total.log() + mixed.scale, defined)
    slots = None if present is None else present.view(-1).nonzero().squeeze(1)
    ours, grad = mix_down(flow, mixed, weight.detach(), slots)
    assert torch.allclose(grad, of_total)
    there = torch.ones(2, 3, 1, dtype=torch.bool) if present is None else present.unsqueeze(2)
    assert torch.allclose(ours.masked_fill(~there, 0), of_weight.masked_fill(~there, 0))


def test_densities_are_kept_to_the_last_digit_however_small():
    logs = torch.tensor([[-1e6, -1e6 - 1, -1e9], [3.0, 2.0, 1.0]], dtype=torch.float64).unsqueeze(2)
    scaled = from_logs(logs, torch.float32)
    assert scaled.scale.view(-1).tolist() == [-1e6, 3.0]
    assert torch.allclose(scaled.values[0, :, 0], torch.tensor([1.0, 1 / torch.e, 0.0]))
    again = rescale(scaled.values * 1e-12, scaled.scale)
    assert torch.allclose(again.values, scaled.values)
    assert torch.allclose(again.scale, scaled.scale + torch.tensor(1e-12).double().log())


def test_no_product_is_denormal():
    logs = -torch.arange(0, 200, 0.5, dtype=torch.float64).view(1, -1, 1)
    values = from_logs(logs, torch.float32).values
    small = values[values > 0].min()
    assert small >= smallest(torch.float32) * 0.99
    assert small * small >= torch.finfo(torch.float32).tiny * 0.9


@pytest.mark.parametrize("family", [NormalLeaf(1e-3, 0.1), BinomialLeaf(5), CategoricalLeaf(6)], ids=lambda f: f.name)
@pytest.mark.parametrize("graph", [random_binary_trees(7, 2, 3, seed=0), poon_domingos(2, 3, 1)], ids=["trees", "pd"])
def test_derivatives_of_the_circuit(family, graph):
    circuit = Circuit(graph, 2, family, seed=1, classes=2).double()
    x = (5 * torch.rand(3, graph.num_variables, generator=generator(), dtype=torch.float64)).round()
    x = x / 5 if family.name == "normal" else x
    weights = circuit.weights()
    for t in weights.tensors():
        t.requires_grad_()
    assert torch.autograd.gradcheck(lambda *_: differentiable_log_ratio(circuit, weights, x), weights.tensors())


def test_flows_of_a_level_are_posteriors():
    circuit = Circuit(random_binary_trees(16, 3, 2, seed=0), 3, BinomialLeaf(1), seed=1)
    x = torch.randint(2, (B, 16), generator=generator()).float()
    weights = circuit.weights()
    found = downward(circuit, weights, upward(circuit, weights, x), torch.ones(1, 1, B))
    for group in found.leaves:
        assert torch.allclose(group.weight.sum(), torch.tensor(8.0 * B))  # one unit of each leaf of each image's tree
    for level, grad in zip(circuit.sum_levels, found.sums, strict=True):
        assert torch.allclose((level.weight * grad).sum(), torch.tensor(float(B * len(level.weight) / 2)), rtol=1e-5)
