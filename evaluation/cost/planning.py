"""What a profile will cost: jobs, CPU hours, memory and disk of each stage, and the time on N workers.

The cost model, all of it:

- a job costs `start` (imports, compilation) once, and then
  training: trainings × images × epochs × price of an image (a Gaussian mixture: without epochs);
  scoring: trainings × (validation and test images) × price; sampling and in-painting alike, for every mask and variant;
- prices are CPU seconds of one thread, from evaluation/cost/model_costs.yaml, which benchmarks/model_costs.py measures,
  or, for training, from models that were trained here: seconds / (images × epochs) of their bench.json;
- a model that was not measured: an Einsum network by the floating-point operations of a step (baselines.einsum.cost),
  for images of another shape too; a DCGMM by its multiplications (positions × inputs × components, summed over layers),
  relative to the nearest measured one; another model by a power of the one parameter that differs, if two of its values
  were measured; else it is not in the estimate and is named;
- an image that is sampled or completed costs as much as one in training, one that is scored a tenth, where that was not
  measured;
- time on N workers: jobs in the order of the plan, each to the worker that is free first, what is made from a training
  right behind it; every job costs the scheduler `OVERHEAD_SECONDS` more. Tables and figures are not counted;
- memory is what was measured with MNIST, and `IMAGE_BYTES` more for each value that a larger data set has.

What a job asks its scheduler for (`Estimate.minutes`, `Estimate.megabytes`) and the time that a run has left
(evaluation/results/status.py) are computed from the same estimate.
"""

from __future__ import annotations

import heapq
import itertools
import json
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from evaluation.datasets.catalogue import CATALOGUE
from evaluation.models.registry import families
from evaluation.plan.experiments import ASKING
from evaluation.plan.grid_cost import cost

if TYPE_CHECKING:
    from evaluation.plan.config import Pack, Plan, Variant

TABLE = Path(__file__).with_name("model_costs.yaml")
RESULTS = Path("results")  # below the working directory
OVERHEAD_SECONDS = 6.0  # of one submission, docs/performance.md
ENOUGH_IMAGES = 50_000  # image-epochs below which a training's time is mostly its start
# Images of each split: train, validation, test.
SIZES = {name: spec.sizes for name, spec in CATALOGUE.items()}
# What of a model's parameters decides its price.
DECIDING = {
    "dcgmm": ("config",),
    "gmm": ("components",),
    "rat-spn": ("sums", "depth", "repetitions", "leaf"),
    "pd-spn": ("sums", "delta", "axes", "leaf"),
    "dgc-spn": ("sums", "products", "leaves"),
    "vae": ("latent", "width"),
}
SHAPE = (28, 28, 1)  # of the images that prices were measured with
IMAGE_BYTES = 8  # a grey value of a training image in memory: float32, once in the data set and once in the subset
# What a job asks for.
SAFETY = 3  # time, relative to the time that it is expected to take, since machines differ
MEMORY_SAFETY = 1.25
LEAST_MINUTES, LEAST_MB = 15, 1000  # compilation on a slow machine, imports from a slow file system
START_UP_MINUTES = 5  # beside the minutes of a training that the catalogue or a profile states
FOLLOWING_MINUTES = 60  # a job that follows an unmeasured model's training
GROWTH = 1.5  # memory and time of a second attempt, relative to the first
MASKS_AND_VARIANTS = 8  # of an in-painting job: four masks, two variants; priced as one completion each
JUDGE_SECONDS = 2.6  # of the judge's CNN per 1000 image-epochs
# Dense products in PyTorch, convolutions in TensorFlow. DCGMM's steps are small; it was never measured on a GPU.
GPU_FAMILIES = ("rat-spn", "pd-spn", "dgc-spn", "vae")


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


@dataclass(frozen=True)
class Job:
    """One job of a stage: CPU seconds, peak memory and the disk that its results take, in MB.

    path: of its stamp and its benchmark file, below stamps/ and benchmarks/; pack: None for a judge; priced: whether
    something comparable was measured, all numbers are 0 otherwise.
    """

    stage: str
    path: str
    pack: Pack | None
    seconds: float
    memory_mb: float
    disk_mb: float
    gpu: bool = False
    priced: bool = True


class Prices:
    """Prices of models, from the table and from trainings that are there.

    measured: folders of results whose bench.json are used for training.
    """

    def __init__(self, measured: Iterable[Path] = (), table: Path = TABLE) -> None:
        content = yaml.safe_load(table.read_text(encoding="utf-8"))
        self.source = f"{content['machine']}, {content['date']}, {content['command']}"
        self.rows: dict[str, dict[str, Any]] = content["models"]
        self.trained = trained_prices(measured)

    def of(self, variant: Variant, image_shape: tuple[int, ...] = SHAPE) -> Price | None:
        """The price of a variant for images of a shape; None where nothing comparable was measured."""
        family = variant.model.family or ""
        rows = [row for row in self.rows.values() if row["factory"] == variant.model.factory]
        price = _price_of(rows, family, image_shape, variant.params)
        train = self.trained.get(_key(variant.model.factory, family, image_shape, variant.params))
        if price is None or train is None:
            return price
        return Price(**{**price.__dict__, "train": train})


