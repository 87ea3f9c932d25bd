"""A line about every stage while a run goes on: a handler of Snakemake's log that counts what is there."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.status import status, time_left

if TYPE_CHECKING:
    from evaluation.config import Plan

SECONDS_BETWEEN = 30.0
STARTED, FINISHED = "job_started", "job_finished"  # values of Snakemake's log events


class StageProgress(logging.Handler):
    """Prints done and planned jobs of every stage, and the time left, after a job has finished; not too often."""

    def __init__(self, plan: Plan, seconds_between: float) -> None:
        super().__init__()
        self.plan, self.seconds_between = plan, seconds_between
        self.printed = time.monotonic()
        self.running: set[int] = set()
        self.side_by_side = 1  # at most so far

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", None)
        if event == STARTED:
            self.running.update(getattr(record, "jobs", None) or ())
            self.side_by_side = max(self.side_by_side, len(self.running))
        elif event == FINISHED:
            self.running.discard(getattr(record, "job_id", -1))
            if time.monotonic() - self.printed >= self.seconds_between:
                self.printed = time.monotonic()
                self._print()

    def _print(self) -> None:
        state = status(self.plan, Path(self.plan.root))
        stages = ", ".join(f"{stage.name} {stage.done}/{stage.total}" for stage in state.stages)
        print(f"bench: {stages}; {time_left(state, self.side_by_side)}", file=sys.stderr, flush=True)


def follow(plan: Plan, logger: logging.Logger) -> None:
    """Print progress for the rest of this run."""
    logger.addHandler(StageProgress(plan, SECONDS_BETWEEN))
