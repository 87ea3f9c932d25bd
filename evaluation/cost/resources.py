"""What jobs asked for and what they took, from the `benchmark:` files of a run (Snakemake's --benchmark-extended)."""

from __future__ import annotations

import ast
import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from evaluation.base.errors import UserError

ASKED = ("mem_mb", "runtime")  # the resources that are compared


@dataclass(frozen=True)
class Taken:
    """One job: its rule, the variant of a model that it is for ("" for none), what it took and what it asked for."""

    rule: str
    variant: str
    seconds: float
    memory_mb: float
    requested_mb: float
    requested_minutes: float


@dataclass(frozen=True)
class Use:
    """The jobs of a rule (and variant): their largest values."""

    name: str
    jobs: int
    minutes: float
    requested_minutes: float
    memory_mb: float
    requested_mb: float

    @property
    def memory_share(self) -> float:
        return self.memory_mb / self.requested_mb


def read_jobs(results: Path) -> list[Taken]:
    """The jobs of a run whose memory was measured (shorter ones than half a second have none).

    Raises:
        UserError: no such files, or files without what was asked for, or not all of it.
    """
    files = sorted(results.glob("benchmarks/**/*.tsv"))
    if not files:
        raise UserError(f"{results} has no benchmarks/*.tsv; give the folder of results of a run")
    jobs = []
    for file in files:
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
                if "resources" not in row:
                    raise UserError(f"{file} has no requested resources; run Snakemake with --benchmark-extended")
                if row["max_rss"] != "NA":
                    jobs.append(_job(row, file))
    return jobs


def _job(row: dict[str, str], file: Path) -> Taken:
    asked = ast.literal_eval(row["resources"])
    if missing := [name for name in ASKED if name not in asked]:
        raise UserError(
            f"{file}: the job asked for no {' and no '.join(missing)}; add it to --default-resources, and run the job "
            "again"
        )
    params = ast.literal_eval(row["params"])
    return Taken(
        rule=row["rule_name"],
        variant=params.get("variant", ""),
        seconds=float(row["s"]),
        memory_mb=float(row["max_rss"]),
        requested_mb=float(asked["mem_mb"]),
        requested_minutes=float(asked["runtime"]),
    )


def summary(jobs: Iterable[Taken], *, by_variant: bool = False) -> list[Use]:
    """The largest values of each rule, or of each rule and variant, by name."""
    groups: dict[str, list[Taken]] = defaultdict(list)
    for job in jobs:
        groups[f"{job.rule} {job.variant}".strip() if by_variant else job.rule].append(job)
    return [
        Use(
            name,
            len(group),
            max(job.seconds for job in group) / 60,
            min(job.requested_minutes for job in group),
            max(job.memory_mb for job in group),
            min(job.requested_mb for job in group),
        )
        for name, group in sorted(groups.items())
    ]
