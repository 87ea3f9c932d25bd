"""What an earlier collection has of trainings that a run does not have: kept when the run is added to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.base.reading import read_json
from evaluation.measures.tidy import IDENTITY, read_metrics
from evaluation.results.changes import JUDGE
from evaluation.results.origins import Origins
from evaluation.results.results import TidySource

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.plan.plan import Plan


CURE = "give --out a new folder, or leave out --add, which replaces what is there"


@dataclass(frozen=True)
class Earlier:
    """What a collection holds that is still the plan's.

    models: directory of a model → what provenance.json says of it, versions spelled out; metrics: file name → tidy
    rows; left: words of trainings whose settings are not the plan's any more, which are dropped.
    """

    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metrics: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    left: tuple[str, ...] = ()


def earlier(plan: Plan, out: Path, run_has: Collection[str]) -> Earlier:
    """What the collection in `out` has of trainings that are the plan's and not among `run_has` (paths of keys).

    Raises:
        UserError: a file of the collection is damaged, or its provenance does not say which models it is of.
    """
    files = sorted((out / "metrics").glob("*.parquet"))
    place = out / "provenance.json"
    if not files and not place.is_file():
        return Earlier()
    facts = read_json(place, CURE, "models", "version_sets")
    there = {path: made for path, made in facts["models"].items() if path not in run_has}
    ours = plan.trained_as_planned(there)
    sets = facts["version_sets"]
    models = {path: {**made, "versions": sets[made["versions"]]} for path, made in there.items() if path in ours}
    origins = Origins(plan, facts)
    metrics = {}
    for file in files:
        frame = read_metrics([file])
        kept = frame[_of(frame, origins, ours)]
        if len(kept):
            metrics[file.name] = kept
    return Earlier(models, metrics, tuple(sorted(set(there) - ours)))


def _of(frame: pd.DataFrame, origins: Origins, ours: Collection[str]) -> list[bool]:
    """Which rows rest on these models alone, or on none: a judge's own accuracy, and what it says of real images."""
    known: dict[tuple[Any, ...], bool] = {}
    rows = list(frame[IDENTITY].itertuples(index=False, name=None))
    for row in dict.fromkeys(rows):
        protocol, experiment, dataset, model, params, seed, metric = row
        source = TidySource(experiment, dataset, model, protocol, metric, (params,))
        keys = origins.keys(source, [seed])
        known[row] = all(key.path in ours for key in keys) if keys else _of_no_model(source, seed, origins.plan)
    return [known[row] for row in rows]


def _of_no_model(source: TidySource, seed: int, plan: Plan) -> bool:
    """Whether a row rests on no training: not one of a seed, model or grid point that the plan has no more."""
    from evaluation.jobs.judge import MIXTURE, REAL_TEST, REAL_VALIDATION

    if source.experiment != "judge" or source.dataset not in plan.datasets("judge"):
        return False
    if source.model == JUDGE:
        return seed in plan.judge_seeds()
    return source.model in (REAL_TEST, REAL_VALIDATION, MIXTURE)


def merged(new: Mapping[str, pd.DataFrame], old: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Rows of both; where both have a result, the new one."""
    import pandas as pd

    found = dict(old) | dict(new)
    for name in set(new) & set(old):
        there = set(new[name][IDENTITY].itertuples(index=False, name=None))
        rest = old[name][[row not in there for row in old[name][IDENTITY].itertuples(index=False, name=None)]]
        found[name] = pd.concat([new[name], rest], ignore_index=True)
    return found


def with_models(facts: dict[str, Any], models: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The provenance of a run, and of the models of an earlier collection beside."""
    sets = list(facts["version_sets"])
    added = {}
    for path, made in models.items():
        used = dict(made["versions"])
        if used not in sets:
            sets.append(used)
        added[path] = {**made, "versions": sets.index(used)}
    together = dict(sorted((facts["models"] | added).items()))
    machines = {path: made.get("machine") or "unknown" for path, made in together.items()}
    return {**facts, "models": together, "version_sets": sets, "machine_of_result": machines}
