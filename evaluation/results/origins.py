"""Where the models behind a number are, and who made them when: directory, log, commit, date; mixtures are flagged."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from evaluation.measures.tidy import canonical_params
from evaluation.results.changes import JUDGE
from evaluation.results.results import VARIED, TidySource
from evaluation.results.specs import Key, log_of

if TYPE_CHECKING:
    from evaluation.plan.config import Plan

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
    def _keys(self) -> dict[tuple[str, ...], list[Key]]:
        found: dict[tuple[str, ...], list[Key]] = {}
        for experiment in self.plan.experiments:
            for key in self.plan.runs(experiment):
                variant = self.plan.variants[key[2]]
                point = canonical_params(dict(variant.point))
                place = (experiment, key[0], variant.model.name, variant.protocol, point)
                found.setdefault(place, []).append(key)
        return found

    def keys(self, source: TidySource, seeds: Iterable[int]) -> list[Key]:
        """The trainings behind some tidy rows."""
        params = json.loads(source.params[0])
        point = {k: v for k, v in params.items() if k not in VARIED.get(source.experiment, ())}
        place = (source.experiment, source.dataset, source.model, source.protocol, canonical_params(point))
        subset = f"not{params['outlier_class']}" if "outlier_class" in params else params.get("subset")
        wanted = set(seeds)
        return [k for k in self._keys.get(place, []) if subset in (None, k[1]) and k[3] in wanted]

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
        facts = [self.models.get("/".join((*key[:3], f"seed{key[3]}")), {}) for key in keys]
        commits = dict.fromkeys(str(f["commit"])[:SHORT] for f in facts if f.get("commit"))
        return Origin(
            _directories(keys),
            ", ".join(dict.fromkeys(log_of(self.plan, key) for key in keys)),
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


def _directories(keys: Iterable[Key]) -> str:
    """models/mnist/not0/dcgmm-a/seed{0,1,2}"""
    seeds: dict[tuple[str, str], dict[str, None]] = {}
    for dataset, subset, variant, number in keys:
        place = (f"models/{dataset}", f"{variant}/seed{number}")
        seeds.setdefault(place, {})[subset] = None
    subsets: dict[tuple[str, str, str], list[str]] = {}
    for (root, rest), names in seeds.items():
        variant, _, seed = rest.rpartition("/seed")
        subsets.setdefault((root, _braces(names), variant), []).append(seed)
    return ", ".join(f"{root}/{sub}/{variant}/seed{_braces(some)}" for (root, sub, variant), some in subsets.items())


def _braces(words: Iterable[str]) -> str:
    some = list(words)
    return some[0] if len(some) == 1 else f"{{{','.join(some)}}}"
