"""Learning: online EM, full EM, and gradient ascent for comparison. All of them differentiate the log-likelihood.

For a sum weight w, w · d log p / d w summed over images is the expected number of uses: normalised, it is the M-step.
For natural parameters eta of a leaf, d log p / d eta is the posterior-weighted sum of the statistics T(x), and the
derivative by the log-normaliser the (negative) posterior weight: their quotient is the moment update.
Source: Peharz et al., arXiv 2004.06231, Section 3.5, Eq. 6 to 8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from baselines.einsum.circuit import WEIGHT_FLOOR, Circuit, Weights

COUNT_FLOOR = 1e-16  # expected uses of a weight, before normalisation


def accumulate(circuit: Circuit, weights: Weights, x: Tensor, labels: Tensor | None = None, micro: int = 0) -> float:
    """Add the gradients of the summed log-likelihood of x (B, V) to `weights`.

    Returns the sum in nats, without the base measure log h(x), which no parameter influences.

    labels: int64 (B,), the root class of each image (joint likelihood up to the constant class prior); None takes
    the mean over root classes (one class: just the log-likelihood). micro: split the batch into pieces of this size,
    which changes memory but not the result (sums are sums).
    """
    total = 0.0
    pieces = x.split(micro) if micro else (x,)
    label_pieces = [None] * len(pieces) if labels is None else list(labels.split(micro) if micro else (labels,))
    for piece, label in zip(pieces, label_pieces, strict=True):
        objective = class_log_likelihood(circuit.log_ratio(piece, weights=weights), label).sum()
        objective.backward()
        total += float(objective.detach())
    return total


def class_log_likelihood(log_likelihood: Tensor, labels: Tensor | None) -> Tensor:
    """(B, S) to (B,): the labelled class, or the uniform mixture of classes when there are no labels."""
    if labels is not None:
        return log_likelihood.gather(1, labels.unsqueeze(1)).squeeze(1)
    if log_likelihood.shape[1] == 1:
        return log_likelihood[:, 0]
    return torch.logsumexp(log_likelihood, 1) - float(torch.tensor(float(log_likelihood.shape[1])).log())


@torch.no_grad()
def em_update(circuit: Circuit, weights: Weights, step: float) -> None:
    """Move the circuit's parameters by `step` toward the M-step of the gathered statistics (1 is a full M-step)."""
    for group, natural in zip(circuit.leaf_groups, weights.leaves, strict=True):
        centre = circuit.group_centre(group)
        group.moments.copy_(circuit.family.em_update(group.moments, natural, step, centre))
    for level, weight, mixing in zip(circuit.sum_levels, weights.sums, weights.mixing, strict=True):
        _blend(level.weight, weight, 2, step)
        if level.mixing is not None:
            assert mixing is not None
            _blend(level.mixing, mixing, 1, step)
            level.mixing.mul_(level.present.unsqueeze(-1))


def _blend(target: Tensor, weight: Tensor, dim: int, step: float) -> None:
    """target = (1 - step)·target + step·normalised(weight·gradient), floored and normalised along `dim`."""
    assert weight.grad is not None
    uses = weight.grad.mul_(target).clamp_min_(COUNT_FLOOR)
    uses.div_(uses.sum(dim, keepdim=True))
    target.lerp_(uses, step).clamp_min_(WEIGHT_FLOOR)
    target.div_(target.sum(dim, keepdim=True))


REFUSED = {
    "LBFGS": "it evaluates a batch several times per step",
    "SparseAdam": "it takes sparse gradients alone",
    "Muon": "it takes matrices alone",
}


