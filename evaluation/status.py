"""How far a run is: what each stage has made of what the plan asks for, what trains just now, and the time left."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.contents import FILES, figures, tables
from evaluation.pictures import pictures
from evaluation.running import lock_file

if TYPE_CHECKING:
    from evaluation.config import Pack, Plan

LOCKS = Path("/proc/locks")  # Linux; elsewhere nobody is seen running


@dataclass(frozen=True)
class Stage:
    name: str
    done: int
    total: int


@dataclass(frozen=True)
class Status:
    """stages: in the order of the data flow; training: models that are being trained on this machine, by path;
    alive: whether a run holds the folder; seconds: of computing left in trainings, None where nothing is known;
    measured: whether that rests on trainings that have ended, or on the limits of the catalogue only."""

    stages: list[Stage]
    training: list[str]
    alive: bool
    seconds: float | None
    measured: bool


def outputs(plan: Plan) -> dict[str, list[str]]:
    """What every stage makes, below the folder of results: one file for each job, or for each table and figure."""
    experiments = plan.experiments
    made = {"data": [f"stamps/data/{dataset}.json" for dataset in plan.datasets()]}
    made["train"] = [f"stamps/train/{pack.path}.json" for pack in plan.all_packs()]
    made["score"] = _below(plan, plan.stamps("score", "outliers"))
    drawn = [stamp for panels in pictures(plan).values() for panel in panels for stamp in panel.stamps]
    sampled = [stamp for stamp in _below(plan, drawn) if stamp.startswith("stamps/grid_")]
    made["sample"] = list(dict.fromkeys([*_below(plan, plan.stamps("sample", "judge")), *sampled]))
    made["inpaint"] = _below(plan, plan.stamps("inpaint", "inpainting"))
    made["judge"] = [f"stamps/judges/{d}/{seed}.json" for d in plan.datasets("judge") for seed in plan.judge_seeds()]
    measured = [name for name in experiments if name not in ("sampling", "svhn")]
    made["metrics"] = [f"metrics/{name}_{dataset}.parquet" for name in measured for dataset in plan.datasets(name)]
    made["tables"] = [f"tables/{FILES[table.name]}.csv" for table in tables(plan)]
    made["figures"] = [f"figures/{stem}.png" for stem in figures(plan)]
    made["pages"] = ["compare.md", "provenance.json", "report.html"]
    return {stage: files for stage, files in made.items() if files}


def _below(plan: Plan, paths: Iterable[str]) -> list[str]:
    return [path.removeprefix(f"{plan.root}/") for path in paths]


def status(plan: Plan, folder: Path) -> Status:
    """The state of a run in its folder of results."""
    stages = [
        Stage(name, sum((folder / file).is_file() for file in files), len(files))
        for name, files in outputs(plan).items()
    ]
    held = held_locks()
    training = sorted(
        f"{lock.parent.relative_to(folder / 'models').as_posix()}/{lock.name.removeprefix('.').removesuffix('.lock')}"
        for lock in folder.glob("models/*/*/*/.seed*.lock")
        if _is_held(lock, held)
    )
    seconds, measured = seconds_left(plan, folder)
    return Status(stages, training, _is_held(lock_file(folder), held), seconds, measured)


# --- time ------------------------------------------------------------------------------------------------------------


def seconds_left(plan: Plan, folder: Path) -> tuple[float | None, bool]:
    """Seconds of computing that the trainings still take, and whether that rests on measurements.

    A job is taken to cost what finished jobs of its variant cost, per model trained; else the catalogue's minutes,
    corrected by how long finished jobs of other models took against theirs.
    """
    done: dict[str, list[float]] = defaultdict(list)  # variant → seconds of one model
    left = []
    for pack in plan.all_packs():
        if not (folder / f"stamps/train/{pack.path}.json").is_file():
            left.append(pack)
        elif (seconds := _seconds(folder / f"benchmarks/train/{pack.path}.tsv")) is not None:
            done[pack.variant].append(seconds / _models(pack))
    if not left:
        return 0.0, bool(done)
    limits = {
        pack.variant: 60.0 * plan.variants[pack.variant].model.resources.get("minutes", 60) for pack in plan.all_packs()
    }
    ratios = [seconds / limits[variant] for variant, several in done.items() for seconds in several]
    ratio = sum(ratios) / len(ratios) if ratios else 1.0
    each = {v: sum(done[v]) / len(done[v]) if v in done else ratio * limits[v] for v in limits}
    return sum(each[pack.variant] * _models(pack) for pack in left), bool(done)


def _models(pack: Pack) -> int:
    return len(pack.subsets) * len(pack.seeds)


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


def lines(state: Status, jobs: int = 1) -> Iterator[str]:
    """The status in words; `jobs`: how many trainings run side by side."""
    yield ", ".join(f"{stage.name} {stage.done}/{stage.total}" for stage in state.stages)
    yield time_left(state, max(jobs, len(state.training)))
    for name in state.training:
        yield f"training {name}"


def time_left(state: Status, jobs: int) -> str:
    """ "about 2 h 10 min left (2 trainings side by side)"."""
    pages = state.stages[-1]
    if all(stage.done == stage.total for stage in state.stages):
        return "everything is made"
    if not state.seconds:
        return f"all models are trained; {pages.total - pages.done} of {pages.total} pages are to be made"
    basis = "" if state.measured else ", by the catalogue's limits, since none has ended yet"
    side = f"{jobs} trainings side by side" if jobs > 1 else "one after the other"
    return f"{duration(state.seconds / jobs)} of training left ({side}{basis})"


def duration(seconds: float) -> str:
    """ "about 2 h 10 min", "about 3 min", "less than a minute"."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"about {days} d {hours} h"
    return f"about {hours} h {rest} min" if hours else f"about {rest} min"
