"""The judge of generated images (Sec. V-F): its trainings, and what it says about samples.

A judge directory holds what `Cnn.save` wrote and `judge.json`: data set, seed asked for and seed used, diverged
attempts, test accuracy in percent, minutes.
"""

from __future__ import annotations

import inspect
import json
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.base.errors import UserError
from evaluation.base.files import write_text
from evaluation.datasets import load_dataset
from evaluation.measures.sample_quality import (
    NEIGHBOURS,
    frechet_distance,
    nearest_neighbour_distance,
    precision_and_recall,
    reach,
)
from evaluation.measures.tidy import tidy_row

if TYPE_CHECKING:
    from baselines.cnn import Cnn

EXPERIMENT = "judge"
JUDGE_FILE = "judge.json"
ATTEMPTS = 5
SEED_STEP = 100  # the next seed after a divergence: no other run's own
MONITORED = 2_000  # validation images looked at after each epoch
FEWEST = NEIGHBOURS + 1  # samples: precision and recall look for so many neighbours of each
MEASURES = ("judge_accuracy", "frechet_distance", "precision", "recall", "nearest_neighbour_distance")
REAL_TEST, REAL_VALIDATION, MIXTURE = "real test images", "real validation images", "Gaussian mixture"


# --- training --------------------------------------------------------------------------------------------------------


