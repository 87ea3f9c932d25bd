"""What a profile will cost: jobs, CPU hours, memory and disk of each stage, and the time on N workers.

- A job costs `start` (imports, compilation) once, and then
  training: trainings × images × epochs × price of an image (a Gaussian mixture: without epochs);
  scoring: trainings × (validation and test images) × price; sampling and in-painting alike, for every mask and variant.
- Time on N workers: jobs in the order of the plan, each to the worker that is free first, what is made from a training
  right behind it; every job costs the scheduler `OVERHEAD_SECONDS` more. Tables and figures are not counted.
- Memory is what was measured with MNIST, and `IMAGE_BYTES` more for each value that a larger data set has.

What a job asks its scheduler for, and the time that a run has left (evaluation/results/status.py), are computed from
the same estimate.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from evaluation.cost.prices import SHAPE, Price, Prices, image_epochs, lasting
from evaluation.datasets.contents import specification
from evaluation.plan.jobs import Job, Jobs
from evaluation.plan.plan import Plan

OVERHEAD_SECONDS = 6.0  # of one submission, docs/performance.md
IMAGE_BYTES = 8  # a grey value of a training image in memory: float32, once in the data set and once in the subset
# What a job asks for.
SAFETY = 3  # time, relative to the time that it is expected to take, since machines differ
MEMORY_SAFETY = 1.25
RUNNER_MB = 400  # memory of the two Snakemakes beside the work: 170 MB in a submission, 170 in its step
LEAST_MINUTES, LEAST_MB = 15, 1000  # compilation on a slow machine, imports from a slow file system
START_UP_MINUTES = 5  # beside the minutes of a training that the catalogue or a profile states
FOLLOWING_MINUTES = 60  # a job that follows an unmeasured model's training
GROWTH = 1.5  # memory and time of a second attempt, relative to the first
MASKS_AND_VARIANTS = 8  # of an in-painting job: four masks, two variants; priced as one completion each
JUDGE_SECONDS = 2.6  # of the judge's CNN per 1000 image-epochs
ORDER = ("train", "score", "sample", "inpaint", "grid_plain", "grid_sharpened", "judges")
NOTHING = Price(0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Priced:
    """One job of a stage: CPU seconds, peak memory and the disk that its results take, in MB.

    name: of its stamp and its benchmark file; job: None for a judge; known: whether something comparable was measured,
    all numbers are 0 otherwise.
    """

    stage: str
    name: str
    job: Job | None
    seconds: float
    memory_mb: float
    disk_mb: float
    gpu: bool = False
    known: bool = True

    @property
    def trainings(self) -> int:
        return len(self.job.keys) if self.job else 1


class Estimate:
    """The jobs of a plan with their prices. `unknown`: variants that nothing comparable was measured for."""

    def __init__(self, plan: Plan, prices: Prices) -> None:
        self.plan, self.prices, self.jobs = plan, prices, Jobs(plan)
        self._price: dict[tuple[str, str], Price | None] = {}

    def price(self, job: Job) -> Price | None:
        """The price of a job's variant on its data set; None where nothing comparable was measured."""
        key = (job.variant, job.dataset)
        if key not in self._price:
            self._price[key] = self.prices.of(self.jobs.variant(job), specification(job.dataset).image_shape)
        return self._price[key]

    @cached_property
    def unknown(self) -> list[str]:
        return list(dict.fromkeys(job.variant for job in self.jobs.all() if self.price(job) is None))

    def minutes(self, stage: str, job: Job, attempt: int = 1) -> int:
        """What a job should ask for: three times what it is expected to take. What a profile says about a training goes
        before, and what the catalogue says serves where nothing comparable was measured."""
        model = self.jobs.variant(job).model
        each = self.plan.catalogue.stated_resources(model.name).get("minutes") if stage == "train" else None
        if each is None and self.price(job):
            asked = max(LEAST_MINUTES, SAFETY * self.priced(stage, job).seconds / 60)
        elif stage == "train":
            asked = START_UP_MINUTES + len(job.keys) * (each or model.resources.minutes or 60)
        else:
            asked = FOLLOWING_MINUTES
        return math.ceil(asked * GROWTH ** (attempt - 1))

    def megabytes(self, job: Job, attempt: int = 1) -> int:
        """What a job should ask for: a quarter more than it is expected to take, and Snakemake's own memory; exceptions
        as for its time."""
        model = self.jobs.variant(job).model
        asked = self.plan.catalogue.stated_resources(model.name).get("mem_mb")
        if asked is None and self.price(job):
            asked = RUNNER_MB + max(LEAST_MB, MEMORY_SAFETY * self.priced("train", job).memory_mb)
        return math.ceil((asked or model.resources.mem_mb or 2000) * GROWTH ** (attempt - 1))

    @cached_property
    def chains(self) -> list[list[Priced]]:
        """The submissions: a training with what is made from it, and each judge."""
        judges = [(dataset, seed) for dataset in self.plan.datasets("judge") for seed in self.plan.judge_seeds()]
        chains = [[self._judge(dataset, seed)] for dataset, seed in judges]
        for job in self.jobs.all():
            chains.append([self.priced(stage, job) for stage in ("train", *self.jobs.stages(job))])
        return chains

    def priced(self, stage: str, job: Job) -> Priced:
        """A job with its price, 0 where that is unknown."""
        variant, found = self.jobs.variant(job), self.price(job)
        price = found or NOTHING
        if stage == "train":
            trainings = len(job.keys)
            at_most = variant.model.train_images or self.plan.profile.train_images
            params = {subset: lasting(variant.model.family, variant.params_of(subset)) for subset in job.subsets}
            images = sum(image_epochs(job.dataset, key.subset, params[key.subset], at_most) for key in job.keys)
            work, disk = images / 1000 * price.train, price.disk_mb
        else:
            each, unit = self._uses(stage, job.dataset, price)
            trainings = len(self.jobs.keys(stage, job))
            work = trainings * each / 1000 * unit
            row_bytes = 40 if stage == "score" else 4 * math.prod(specification(job.dataset).image_shape)
            disk = 0.0 if stage == "inpaint" else each * row_bytes / 2**20
        return Priced(
            stage,
            job.name,
            job,
            price.start + work,
            memory_mb=price.memory_mb + images_mb(job.dataset) if found else 0.0,
            disk_mb=trainings * disk,
            gpu=variant.gpu,
            known=found is not None,
        )

    def _uses(self, stage: str, dataset: str, price: Price) -> tuple[int, float]:
        """Images of one training in a stage, and the price of 1000."""
        run = self.plan.profile.experiments
        if stage == "score":
            return sum(specification(dataset).sizes[1:]), price.score
        if stage == "inpaint":
            return MASKS_AND_VARIANTS * (run.inpainting.images if run.inpainting else 0), price.inpaint
        if stage == "sample":
            return run.judge.samples if run.judge else 0, price.sample
        return run.sampling.images if run.sampling else 100, price.sample

    def _judge(self, dataset: str, seed: int) -> Priced:
        judges = self.plan.judges
        images = image_epochs(dataset, "all", {"epochs": judges.epochs or 15}, judges.train_images)
        seconds = 8 + images / 1000 * JUDGE_SECONDS
        return Priced("judges", f"{dataset}/{seed}", None, seconds, 1000, 10, gpu=True)

    def stages(self) -> list[dict[str, Any]]:
        """One row for each stage, and their sum: jobs, CPU hours, those that a GPU could take over, memory, disk."""
        priced = [one for chain in self.chains for one in chain]
        names = sorted({one.stage for one in priced}, key=ORDER.index)
        return [*(_row(name, [one for one in priced if one.stage == name]) for name in names), _row("all", priced)]

    def wall_hours(self, workers: int) -> float:
        """Hours until the last worker is done."""
        return wall_seconds([sum(one.seconds for one in chain) for chain in self.chains], workers) / 3600

    def overhead_share(self) -> float:
        """The scheduler's part of the work of all workers."""
        overhead = OVERHEAD_SECONDS * len(self.chains)
        return overhead / (overhead + sum(one.seconds for chain in self.chains for one in chain))


def wall_seconds(submissions: Iterable[float], workers: int) -> float:
    """Seconds until the last of some workers is done with submissions of so many seconds each; 0 without any."""
    submissions = list(submissions)
    free = [0.0] * max(1, min(workers, len(submissions)))  # the others have nothing to do
    for seconds in submissions:
        heapq.heapreplace(free, free[0] + OVERHEAD_SECONDS + seconds)
    return max(free)


def images_mb(dataset: str) -> float:
    """MB that the images of a data set take beyond those of MNIST, which prices were measured with."""
    values = specification(dataset).sizes[0] * math.prod(specification(dataset).image_shape)
    return max(0, values - specification("mnist").sizes[0] * math.prod(SHAPE)) * IMAGE_BYTES / 2**20


def _row(stage: str, priced: Sequence[Priced]) -> dict[str, Any]:
    return {
        "stage": stage,
        "jobs": len(priced),
        "cpu_hours": sum(one.seconds for one in priced) / 3600,
        "gpu_hours_of_them": sum(one.seconds for one in priced if one.gpu) / 3600,
        "memory_mb": max((one.memory_mb for one in priced), default=0.0),
        "disk_mb": sum(one.disk_mb for one in priced),
    }
