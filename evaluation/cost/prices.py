"""What models cost: measured prices, and how they are carried over to what was not measured.

Prices are CPU seconds of one thread, from model_costs.yaml, which benchmarks/model_costs.py measures, or, for training,
from models that were trained here: seconds / (images × epochs) of their bench.json. A model that was not measured costs
as its training step's operations (`cost` of its family, evaluation/models/models.yaml) relative to the nearest measured
one; a model of a family without a cost model by a power of the one parameter that differs, if two of its values were
measured; else it has no price. An image that is sampled or completed costs as much as one in training, one that is
scored a tenth, where that was not measured.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evaluation.base.documents import read_yaml
from evaluation.base.errors import UserError
from evaluation.base.reading import read_json
from evaluation.base.words import canonical
from evaluation.datasets.catalogue import CATALOGUE
from evaluation.datasets.contents import specification
from evaluation.datasets.subsets import read_subset
from evaluation.models.catalogue import cost, families, family_of
from evaluation.plan.catalogue import Variant

TABLE = Path(__file__).with_name("model_costs.yaml")
RESULTS = Path("results")  # below the working directory
ENOUGH_IMAGES = 50_000  # image-epochs below which a training's time is mostly its start
SHAPE = (28, 28, 1)  # of the images that prices were measured with
DECIDING = ("factory", "params", "dataset", "subset", "seconds")  # of a bench.json that gives a price
CURE = "remove it and train the model again"
LEAST_MEMORY_MB = 400.0  # of a process with its libraries


@dataclass(frozen=True)
class Price:
    """CPU seconds (`start` of a job, `train` per 1000 image-epochs, others per 1000 images); MB of memory and disk."""

    start: float
    train: float
    score: float
    sample: float
    inpaint: float
    memory_mb: float
    disk_mb: float


class Prices:
    """Prices of models, from the table and from trainings that are there.

    measured: folders of results whose bench.json are used for training.
    """

    def __init__(self, measured: Iterable[Path] = (), table: Path = TABLE) -> None:
        content = read_yaml(table)
        self.source = f"{content['machine']}, {content['date']}, {content['command']}"
        self.rows: list[dict[str, Any]] = list(content["models"].values())
        self.trained = trained_prices(measured)

    def of(self, variant: Variant, image_shape: tuple[int, ...] = SHAPE) -> Price | None:
        """The price of a variant for images of a shape; None where nothing comparable was measured."""
        model = variant.model
        rows = [row for row in self.rows if row["factory"] == model.factory]
        price = _price_of(rows, model.family, image_shape, variant.params)
        train = self.trained.get(_key(model.factory, model.family, image_shape, variant.params))
        return price if price is None or train is None else Price(**{**asdict(price), "train": train})


def result_folders() -> list[Path]:
    """The folders of results of the working directory."""
    return sorted(RESULTS.glob("*"))


def prices_before(run: Path) -> Prices:
    """The prices of the table and of these folders, those of a run itself left out: what it was planned with."""
    return Prices(folder for folder in result_folders() if folder.resolve() != run.resolve())


def trained_prices(folders: Iterable[Path]) -> dict[str, float]:
    """Median seconds per 1000 image-epochs of the trained models below some folders, by what decides the price."""
    family = {described.factory: name for name, described in families().items()}
    found = defaultdict(list)
    for file in (f for folder in folders for f in folder.glob("models/**/bench.json")):
        record = read_json(file, CURE, *DECIDING)
        try:
            known = CATALOGUE.get(record["dataset"])
            if known is None or record["factory"] not in family:
                continue
            params = lasting(family[record["factory"]], record["params"])
            images = image_epochs(record["dataset"], record["subset"], params, record.get("train_images"))
            if images >= ENOUGH_IMAGES and record["seconds"] is not None:  # None: it was resumed
                key = _key(record["factory"], family[record["factory"]], known.image_shape, record["params"])
                found[key].append(1000 * float(record["seconds"]) / images)
        except (TypeError, ValueError, AttributeError) as error:
            values = ", ".join(f"{name}: {record[name]!r}" for name in DECIDING)
            raise UserError(f"{file} is damaged: its values are of no training ({values}); {CURE}") from error
    return {key: statistics.median(values) for key, values in found.items()}


def image_epochs(dataset: str, subset: str, params: Mapping[str, Any], at_most: int | None = None) -> float:
    """Images times epochs of one training, or what it sees in its `iterations`; classes count as equally large."""
    if iterations := params.get("iterations"):
        return float(iterations * params.get("batch_size", 100))
    of = specification(dataset)
    share = 1 / len(of.class_names)
    images = {"all": 1.0, "not": 1 - share, "only": share}[read_subset(subset)[0]] * of.sizes[0]
    return (min(images, at_most) if at_most else images) * params.get("epochs", 1)


def lasting(family: str | None, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with the epochs that the family has where they name none."""
    described = family_of(family)
    epochs = described.parameters.get("epochs") if described else None
    return {**({"epochs": epochs.default} if epochs and epochs.has_default else {}), **params}