def train_judge(
    dataset: str,
    directory: str | Path,
    *,
    seed: int = 0,
    params: Mapping[str, Any] | None = None,
    limit: int | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Train a judge on the training images of `dataset` and write it to `directory`; returns what judge.json holds.

    A training that diverges (Adam at 0.01 may) is repeated with seed + 100, + 200, ..., at most four times; each
    divergence is recorded. An interrupted training of the same settings goes on where it was, and a finished one is
    left as it is. `limit` takes the first images only. Raises UserError when all attempts diverge.
    """
    from baselines.cnn import Cnn, DivergedError

    data, root = load_dataset(dataset), Path(directory)
    training = {**_defaults(), **(params or {})}
    wanted = {"dataset": dataset, "seed": seed, "params": training, "limit": limit}
    if (found := finished(root)) is not None and _identity(found) == _identity(wanted):
        return found
    x, y = (part[:limit] for part in data.split("train"))
    images, labels = data.split("validation")
    validation = images[:MONITORED], labels[:MONITORED]
    states = {used: root / _state_name(wanted, used) for used in range(seed, seed + ATTEMPTS * SEED_STEP, SEED_STEP)}
    _remove_states(root, but=states.values())
    diverged: list[str] = []
    for used, state in states.items():
        judge = Cnn(data.image_shape, seed=used, classes=len(data.classes), **training)
        started = time.perf_counter()
        try:
            judge.fit(x, labels=y, validation=validation, progress=progress, checkpoint=state)
        except DivergedError as error:
            diverged.append(str(error))
            continue
        minutes = round((time.perf_counter() - started) / 60, 2)
        result = {"seed_used": used, "diverged": diverged, "minutes": minutes, "accuracy": _test_accuracy(judge, data)}
        judge.save(root)
        write_text(root / JUDGE_FILE, json.dumps({**wanted, **result}, indent=2, sort_keys=True) + "\n")
        _remove_states(root)
        return {**wanted, **result}
    raise UserError(f"{ATTEMPTS} trainings of a judge of {dataset} diverged ({diverged[-1]}); lower its learning rate")


def settings(record: Mapping[str, Any]) -> dict[str, Any]:
    """How the judge of judge.json was trained: the parameters of `Cnn`, and `train_images` (None: all)."""
    return {**_defaults(), **record["params"], "train_images": record["limit"]}


def _defaults() -> dict[str, Any]:
    """How a judge is trained where nothing else is said."""
    from baselines.cnn import Cnn

    defaults = {name: p.default for name, p in inspect.signature(Cnn).parameters.items() if p.default is not p.empty}
    return {name: value for name, value in defaults.items() if name not in ("seed", "classes")}


def _identity(record: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that a judge depends on."""
    return {"dataset": record["dataset"], "seed": record["seed"], **settings(record)}


def _state_name(record: Mapping[str, Any], seed: int) -> str:
    """Folder of the checkpoint of an attempt: another training, a shorter one too, is never resumed."""
    from evaluation.models.registry import spec_hash

    return f"state-{spec_hash({**_identity(record), 'seed': seed})}"


def _remove_states(root: Path, but: Iterable[Path] = ()) -> None:
    """Remove the checkpoints of other trainings, of all when a judge is finished."""
    kept = set(but)
    for state in root.glob("state-*"):
        if state not in kept:
            shutil.rmtree(state, ignore_errors=True)


def _test_accuracy(judge: Cnn, data: Any) -> float:
    """Accuracy on the test images in percent."""
    x, y = data.split("test")
    return round(100.0 * float(np.mean(judge.predict(x) == y)), 3)


def finished(directory: str | Path) -> dict[str, Any] | None:
    """What judge.json of a trained judge holds, None where there is none."""
    path = Path(directory) / JUDGE_FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


# --- judging ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judge:
    """A trained judge and the features (n, 350) of the real test images of its data set."""

    cnn: Cnn
    record: Mapping[str, Any]
    real: np.ndarray

    @classmethod
    def load(cls, directory: str | Path, dataset: str) -> Judge:
        """The judge in `directory`.

        Raises:
            UserError: no judge there, or one of another data set.
        """
        from baselines.cnn import Cnn

        record = finished(directory)
        if record is None:
            raise UserError(f"{directory} holds no judge (no {JUDGE_FILE}); train one with `bench judge --train`")
        if record["dataset"] != dataset:
            raise UserError(f"{directory} holds a judge of {record['dataset']}, not of {dataset}; train one of its own")
        cnn = Cnn.load(directory)
        return cls(cnn, record, cnn.features(load_dataset(dataset).split("test")[0]))

    @cached_property
    def real_reach(self) -> np.ndarray:
        """(n,): how far each real vector's neighbourhood goes, the same for all samples that are judged."""
        return reach(self.real)

    def measure(self, images: np.ndarray, labels: np.ndarray | None) -> dict[str, float]:
        """What the judge says about images (n, H, W, C) that should show the classes `labels` (n,).

        judge_accuracy (mean over the classes that occur) and judge_accuracy_class_0 ..., in percent, without labels
        not given; frechet_distance to the test images, precision and recall in percent and
        nearest_neighbour_distance, all four in the space of the judge's penultimate features.
        Raises UserError for what `check_samples` refuses.
        """
        check_samples(images, labels, self.cnn.image_shape, self.cnn.classes)
        logits, features = self.cnn.predict_logits_and_features(images)
        values = {} if labels is None else _accuracies(logits.argmax(axis=1), labels)
        precision, recall = precision_and_recall(features, self.real, real_reach=self.real_reach)
        return values | {
            "frechet_distance": frechet_distance(features, self.real),
            "precision": precision,
            "recall": recall,
            "nearest_neighbour_distance": nearest_neighbour_distance(features),
        }


def check_samples(
    images: np.ndarray, labels: np.ndarray | None, image_shape: tuple[int, ...], classes: int, what: str = "samples"
) -> None:
    """Raises UserError for images (n, H, W, C) of another shape or too few, and for labels of no class."""
    if images.shape[1:] != tuple(image_shape):
        raise UserError(f"{what}: images of shape {images.shape[1:]} given; the judge sees {tuple(image_shape)}")
    if len(images) < FEWEST:
        raise UserError(f"{what}: {len(images)} images given; precision and recall need at least {FEWEST}")
    if labels is not None and (labels.min() < 0 or labels.max() >= classes):
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise UserError(f"{what}: label {wrong} given; the classes are 0 to {classes - 1}")


def _accuracies(predicted: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    by_class = {int(c): 100.0 * float(np.mean(predicted[labels == c] == c)) for c in np.unique(labels)}
    mean = float(np.mean(list(by_class.values())))
    return {"judge_accuracy": mean, **{f"judge_accuracy_class_{c}": value for c, value in by_class.items()}}


def judge_rows(
    judges: Iterable[Judge],
    images: np.ndarray,
    labels: np.ndarray | None,
    *,
    dataset: str,
    model: str,
    seed: int = 0,
    protocol: str = "both",
    point: Mapping[str, Any] | None = None,
) -> Iterator[dict[str, Any]]:
    """Tidy rows of one model's samples under each judge; `seed` is the model's, the judge's is in the params."""
    for judge in judges:
        params = {**(point or {}), "judge": judge.record["seed"]}
        for metric, value in judge.measure(images, labels).items():
            yield tidy_row(
                protocol=protocol, experiment=EXPERIMENT, dataset=dataset, model=model, seed=seed, metric=metric,
                value=value, params=params,
            )  # fmt: skip


def summary_rows(rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """For each model and metric of `judge_rows` the mean over the judges, without the judge among the params."""
    from evaluation.measures.tidy import METRIC_COLUMNS

    together: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        params = {key: value for key, value in json.loads(row["params"]).items() if key != "judge"}
        identity = {**row, "params": json.dumps(params, sort_keys=True)}
        together.setdefault(tuple(identity[key] for key in METRIC_COLUMNS[:-1]), []).append(row["value"])
    for key, values in together.items():
        identity = dict(zip(METRIC_COLUMNS[:-1], key, strict=True))
        yield tidy_row(**{**identity, "params": json.loads(identity["params"])}, value=float(np.mean(values)))


def own_rows(judges: Iterable[Mapping[str, Any]], dataset: str) -> Iterator[dict[str, Any]]:
    """The judges' own test accuracies, of the model "CNN"; `judges`: what their judge.json hold."""
    for record in judges:
        facts = {"cnn_test_accuracy": record["accuracy"], "diverged": len(record["diverged"])}
        for metric, value in facts.items():
            yield tidy_row(
                protocol="both", experiment=EXPERIMENT, dataset=dataset, model="CNN", seed=record["seed"],
                metric=metric, value=value,
            )  # fmt: skip


# --- what to compare with --------------------------------------------------------------------------------------------


def real_images(dataset: str, per_class: Sequence[int], seed: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Reference rows: test images, and validation images, which show what other real images get.

    Of class c there are `per_class[c]` drawn images, or all if there are fewer: distances and recall depend on the
    number of images, so these rows need as many as the samples beside them.
    """
    data, rng = load_dataset(dataset), np.random.default_rng(seed)
    found = {}
    for name, split in ((REAL_TEST, "test"), (REAL_VALIDATION, "validation")):
        x, y = data.split(split)
        of_class = [rng.permutation(np.flatnonzero(y == c))[:n] for c, n in enumerate(per_class)]
        chosen = np.sort(np.concatenate(of_class))
        found[name] = x[chosen], y[chosen]
    return found


def images_per_class(sources: Iterable[tuple[np.ndarray, np.ndarray | None]], classes: int) -> list[int]:
    """How many images of each class (images, labels) hold, at most; without labels, equally many of each."""
    counts = [
        np.full(classes, -(-len(images) // classes)) if labels is None else np.bincount(labels, minlength=classes)
        for images, labels in sources
    ]
    return [int(count) for count in np.max(counts, axis=0)]


def mixture_images(
    dataset: str, *, per_class: int = 1000, seed: int = 0, limit: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Reference row: images and labels drawn from one plain Gaussian mixture for each class, fitted by EM."""
    from evaluation.jobs.train import images as training_images
    from evaluation.models.registry import build, families

    data = load_dataset(dataset)
    drawn = []
    for label in range(len(data.classes)):
        x, _ = training_images(data, "train", f"only{label}", limit)
        mixture = build(families()["gmm"]["factory"], {"components": min(49, len(x))}, data.image_shape, seed)
        mixture.fit(x, progress=False)
        drawn.append(mixture.sample(per_class, seed=seed + label))
    return np.concatenate(drawn), np.repeat(np.arange(len(data.classes)), per_class)
