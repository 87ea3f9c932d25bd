"""The way down: sampling, conditional sampling and the (approximately) most probable explanation, without a walk.

All images of a batch go down together, one level at a time. At a level, the table `unit` (B, regions) says which sum
of which region each image has arrived at (-1: none); every entry then chooses a partition and a pair of children's
units, by its weights alone (prior) or by its weights times what the children say about the image (posterior).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from baselines.einsum.circuit import Circuit
from baselines.einsum.layers import Mixed, from_logs, mix_up, rescale, take
from baselines.einsum.leaf_family import Evidence
from baselines.einsum.parameters import SumLevel
from baselines.einsum.passes import Activations, leaf_log_density, read, upward


class Choice(NamedTuple):
    """How to choose: at random with this generator, or the largest (generator None)."""

    generator: torch.Generator | None

    def __call__(self, p: Tensor) -> Tensor:
        """Index of one entry per row of unnormalised probabilities (n, m): (n,)."""
        if self.generator is None:
            return p.argmax(1)
        p = p.cumsum(1)
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
        inputs = parts = None
        if evidence is not None:
            inputs = torch.cat([evidence.values[s] for s in level.sources])
            mixed = evidence.mixed[number]
            parts = None if mixed is None else mixed.parts
        part = _choose_parts(level, choice, image, region, unit, parts)
        pair = _choose_pairs(circuit, level, choice, image, part, unit, inputs)
        left, right = level.child_rows.chunk(2)
        table = torch.cat([units[s] for s in level.sources], 1)
        table[image, left[part]] = pair // circuit.units
        table[image, right[part]] = pair % circuit.units
        for source, columns in zip(
            level.sources, table.split([len(circuit.plan.order[s]) for s in level.sources], 1), strict=True
        ):
            units[source] = columns
    return units[0]


def _choose_parts(
    level: SumLevel, choice: Choice, image: Tensor, region: Tensor, unit: Tensor, parts: Tensor | None
) -> Tensor:
    """Partition (row of the einsum layer) for each active entry. parts: as in `layers.Mixed`."""
    if level.mixing is None:
        return level.parts[region, 0]
    p = level.mixing[region, :, unit]
    if parts is not None:
        p = p * parts[region, :, unit, image]
    return level.parts[region, choice(p)]


def _choose_pairs(
    circuit: Circuit, level: SumLevel, choice: Choice, image: Tensor, part: Tensor, unit: Tensor, inputs: Tensor | None
) -> Tensor:
    """Pair of children's units, i·K + j, for each active entry."""
    k = circuit.units
    left, right = level.child_rows.chunk(2)
    chosen = []
    for s in torch.arange(len(image), device=part.device).split(max(1, circuit.chunk_elements // (k * k))):
        p = level.weight[part[s], unit[s]]
        if inputs is not None:
            l_values = inputs[left[part[s]], :, image[s]]
            r_values = inputs[right[part[s]], :, image[s]]
            p = p * (l_values.unsqueeze(2) * r_values.unsqueeze(1)).flatten(1)
        chosen.append(choice(p))
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
    out = torch.zeros(len(units), circuit.variables, device=units.device, dtype=circuit.dtype)
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
    up = upward(circuit, circuit.weights(), x, known)
    choice = Choice(generator)
    classes = choice(up.root[0].t().softmax(1))
    units = descend(circuit, len(x), choice, up, classes)
    return torch.where(known, x, fill_leaves(circuit, units, leaves, generator))


@torch.no_grad()
def approximate_mpe(circuit: Circuit, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Approximately most probable values of the unknown variables, by max-backtracking.

    Sums are replaced by maxima on the way up, the best induced tree is followed down, leaves take their mode. Finding
    the true maximum is NP-hard; this is exact when every sum has one child of positive weight per image.

    Returns (values (B, V), log-density of the best tree (B,), nats, float64): the latter is a lower bound of log
    p(values). With several root classes, both are of the class whose best tree is best.
    """
    evidence, logs = leaf_log_density(circuit, x, known, circuit.weights())
    peaks = [circuit.family.log_peak(group.moments).double() for group in circuit.leaf_groups]
    unknown = (~known).t().double()
    best = [torch.bmm(peak, unknown[group.scopes]) for peak, group in zip(peaks, circuit.leaf_groups, strict=True)]
    logs += torch.cat(best) if circuit.leaf_order is None else torch.cat(best)[circuit.leaf_order]
    up = _upward_max(circuit, evidence, logs)
    root = up.root[0]
    units = descend(circuit, len(x), Choice(None), up, root.argmax(0))
    values = torch.where(known, x, fill_leaves(circuit, units, "mode", None))
    return values, root.amax(0) + circuit.log_base(x, known)


def _upward_max(circuit: Circuit, evidence: Evidence, logs: Tensor) -> Activations:
    """Like `passes.upward` with max in place of sum: densities of best induced trees."""
    done = [from_logs(logs, circuit.dtype)]
    mixtures: list[Mixed | None] = [None]
    for level in circuit.sum_levels:
        values, scale = read(done, level.sources)
        left, right = take(values, level.pairs).chunk(2)
        total = _best_pairs(left, right, level.weight, circuit.chunk_elements)
        first, second = take(scale, level.pairs).chunk(2)
        scale = first + second
        mixed = None
        if level.mixing is not None:
            mixed = mix_up(total, scale, level.mixing, level.parts, level.present)
            total, scale = (mixed.parts * level.mixing.unsqueeze(3)).amax(1), mixed.scale
        mixtures.append(mixed)
        done.append(rescale(total, scale))
    root = done[-1].values.double().log() + done[-1].scale
    nothing: list[Tensor | None] = [None] * len(done)
    return Activations(evidence, [d.values for d in done], nothing, nothing, mixtures, root)


def _best_pairs(left: Tensor, right: Tensor, weight: Tensor, chunk_elements: int) -> Tensor:
    """max_ij W[p, o, ij] left[p, i] right[p, j]: (P, O, B)."""
    partitions, units, batch = left.shape
    best = left.new_empty(partitions, weight.shape[1], batch)
    step = max(1, chunk_elements // (units * units * max(1, batch)))
    for start in range(0, partitions, step):
        s = slice(start, start + step)
        pairs = (left[s].unsqueeze(2) * right[s].unsqueeze(1)).flatten(1, 2)
        for o in range(weight.shape[1]):
            best[s, o] = (pairs * weight[s, o].unsqueeze(-1)).amax(1)
    return best
