"""The way down: sampling, conditional sampling and the (approximately) most probable explanation, without a walk.

All images of a batch go down together, one level at a time. At a level, the table `unit` (B, regions) says which sum
of which region each image has arrived at (-1: none); every entry then chooses a partition and a pair of children's
units, by its weights alone (prior) or by its weights times what the children say about the image (posterior).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from baselines.einsum.circuit import Activations, Circuit, SumLevel
from baselines.einsum.layers import take


class Choice(NamedTuple):
    """How to choose: at random with this generator, or the largest (generator None)."""

    generator: torch.Generator | None

    def __call__(self, logits: Tensor) -> Tensor:
        """Index of one entry per row of unnormalised log-probabilities (n, m): (n,)."""
        if self.generator is None:
            return logits.argmax(1)
        p = (logits - logits.amax(1, keepdim=True)).exp_().cumsum_(1)
        u = torch.rand(len(p), 1, generator=self.generator, device=p.device, dtype=p.dtype)
        return (p <= u * p[:, -1:]).sum(1).clamp_max_(p.shape[1] - 1)


@torch.no_grad()
def descend(circuit: Circuit, batch: int, choice: Choice, evidence: Activations | None, classes: Tensor) -> Tensor:
    """Choose an induced tree for each of `batch` images; returns the unit of each leaf region (B, R_0), -1 if unused.

    evidence: activations of the batch (posterior choices), or None (prior). classes: root class of each image (B,).
    """
    device = circuit.device
    units = [torch.full((batch, len(order)), -1, device=device) for order in circuit.plan.order]
    units[-1][:, 0] = classes
    for number in range(len(circuit.sum_levels), 0, -1):
        level = circuit.sum_levels[number - 1]
        image, region = (units[number] >= 0).nonzero(as_tuple=True)
        if len(image) == 0:
            continue
        unit = units[number][image, region]
        inputs = products = None
        if evidence is not None:
            inputs = torch.cat([evidence.outputs[s] for s in level.sources])
            products = evidence.products[number]
        part = _choose_parts(level, choice, image, region, unit, products)
        pair = _choose_pairs(circuit, level, choice, image, part, unit, inputs)
        left, right = level.child_rows(device)
        table = torch.cat([units[s] for s in level.sources], 1)
        table[image, left[part]] = pair // circuit.units
        table[image, right[part]] = pair % circuit.units
        for source, columns in zip(
            level.sources, table.split([len(circuit.plan.order[s]) for s in level.sources], 1), strict=True
        ):
            units[source] = columns
    return units[0]


def _choose_parts(
    level: SumLevel, choice: Choice, image: Tensor, region: Tensor, unit: Tensor, products: Tensor | None
) -> Tensor:
    """Partition (row of the einsum layer) for each active entry."""
    if level.mixing is None:
        return level.parts[region, 0]
    logits = level.mixing[region, :, unit].log()
    if products is not None:
        logits = logits + products[level.parts[region], unit.unsqueeze(1), image.unsqueeze(1)]
    return level.parts[region, choice(logits)]


def _choose_pairs(
    circuit: Circuit, level: SumLevel, choice: Choice, image: Tensor, part: Tensor, unit: Tensor, inputs: Tensor | None
) -> Tensor:
    """Pair of children's units, i·K + j, for each active entry."""
    k = circuit.units
    left, right = level.child_rows(part.device)
    chosen = []
    for s in torch.arange(len(image), device=part.device).split(max(1, circuit.chunk_elements // (k * k))):
        logits = level.weight[part[s], unit[s]].log()
        if inputs is not None:
            l_values = inputs[left[part[s]], :, image[s]]
            r_values = inputs[right[part[s]], :, image[s]]
            logits = logits + (l_values.unsqueeze(2) + r_values.unsqueeze(1)).flatten(1)
        chosen.append(choice(logits))
    return torch.cat(chosen)


@torch.no_grad()
def fill_leaves(circuit: Circuit, units: Tensor, how: str, generator: torch.Generator | None) -> Tensor:
    """Values (B, V) from the chosen leaf units (B, R_0); how: "draw", "mean" or "mode" of each leaf distribution."""
    family = circuit.family
    order = circuit.leaf_order
    if order is not None:
        grouped = torch.empty_like(units)
        grouped[:, order] = units
        units = grouped
    out = torch.zeros(len(units), circuit.graph.num_variables, device=units.device, dtype=circuit.dtype)
    start = 0
    for group in circuit.leaf_groups:
        stop = start + len(group.scopes)
        image, region = (units[:, start:stop] >= 0).nonzero(as_tuple=True)
        unit = units[:, start:stop][image, region]
        per_entry = group.moments[0].numel() // circuit.units
        for s in torch.arange(len(image), device=units.device).split(max(1, circuit.chunk_elements // per_entry)):
            parameters = family.pick(group.moments, region[s], unit[s])
            if how == "draw":
                assert generator is not None
                values = family.draw(parameters, generator)
            else:
                values = family.mean(parameters) if how == "mean" else family.mode(parameters)
            out[image[s].unsqueeze(1), group.scopes[region[s]]] = values
        start = stop
    return out


@torch.no_grad()
def sample(
    circuit: Circuit, n: int, generator: torch.Generator, *, leaves: str = "draw", classes: Tensor | None = None
) -> Tensor:
    """n independent draws (n, V). leaves: "draw" values, or take the "mean" of the chosen leaf distributions.

    classes: root class of each draw, int64 (n,); None draws them uniformly.
    """
    if classes is None:
        classes = torch.zeros(n, dtype=torch.long, device=circuit.device)
        if circuit.classes > 1:
            classes = classes.random_(circuit.classes, generator=generator)
    elif classes.shape != (n,):
        raise ValueError(f"classes has shape {tuple(classes.shape)}: expected ({n},).")
    return fill_leaves(circuit, descend(circuit, n, Choice(generator), None, classes), leaves, generator)


@torch.no_grad()
def conditional_sample(
    circuit: Circuit, x: Tensor, known: Tensor, generator: torch.Generator, *, leaves: str = "draw"
) -> Tensor:
    """Exact draws of the unknown variables given the known ones, x and known (B, V); known values are kept."""
    weights = circuit.weights()
    activations = circuit.propagate(circuit.leaf_log_density(x, known, weights), weights)
    choice = Choice(generator)
    classes = choice(activations.outputs[-1][0].t())
    units = descend(circuit, len(x), choice, activations, classes)
    return torch.where(known, x, fill_leaves(circuit, units, leaves, generator))


@torch.no_grad()
def approximate_mpe(circuit: Circuit, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Approximately most probable values of the unknown variables, by max-backtracking.

    Sums are replaced by maxima on the way up, the best induced tree is followed down, leaves take their mode. Finding
    the true maximum is NP-hard; this is exact when every sum has one child of positive weight per image.

    Returns (values (B, V), log-density of the best tree (B,), nats): the latter is a lower bound of log p(values). With
    several root classes, both are of the class whose best tree is best.
    """
    weights = circuit.weights()
    leaves = circuit.leaf_log_density(x, known, weights)
    peaks = [circuit.family.log_peak(group.moments) for group in circuit.leaf_groups]
    unknown = (~known).t().to(leaves.dtype)
    best = [torch.bmm(peak, unknown[group.scopes]) for peak, group in zip(peaks, circuit.leaf_groups, strict=True)]
    joined = torch.cat(best) if circuit.leaf_order is None else torch.cat(best)[circuit.leaf_order]
    activations = _propagate_max(circuit, leaves + joined)
    root = activations.outputs[-1][0]
    units = descend(circuit, len(x), Choice(None), activations, root.argmax(0))
    values = torch.where(known, x, fill_leaves(circuit, units, "mode", None))
    return values, root.amax(0) + circuit.log_base(x, known)


def _propagate_max(circuit: Circuit, leaves: Tensor) -> Activations:
    """Like Circuit.propagate with max in place of sum: log-densities of best induced trees."""
    outputs, products = [leaves], [leaves.new_empty(0)]
    for level in circuit.sum_levels:
        x = torch.cat([outputs[s] for s in level.sources])
        left, right = take(x, level.children_index).chunk(2)
        partitions, units, batch = left.shape
        logs = level.weight.log()
        product = x.new_empty(partitions, logs.shape[1], batch)
        step = max(1, circuit.chunk_elements // (units * units * max(1, batch)))
        for start in range(0, partitions, step):
            s = slice(start, start + step)
            pairs = (left[s].unsqueeze(2) + right[s].unsqueeze(1)).flatten(1, 2)
            for o in range(logs.shape[1]):
                product[s, o] = (pairs + logs[s, o].unsqueeze(-1)).amax(1)
        products.append(product)
        outputs.append(product if level.mixing is None else _max_mix(level, product, level.mixing))
    return Activations(outputs, products)


def _max_mix(level: SumLevel, product: Tensor, mixing: Tensor) -> Tensor:
    values = product[level.parts] + mixing.log().unsqueeze(-1)  # absent parts: log 0 = -inf
    return values.amax(1)
