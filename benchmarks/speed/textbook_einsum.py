"""The opponent: an Einsum network as the papers write it down, batch first, one torch.einsum per layer, plain autograd.

Sum layers are `torch.einsum("bip,bjp,ijop->bop")` on exponentials below their maxima; leaves are evaluated for every
variable, unit and repetition, (B, V, K, R), and summed into regions by a dense scope mask (V, R, regions).
With `our_leaves` the leaf layer is the library's, so that the difference is the sum layers' alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.einsum.circuit import Circuit
from baselines.einsum.leaf_family import COUNT_FLOOR
from baselines.einsum.passes import leaf_log_density

FLOOR = 1e-16


class TextbookEinsum:
    """The same function of the same parameters as `circuit` (binomial leaves), computed the straightforward way."""

    def __init__(self, circuit: Circuit, our_leaves: bool = False) -> None:
        self.circuit, self.our_leaves = circuit, our_leaves
        k = circuit.units
        self.sums = [level.weight.permute(2, 1, 0).reshape(k, k, -1, len(level.weight)) for level in circuit.sum_levels]
        self.sums = [w.contiguous().requires_grad_() for w in self.sums]
        self.mixing = [
            None if level.mixing is None else level.mixing.permute(2, 1, 0).contiguous().requires_grad_()
            for level in circuit.sum_levels
        ]
        self._make_leaves()

    def _make_leaves(self) -> None:
        """Success probabilities (V, K, R) and the scope mask (V, R, regions)."""
        circuit = self.circuit
        (group,) = circuit.leaf_groups
        regions = len(group.scopes)
        variables = circuit.graph.num_variables
        self.replica = self._replicas(group.scopes)
        replicas = int(self.replica.max()) + 1
        self.p = torch.full((variables, circuit.units, replicas), 0.5)
        self.mask = torch.zeros(variables, replicas, regions)
        for g in range(regions):
            scope, r = group.scopes[g], int(self.replica[g])
            self.p[scope, :, r] = group.moments[g, :, 0].t()
            self.mask[scope, r, g] = 1.0

    @staticmethod
    def _replicas(scopes: Tensor) -> Tensor:
        """The first repetition in which each leaf region's variables are still free."""
        used: list[set[int]] = []
        out = []
        for scope in scopes.tolist():
            number = next((i for i, taken in enumerate(used) if not taken & set(scope)), len(used))
            if number == len(used):
                used.append(set())
            used[number] |= set(scope)
            out.append(number)
        return torch.tensor(out)

    def leaves(self, x: Tensor) -> Tensor:
        """x (B, V) counts -> (B, K, regions), and keeps what EM needs."""
        n = self.circuit.family.trials
        p = self.p.clamp(1e-6, 1 - 1e-6)
        eta = p.log() - (1 - p).log()
        log_h = torch.lgamma(torch.tensor(n + 1.0)) - torch.lgamma(x + 1) - torch.lgamma(n - x + 1)
        log_density = log_h[:, :, None, None] + x[:, :, None, None] * eta - n * torch.nn.functional.softplus(eta)
        self.density = log_density.requires_grad_()
        return torch.einsum("bvkr,vrg->bkg", self.density, self.mask)

    def log_likelihood(self, x: Tensor) -> Tensor:
        """(B, V) -> (B,) nats."""
        if self.our_leaves:
            self.natural = self.circuit.weights()
            self.evidence, logs = leaf_log_density(self.circuit, x, None, self.natural)
            self.density = logs.to(x.dtype).requires_grad_()
            values = self.density.permute(2, 1, 0)
        else:
            values = self.leaves(x)
        outputs = [values]
        for level, weight, mixing in zip(self.circuit.sum_levels, self.sums, self.mixing, strict=True):
            rows = torch.cat([outputs[s] for s in level.sources], 2)
            left, right = level.child_rows.chunk(2)
            a, b = rows[:, :, left], rows[:, :, right]
            ma, mb = a.amax(1, keepdim=True), b.amax(1, keepdim=True)
            product = torch.einsum("bip,bjp,ijop->bop", (a - ma).exp(), (b - mb).exp(), weight).log() + ma + mb
            if mixing is not None:
                parts = product[:, :, level.parts]  # (B, O, R, M)
                m = parts.amax(3, keepdim=True)
                weights = mixing.permute(0, 2, 1) * level.present
                product = ((parts - m).exp() * weights).sum(3).log() + m.squeeze(3)
            outputs.append(product)
        out = outputs[-1][:, 0, 0]
        return out + self.circuit.log_base(x, None) if self.our_leaves else out

    def step(self, x: Tensor, size: float) -> None:
        """Forward, backward, online EM."""
        self.log_likelihood(x).sum().backward()
        with torch.no_grad():
            if self.our_leaves:
                family, (group,), (natural,) = self.circuit.family, self.circuit.leaf_groups, self.natural.leaves
                uses = family.uses(self.density.grad, natural, self.evidence, group.scopes, None)
                group.moments.copy_(family.em_update(group.moments, uses, size, None))
            else:
                posterior = self.density.grad
                count = posterior.sum(0)
                moments = (posterior * x[:, :, None, None]).sum(0) / (count + COUNT_FLOOR)
                self.p = ((1 - size) * self.p + size * moments / self.circuit.family.trials).clamp(0, 1)
            for weight in self.sums:
                uses = (weight * weight.grad).clamp_min(FLOOR)
                weight.mul_(1 - size).add_(size * uses / uses.sum((0, 1), keepdim=True)).clamp_min_(FLOOR)
                weight.div_(weight.sum((0, 1), keepdim=True))
                weight.grad = None
            for mixing in self.mixing:
                if mixing is not None:
                    uses = (mixing * mixing.grad).clamp_min(FLOOR)
                    mixing.mul_(1 - size).add_(size * uses / uses.sum(1, keepdim=True)).clamp_min_(FLOOR)
                    mixing.div_(mixing.sum(1, keepdim=True))
                    mixing.grad = None
