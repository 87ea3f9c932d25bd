"""Where the models behind a number are, and who made them when: directory, log, commit, date; mixtures are flagged."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from evaluation.measures.tidy import canonical_params
from evaluation.plan.jobs import Jobs
from evaluation.results.changes import JUDGE
from evaluation.results.results import TOGETHER, VARIED, TidySource
from evaluation.results.specs import log_of

if TYPE_CHECKING:
    from evaluation.plan.key import TrainingKey
    from evaluation.plan.plan import Plan

UNKNOWN = "not recorded"
SHORT = 10  # characters of a commit


@dataclass(frozen=True)
class Origin:
    """In words, each as short as several models allow; `UNKNOWN` where nothing says so."""

    directories: str
    logs: str
    commits: str
    dates: str


class Origins:
    """The models of a run and what made them.

    Args:
        plan: the run's.
        provenance: what `bench provenance` wrote; an older one without "models" knows machines only.
    """

    def __init__(self, plan: Plan, provenance: Mapping[str, Any]) -> None:
        self.plan = plan
        self.models: Mapping[str, Mapping[str, Any]] = provenance.get("models", {})
        self.version_sets: list[Mapping[str, str]] = provenance.get("version_sets", [])

    @cached_property
    def _jobs(self) -> Jobs:
        return Jobs(self.plan)

    @cached_property
    def _keys(self) -> dict[tuple[str, ...], list[TrainingKey]]:
        found: dict[tuple[str, ...], list[TrainingKey]] = {}
        for experiment in self.plan.experiments:
            for key in self.plan.keys(experiment):
                variant = self.plan.variant(key)
                point = canonical_params(dict(variant.point))
                place = (experiment, key.dataset, variant.model.name, variant.protocol, point)
                found.setdefault(place, []).append(key)
        return found

    def keys(self, source: TidySource, seeds: Iterable[int]) -> list[TrainingKey]:
        """The trainings behind some tidy rows."""
        params = json.loads(source.params[0])
        point = {k: v for k, v in params.items() if k not in VARIED.get(source.experiment, ())}
        experiment = TOGETHER.get(source.experiment, source.experiment)
        place = (experiment, source.dataset, source.model, source.protocol, canonical_params(point))
        subset = f"not{params['outlier_class']}" if "outlier_class" in params else params.get("subset")
        wanted = set(seeds)
        return [k for k in self._keys.get(place, []) if subset in (None, k.subset) and k.seed in wanted]

    def of(self, source: TidySource, seeds: Iterable[int]) -> Origin:
        """The origin of some tidy rows."""
        numbers = list(seeds)
        if source.model == JUDGE:
            braces = _braces(map(str, numbers))
            return Origin(
                f"judges/{source.dataset}/seed{braces}", f"logs/judges/{source.dataset}/{braces}.log", UNKNOWN, UNKNOWN
            )
        keys = self.keys(source, numbers)
        if not keys:
            return Origin(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN)
        facts = [self.models.get(key.path, {}) for key in keys]
        commits = dict.fromkeys(str(f["commit"])[:SHORT] for f in facts if f.get("commit"))
        return Origin(
            _directories(keys),
            ", ".join(dict.fromkeys(log_of(self.plan, self._jobs, key) for key in keys)),
            ", ".join(commits) or UNKNOWN,
            _dates(facts),
        )

    def words(self) -> dict[str, str]:
        """Commits, machines and dates of all models, with counts."""
        facts = list(self.models.values())
        if not facts:
            return {}
        return {
            "models' commits": _counted(str(f.get("commit") or UNKNOWN)[:SHORT] for f in facts),
            "models' dates": _dates(facts),
        }

    def mixtures(self) -> list[str]:
        """A sentence for each kind in which the models of this run differ: commits, versions of packages, machines."""
        facts = list(self.models.values())
        found = []
        for name in ("commit", "machine"):
            values = [str(f.get(name) or UNKNOWN) for f in facts]
            if len(set(values)) > 1:
                short = (value[:SHORT] if name == "commit" else value for value in values)
                found.append(f"The models were trained at different {name}s: {_counted(short)}.")
        sets = [self.version_sets[f["versions"]] for f in facts if "versions" in f]
        for package in sorted({name for versions in sets for name in versions}):
            values = [versions.get(package, "none") for versions in sets]
            if len(set(values)) > 1:
                found.append(f"The models were trained with different versions of {package}: {_counted(values)}.")
        return found


def _counted(values: Iterable[str]) -> str:
    return ", ".join(f"{value} ({count})" for value, count in Counter(values).most_common())


def _dates(facts: Iterable[Mapping[str, Any]]) -> str:
    dates = sorted({str(f["finished"])[:10] for f in facts if f.get("finished")})
    return " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else UNKNOWN


def _directories(keys: Iterable[TrainingKey]) -> str:
    """models/mnist/not0/dcgmm-a/seed{0,1,2}"""
    subsets: dict[tuple[str, str, int], list[str]] = {}
    for key in keys:
        subsets.setdefault((key.dataset, key.variant, key.seed), []).append(key.subset)
    seeds: dict[tuple[str, str, str], list[str]] = {}
    for (dataset, variant, seed), names in subsets.items():
        seeds.setdefault((dataset, _braces(names), variant), []).append(str(seed))
    return ", ".join(f"models/{d}/{names}/{v}/seed{_braces(some)}" for (d, names, v), some in seeds.items())


def _braces(words: Iterable[str]) -> str:
    some = list(words)
    return some[0] if len(some) == 1 else f"{{{','.join(some)}}}"
