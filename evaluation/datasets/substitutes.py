"""Substitutes of data sets that are not available: pure functions of a profile and of what is available.

    profile + available data ──choose──▶ {"mnist": "mnist-5k"} ──substituted──▶ profile of the run

Only for profiles that say `substitutes: true`. The profile of the run names the substitution (`stands_in`, `title`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from evaluation.datasets.catalogue import CATALOGUE

# Embedded data sets, the first that is free serves.
SUBSTITUTES = {"mnist": ("mnist-5k",), "fashion_mnist": ("mnist-5k", "digits"), "svhn": ("photos",)}


def datasets_of(profile: Mapping[str, Any]) -> list[str]:
    """The data sets of a profile's experiments, each once, in the order of the catalogue."""
    named = {name for settings in profile["experiments"].values() if settings for name in settings["datasets"]}
    return [name for name in CATALOGUE if name in named]


def choose(wanted: Iterable[str], missing: Iterable[str]) -> dict[str, str]:
    """Data set that is not available → its substitute.

    Two get different substitutes as long as there are unused ones; then the last one is used again.
    Missing data sets without a substitute are left out.
    """
    missing = list(missing)
    taken = set(wanted) - set(missing)
    chosen: dict[str, str] = {}
    for name in (name for name in CATALOGUE if name in missing and name in SUBSTITUTES):
        free = [other for other in SUBSTITUTES[name] if other not in taken]
        chosen[name] = free[0] if free else SUBSTITUTES[name][-1]
        taken.add(chosen[name])
    return chosen


def substituted(profile: Mapping[str, Any], stands_in: Mapping[str, str]) -> dict[str, Any]:
    """The profile with other data sets in all experiments; what becomes the same is named once.

    `stands_in` and the title say what was done. The profile itself is unchanged; without substitutes it is returned as
    it is.
    """
    if not stands_in:
        return dict(profile)
    experiments: dict[str, dict[str, Any] | None] = {}
    for name, settings in profile["experiments"].items():
        if settings is None:  # not run
            experiments[name] = None
            continue
        changed = dict(settings)
        changed["datasets"] = list(dict.fromkeys(stands_in.get(d, d) for d in settings["datasets"]))
        if "curves" in settings:
            panels = ((model, stands_in.get(dataset, dataset)) for model, dataset in settings["curves"])
            changed["curves"] = [list(panel) for panel in dict.fromkeys(panels)]
        experiments[name] = changed
    used = ", ".join(f"{_label(other)} for {_label(name)}" for name, other in stands_in.items())
    title = profile.get("title") or f"{profile['profile']} profile"
    return {**profile, "title": f"{title}; {used}", "stands_in": dict(stands_in), "experiments": experiments}


def _label(name: str) -> str:
    return CATALOGUE[name].label
