"""Which trainings of a run have given results, in which experiments: what a collection may say that it has.

provenance.json of a collection says it of each model: "results", the experiments that have something of it, and
"cannot", those among them that have nothing since the model cannot do it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from evaluation.jobs.inpaint import MEASURES_FILE
from evaluation.jobs.unable import why_not
from evaluation.plan.experiments import MEASURED
from evaluation.results.origins import Origins
from evaluation.results.results import TidySource

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.plan.key import TrainingKey
    from evaluation.plan.paths import Paths
    from evaluation.plan.plan import Plan

RESULTS, CANNOT = "results", "cannot"  # of a model in provenance.json
PICTURES = ("grid_plain", "grid_sharpened")  # stages that make what an experiment without metrics shows
WHOSE = ["protocol", "experiment", "dataset", "model", "params"]

Covered = dict[str, set[str]]  # path of a training → experiments


def by_rows(origins: Origins, frames: Iterable[pd.DataFrame]) -> Covered:
    """The experiments that have rows of a training."""
    found: Covered = {}
    for frame in frames:
        for place, seeds in frame.groupby(WHOSE, sort=False)["seed"]:
            protocol, experiment, dataset, model, params = map(str, place)
            source = TidySource(experiment, dataset, model, protocol, "", (params,))
            for key in origins.keys(source, seeds.unique()) if experiment in MEASURED else ():
                found.setdefault(key.path, set()).add(experiment)
    return found


def of_run(
    plan: Plan, paths: Paths, frames: Iterable[pd.DataFrame], keys: Iterable[TrainingKey]
) -> dict[str, dict[str, list[str]]]:
    """What provenance.json says of the finished trainings `keys`; nothing of one that has given no result.

    frames: the tidy rows of the run.
    """
    rows, cannot = by_rows(Origins(plan, {}), frames), _unable(plan, paths)
    found = {}
    for key in keys:
        pictures = _pictures(plan, paths, key)
        if words := in_words(rows.get(key.path, set()) | pictures, cannot.get(key.path, set())):
            found[key.path] = words
    return found


def marked(plan: Plan, there: int) -> str:
    """The run's title; of `there` trainings, where these are not all, also how many."""
    total = len(plan.needed_by)
    return plan.title + (f", unfinished: {there} of {total} trainings" if there < total else "")


def in_words(results: set[str], cannot: set[str]) -> dict[str, list[str]]:
    """As it stands in provenance.json; empty where there is nothing."""
    words = {RESULTS: sorted(results | cannot), CANNOT: sorted(cannot - results)}
    return {name: names for name, names in words.items() if names}


def of_earlier(plan: Plan, made: Mapping[str, Any], path: str, rows: Covered) -> dict[str, list[str]]:
    """The same of a model of a collection. rows: what the plan still has of it; made: what its provenance.json says,
    which tells of pictures, and of what the model cannot do."""
    said = set(made.get(RESULTS, plan.needed_by.get(path, ())))
    return in_words(rows.get(path, set()) | (said - set(MEASURED)), set(made.get(CANNOT, ())))


def _unable(plan: Plan, paths: Paths) -> Covered:
    """The experiments that have no rows of a training since its model, or one that is judged with it, cannot do it."""
    found: Covered = {}
    for key in plan.keys("inpainting"):
        if why_not(paths.completions(key) / MEASURES_FILE):
            found.setdefault(key.path, set()).add("inpainting")
    judged: dict[tuple[str, str, int], list[TrainingKey]] = {}
    for key in plan.keys("judge"):
        judged.setdefault((key.dataset, key.variant, key.seed), []).append(key)
    for keys in judged.values():
        if any(why_not(paths.samples(key)) for key in keys):
            for key in keys:
                found.setdefault(key.path, set()).add("judge")
    return found


def _pictures(plan: Plan, paths: Paths, key: TrainingKey) -> set[str]:
    """The experiments without metrics that have of a training what they show: its samples, or the model itself."""
    wanted = [paths.samples(key, stage) for stage in PICTURES if key in plan.made(stage)]
    there = all(path.is_file() or why_not(path) for path in wanted)
    return set(plan.needed_by[key.path]) - set(MEASURED) if there else set()
