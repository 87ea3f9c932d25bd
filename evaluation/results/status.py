"""How far a run is: what each stage has made of what the plan asks for, what trains just now, and the time left.

The time left is the estimate of `bench plan` (evaluation/cost/estimate.py) for the jobs that have not finished, times
what the finished ones took relative to theirs.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.cost.estimate import wall_seconds
from evaluation.jobs.store import lock_of
from evaluation.plan.experiments import MEASURED, STAGES
from evaluation.plan.jobs import Jobs
from evaluation.plan.paths import Paths
from evaluation.results.outputs import FIGURE, TABLE, items

if TYPE_CHECKING:
    from evaluation.cost.estimate import Estimate, Priced
    from evaluation.plan.plan import Plan

LOCKS = Path("/proc/locks")  # Linux; elsewhere nobody is seen running
WORKERS = 2  # jobs at a time, where a run has not said
PROVIDED = re.compile(r"^Provided (cores|remote nodes): (\d+)", flags=re.MULTILINE)  # in Snakemake's log


@dataclass(frozen=True)
class StageCount:
    name: str
    done: int
    total: int


@dataclass(frozen=True)
class TimeLeft:
    """seconds: by the clock, on so many workers, 0 where every job has finished; None where nothing is known of any job
    that is left; pace: seconds that finished jobs took, relative to their estimate, None before one has finished;
    unknown: variants that are left out, since nothing comparable was measured."""

    seconds: float | None
    workers: int
    pace: float | None
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class Status:
    """stages: in the order of the data flow; training: models that are being trained on this machine, by path;
    alive: whether a run holds the folder."""

    stages: list[StageCount]
    training: list[str]
    alive: bool
    left: TimeLeft

    @property
    def word(self) -> str:
        """running, finished, stopped, or not begun."""
        if self.alive:
            return "running"
        if all(stage.done == stage.total for stage in self.stages):
            return "finished"
        return "stopped" if any(stage.done for stage in self.stages) else "not begun"


def outputs(plan: Plan, paths: Paths) -> dict[str, list[Path]]:
    """What every stage makes: one file for each job, or for each table and figure."""
    jobs = Jobs(plan)
    judges = [f"{dataset}/{seed}" for dataset in plan.datasets("judge") for seed in plan.judge_seeds()]
    stamps = {stage: [paths.stamp(stage, job.name) for job in jobs.of(plan.made(stage))] for stage in STAGES}
    made = {
        "data": [paths.stamp("data", dataset) for dataset in plan.datasets()],
        "train": [paths.stamp("train", job.name) for job in jobs.all()],
        "score": stamps["score"],
        "sample": [*stamps["sample"], *stamps["grid_plain"], *stamps["grid_sharpened"]],
        "inpaint": stamps["inpaint"],
        "judge": [paths.stamp("judges", name) for name in judges],
        "metrics": [paths.metrics(name, dataset) for name in MEASURED for dataset in plan.datasets(name)],
        "tables": [paths.table(file) for file in items(plan, TABLE)],
        "figures": [paths.figure(file) for file in items(plan, FIGURE)],
        "pages": [paths.compare, paths.provenance, paths.report],
    }
    return {stage: files for stage, files in made.items() if files}


def status(
    estimate: Estimate, folder: Path, workers: int | None = None, files: Container[Path] | None = None
) -> Status:
    """The state of a run in its folder of results; `workers`: jobs at a time, None for those of the run itself;
    `files`: as for `time_left`."""
    plan, paths = estimate.plan, estimate.plan.paths(folder)
    stages = [
        StageCount(name, sum(file.is_file() for file in files), len(files))
        for name, files in outputs(plan, paths).items()
    ]
    held = held_locks()
    training = sorted(key.path for key in plan.all_keys() if held and _is_held(lock_of(paths.model(key)), held))
    left = time_left(estimate, paths, workers or workers_of(plan, paths), files)
    return Status(stages, training, _is_held(paths.lock, held), left)


# --- time ------------------------------------------------------------------------------------------------------------


def time_left(estimate: Estimate, paths: Paths, workers: int, files: Container[Path] | None = None) -> TimeLeft:
    """The time until every job of a run has finished; pages, which take seconds, are not counted.

    files: absolute paths of what a run makes that was asked for a part of its plan; None: everything.
    """
    chains, taken = _left_and_taken(estimate, paths, files)
    known = [(one, seconds) for one, seconds in taken if one.known]
    pace = sum(seconds for _, seconds in known) / sum(one.seconds for one, _ in known) if known else None
    unpriced: dict[tuple[str, str], list[float]] = defaultdict(list)  # seconds for each training
    for one, seconds in taken:
        if one.job and not one.known:
            unpriced[one.stage, one.job.variant].append(seconds / one.trainings)

    submissions: list[list[float]] = []
    unknown: dict[str, None] = {}
    for chain in chains:
        expected = []
        for one in chain:
            if one.known or one.job is None:
                expected.append((pace or 1.0) * one.seconds)
            elif several := unpriced.get((one.stage, one.job.variant)):
                expected.append(one.trainings * sum(several) / len(several))
            else:
                unknown[one.job.variant] = None
        submissions.append(expected)
    seconds = wall_seconds([sum(expected) for expected in submissions if expected], workers)
    return TimeLeft(seconds if any(submissions) or not chains else None, workers, pace, tuple(unknown))


def _left_and_taken(
    estimate: Estimate, paths: Paths, files: Container[Path] | None
) -> tuple[list[list[Priced]], list[tuple[Priced, float]]]:
    """The submissions with the jobs that they still have, and the finished jobs with the seconds that they took."""
    chains, taken = [], []
    for chain in estimate.chains:
        left = []
        for one in chain:
            stamp = paths.stamp(one.stage, one.name)
            if not stamp.is_file():
                if files is None or stamp.absolute() in files:
                    left.append(one)
            elif (seconds := _seconds(paths.benchmark(one.stage, one.name))) is not None:
                taken.append((one, seconds))
        if left:
            chains.append(left)
    return chains, taken


def workers_of(plan: Plan, paths: Paths) -> int:
    """Jobs at a time of the last run in a folder of results, as its log has it: cluster submissions, or cores."""
    try:
        log = paths.log_list.read_text(encoding="utf-8").split("\n")[-2]
        provided = PROVIDED.findall(Path(log).read_text(encoding="utf-8", errors="replace"))
    except (OSError, IndexError):
        provided = []
    if not provided:
        return WORKERS
    what, number = provided[-1]
    return max(1, int(number) // (plan.profile.threads if what == "cores" else 1))


def _seconds(path: Path) -> float | None:
    """Seconds by the clock in Snakemake's benchmark file; None without one."""
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            return float(next(csv.DictReader(lines, delimiter="\t"))["s"])
    except (OSError, StopIteration, KeyError, ValueError):
        return None