def _deciding(family: str | None, params: Mapping[str, Any], without: str | None = None) -> dict[str, Any]:
    """The parameters that decide the price, with their defaults; all of a model without a family."""
    described = family_of(family)
    if described is None:
        return {name: params[name] for name in sorted(params) if name != without}
    defaults = {name: p.default if p.has_default else None for name, p in described.parameters.items()}
    return {name: params.get(name, defaults[name]) for name in described.size if name != without}


def _key(factory: str, family: str | None, image_shape: Sequence[int], params: Mapping[str, Any]) -> str:
    return canonical([factory, list(image_shape), _deciding(family, params)])


def _price(row: Mapping[str, Any], factor: float = 1.0, memory_mb: float | None = None, disk: float = 1.0) -> Price:
    train = row["train"]
    unmeasured = {"train": train, "score": 0.1 * train, "sample": train, "inpaint": train}
    scaled = {key: factor * row.get(key, value) for key, value in unmeasured.items()}
    return Price(row["start"], **scaled, memory_mb=memory_mb or row["memory_mb"], disk_mb=disk * row["disk_mb"])


def _price_of(
    rows: Sequence[Mapping[str, Any]], family: str | None, image_shape: tuple[int, ...], params: Mapping[str, Any]
) -> Price | None:
    deciding = _deciding(family, params)
    known = next((row for row in rows if _deciding(family, row["params"]) == deciding), None)
    wanted = cost(family, image_shape, {**deciding, **params})
    if wanted is not None:
        return _by_operations([known] if known else rows, family, wanted)
    return _price(known) if known else _by_power(rows, family, params)


def _by_operations(rows: Sequence[Mapping[str, Any]], family: str | None, wanted: Any) -> Price | None:
    """As the measured model whose step has the nearest number of operations, times the ratio."""
    measured = [(row, cost(family, SHAPE, row["params"])) for row in rows]
    if not measured:
        return None
    row, near = min(measured, key=lambda pair: abs(math.log(pair[1].step_flops / wanted.step_flops)))
    memory = row["memory_mb"] + (wanted.peak_bytes - near.peak_bytes) / 2**20
    disk = wanted.parameters / near.parameters
    return _price(row, wanted.step_flops / near.step_flops, memory_mb=max(memory, LEAST_MEMORY_MB), disk=disk)


def _by_power(rows: Sequence[Mapping[str, Any]], family: str | None, params: Mapping[str, Any]) -> Price | None:
    """By a power of the one parameter that differs, through the two measured values that are nearest."""
    for name, value in _deciding(family, params).items():
        others = _deciding(family, params, without=name)
        like = [row for row in rows if _deciding(family, row["params"], without=name) == others]
        points = {_deciding(family, row["params"])[name]: row for row in like}
        if len(points) < 2 or not isinstance(value, int | float):
            continue
        near, far = sorted(points, key=lambda measured: abs(math.log(value / measured)))[:2]
        steps = math.log(value / near) / math.log(far / near)
        one, other = asdict(_price(points[near])), asdict(_price(points[far]))
        return Price(**{key: one[key] * (other[key] / one[key]) ** steps for key in one})
    return None
