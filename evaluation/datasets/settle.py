"""Before a run: which data sets it works on. Decided once, by the process that starts the run.

The run's profile.json keeps it for all its jobs. The next run decides again, so that real data are used as soon as
they are available.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from evaluation.datasets.catalogue import CATALOGUE
from evaluation.datasets.contents import data_root
from evaluation.datasets.finding import Finding, find
from evaluation.datasets.substitutes import choose, datasets_of, substituted


class Settled(NamedTuple):
    """profile: with the data sets that are used; notices: a line for each substitute."""

    profile: dict[str, Any]
    notices: list[str]


def settle(profile: Mapping[str, Any]) -> Settled:
    """The profile as it is run. One without `substitutes: true` is left as it is; looking for data takes seconds."""
    if not profile.get("substitutes"):
        return Settled(dict(profile), [])
    wanted = datasets_of(profile)
    found = find(wanted)
    stands_in = choose(wanted, [name for name in wanted if found[name].where is None])
    return Settled(substituted(profile, stands_in), [_notice(found[name], other) for name, other in stands_in.items()])


def _notice(missing: Finding, other: str) -> str:
    label = CATALOGUE[missing.name].label
    return (
        f"{label} is not available here; {CATALOGUE[other].label} is used instead. For the real data, put the files "
        f"into {data_root() / missing.name} and start again; `bench data {missing.name}` lists them."
    )