# --- locks -----------------------------------------------------------------------------------------------------------


def held_locks() -> set[int]:
    """Inodes of the files that somebody on this machine has locked. Looking does not disturb: nothing is locked."""
    try:
        lines = LOCKS.read_text(encoding="ascii").splitlines()
    except OSError:
        return set()
    return {int(found[1]) for line in lines if (found := re.search(r":(\d+) \d+ (?:\d+|EOF)$", line))}


def _is_held(path: Path, held: set[int]) -> bool:
    return path.is_file() and path.stat().st_ino in held


# --- words -----------------------------------------------------------------------------------------------------------


def lines(state: Status) -> Iterator[str]:
    """The status in words."""
    yield ", ".join(f"{stage.name} {stage.done}/{stage.total}" for stage in state.stages)
    yield in_words(state)
    for name in state.training:
        yield f"training {name}"


def in_words(state: Status) -> str:
    """ "about 2 h 10 min left (2 jobs at a time; so far they took 1.4 times what `bench plan` expects)"."""
    pages, left = state.stages[-1], state.left
    if all(stage.done == stage.total for stage in state.stages):
        return "everything is done"
    if left.seconds == 0:
        return f"all models are trained and measured; {pages.total - pages.done} of {pages.total} pages remain"
    unknown = f"nothing comparable to {', '.join(left.unknown)} was measured" if left.unknown else ""
    if left.seconds is None:
        return f"time unknown: {unknown}"
    side = f"{left.workers} jobs at a time" if left.workers > 1 else "one job at a time"
    basis = (
        "what `bench plan` expects" if left.pace is None else f"{left.pace:.2g} times what `bench plan` expects, so far"
    )
    without = f"; not counted: {unknown}" if unknown else ""
    return f"{duration(left.seconds)} left ({side}; {basis}{without})"


def duration(seconds: float) -> str:
    """ "about 2 h 10 min", "about 3 min", "less than a minute"."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"about {days} d {hours} h"
    return f"about {hours} h {rest} min" if hours else f"about {rest} min"
