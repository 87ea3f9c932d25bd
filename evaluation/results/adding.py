"""What an earlier collection has of trainings that a run does not have: kept when the run is added to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.base.reading import read_json
from evaluation.jobs.basis import STAGE, same, settings
from evaluation.measures.tidy import IDENTITY, read_made_from, read_metrics
from evaluation.plan.plan import load_plan
from evaluation.plan.resolve import PROFILE_FILE
from evaluation.results.changes import JUDGE
from evaluation.results.coverage import CANNOT, RESULTS, by_rows, of_earlier
from evaluation.results.origins import Origins
from evaluation.results.results import TidySource
from evaluation.results.specs import places

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.plan.plan import Plan


CURE = "give --out a new folder, or leave out --add, which replaces what is there"


@dataclass(frozen=True)
class Earlier:
    """What a collection holds that is still the plan's.

    models: directory of a model that has results → what provenance.json says of it, versions spelled out; metrics:
    file name → tidy rows; left: words of trainings whose settings are not the plan's any more, which are dropped;
    stale: the paths of those trainings, also where the run has trained them again.
    """

    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    metrics: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    stale: frozenset[str] = frozenset()


def earlier(plan: Plan, out: Path, run_has: Collection[str]) -> Earlier:
    """What the collection in `out` has of trainings that are the plan's.

    run_has: paths of trainings that the run has results of: they are never named as dropped.

    Raises:
        UserError: a file of the collection is damaged, or its provenance does not say which models it is of.
    """
    files = sorted((out / "metrics").glob("*.parquet"))
    place = out / "provenance.json"
    if not files and not place.is_file():
        return Earlier()
    facts = read_json(place, CURE, "models", "version_sets")
    there, sets = facts["models"], facts["version_sets"]
    ours = plan.trained_as_planned(there)
    origins = Origins(plan, facts)
    metrics, left = {}, [path for path in sorted(there) if path not in ours and path not in run_has]
    for file in (file for file in files if file.name in places(plan)):  # not somebody's own
        frame = read_metrics([file])
        if (others := _of_other_settings(plan, out, file)) is not None:
            left.append(file.stem.replace("_", " of ", 1))
            frame = frame[[model in others for model in frame["model"]]]
        kept = frame[_of(frame, origins, ours)]
        if len(kept):
            metrics[file.name] = kept
    rows, models = by_rows(origins, metrics.values()), {}
    for path in sorted(ours):
        made = {name: value for name, value in there[path].items() if name not in (RESULTS, CANNOT)}
        if covered := of_earlier(plan, there[path], path, rows):
            models[path] = {**made, "versions": sets[made["versions"]], **covered}
    return Earlier(models, metrics, tuple(left), frozenset(set(there) - set(ours)))


def _of_other_settings(plan: Plan, out: Path, file: Path) -> tuple[str, ...] | None:
    """The models whose rows stay in a file of judged samples or completions that were made with other settings than the
    plan's (the judges themselves, if they are the plan's); None where the settings are the plan's."""
    place = places(plan).get(file.name)
    if place is None or place[0] not in STAGE:
        return None
    said = read_made_from(file)
    before = settings(load_plan(out / PROFILE_FILE), *place) if said is None else said.get("settings") or {}
    ours = settings(plan, *place)
    if same(before, ours):
        return None
    return (JUDGE,) if before.get("judges") == ours.get("judges") else ()


def part_of(plan: Plan, place: tuple[str, str], frame: pd.DataFrame, said: Mapping[str, Any]) -> pd.DataFrame:
    """The rows of a run's metrics that are of the plan's trainings and settings. place: experiment and data set; said:
    what they were made from (basis)."""
    if not same(said.get("settings") or {}, settings(plan, *place)):
        return frame.iloc[:0]
    made: Mapping[str, str] = said.get("trainings", {})
    ours = plan.trained_as_planned({path: {"spec": spec} for path, spec in made.items()})
    return frame[_of(frame, Origins(plan, {}), ours)]


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


def with_models(
    facts: dict[str, Any], covered: Mapping[str, Mapping[str, Any]], models: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The provenance of a collection. facts: of the run; covered: what the run's models have given (coverage.of_run),
    others are not named; models: of the earlier collection, where the run has not given something newer."""
    sets = list(facts["version_sets"])
    found = {path: {**facts["models"][path], **words} for path, words in covered.items()}
    for path, made in models.items():
        if path in found:
            results, cannot = ({*found[path].get(name, ()), *made.get(name, ())} for name in (RESULTS, CANNOT))
            found[path] |= {RESULTS: sorted(results), **({CANNOT: sorted(cannot)} if cannot else {})}
            continue
        used = dict(made["versions"])
        if used not in sets:
            sets.append(used)
        found[path] = {**made, "versions": sets.index(used)}
    machines = {path: made.get("machine") or "unknown" for path, made in found.items()}
    return {**facts, "models": dict(sorted(found.items())), "version_sets": sets, "machine_of_result": machines}
