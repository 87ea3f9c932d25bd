"""The judge of generated images (Sec. V-F): what it says about samples."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.base.errors import UserError
from evaluation.datasets import SPLITS, load_dataset
from evaluation.datasets.contents import refuse_other_images
from evaluation.datasets.own import set_name
from evaluation.jobs.judges import JUDGE_FILE, finished
from evaluation.measures.sample_quality import (
    NEIGHBOURS,
    copies,
    frechet_distance,
    nearest_neighbour_distance,
    precision_and_recall,
    reach,
)
from evaluation.measures.tidy import tidy_row

if TYPE_CHECKING:
    from baselines.cnn import Cnn

EXPERIMENT = "judge"
FEWEST = NEIGHBOURS + 1  # samples: precision and recall look for so many neighbours of each
MEASURES = ("judge_accuracy", "frechet_distance", "precision", "recall", "nearest_neighbour_distance")
COPIES = "copies"  # of images of the data set, in percent: in pixels, whatever the judge
REAL_TEST, REAL_VALIDATION, MIXTURE = "real test images", "real validation images", "Gaussian mixture"


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
            UserError: no judge there, or one of another data set or other images.
        """
        from baselines.cnn import Cnn

        record = finished(directory)
        if record is None:
            raise UserError(f"{directory} holds no judge (no {JUDGE_FILE}); train one with `bench judge --train`")
        if set_name(record["dataset"]) != set_name(dataset):
            raise UserError(f"{directory} holds a judge of {record['dataset']}, not of {dataset}; train one of its own")
        refuse_other_images({**record, "dataset": dataset}, Path(directory))
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
                protocol=protocol, experiment=EXPERIMENT, dataset=set_name(dataset), model=model, seed=seed,
                metric=metric, value=value, params=params,
            )  # fmt: skip


def summary_rows(rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """For each model and metric of `judge_rows` the mean over the judges, without the judge among the params; rows
    that are of no judge are left out."""
    from evaluation.measures.tidy import METRIC_COLUMNS

    together: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        params = json.loads(row["params"])
        if params.pop("judge", None) is None:
            continue
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
                protocol="both", experiment=EXPERIMENT, dataset=set_name(dataset), model="CNN", seed=record["seed"],
                metric=metric, value=value,
            )  # fmt: skip


@dataclass(frozen=True)
class Source:
    """Images (n, H, W, C) that are judged, the classes (n,) that they should show, or None, and whose they are."""

    images: np.ndarray
    labels: np.ndarray | None
    model: str
    seed: int = 0
    protocol: str = "both"
    point: Mapping[str, Any] = field(default_factory=dict)
    parameters: int | None = None

    @classmethod
    def of(cls, images: np.ndarray, labels: np.ndarray | None, record: Mapping[str, Any], name: str) -> Source:
        """Samples of the model of a bench.json; of nobody known where it is empty: then they are called `name`."""
        known = ("model", "seed", "protocol", "point", "parameters")
        return cls(images, labels, **{"model": name, **{key: record[key] for key in known if key in record}})


def source_rows(
    dataset: str, judges: Sequence[Judge], sources: Sequence[Source], *, references: bool = True, mixture: bool = False
) -> list[dict[str, Any]]:
    """Tidy rows of every source under each judge, and of as many real images (and images of a plain mixture) beside,
    and how many of them are copies of the data set's images; of no sources none."""
    if not sources:
        return []
    per_class = images_per_class([(s.images, s.labels) for s in sources], len(load_dataset(dataset).classes))
    beside = real_images(dataset, per_class) if references else {}
    if mixture:
        beside[MIXTURE] = mixture_images(dataset, per_class=per_class)
    every = [*sources, *(Source(images, labels, name) for name, (images, labels) in beside.items())]
    splits = [load_dataset(dataset).split(split)[0] for split in SPLITS]
    images = np.concatenate(splits)  # a model is given those of training, and validation or test images to follow
    training = images[: len(splits[0])]
    rows: list[dict[str, Any]] = []
    for source in every:
        identity = {key: getattr(source, key) for key in ("model", "seed", "protocol", "point")}
        rows += judge_rows(judges, source.images, source.labels, dataset=dataset, **identity)
        rows.append(_copies(dataset, source, training if source.model in beside else images))
    return rows


def _copies(dataset: str, source: Source, others: np.ndarray) -> dict[str, Any]:
    """How many of the source's images are copies of others, of whatever class."""
    found = copies(source.images.reshape(len(source.images), -1), others.reshape(len(others), -1))
    return tidy_row(
        protocol=source.protocol, experiment=EXPERIMENT, dataset=set_name(dataset), model=source.model,
        seed=source.seed, metric=COPIES, value=found, params=source.point,
    )  # fmt: skip


def judged(dataset: str, judges: Sequence[Judge], sources: Sequence[Source], **options: bool) -> list[dict[str, Any]]:
    """The rows of `source_rows`, their means over the judges, the judges' own accuracies, and the sizes of models."""
    rows = source_rows(dataset, judges, sources, **options)
    sizes = [
        tidy_row(
            protocol=s.protocol, experiment=EXPERIMENT, dataset=set_name(dataset), model=s.model, seed=s.seed,
            metric="parameters", value=s.parameters, params=s.point,
        )
        for s in sources if s.parameters is not None
    ]  # fmt: skip
    return [*rows, *summary_rows(rows), *own_rows([judge.record for judge in judges], dataset), *sizes]


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
    dataset: str, *, per_class: int | Sequence[int] = 1000, seed: int = 0, limit: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Reference row: images and labels drawn from one plain Gaussian mixture for each class, fitted by EM. per_class:
    how many of each class, or of class c `per_class[c]`."""
    from evaluation.jobs.train import images as training_images
    from evaluation.models.catalogue import families
    from evaluation.models.registry import build

    data = load_dataset(dataset)
    counts = [per_class] * len(data.classes) if isinstance(per_class, int) else per_class
    drawn = []
    for label, n in enumerate(counts):
        if not n:
            continue
        x, _ = training_images(data, "train", f"only{label}", limit)
        mixture = build(families()["gmm"].factory, {"components": min(49, len(x))}, data.image_shape, seed)
        mixture.fit(x, progress=False)
        drawn.append(mixture.sample(n, seed=seed + label))
    return np.concatenate(drawn), np.repeat(np.arange(len(data.classes)), counts)
