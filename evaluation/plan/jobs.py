"""The trainings of a plan, packed into jobs with a name each."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from evaluation.base.errors import ConfigError
from evaluation.base.words import LONGEST, digest, nearest, shortened
from evaluation.plan.catalogue import Variant
from evaluation.plan.key import TrainingKey
from evaluation.plan.plan import Plan


@dataclass(frozen=True)
class Job:
    """Trainings of one variant on one data set that are done together, one after the other."""

    keys: tuple[TrainingKey, ...]

    @property
    def dataset(self) -> str:
        return self.keys[0].dataset

    @property
    def variant(self) -> str:
        return self.keys[0].variant

    @property
    def subsets(self) -> list[str]:
        return list(dict.fromkeys(key.subset for key in self.keys))

    @property
    def name(self) -> str:
        """What the job is called, on a command line and below stamps/: dcgmm-e/fashion_mnist/not0-not1/seed0-1.

        That of a single training is the training's. No commas: where Snakemake hands a job to a cluster, they separate
        its wildcards.
        """
        seeds = dict.fromkeys(key.seed for key in self.keys)
        numbers = "-".join(map(str, seeds))
        if len(numbers) > LONGEST:  # the first and the last, and a number that only these have
            first, *_, last = seeds
            numbers = f"{first}-{last}-{int(digest(list(seeds)), 16)}"
        return f"{self.variant}/{self.dataset}/{shortened('-'.join(self.subsets))}/seed{numbers}"


class Jobs:
    """Every training of a plan is in one job. What several experiments ask for is trained once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._of = dict(self._pack())
        self._by_name = {job.name: job for job in self._of.values()}

    def all(self) -> list[Job]:
        return list(self._by_name.values())

    def named(self, name: str) -> Job:
        """The job of this name, or a single training.

        Raises:
            ConfigError: there is none.
        """
        if name in self._by_name:
            return self._by_name[name]
        if name in self._by_word:
            return Job((self._by_word[name],))
        raise ConfigError(f"the {self.plan.title} has no job {name!r}; {nearest(name, self._by_name)}")

    def whole(self, name: str) -> Job:
        """The job of this name, which has a stamp.

        Raises:
            ConfigError: there is none, or it is one training of a job that does several.
        """
        job = self.named(name)
        if name not in self._by_name:
            raise ConfigError(f"{name!r} is trained with others in one job; ask for {self._of[job.keys[0]].name!r}")
        return job

    @cached_property
    def _by_word(self) -> dict[str, TrainingKey]:
        return {key.word: key for key in self._of}

    def of(self, keys: Iterable[TrainingKey]) -> list[Job]:
        """The jobs of some trainings, each once."""
        return list(dict.fromkeys(self._of[key] for key in keys))

    def keys(self, stage: str, job: Job) -> list[TrainingKey]:
        """A job's trainings that a stage is for; all for "train". What another experiment has trained in the same job
        is none of its business."""
        return list(job.keys) if stage == "train" else [key for key in job.keys if key in self.plan.made(stage)]

    def stages(self, job: Job) -> list[str]:
        """What is made from a job's trainings."""
        from evaluation.plan.experiments import STAGES

        return [stage for stage in STAGES if self.keys(stage, job)]

    def stamps(self, stage: str, keys: Iterable[TrainingKey]) -> list[str]:
        """The files, below the folder of results, that stand for finished jobs of a stage."""
        paths = self.plan.paths("")
        return [paths.stamp(stage, job.name).as_posix() for job in self.of(keys)]

    def variant(self, job: Job) -> Variant:
        return self.plan.variants[job.variant]

    def threads(self, job: Job) -> int:
        return self.variant(job).model.threads or self.plan.profile.threads

    # --- packing

    def _pack(self) -> Iterator[tuple[TrainingKey, Job]]:
        seeds: dict[tuple[str, str], dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        for key in self.plan.all_keys():
            seeds[key.dataset, key.variant][key.subset].add(key.seed)
        for (dataset, variant), by_subset in seeds.items():
            for job in self._jobs(dataset, variant, by_subset):
                for key in job.keys:
                    yield key, job

    def _jobs(self, dataset: str, variant: str, by_subset: Mapping[str, set[int]]) -> Iterator[Job]:
        same_seeds: dict[tuple[int, ...], list[str]] = defaultdict(list)
        for subset, wanted in by_subset.items():
            same_seeds[tuple(sorted(wanted))].append(subset)
        for seeds, subsets in same_seeds.items():
            for some_subsets in chunks(subsets, self._packing(variant, "subsets_per_job")):
                for some_seeds in chunks(seeds, self._packing(variant, "seeds_per_job")):
                    pairs = itertools.product(some_subsets, some_seeds)
                    yield Job(tuple(TrainingKey(dataset, subset, variant, seed) for subset, seed in pairs))

    def _packing(self, variant: str, key: str) -> int:
        own = getattr(self.plan.variants[variant].model.packing, key)
        return own or getattr(self.plan.profile.packing, key) or 1


def chunks(items: Sequence, size: int) -> list[tuple]:
    """`items` in order, in tuples of at most `size`."""
    return [tuple(items[start : start + size]) for start in range(0, len(items), size)]
