"""Where a result comes from: versions, commit, machine, configuration."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evaluation.base.files import CHECKOUT, write_text
from evaluation.base.reading import read_json
from evaluation.plan.paths import Paths

DISTRIBUTION = "dcgmm-benchmark"
SUITE = "suite"  # the extra with what the benchmark needs


def machine_name() -> str:
    """$BENCH_MACHINE, else the host's name: who computed a result, when several machines share one run."""
    return os.environ.get("BENCH_MACHINE") or platform.node() or "unknown"


def machine() -> dict[str, Any]:
    """Name, processor, usable cores, memory in GiB (None where the system does not say), and operating system."""
    return {
        "name": machine_name(),
        "processor": _processor(),
        "cores": _usable_cores(),
        "memory_gib": _memory_gib(),
        "system": platform.platform(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def _usable_cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # what a scheduler leaves us; not on every system
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, OSError, ValueError):
        return None


def versions() -> dict[str, str]:
    """Python's version and those of this distribution and of what it requires, without importing any of them."""
    found = {"python": platform.python_version()}
    for name in (DISTRIBUTION, *sorted(_required())):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _required() -> set[str]:
    """Names of the packages that pyproject.toml asks for, those of the suite among them, those of tests not."""
    try:
        requirements = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:  # a checkout that is not installed
        return set()
    from packaging.requirements import Requirement

    parsed = (Requirement(text) for text in requirements)
    return {r.name for r in parsed if r.marker is None or r.marker.evaluate({"extra": SUITE})}


def git_state(checkout: Path = CHECKOUT) -> dict[str, Any]:
    """Commit of the checkout and whether tracked files differ from it; both None outside of a git checkout."""
    commit = _git(checkout, "rev-parse", "HEAD")
    if not commit:
        return {"commit": None, "modified": None}
    return {"commit": commit, "modified": bool(_git(checkout, "status", "--porcelain", "--untracked-files=no"))}


def _git(checkout: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(checkout), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def stamp() -> dict[str, Any]:
    """What every single result carries (in its bench.json): machine's name, commit, versions, and the time (UTC)."""
    return {
        "machine": machine_name(),
        "commit": git_state()["commit"],
        "versions": versions(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def made_by(models: str | Path) -> dict[str, Any]:
    """What made every model below a folder: "models", its directory → machine, commit, finished (UTC), spec and
    versions, a number of "version_sets", the different sets of versions that there are.

    Raises:
        UserError: a damaged bench.json, by name.
    """
    root, found, sets = Path(models), {}, []
    for path in sorted(root.rglob("bench.json")):
        record = read_json(path, "train the model again: delete its directory and start the run again")
        used = record.get("versions", {})
        if used not in sets:
            sets.append(used)
        facts = {name: record.get(name) for name in ("machine", "commit", "finished", "spec")}
        found[path.parent.relative_to(root).as_posix()] = {**facts, "versions": sets.index(used)}
    return {"models": found, "version_sets": sets}


def machines_of_jobs(stamps: str | Path) -> dict[str, str]:
    """For every stamp of a finished job (stage/variant/dataset/subsets/seeds): the machine that ran it."""
    root = Path(stamps)
    cure = "remove it and start the run again"
    contents = ((path, read_json(path, cure)) for path in sorted(root.rglob("*.json")))
    return {
        path.relative_to(root).with_suffix("").as_posix(): content["machine"]
        for path, content in contents
        if isinstance(content, dict) and "machine" in content
    }


def provenance(config: Mapping[str, Any], paths: Paths) -> dict[str, Any]:
    """Everything about a run: versions, git state, machine, configuration, and where each model and job comes from."""
    made = made_by(paths.root / "models")
    return {
        "versions": versions(),
        "git": git_state(),
        "machine": machine(),
        "config": dict(config),
        **made,
        "machine_of_result": {place: facts["machine"] or "unknown" for place, facts in made["models"].items()},
        "machine_of_job": machines_of_jobs(paths.root / "stamps"),
    }


def write_provenance(path: str | Path, config: Mapping[str, Any], paths: Paths) -> dict[str, Any]:
    """Write `provenance(config, paths)` to `path` as JSON, atomically, and return it."""
    facts = provenance(config, paths)
    write_text(path, as_text(facts))
    return facts


def as_text(facts: Mapping[str, Any]) -> str:
    """provenance.json."""
    return json.dumps(facts, indent=2, sort_keys=True) + "\n"
