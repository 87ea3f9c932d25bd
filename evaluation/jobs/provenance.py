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

from evaluation.base.files import write_text
from evaluation.base.reading import read_json

CHECKOUT = Path(__file__).resolve().parents[2]
DISTRIBUTION = "dcgmm-benchmark"


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
    """Names of the packages that pyproject.toml asks for, extras left out."""
    from packaging.requirements import Requirement

    try:
        requirements = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return set()
    parsed = (Requirement(text) for text in requirements)
    return {requirement.name for requirement in parsed if "extra" not in str(requirement.marker or "")}


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


def machines_of(directory: str | Path) -> dict[str, str]:
    """For every bench.json below `directory`: its directory, relative and with "/", and the machine that made it."""
    root = Path(directory)
    return {
        path.parent.relative_to(root).as_posix(): json.loads(path.read_text(encoding="utf-8")).get("machine", "unknown")
        for path in sorted(root.rglob("bench.json"))
    }


def made_by(directory: str | Path) -> dict[str, Any]:
    """What made every model below `directory`: "models", its directory → machine, commit, finished (UTC) and versions,
    a number of "version_sets", the different sets of versions that there are.

    Raises:
        UserError: a damaged bench.json, by name.
    """
    root, models, sets = Path(directory), {}, []
    for path in sorted(root.rglob("bench.json")):
        record = read_json(path, "train the model again: delete its directory and start the run again")
        used = record.get("versions", {})
        if used not in sets:
            sets.append(used)
        facts = {name: record.get(name) for name in ("machine", "commit", "finished")}
        models[path.parent.relative_to(root).as_posix()] = {**facts, "versions": sets.index(used)}
    return {"models": models, "version_sets": sets}


def machines_of_jobs(stamps: str | Path) -> dict[str, str]:
    """For every stamp of a finished job (stage/dataset/variant/subsets/seeds): the machine that ran it."""
    root = Path(stamps)
    contents = ((path, json.loads(path.read_text(encoding="utf-8"))) for path in sorted(root.rglob("*.json")))
    return {
        path.relative_to(root).with_suffix("").as_posix(): content["machine"]
        for path, content in contents
        if isinstance(content, dict) and "machine" in content
    }


def provenance(
    config: Mapping[str, Any], results: str | Path | None = None, stamps: str | Path | None = None
) -> dict[str, Any]:
    """Everything about a run: versions, git state, machine, configuration, and the machine of each model and job.

    `results` is a directory of trained models, `stamps` that of finished jobs (scores, samples, …), None for neither.
    """
    return {
        "versions": versions(),
        "git": git_state(),
        "machine": machine(),
        "config": dict(config),
        "machine_of_result": machines_of(results) if results is not None else {},
        "machine_of_job": machines_of_jobs(stamps) if stamps is not None else {},
        **(made_by(results) if results is not None else {}),
    }


def write_provenance(
    path: str | Path, config: Mapping[str, Any], results: str | Path | None = None, stamps: str | Path | None = None
) -> dict[str, Any]:
    """Write `provenance(config, results, stamps)` to `path` as JSON, atomically, and return it."""
    facts = provenance(config, results, stamps)
    write_text(path, json.dumps(facts, indent=2, sort_keys=True) + "\n")
    return facts
