"""Before a run: which data sets it works on. Decided once, by the process that starts the run, and recorded for others.

A process that Snakemake starts for a single job, on another machine perhaps, reads the record: all of a run's jobs work
on the same data. The next run decides anew, so that real data are used as soon as they are there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from evaluation.base.files import write_text
from evaluation.datasets.catalogue import CATALOGUE
from evaluation.datasets.contents import data_root
from evaluation.datasets.finding import Finding, find
from evaluation.datasets.substitutes import choose, datasets_of, substituted

RECORD = "data.json"  # in the folder of results


class Settled(NamedTuple):
    """profile: with the data sets that are used; notices: a line for each that stands in for another."""

    profile: dict[str, Any]
    notices: list[str]


def settle(profile: Mapping[str, Any], folder: str | Path, *, decide: bool) -> Settled:
    """The profile as it is run.

    A profile without `substitutes: true` is left as it is. decide: look for the data sets (seconds); otherwise the
    record of the run in `folder` counts.
    """
    if not profile.get("substitutes"):
        return Settled(dict(profile), [])
    if not decide:
        record = Path(folder) / RECORD
        stands_in = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
        return Settled(substituted(profile, stands_in), [])
    wanted = datasets_of(profile)
    found = find(wanted)
    stands_in = choose(wanted, [name for name in wanted if found[name].where is None])
    return Settled(substituted(profile, stands_in), [_notice(found[name], other) for name, other in stands_in.items()])


def record(profile: Mapping[str, Any], folder: str | Path) -> None:
    """Write down what stands in for what, for `settle` in the processes of single jobs."""
    write_text(Path(folder) / RECORD, json.dumps(profile.get("stands_in", {})) + "\n")


def _notice(missing: Finding, other: str) -> str:
    label = CATALOGUE[missing.name].label
    return (
        f"{label} cannot be had here; {CATALOGUE[other].label} is used in its place. For the real data put the files "
        f"into {data_root() / missing.name} and start again; `bench data {missing.name}` names them."
    )
