"""Resuming a killed run: its jobs may still be in a scheduler's queue, without a process that follows them.

Snakemake writes the number of every submitted job into its log; a run notes where that log is (evaluation.jobs.lock).
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from evaluation.base.errors import UserError
from evaluation.jobs.lock import forget_logs
from evaluation.plan.paths import Paths

SUBMITTED = re.compile(r"with (?:SLURM jobid|external jobid) '?([^\s']+)'?")
POLL_SECONDS = 1.0


class Queue(Protocol):
    """What has to be asked of a scheduler."""

    def unfinished(self, jobs: Sequence[str]) -> list[str]:
        """Those of the jobs that wait or run."""

    def cancel(self, jobs: Sequence[str]) -> None:
        """End them."""


class SlurmQueue:
    """Slurm, by squeue and scancel; the user's own jobs alone."""

    def unfinished(self, jobs: Sequence[str]) -> list[str]:
        present = set(_output(["squeue", "--noheader", "--me", "--format=%A"]).split())
        return [job for job in jobs if job in present]

    def cancel(self, jobs: Sequence[str]) -> None:
        _output(["scancel", *jobs])


@dataclass(frozen=True)
class GenericQueue:
    """Any scheduler, by the commands of a profile for Snakemake's cluster-generic executor."""

    status_command: str
    cancel_command: str

    def unfinished(self, jobs: Sequence[str]) -> list[str]:
        status = [*shlex.split(self.status_command)]
        return [job for job in jobs if _output([*status, job]).strip() == "running"]

    def cancel(self, jobs: Sequence[str]) -> None:
        _output([*shlex.split(self.cancel_command), *jobs])


def read_profile(profile: Path | None) -> dict[str, Any]:
    """The options in a Snakemake profile (a directory with config.yaml), none without a profile.

    Raises:
        UserError: there is no such profile.
    """
    if profile is None:
        return {}
    files = [profile / name for name in ("config.yaml", "config.v9+.yaml", "config.v8+.yaml")]
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        raise UserError(f"{profile} is no profile of Snakemake: a directory with a config.yaml is expected")
    return yaml.safe_load(found.read_text(encoding="utf-8")) or {}


def queue_of(options: Mapping[str, Any], profile: Path | None) -> Queue | None:
    """The queue that a profile submits to; None for a run on this machine.

    Raises:
        UserError: an executor whose jobs cannot be ended from here.
    """
    executor = options.get("executor", "local")
    if executor == "local":
        return None
    if executor == "slurm":
        return SlurmQueue()
    commands = [options.get(f"cluster-generic-{what}-cmd") for what in ("status", "cancel")]
    if executor == "cluster-generic" and all(commands):
        return GenericQueue(*(_beside(str(command), profile) for command in commands))
    raise UserError(
        f"{profile}: the jobs of executor {executor!r} cannot be ended from here; set cluster-generic-status-cmd and "
        "cluster-generic-cancel-cmd, or cancel them yourself and start Snakemake again"
    )


def _beside(command: str, profile: Path | None) -> str:
    """A command as Snakemake takes it: the name of a file beside the profile means that file."""
    return str(profile / command) if profile and (profile / command).is_file() else command


def submitted_jobs(results: str | Path) -> list[str]:
    """The scheduler's numbers of all jobs that the runs in a folder of results submitted since the last clean-up."""
    logs = Paths(Path(results)).log_list
    if not logs.is_file():
        return []
    texts = (Path(line) for line in logs.read_text(encoding="utf-8").splitlines())
    found = (SUBMITTED.findall(log.read_text(encoding="utf-8", errors="replace")) for log in texts if log.is_file())
    return list(dict.fromkeys(job.rstrip(".") for jobs in found for job in jobs))


def end_leftovers(results: str | Path, queue: Queue, timeout: float) -> list[str]:
    """Cancel what is left in the queue, wait until it has gone, and forget the logs; the jobs that were cancelled.

    Raises:
        UserError: jobs are still there after `timeout` seconds.
    """
    left = cancelled = queue.unfinished(submitted_jobs(results))
    if cancelled:
        queue.cancel(cancelled)
    end = time.monotonic() + timeout
    while left := queue.unfinished(left):
        if time.monotonic() > end:
            raise UserError(f"jobs {', '.join(left)} are still there {timeout:.0f} s after they were cancelled")
        time.sleep(POLL_SECONDS)
    forget_logs(results)
    return cancelled


def snakemake_command(*options: str) -> list[str]:
    return [sys.executable, "-m", "snakemake", *options]


def unlock(options: Sequence[str]) -> bool:
    """Release Snakemake's own lock, which the profiles here do without; whether a killed run had left one."""
    if not any(Path(".snakemake/locks").glob("*.lock")):
        return False
    _output(snakemake_command(*options, "--unlock"))
    return True


def _output(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(list(command), capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError(
            f"there is no program {command[0]!r} here; run `bench resume` where jobs are submitted"
        ) from None
    if done.returncode:
        raise UserError(f"{shlex.join(command)} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