def make_optimiser(
    name: str, parameters: Sequence[Tensor], learning_rate: float, options: Mapping[str, Any] | None = None
) -> torch.optim.Optimizer:
    """The class of torch.optim of that name, with further keyword arguments `options`.

    Raises ValueError for an unknown name, an optimiser that cannot work here, or arguments that it does not take.
    """
    maker = getattr(torch.optim, name, None)
    if not (isinstance(maker, type) and issubclass(maker, torch.optim.Optimizer)) or maker is torch.optim.Optimizer:
        raise ValueError(f"optimizer is {name!r}: expected the name of a class in torch.optim, such as 'Adam'.")
    if name in REFUSED:
        raise ValueError(f"optimizer is {name!r}, which cannot be used here: {REFUSED[name]}. Try 'Adam'.")
    make: Any = maker  # every class but the abstract Optimizer takes lr
    try:
        return make(parameters, lr=learning_rate, **(options or {}))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"torch.optim.{name} refuses learning_rate {learning_rate} with optimizer_options {options or {}}: {error}"
        ) from error


class GradientAscent:
    """Plain gradient ascent on softmax-parameterised weights and unbounded leaf parameters, any torch optimiser.

    optimiser: name of a class in torch.optim, options: its further keyword arguments. The circuit holds the
    parameters of the last `step`.
    """

    def __init__(
        self, circuit: Circuit, optimiser: str, learning_rate: float, options: Mapping[str, Any] | None = None
    ) -> None:
        self.circuit = circuit

        def parameter(t: Tensor) -> Tensor:
            return t.detach().clone().requires_grad_()

        self.leaves = [parameter(circuit.family.unconstrain(g.moments)) for g in circuit.leaf_groups]
        self.sums = [parameter(level.weight.log()) for level in circuit.sum_levels]
        self.mixing = [
            None if level.mixing is None else parameter(level.mixing.clamp_min(WEIGHT_FLOOR).log())
            for level in circuit.sum_levels
        ]
        self.optimiser = make_optimiser(optimiser, self.parameters(), learning_rate, options)

    def parameters(self) -> list[Tensor]:
        return [*self.leaves, *self.sums, *(m for m in self.mixing if m is not None)]

    def weights(self) -> Weights:
        """The parameters as the circuit uses them, differentiable; weights have the floor that `write_back` gives."""
        circuit = self.circuit
        mixing: list[Tensor | None] = []
        for level, raw in zip(circuit.sum_levels, self.mixing, strict=True):
            absent = ~level.present.unsqueeze(-1)
            mixing.append(
                None if raw is None else raw.masked_fill(absent, -torch.inf).softmax(1).clamp_min(WEIGHT_FLOOR)
            )
        return Weights(
            [
                circuit.natural(group, circuit.family.constrain(raw))
                for group, raw in zip(circuit.leaf_groups, self.leaves, strict=True)
            ],
            [raw.softmax(2).clamp_min(WEIGHT_FLOOR) for raw in self.sums],
            mixing,
        )

    def step(self, x: Tensor, labels: Tensor | None = None, micro: int = 0) -> float:
        """One step up the mean log-likelihood of x (B, V); returns the sum before the step, nats, without log h."""
        self.optimiser.zero_grad()
        total = 0.0
        pieces = x.split(micro) if micro else (x,)
        label_pieces = [None] * len(pieces) if labels is None else list(labels.split(micro) if micro else (labels,))
        for piece, label in zip(pieces, label_pieces, strict=True):
            ll = self.circuit.log_ratio(piece, weights=self.weights())
            objective = class_log_likelihood(ll, label).sum()
            (-objective / len(x)).backward()
            total += float(objective.detach())
        self.optimiser.step()
        self.write_back()
        return total

    @torch.no_grad()
    def write_back(self) -> None:
        """Copy the present parameters into the circuit."""
        circuit = self.circuit
        for group, raw in zip(circuit.leaf_groups, self.leaves, strict=True):
            group.moments.copy_(circuit.family.constrain(raw))
        now = self.weights()
        for level, weight, mixing in zip(circuit.sum_levels, now.sums, now.mixing, strict=True):
            level.weight.copy_(weight / weight.sum(2, keepdim=True))
            if level.mixing is not None and mixing is not None:
                mixing = mixing * level.present.unsqueeze(-1)
                level.mixing.copy_(mixing / mixing.sum(1, keepdim=True))