def result_folders() -> list[Path]:
    """The folders of results of the working directory."""
    return sorted(RESULTS.glob("*"))


def prices_before(run: Path) -> Prices:
    """The prices of the table and of these folders, those of a run itself left out: what it was planned with."""
    return Prices(folder for folder in result_folders() if folder.resolve() != run.resolve())


def trained_prices(folders: Iterable[Path]) -> dict[str, float]:
    """Median seconds per 1000 image-epochs of the trained models below some folders, by what decides the price."""
    family_of = {entry["factory"]: name for name, entry in families().items()}
    found = defaultdict(list)
    for file in (f for folder in folders for f in folder.glob("models/**/bench.json")):
        record = json.loads(file.read_text(encoding="utf-8"))
        images = image_epochs(record["dataset"], record["subset"], record["params"], record.get("train_images"))
        family = family_of.get(record["factory"])
        if family and images >= ENOUGH_IMAGES and record["dataset"] in SIZES:
            shape = CATALOGUE[record["dataset"]].image_shape
            found[_key(record["factory"], family, shape, record["params"])].append(1000 * record["seconds"] / images)
    return {key: statistics.median(values) for key, values in found.items()}


def _deciding(family: str, params: Mapping[str, Any], without: str | None = None) -> dict[str, Any]:
    """The parameters that decide the price, with their defaults; all of a model without a family."""
    described = families().get(family, {}).get("parameters", {})
    names = DECIDING.get(family, sorted(params))
    return {name: params.get(name, described.get(name, {}).get("default")) for name in names if name != without}


def _key(factory: str, family: str, image_shape: Sequence[int], params: Mapping[str, Any]) -> str:
    return json.dumps([factory, image_shape, _deciding(family, params)])


def _price(row: Mapping[str, Any], factor: float = 1.0, memory_mb: float | None = None, disk: float = 1.0) -> Price:
    train = row["train"]
    unmeasured = {"train": train, "score": 0.1 * train, "sample": train, "inpaint": train}
    scaled = {key: factor * row.get(key, value) for key, value in unmeasured.items()}
    return Price(row["start"], **scaled, memory_mb=memory_mb or row["memory_mb"], disk_mb=disk * row["disk_mb"])


def _price_of(
    rows: Sequence[Mapping[str, Any]], family: str, image_shape: tuple[int, ...], params: Mapping[str, Any]
) -> Price | None:
    deciding = _deciding(family, params)
    known = next((row for row in rows if _deciding(family, row["params"]) == deciding), None)
    if (wanted := cost(family, image_shape, params)) is not None:
        return _by_operations([known] if known else rows, family, deciding, wanted)
    if known:
        return _price(known)
    if family == "dcgmm":
        return _by_multiplications(rows, params)
    for name, value in deciding.items():
        others = _deciding(family, params, without=name)
        like = [row for row in rows if _deciding(family, row["params"], without=name) == others]
        points = {_deciding(family, row["params"])[name]: row for row in like}
        if len(points) >= 2 and isinstance(value, int | float):
            return _by_power(points, value)
    return None


def _by_operations(
    rows: Sequence[Mapping[str, Any]], family: str, deciding: Mapping[str, Any], wanted: Any
) -> Price | None:
    described = [(row, _deciding(family, row["params"])) for row in rows]
    same = [(row, own) for row, own in described if own["leaf"] == deciding["leaf"]] or described
    if not same:
        return None
    row, _ = min(same, key=lambda pair: abs(math.log(pair[1]["sums"] / deciding["sums"])))
    measured = cost(family, SHAPE, row["params"])
    memory = row["memory_mb"] + (wanted.peak_bytes - measured.peak_bytes) / 2**20
    disk = wanted.parameters / measured.parameters
    return _price(row, wanted.step_flops / measured.step_flops, memory_mb=max(memory, 400.0), disk=disk)


def _by_multiplications(rows: Sequence[Mapping[str, Any]], params: Mapping[str, Any]) -> Price | None:
    independent = "independent" in params["config"]  # parameters at every position: two to three times the time
    like = [row for row in rows if ("independent" in row["params"]["config"]) == independent] or list(rows)
    if not like:
        return None
    wanted = multiplications(params["config"])
    row = min(like, key=lambda r: abs(math.log(multiplications(r["params"]["config"]) / wanted)))
    return _price(row, wanted / multiplications(row["params"]["config"]))


