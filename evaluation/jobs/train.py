"""Training: one model after the other, or on a GPU several of one configuration together."""

from __future__ import annotations

import gc
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.base.errors import UserError
from evaluation.datasets.subsets import left_out_class
from evaluation.jobs import store
from evaluation.jobs.store import AREA
from evaluation.models import registry
from evaluation.models.calling import check_model, history_rows, refusals
from evaluation.models.importing import import_object
from evaluation.models.interface import MEASURES, OPTIONAL, TRAINS_MANY, takes
from evaluation.plan.training import Training

if TYPE_CHECKING:
    import numpy as np

    from evaluation.datasets import Dataset


@dataclass(frozen=True)
class Place:
    """A training and the directory that its model gets."""

    training: Training
    directory: Path


def train_all(
    places: Sequence[Place], dataset: Dataset, *, again: bool = False, together: bool = False, progress: bool = False
) -> None:
    """Train and keep models; what is there already, finished and of the same specification, is left as it is.

    Args:
        places: trainings on one data set.
        again: train also what is there already.
        together: give the trainings of one configuration to their class's `fit_many`, where it has one.

    Raises:
        UserError: a training failed; the others were done.
    """
    failures = []
    for group in _groups(places, together):
        try:
            _train(group, dataset, again=again, progress=progress)
        except UserError as error:
            if len(places) == 1:
                raise
            if error.__cause__ is not None:  # a model's own: its place in the code helps whoever writes models
                traceback.print_exc()
            failures.append(f"{group[0].directory}: {error}")
        except Exception as error:
            if len(places) == 1:
                raise
            traceback.print_exc()
            failures.append(f"{group[0].directory}: {error}")
        forget_frameworks()
    if failures:
        raise UserError(f"{len(failures)} of {len(places)} trainings failed; " + "; ".join(failures))


def _groups(places: Sequence[Place], together: bool) -> list[list[Place]]:
    """The trainings that are done in one go: each alone, or all of one configuration."""
    groups: dict[str, list[Place]] = {}
    for number, place in enumerate(places):
        many = together and hasattr(import_object(place.training.factory), TRAINS_MANY)
        groups.setdefault(place.training.configuration if many else str(number), []).append(place)
    return list(groups.values())


def _train(group: list[Place], dataset: Dataset, *, again: bool, progress: bool) -> None:
    """Train what is missing of a group. A checkpoint left by a killed run is resumed; a second process with the same
    directory waits for the first."""
    with store.held([place.directory for place in group]):
        for place in group:
            store.put_back(place.directory)
        wanted = [place for place in group if again or not store.is_complete(place.training, place.directory)]
        for place in (place for place in group if place not in wanted):
            print(f"{place.directory}: exists already; --again retrains it", flush=True)
        if not wanted:
            return
        checkpoint = store.checkpoint_of([place.training for place in wanted], wanted[0].directory)
        for place in wanted:
            store.clear_leftovers(place.directory, keep=checkpoint)
        discard_damaged(checkpoint)
        resumed = checkpoint.exists()
        if len(wanted) == 1:
            trained = [_fit(wanted[0].training, dataset, checkpoint, progress)]
        else:
            trained = _fit_many([place.training for place in wanted], dataset, checkpoint, progress)
        for place, (model, history, seconds) in zip(wanted, trained, strict=True):
            store.keep(place.training, model, history, None if resumed else seconds, place.directory)
            print(f"{place.directory}: trained", flush=True)
        shutil.rmtree(checkpoint, ignore_errors=True)


def discard_damaged(checkpoint: Path) -> None:
    """Remove a checkpoint with a truncated file: a training that starts again is better than one that never can."""
    from safetensors import SafetensorError, safe_open

    for file in checkpoint.glob("*.safetensors"):
        try:
            with safe_open(file, framework="numpy"):
                pass
        except SafetensorError as error:
            print(
                f"bench: {file} is damaged ({error}); training starts from the beginning", file=sys.stderr, flush=True
            )
            shutil.rmtree(checkpoint)
            return


