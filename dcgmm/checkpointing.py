"""The states of several trainings as the tensors and the description of one checkpoint (`dcgmm.checkpoint`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from dcgmm.annealing import Annealing
from dcgmm.checkpoint import State
from dcgmm.history import History, HistoryRow
from dcgmm.layers.parameters import Parameters
from dcgmm.training import TrainingState


def to_checkpoint(states: Sequence[TrainingState]) -> State:
    """Tensors by name, and the rest."""
    tensors: dict[str, np.ndarray] = {}
    for number, state in enumerate(states):
        for layer, own in enumerate(state.parameters):
            tensors |= {f"{number}.{layer}.{name}": np.asarray(v) for name, v in own._asdict().items()}
        tensors |= {f"{number}.classifier.{n}": np.asarray(v) for n, v in zip("Wb", state.classifier, strict=False)}
    models = [
        {
            "iteration": state.iteration,
            "annealing": [asdict(control) for control in state.annealing],
            "history": [list(row) for row in state.history],
        }
        for state in states
    ]
    return tensors, {"models": models}


def from_checkpoint(tensors: Mapping[str, Any], description: Mapping[str, Any]) -> list[TrainingState]:
    """The states that `to_checkpoint` was given."""
    states = []
    for number, own in enumerate(description["models"]):
        layers = range(len(own["annealing"]))
        states.append(
            TrainingState(
                [Parameters(*(tensors[f"{number}.{i}.{n}"] for n in Parameters._fields)) for i in layers],
                tuple(tensors[name] for n in "Wb" if (name := f"{number}.classifier.{n}") in tensors),
                [Annealing(**control) for control in own["annealing"]],
                own["iteration"],
                History(HistoryRow(*row) for row in own["history"]),
            )
        )
    return states
