"""Learning: online EM, full EM, and gradient ascent for comparison.

For a sum weight w, w · d log p / d w summed over images is the expected number of uses: normalised, it is the M-step.
For a leaf, the posterior-weighted sum of its statistics T(x) over the posterior weight is the moment update.
Source: Peharz et al., arXiv 2004.06231, Section 3.5, Eq. 6 to 8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from baselines.einsum.circuit import Circuit
from baselines.einsum.leaf_family import Step, by_region
from baselines.einsum.parameters import WEIGHT_FLOOR, Weights
from baselines.einsum.passes import Statistics, differentiable_log_ratio, downward, upward

COUNT_FLOOR = 1e-16  # expected uses of a weight, before normalisation


def online_step(step_size: float, images: int, full: int) -> float:
    """How far online EM moves on a batch of some images, where one of `full` images moves it by `step_size`.

    Each image has the same weight in the statistics: a step of eta says that the statistics so far are worth as much
    as full·(1 - eta)/eta images, and these go on to count as that many.
    """
    return step_size * images / (full * (1 - step_size) + step_size * images)


def e_step(
    circuit: Circuit, x: Tensor, labels: Tensor | None = None, *, micro: int = 0, counts: Tensor | None = None
) -> tuple[Tensor, Statistics]:
    """The summed log-likelihood of x (B, N·V), float64 (N,), and its statistics under the present parameters.

    The sums are in nats, without the base measure log h(x), which no parameter influences.

    labels: int64 (B,), the root class of each image (joint likelihood up to the constant class prior); None takes
    the mean over root classes (one class: just the log-likelihood). micro: split the batch into pieces of this size,
    which changes memory but not the result (sums are sums). counts (N, B): how often each image counts, 0 or 1.
    """
    weights = circuit.weights()
    total, found = None, None
    for start in range(0, len(x), micro or max(1, len(x))):
        piece = slice(start, start + micro) if micro else slice(None)
        up = upward(circuit, weights, x[piece])
        each, root = _objective(up.root, None if labels is None else labels[piece])
        if counts is not None:
            each, root = each * counts[:, piece], root * counts[:, None, piece]
        statistics = downward(circuit, weights, up, root)
        total = each.sum(1) if total is None else total + each.sum(1)
        found = statistics if found is None else found.add_(statistics)
    if total is None or found is None:
        raise ValueError("e_step was given no images: expected at least one.")
    return total, found


def _objective(root: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
    """Log-likelihoods (N, B) from those of the root classes (N, S, B), and the derivative by the latter."""
    if root.shape[1] == 1:
        return root[:, 0], torch.ones_like(root)
    if labels is not None:
        chosen = torch.nn.functional.one_hot(labels, root.shape[1]).t().to(root.dtype)
        return (root * chosen).sum(1), chosen.expand_as(root)
    return root.logsumexp(1) - torch.tensor(float(root.shape[1])).log(), root.softmax(1)


def class_log_likelihood(log_likelihood: Tensor, labels: Tensor | None) -> Tensor:
    """(B, S) to (B,): the labelled class, or the uniform mixture of classes when there are no labels."""
    return _objective(log_likelihood.t().unsqueeze(0), labels)[0][0]


@torch.no_grad()
def m_step(circuit: Circuit, statistics: Statistics, step: Step) -> None:
    """Move the parameters by `step` toward the M-step of the statistics (1 is a full M-step); these are used up.

    step: a number, or one for each circuit (N,).
    """

    def of(owner: Tensor) -> Step:
        return step.index_select(0, owner) if isinstance(step, Tensor) else step

    for group, uses in zip(circuit.leaf_groups, statistics.leaves, strict=True):
        centre = circuit.group_centre(group)
        group.moments.copy_(circuit.family.em_update(group.moments, uses, of(group.owner), centre))
    for level, grad, of_mixing in zip(circuit.sum_levels, statistics.sums, statistics.mixing, strict=True):
        _blend(level.weight, grad, 2, of(level.owner))
        if level.mixing is not None and of_mixing is not None:
            _blend(level.mixing, of_mixing, 1, of(level.region_owner))
            if level.padded:
                level.mixing.mul_(level.present.unsqueeze(-1))


def _blend(target: Tensor, grad: Tensor, dim: int, step: Step) -> None:
    """target = (1 - step)·target + step·normalised(target·grad), floored and normalised along `dim`."""
    uses = grad.mul_(target).clamp_min_(COUNT_FLOOR)
    uses.div_(uses.sum(dim, keepdim=True))
    target.lerp_(uses, by_region(step, target)).clamp_min_(WEIGHT_FLOOR)
    target.div_(target.sum(dim, keepdim=True))


REFUSED = {
    "LBFGS": "it evaluates a batch several times per step",
    "SparseAdam": "it takes sparse gradients alone",
    "Muon": "it takes matrices alone",
}


REFUSED_OPTIONS = {
    "maximize": "the loss is the negative log-likelihood already, which it would raise",
    "differentiable": "a step here is never differentiated",
}


def optimiser_class(name: str) -> Any:
    """The class of torch.optim of that name. Raises ValueError for an unknown name, or one that cannot work here."""
    maker = getattr(torch.optim, name, None) if isinstance(name, str) else None
    if not (isinstance(maker, type) and issubclass(maker, torch.optim.Optimizer)) or maker is torch.optim.Optimizer:
        raise ValueError(f"optimizer is {name!r}: expected the name of a class in torch.optim, such as 'Adam'.")
    if name in REFUSED:
        raise ValueError(f"optimizer is {name!r}, which cannot be used here: {REFUSED[name]}. Try 'Adam'.")
    return maker


def make_optimiser(
    name: str, parameters: Sequence[Tensor], learning_rate: float, options: Mapping[str, Any] | None = None
) -> torch.optim.Optimizer:
    """An optimiser of torch.optim with further keyword arguments `options`; the first one of a process costs a second.

    Raises ValueError as `optimiser_class` does, and for arguments that it does not take or that cannot work here.
    """
    for option, why in REFUSED_OPTIONS.items():
        if (options or {}).get(option):
            raise ValueError(f"optimizer_options has {option}={options[option]!r}: {why}; leave it out.")  # type: ignore[index]
    try:  # every class but the abstract Optimizer takes lr
        return optimiser_class(name)(parameters, lr=learning_rate, **(options or {}))  # type: ignore[no-any-return]
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
        for start in range(0, len(x), micro or len(x)):
            piece = slice(start, start + (micro or len(x)))
            ll = differentiable_log_ratio(self.circuit, self.weights(), x[piece])
            objective = class_log_likelihood(ll, None if labels is None else labels[piece]).sum()
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

    def state(self) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Everything that the next step depends on: tensors and numbers, by name."""
        tensors = {f"raw.{i}": t.detach() for i, t in enumerate(self.parameters())}
        scalars: dict[str, float] = {}
        for i, state in self.optimiser.state_dict()["state"].items():
            for name, value in state.items():
                if isinstance(value, Tensor):
                    tensors[f"optimiser.{i}.{name}"] = value
                else:
                    scalars[f"{i}.{name}"] = value
        return tensors, scalars

    def restore(self, tensors: Mapping[str, Tensor], scalars: Mapping[str, float]) -> None:
        """Put back what `state` gave."""
        state: dict[int, dict[str, Any]] = {}
        with torch.no_grad():
            for i, parameter in enumerate(self.parameters()):
                parameter.copy_(tensors[f"raw.{i}"])
        for key, tensor in tensors.items():
            if key.startswith("optimiser."):
                _, number, name = key.split(".", 2)
                state.setdefault(int(number), {})[name] = tensor
        for key, value in scalars.items():
            number, name = key.split(".", 1)
            state.setdefault(int(number), {})[name] = value
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": state, "param_groups": groups})
