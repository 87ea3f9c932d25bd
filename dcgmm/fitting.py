"""`fit` and `fit_many`: what is trained on what, from where, kept where."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from dcgmm import checks
from dcgmm.annealing import Annealing
from dcgmm.batches import Batches
from dcgmm.checkpoint import Checkpoint, identity
from dcgmm.checkpointing import from_checkpoint, to_checkpoint
from dcgmm.devices import platform_of
from dcgmm.history import History
from dcgmm.layers.parameters import Parameters
from dcgmm.options import TrainingOptions
from dcgmm.progress import training_progress
from dcgmm.scoring import Scoring
from dcgmm.storage import array_digest
from dcgmm.training import Alone, Data, Stacked, Trainer, TrainingState

Summary = Callable[[np.ndarray], Sequence[float]]


class Measured(NamedTuple):
    """Images, and what is recorded of their scores (n, L): a number for each layer."""

    images: np.ndarray
    summary: Summary


Splits = dict[str, Measured]


def fit_models(
    models: Sequence[Scoring],
    x: np.ndarray,
    rows: Sequence[np.ndarray] | None = None,
    *,
    labels: np.ndarray | None = None,
    validation: Any = None,
    measures: Any = None,
    progress: bool = True,
    checkpoint: str | Path | None = None,
    warm_start: bool = False,
    training: Mapping[str, Any],
    runner: Any = None,
) -> list[History]:
    """Train models of one configuration; see `dcgmm.DCGMM.fit_many` for the arguments.

    Args:
        training: constants of training that replace those of the models.
        runner: `Alone` or `Stacked`; None for what suits the device.
    """
    models = checks.several(models, Scoring, called="DCGMM")
    training = _given(training)
    options = _common_options(models, training)
    first = models[0]
    x = first._check_images(x)
    each = [np.arange(len(x))] * len(models) if rows is None else checks.rows(rows, len(models), len(x))
    labels = first._check_labels(labels, len(x), np.concatenate(each))
    chosen = [own.astype(np.int32) for own in each]
    splits = _measured_splits(models, x, chosen, validation, measures, options.measured_images)
    warm_start, progress = checks.flag(warm_start, name="warm_start"), checks.flag(progress, name="progress")
    start = [_start(model, options, training, warm_start) for model in models]
    batches = [Batches(own, options.batch_size, model.seed) for own, model in zip(chosen, models, strict=True)]
    steps = [options.iterations or max(1, round(options.epochs * own.per_epoch)) for own in batches]
    total = [own.iteration + more for own, more in zip(start, steps, strict=True)]
    device = first._device
    if runner is None:
        runner = Alone if len(models) == 1 or platform_of(device) == "cpu" else Stacked

    own: dict[str, Any] = {}
    if checkpoint is not None:
        own = _identity(models, options, x, labels, chosen, splits, start if warm_start else None)
    kept = Checkpoint(checkpoint, own)
    found = kept.read()
    states = list(start) if found is None else from_checkpoint(*found)
    groups = _groups(batches, total, start, states) if runner is Stacked else [[i] for i in range(len(models))]
    remark = "" if found is None else f"resumed from {kept.path}"
    data = Data(x, np.zeros(len(x), np.int32) if labels is None else labels)
    if runner is not Alone or platform_of(device) != "cpu":
        data = jax.device_put(data, device)
    before = sum(own.iteration for own in start)
    done = sum(own.iteration for own in states) - before
    under_way: tuple[Trainer, list[int]] | None = None  # replaced as a whole: an interruption never mixes two groups
    complete: list[int] = []

    def now() -> list[TrainingState]:
        if under_way is not None:
            trainer, trained = under_way
            for i, state in zip(trained, trainer.states, strict=True):
                states[i] = state
        return states

    try:
        with (
            training_progress(sum(total) - before, done, remark, shown=progress) as on_progress,
            kept.kept(lambda: to_checkpoint(now()), always_whole=True) as after_window,
        ):
            for members in groups:
                others = sum(states[i].iteration for i in range(len(models)) if i not in members) - before

                def report(step: int, losses: np.ndarray, others: int = others) -> None:
                    on_progress(others + len(losses) * step, losses.mean(0))

                trainer = Trainer(
                    first._chain,
                    first._sources,
                    options,
                    total=total[members[0]],
                    first=start[members[0]].iteration,
                    states=[states[i] for i in members],
                    batches=[batches[i] for i in members],
                    data=data,
                    measure=[functools.partial(_measure, models[i], splits[i]) for i in members],
                    runner=runner,
                    device=device,
                )
                under_way = trainer, members
                trainer.run(report, after_window)
                now()
                complete += members
    except (KeyboardInterrupt, SystemExit):
        pairs = zip(start, now(), strict=True)
        _adopt(models, states, [i for i, (begin, own) in enumerate(pairs) if own.iteration > begin.iteration])
        raise
    except Exception:  # one has diverged, or the disk is full
        _adopt(models, states, complete)
        raise
    _adopt(models, states, complete)
    kept.remove()
    return [state.history for state in states]


def _given(training: Mapping[str, Any]) -> dict[str, Any]:
    """The constants given to `fit`: its epochs count, whatever number of iterations the constructor was given.

    Raises:
        ValueError: epochs and iterations, both.
    """
    if "epochs" not in training:
        return dict(training)
    if training.get("iterations") is not None:
        both = f"epochs={training['epochs']!r} and iterations={training['iterations']!r}"
        raise ValueError(f"fit was given {both}: give one of them")
    return {**training, "iterations": None}


def _common_options(models: Sequence[Scoring], training: Mapping[str, Any]) -> TrainingOptions:
    """The constants of training, the same for all models.

    Raises:
        ValueError: no models, one given twice, or models that differ in more than the seed.
    """
    if not models:
        raise ValueError("there are no models to train: give at least one")
    if len({id(model) for model in models}) < len(models):
        raise ValueError("a model is given twice: give models of their own, for example with other seeds")
    first = models[0]
    options = TrainingOptions.of({**asdict(first.options), **training})
    for number, model in enumerate(models):
        for name in ("architecture", "device"):
            if getattr(model, name) != getattr(first, name):
                raise ValueError(
                    f"models of one training differ in their seeds only: model {number}, {model!r}, has another "
                    f"{'configuration' if name == 'architecture' else name} than {first!r}"
                )
        if TrainingOptions.of({**asdict(model.options), **training}) != options:
            raise ValueError(f"model {number}, {model!r}, has other constants of training than the first one")
    return options


def _measured_splits(
    models: Sequence[Scoring], x: np.ndarray, rows: Sequence[np.ndarray], validation: Any, measures: Any, count: int
) -> list[Splits]:
    """What is recorded during training, by name, for each model."""
    given = {"validation": validation, "measures": measures}
    each = [checks.one_for_each(value, len(models), name=name) for name, value in given.items()]
    splits = []
    for followed, measured, chosen in zip(*each, rows, strict=True):
        others = followed if isinstance(followed, Mapping) else {"validation": followed}
        checks.splits(others)
        own: Splits = {"train": Measured(x[chosen[:count]], _mean)}
        own |= {
            name: Measured(models[0]._check_images(v)[:count], _mean) for name, v in others.items() if v is not None
        }
        for name, pair in _pairs(measured).items():
            if name in own:
                raise ValueError(f"measures has {name!r}, which is a split of log-likelihoods: give another name")
            own[name] = Measured(models[0]._check_images(pair[0]), pair[1])
        splits.append(own)
    return splits


def _pairs(measures: Any) -> Mapping[str, tuple[Any, Summary]]:
    """Images and the function of their scores, by name."""
    if not isinstance(measures, Mapping | None):
        raise ValueError(f"measures={measures!r}: expected a mapping of names to images and a function of their scores")
    for name, pair in (measures or {}).items():
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not callable(pair[1]):
            kind = type(pair).__name__
            raise ValueError(f"measures[{name!r}] is {kind}: expected images and a function of their scores")
    return measures or {}


def _mean(scores: np.ndarray) -> Sequence[float]:
    return [float(value) for value in scores.mean(axis=0)]


def _measure(model: Scoring, splits: Splits, parameters: Sequence[Parameters]) -> list[tuple[int, str, float]]:
    rows = []
    for split, (images, summary) in splits.items():
        values = np.asarray(summary(model._map("score_max", images, parameters).astype(np.float64)))
        real = values.dtype.kind in "fiub"
        if values.shape != (len(model._chain),) or not real:
            what = f"{len(values)} numbers" if values.ndim == 1 and real else repr(values.tolist())
            raise ValueError(f"the function of measures[{split!r}] gave {what} for {len(model._chain)} layers")
        rows += [(layer, split, float(value)) for layer, value in enumerate(values)]
    return rows


def _start(model: Scoring, options: TrainingOptions, training: Mapping[str, Any], warm: bool) -> TrainingState:
    """Where a training begins: at the initial parameters, or where the model is.

    training: constants given to `fit`. A warm start takes these, and all others from the annealing so far.
    """
    fresh = [
        Annealing(
            stage.components,
            learning_rate=options.learning_rate,
            learning_rate_end=options.learning_rate_end,
            sigma_end=options.sigma_end,
            window=options.window,
        )
        for stage in model._chain
    ]
    if not warm:
        parameters, classifier = model._initial()
        return TrainingState(parameters, classifier, fresh)
    annealing = fresh if model._annealing is None else copy.deepcopy(model._annealing)
    if model._annealing is None:  # a model of an older version, which kept its sigmas only
        for control, sigma in zip(annealing, model.sigmas_, strict=False):
            control.sigma = sigma
    for control in annealing:
        for name in ("learning_rate", "learning_rate_end", "sigma_end"):
            if name in training:
                setattr(control, name, getattr(options, name))
        if control.window != options.window and "window" in training:
            control.window, control.losses = options.window, []
    return TrainingState(model._parameters, model._classifier, annealing, model._iteration)


def _identity(
    models: Sequence[Scoring],
    options: TrainingOptions,
    x: np.ndarray,
    labels: np.ndarray | None,
    rows: Sequence[np.ndarray],
    splits: Sequence[Splits],
    start: Sequence[TrainingState] | None,
) -> dict[str, Any]:
    """What determines a training: a checkpoint of another one is refused."""
    parameters = {
        "config": models[0].architecture.config,
        "input_shape": models[0].input_shape,
        "rows": [array_digest(each) for each in rows],
        "measured images": [{name: array_digest(split.images) for name, split in own.items()} for own in splits],
        "start": None if start is None else [_digest(own) for own in start],
        **asdict(options),
    }
    seeds: Any = [model.seed for model in models]
    return identity("dcgmm:DCGMM", parameters, seeds, x, labels)


def _digest(start: TrainingState) -> list[Any]:
    """What determines how a training goes on from a start: its parameters, and how far its annealing has come."""
    leaves = jax.tree.leaves((start.parameters, start.classifier))
    annealing = [asdict(control) for control in start.annealing]
    return [*(array_digest(np.asarray(leaf)) for leaf in leaves), start.iteration, annealing]


def _groups(
    batches: Sequence[Batches], total: Sequence[int], start: Sequence[TrainingState], states: Sequence[TrainingState]
) -> list[list[int]]:
    """Numbers of the models that train side by side: those with equal batch sizes and numbers of steps, which have come
    equally far (a CPU, which trains one after another, may have written the checkpoint) with the same layers."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for number, (own, last, first, state) in enumerate(zip(batches, total, start, states, strict=True)):
        groups.setdefault((own.size, last, first.iteration, state.iteration, *state.begun), []).append(number)
    return list(groups.values())


def _adopt(models: Sequence[Scoring], states: Sequence[TrainingState], which: Iterable[int]) -> None:
    """Give these of the models what training has made of them."""
    for model, state in ((models[i], states[i]) for i in which):
        model._replace(state.parameters, state.classifier)
        model._annealing, model._iteration = list(state.annealing), state.iteration
        model.sigmas_ = [control.sigma for control in state.annealing]
