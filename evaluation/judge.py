"""The judge of generated images (Sec. V-F): its trainings, and what it says about samples.

A judge directory holds what `Cnn.save` wrote and `judge.json`: data set, seed asked for and seed used, diverged
attempts, test accuracy in percent, minutes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.atomic import write_text
from evaluation.datasets import load_dataset
from evaluation.errors import UserError
from evaluation.metrics import tidy_row
from evaluation.sample_quality import frechet_distance, nearest_neighbour_distance, precision_and_recall

if TYPE_CHECKING:
    from baselines.cnn import Cnn

EXPERIMENT = "judge"
JUDGE_FILE = "judge.json"
ATTEMPTS = 5
SEED_STEP = 100  # the next seed after a divergence: no other run's own
MONITORED = 2_000  # validation images looked at after each epoch
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
    divergence is recorded. Interrupted trainings go on where they were, and a finished one of the same settings is
    left as it is. `limit` takes the first images only. Raises UserError when all attempts diverge.
    """
    from baselines.cnn import Cnn, DivergedError

    data, root = load_dataset(dataset), Path(directory)
    wanted = {"dataset": dataset, "seed": seed, "params": dict(params or {}), "limit": limit}
    if (found := finished(root)) is not None and all(found.get(key) == value for key, value in wanted.items()):
        return found
    x, y = (part[:limit] for part in data.split("train"))
    validation = data.split("validation")
    diverged: list[str] = []
    for used in range(seed, seed + ATTEMPTS * SEED_STEP, SEED_STEP):
        judge = Cnn(data.image_shape, seed=used, classes=len(data.classes), **(params or {}))
        state = root / f"state-{_words(judge.get_params())}-{len(x)}"
        started = time.perf_counter()
        try:
            monitored = (validation[0][:MONITORED], validation[1][:MONITORED])
            judge.fit(x, labels=y, validation=monitored, progress=progress, checkpoint=state)
        except DivergedError as error:
            diverged.append(str(error))
            continue
        minutes = round((time.perf_counter() - started) / 60, 2)
        result = {"seed_used": used, "diverged": diverged, "minutes": minutes, "accuracy": _test_accuracy(judge, data)}
        judge.save(root)
        write_text(root / JUDGE_FILE, json.dumps({**wanted, **result}, indent=2, sort_keys=True) + "\n")
        return {**wanted, **result}
    raise UserError(f"{ATTEMPTS} trainings of a judge of {dataset} diverged ({diverged[-1]}); lower its learning rate")


def _words(params: Mapping[str, Any]) -> str:
    """A name for the checkpoint of these parameters: another training is never resumed."""
    from evaluation.registry import spec_hash

    return spec_hash({key: value for key, value in params.items() if key != "epochs"})


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

    def measure(self, images: np.ndarray, labels: np.ndarray | None) -> dict[str, float]:
        """What the judge says about images (n, H, W, C) that should show the classes `labels` (n,).

        judge_accuracy (mean over the classes that occur) and judge_accuracy_class_0 ..., in percent, without labels
        not given; frechet_distance to the test images, precision and recall in percent and
        nearest_neighbour_distance, all four in the space of the judge's penultimate features.
        Raises UserError for images of another shape.
        """
        if images.shape[1:] != self.cnn.image_shape:
            raise UserError(f"samples of shape {images.shape[1:]} given; the judge sees {self.cnn.image_shape}")
        logits, features = self.cnn.predict_logits_and_features(images)
        values = {} if labels is None else _accuracies(logits.argmax(axis=1), labels)
        precision, recall = precision_and_recall(features, self.real)
        return values | {
            "frechet_distance": frechet_distance(features, self.real),
            "precision": precision,
            "recall": recall,
            "nearest_neighbour_distance": nearest_neighbour_distance(features),
        }


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
    from evaluation.metrics import METRIC_COLUMNS

    together: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        params = {key: value for key, value in json.loads(row["params"]).items() if key != "judge"}
        identity = {**row, "params": json.dumps(params, sort_keys=True)}
        together.setdefault(tuple(identity[key] for key in METRIC_COLUMNS[:-1]), []).append(row["value"])
    for key, values in together.items():
        identity = dict(zip(METRIC_COLUMNS[:-1], key, strict=True))
        yield tidy_row(**{**identity, "params": json.loads(identity["params"])}, value=float(np.mean(values)))


def own_rows(judges: Iterable[Judge], dataset: str) -> Iterator[dict[str, Any]]:
    """The judges' own test accuracies, of the model "CNN"."""
    for judge in judges:
        facts = {"cnn_test_accuracy": judge.record["accuracy"], "diverged": len(judge.record["diverged"])}
        for metric, value in facts.items():
            yield tidy_row(
                protocol="both", experiment=EXPERIMENT, dataset=dataset, model="CNN", seed=judge.record["seed"],
                metric=metric, value=value,
            )  # fmt: skip


# --- what to compare with --------------------------------------------------------------------------------------------


def real_images(dataset: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Reference rows: the test images themselves (distance 0 by construction), and the validation images, which show
    what other real images get."""
    data = load_dataset(dataset)
    return {REAL_TEST: data.split("test"), REAL_VALIDATION: data.split("validation")}


def mixture_images(
    dataset: str, *, per_class: int = 1000, seed: int = 0, limit: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Reference row: images and labels drawn from one plain Gaussian mixture for each class, fitted by EM."""
    from evaluation.registry import build, families
    from evaluation.training import images as training_images

    data = load_dataset(dataset)
    drawn = []
    for label in range(len(data.classes)):
        x, _ = training_images(data, "train", f"only{label}", limit)
        mixture = build(families()["gmm"]["factory"], {"components": min(49, len(x))}, data.image_shape, seed)
        mixture.fit(x, progress=False)
        drawn.append(mixture.sample(per_class, seed=seed + label))
    return np.concatenate(drawn), np.repeat(np.arange(len(data.classes)), per_class)
