"""The jobs of a run that failed: one line each, and a report of what there is all the same."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.base.errors import UserError
from evaluation.results.outputs import PARTIAL

if TYPE_CHECKING:
    from evaluation.plan.plan import Plan

JOB_FAILED = "job_error"  # value of Snakemake's log event
LONGEST = 200  # characters of a job's own message
ERROR = "bench: error: "
NOTE = re.compile(r"[IW]\d{4} |WARNING:|\d{4}-\d\d-\d\d .*: [IW] ")  # of TensorFlow, JAX


class Failures(logging.Handler):
    """Notes the failed attempts of jobs from Snakemake's log, for the rest of this run."""

    def __init__(self) -> None:
        super().__init__()
        self._jobs: dict[tuple[str, ...], tuple[str, list[Path]]] = {}  # outputs → rule, logs

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "event", None) == JOB_FAILED:
            job = record.__dict__
            self._jobs[tuple(job["output"])] = job["rule_name"], [Path(path) for path in job["log"]]

    def lines(self, results: str | Path) -> list[str]:
        """A line for each job that has failed in its last attempt: which, what it said last, its log."""
        return [
            _line(rule, logs, Path(results))
            for outputs, (rule, logs) in self._jobs.items()
            if not (outputs and all(Path(path).exists() for path in outputs))  # another attempt has made it
        ]


def _line(rule: str, logs: Iterable[Path], results: Path) -> str:
    log = next((path for path in logs if path.is_file()), None)
    if log is None:
        return f"{rule} failed"
    place = log.with_suffix("")
    name = " ".join(place.relative_to(results / "logs").parts) if place.is_relative_to(results / "logs") else rule
    message = last_words(log.read_text(encoding="utf-8", errors="replace"))
    short = message if len(message) <= LONGEST else f"{message[:LONGEST]}…"
    return f"{name} failed: {short} (log: {log})"


def last_words(log: str) -> str:
    """A job's own words on its failure: the error that `bench` printed, else the last line that is no library's."""
    lines = [line.strip() for line in log.splitlines() if line.strip() and not NOTE.match(line)]
    errors = [line.removeprefix(ERROR) for line in lines if line.startswith(ERROR)]
    return [*lines, *errors][-1] if lines else "stopped without a message"


def report_failures(plan: Plan, failures: Failures, say: Callable[[str], None]) -> None:
    """Name the failed jobs, and collect in a separate folder what the others have made.

    A run that the user stopped is not reported.
    """
    from evaluation.plan.resolve import Run
    from evaluation.results.collect import collect

    lines = failures.lines(plan.root)
    if not lines:
        return
    for line in lines:
        say(line)
    out = Path(plan.root) / PARTIAL
    try:
        title = collect(Run(plan, Path(plan.root).resolve()), out, lines)
    except UserError as error:
        say(str(error))
        return
    say(f"partial results: {out / 'report.html'} ({title})")