def images(dataset: Dataset, split: str, subset: str, at_most: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, H, W, C) and labels (N,) of a subset of classes of a split, the first `at_most` of them."""
    from evaluation.datasets import select

    x, y = select(*dataset.split(split), subset)
    return x[:at_most], y[:at_most]


def _fit(training: Training, dataset: Dataset, checkpoint: Path, progress: bool) -> tuple[Any, Any, float]:
    x, y = images(dataset, "train", training.subset, training.train_images)
    model = registry.build(training.factory, training.params, dataset.image_shape, training.seed)
    check_model(model, training.factory)
    optional = dict(zip(OPTIONAL, (y, checkpoint), strict=True))
    options: dict[str, Any] = {name: value for name, value in optional.items() if takes(model.fit, name)}
    if training.monitor != "none":
        options["validation"] = images(dataset, training.monitor, training.subset)[0]
    if training.course and takes(model.fit, MEASURES):
        options[MEASURES] = area_measures(training, dataset)
    start = time.perf_counter()
    with refusals(training.factory):
        history = model.fit(x, progress=progress, **options)
    return model, history_rows(history, training.factory), time.perf_counter() - start


def _fit_many(
    trainings: Sequence[Training], dataset: Dataset, checkpoint: Path, progress: bool
) -> list[tuple[Any, Any, float]]:
    """Several models of one configuration in one program; each counts an equal part of the time."""
    import numpy as np

    x, y = dataset.split("train")
    order = np.arange(len(x))
    from evaluation.datasets import select

    rows = [select(order, y, training.subset)[0][: training.train_images] for training in trainings]
    first = trainings[0]
    models = [registry.build(t.factory, t.params, dataset.image_shape, t.seed) for t in trainings]
    check_model(models[0], first.factory)
    many: Any = type(models[0])
    options: dict[str, Any] = {"labels": y} if takes(many.fit_many, "labels") else {}
    if first.monitor != "none":
        options["validation"] = _validation(trainings, dataset)
    if first.course and takes(many.fit_many, MEASURES):
        options[MEASURES] = [area_measures(training, dataset) for training in trainings]
    start = time.perf_counter()
    with refusals(first.factory):
        histories = many.fit_many(models, x, rows, progress=progress, checkpoint=checkpoint, **options)
    seconds = (time.perf_counter() - start) / len(models)
    return [(model, history, seconds) for model, history in zip(models, histories, strict=True)]


def area_measures(training: Training, dataset: Dataset) -> dict[str, tuple[np.ndarray, Callable[[Any], list[float]]]]:
    """What follows the area under the ROC curve of every layer, in percent: test images, and a function of scores."""
    from evaluation.measures.roc import auroc

    x, y = dataset.split("test")
    outlier = y == left_out_class(training.subset)

    def areas(scores: np.ndarray) -> list[float]:
        return [auroc(layer[~outlier], layer[outlier]) for layer in scores.T]

    return {AREA: (x, areas)}


def _validation(trainings: Sequence[Training], dataset: Dataset) -> Any:
    """The followed images: one array for all, or a list with one for each."""
    by_subset = {t.subset: images(dataset, t.monitor, t.subset)[0] for t in trainings}
    if len(by_subset) == 1:
        return next(iter(by_subset.values()))
    return [by_subset[training.subset] for training in trainings]


def forget_frameworks() -> None:
    """Free what the last model left in TensorFlow and Keras, so that the trainings of one job do not add up."""
    for name in ("keras", "tf_keras"):
        framework: Any = sys.modules.get(name)
        if framework is not None:
            framework.backend.clear_session()
    gc.collect()


def by_hand(places: Iterable[Place], *, again: bool) -> None:
    """Refuse, before anything is trained, places that hold something else than the model that goes there.

    Raises:
        UserError: names the first.
    """
    for place in places:
        store.refuse_other_content(place.directory, None if again else place.training.spec)
