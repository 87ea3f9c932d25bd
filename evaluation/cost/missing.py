"""What a collection (`bench collect`) lacks of a plan: trainings, their price, and the command that makes them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from evaluation.base.reading import read_json
from evaluation.cost.estimate import Estimate
from evaluation.plan.jobs import Job
from evaluation.plan.key import TrainingKey
from evaluation.plan.plan import Plan

CURE = "name the folder of a collection, or make one with `bench collect`"


@dataclass(frozen=True)
class Missing:
    """Trainings of a variant on a data set with one kind of subset ("not", "only", "all").

    keys: the trainings. hours: of one core, with what is made from the trainings; None where nothing like it was
    measured. targets: words for Snakemake, below the folder of results, in the shell's braces: all that is made from
    the trainings.
    """

    variant: str
    dataset: str
    kind: str
    keys: tuple[TrainingKey, ...]
    hours: float | None
    targets: str

    @property
    def trainings(self) -> int:
        return len(self.keys)


def collected(folder: Path, plan: Plan) -> set[str]:
    """Paths of the plan's trainings of which a collection, or a run, has every result that the plan asks for.

    Raises:
        UserError: no provenance.json in the folder, or a damaged one.
    """
    models = read_json(folder / "provenance.json", CURE, "models")["models"]
    return plan.with_all_results(models)


def missing(estimate: Estimate, there: Iterable[str]) -> list[Missing]:
    """What is missing, cheapest first; what has no price at the end."""
    have = set(there)
    groups: dict[tuple[str, str, str], dict[Job, list[TrainingKey]]] = {}
    for job in estimate.jobs.all():
        lacking = [key for key in job.keys if key.path not in have]
        if lacking:
            kind = lacking[0].subset.rstrip("0123456789")
            groups.setdefault((job.variant, job.dataset, kind), {})[job] = lacking
    found = [_missing(estimate, key, jobs) for key, jobs in groups.items()]
    return sorted(found, key=lambda one: (one.hours is None, one.hours or 0.0))


def _missing(estimate: Estimate, group: tuple[str, str, str], jobs: dict[Job, list[TrainingKey]]) -> Missing:
    stages = {job: ("train", *estimate.jobs.stages(job)) for job in jobs}
    hours = sum(
        len(lacking) / len(job.keys) * estimate.priced(stage, job).seconds / 3600
        for job, lacking in jobs.items()
        for stage in stages[job]
    )
    known = all(estimate.price(job) is not None for job in jobs)
    makes = {job: stages[job][1:] or stages[job] for job in jobs}  # each of them needs the training
    words = [
        f"stamps/{stage}/{_braced(job.name for job, made in makes.items() if stage in made)}.json"
        for stage in dict.fromkeys(itertools.chain(*makes.values()))
    ]
    keys = tuple(itertools.chain.from_iterable(jobs.values()))
    return Missing(*group, keys, hours if known else None, " ".join(words))


def _braced(names: Iterable[str]) -> str:
    """Names variant/dataset/subsets/seeds as one word for the shell: dcgmm-b/mnist/not0/{seed0,seed1}."""
    parts = [name.split("/") for name in names]
    columns = [list(dict.fromkeys(column)) for column in zip(*parts, strict=True)]
    if sorted(itertools.product(*columns)) == sorted(map(tuple, parts)):
        return "/".join(column[0] if len(column) == 1 else f"{{{','.join(column)}}}" for column in columns)
    return f"{{{','.join(map('/'.join, parts))}}}"