@cache
def multiplications(config: str) -> int:
    """Multiplications of a DCGMM's mixture layers for one image, of 28×28 pixels or else of 32×32×3."""
    from dcgmm.notation import ConfigurationError, place

    try:
        layers = place(config, SHAPE).cgmm_layers
    except ConfigurationError:
        layers = place(config, (32, 32, 3)).cgmm_layers
    return sum(math.prod(layer.input_shape) * layer.output_shape[2] for layer in layers)


def _by_power(points: Mapping[float, Mapping[str, Any]], value: float) -> Price:
    """Prices as a power of one parameter, through the two measured values that are nearest to `value`."""
    near, far = sorted(points, key=lambda measured: abs(math.log(value / measured)))[:2]
    steps = math.log(value / near) / math.log(far / near)
    one, other = _price(points[near]).__dict__, _price(points[far]).__dict__
    return Price(**{key: one[key] * (other[key] / one[key]) ** steps for key in one})


def image_epochs(dataset: str, subset: str, params: Mapping[str, Any], at_most: int | None = None) -> float:
    """Images times epochs of one training, or what it sees in its `iterations`; classes are taken as equally large."""
    if iterations := params.get("iterations"):
        return iterations * params.get("batch_size", 100)
    share = 1.0 if subset == "all" else 0.1 if subset.startswith("only") else 0.9
    images = share * SIZES.get(dataset, (0,))[0]
    return (min(images, at_most) if at_most else images) * params.get("epochs", 1)


class Estimate:
    """The jobs of a plan with their prices. `unknown`: variants that nothing comparable was measured for."""

    def __init__(self, plan: Plan, prices: Prices) -> None:
        self.plan, self.prices = plan, prices
        self._price: dict[tuple[str, str], Price | None] = {}

    def price(self, pack: Pack) -> Price | None:
        """The price of a job's variant on its data set; None where nothing comparable was measured."""
        key = (pack.variant, pack.dataset)
        if key not in self._price:
            self._price[key] = self.prices.of(self.plan.variants[pack.variant], CATALOGUE[pack.dataset].image_shape)
        return self._price[key]

    @cached_property
    def unknown(self) -> list[str]:
        return list(dict.fromkeys(pack.variant for pack in self.plan.all_packs() if self.price(pack) is None))

    def minutes(self, stage: str, pack: Pack, attempt: int = 1) -> int:
        """What a job should ask for: three times what it is expected to take. What a profile says about a training goes
        before, and what the catalogue says serves where nothing comparable was measured."""
        model = self.plan.variants[pack.variant].model
        each = self.plan.stated_resources(model).get("minutes") if stage == "train" else None
        if each is None and self.price(pack):
            asked = max(LEAST_MINUTES, SAFETY * self.job(stage, pack).seconds / 60)
        elif stage == "train":
            asked = START_UP_MINUTES + pack.trainings * (each or model.resources.get("minutes", 60))
        else:
            asked = FOLLOWING_MINUTES
        return math.ceil(asked * GROWTH ** (attempt - 1))

    def megabytes(self, pack: Pack, attempt: int = 1) -> int:
        """What a job should ask for: a quarter more than it is expected to take; exceptions as for its time."""
        model = self.plan.variants[pack.variant].model
        asked = self.plan.stated_resources(model).get("mem_mb")
        if asked is None and self.price(pack):
            asked = max(LEAST_MB, MEMORY_SAFETY * self.job("train", pack).memory_mb)
        return math.ceil((asked or model.resources.get("mem_mb", 2000)) * GROWTH ** (attempt - 1))

    @cached_property
    def chains(self) -> list[list[Job]]:
        """The submissions: a training with what is made from it, and each judge."""
        stages = self._followers()
        judges = [(dataset, seed) for dataset in self.plan.datasets("judge") for seed in self.plan.judge_seeds()]
        chains = [[self._judge(dataset, seed)] for dataset, seed in judges]
        for pack in self.plan.all_packs():
            chains.append([self.job("train", pack), *(self.job(stage, pack) for stage in stages.get(pack.path, ()))])
        return chains

    def _followers(self) -> dict[str, list[str]]:
        """What is made from each training, by its pack."""
        from evaluation.results.panels import picture_inputs, pictures

        stages = defaultdict(list)
        for stage, experiments in ASKING.items():
            if not stage.startswith("grid_"):  # those follow from the figures
                for pack in itertools.chain.from_iterable(map(self.plan.packs, experiments)):
                    stages[pack.path].append(stage)
        head = f"{self.plan.root}/stamps/"
        stamps = {stamp for figure in pictures(self.plan) for stamp in picture_inputs(self.plan, figure)}
        for stamp in sorted(stamps):
            stage, _, path = stamp.removeprefix(head).removesuffix(".json").partition("/")
            if stage.startswith("grid_") and stage not in stages[path]:
                stages[path].append(stage)
        return stages

    def job(self, stage: str, pack: Pack) -> Job:
        """A job with its price, 0 where that is unknown."""
        variant = self.plan.variants[pack.variant]
        found = self.price(pack)
        price = found or Price(0, 0, 0, 0, 0, 0, 0)
        trainings = pack.trainings
        if stage == "train":
            at_most = variant.model.train_images or self.plan.config.get("train_images")
            images = sum(
                image_epochs(pack.dataset, subset, variant.params_of(subset), at_most) for subset in pack.subsets
            )
            work, disk = images * len(pack.seeds) / 1000 * price.train, price.disk_mb
        else:
            images, unit = self._uses(stage, pack.dataset, price)
            trainings = len(self.plan.own_runs(stage, pack))
            work = trainings * images / 1000 * unit
            row_bytes = 40 if stage == "score" else 4 * math.prod(CATALOGUE[pack.dataset].image_shape)
            disk = 0.0 if stage == "inpaint" else images * row_bytes / 2**20
        return Job(
            stage,
            f"{stage}/{pack.path}",
            pack,
            price.start + work,
            memory_mb=price.memory_mb + images_mb(pack.dataset) if found else 0.0,
            disk_mb=trainings * disk,
            gpu=variant.model.family in GPU_FAMILIES,
            priced=found is not None,
        )

    def _uses(self, stage: str, dataset: str, price: Price) -> tuple[int, float]:
        """Images of one training in a stage, and the price of 1000."""
        settings = self.plan.experiments
        if stage == "score":
            return sum(SIZES.get(dataset, (0, 0, 0))[1:]), price.score
        if stage == "sample":
            return settings["judge"].get("samples", 1000), price.sample
        if stage == "inpaint":
            return MASKS_AND_VARIANTS * settings["inpainting"].get("images", 1000), price.inpaint
        return settings.get("sampling", {}).get("images", 100), price.sample

    def _judge(self, dataset: str, seed: int) -> Job:
        settings = self.plan.experiments["judge"].get("judges", {})
        images = image_epochs(dataset, "all", {"epochs": settings.get("epochs", 15)}, settings.get("train_images"))
        seconds = 8 + images / 1000 * JUDGE_SECONDS
        return Job("judges", f"judges/{dataset}/{seed}", None, seconds, 1000, 10, gpu=True)

    def stages(self) -> list[dict[str, Any]]:
        """One row for each stage, and their sum: jobs, CPU hours, those that a GPU could take over, memory, disk."""
        jobs = [job for chain in self.chains for job in chain]
        names = list(dict.fromkeys(job.stage for job in jobs))
        rows = [_row(name, [job for job in jobs if job.stage == name]) for name in sorted(names, key=_order)]
        return [*rows, _row("all", jobs)]

    def wall_hours(self, workers: int) -> float:
        """Hours until the last worker is done."""
        return wall_seconds([sum(job.seconds for job in chain) for chain in self.chains], workers) / 3600

    def overhead_share(self) -> float:
        """The scheduler's part of the work of all workers."""
        overhead = OVERHEAD_SECONDS * len(self.chains)
        return overhead / (overhead + sum(job.seconds for chain in self.chains for job in chain))


def wall_seconds(submissions: Iterable[float], workers: int) -> float:
    """Seconds until the last of some workers is done with submissions of so many seconds each; 0 without any."""
    free = [0.0] * workers
    for seconds in submissions:
        heapq.heapreplace(free, free[0] + OVERHEAD_SECONDS + seconds)
    return max(free)


def images_mb(dataset: str) -> float:
    """MB that the images of a data set take beyond those of MNIST, which prices were measured with."""
    values = SIZES[dataset][0] * math.prod(CATALOGUE[dataset].image_shape)
    return max(0, values - SIZES["mnist"][0] * math.prod(SHAPE)) * IMAGE_BYTES / 2**20


def _order(stage: str) -> tuple[int, str]:
    known = ("train", "score", "sample", "inpaint", "grid_plain", "grid_sharpened", "judges")
    return (known.index(stage) if stage in known else len(known), stage)


def _row(stage: str, jobs: Sequence[Job]) -> dict[str, Any]:
    return {
        "stage": stage,
        "jobs": len(jobs),
        "cpu_hours": sum(job.seconds for job in jobs) / 3600,
        "gpu_hours_of_them": sum(job.seconds for job in jobs if job.gpu) / 3600,
        "memory_mb": max((job.memory_mb for job in jobs), default=0.0),
        "disk_mb": sum(job.disk_mb for job in jobs),
    }
