"""A line about every stage while a run goes on: a handler of Snakemake's log that counts what is there."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Container
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.cost.estimate import Estimate
from evaluation.cost.prices import prices_before
from evaluation.results.status import in_words, status
from evaluation.results.terminal import estimate_from

if TYPE_CHECKING:
    from evaluation.plan.plan import Plan

SECONDS_BETWEEN = 30.0
FINISHED = "job_finished"  # value of Snakemake's log event


class StageProgress(logging.Handler):
    """Prints done and planned jobs of every stage, and the time left, after a job has finished; not too often."""

    def __init__(self, plan: Plan, seconds_between: float, files: Container[Path] | None = None) -> None:
        super().__init__()
        self.plan, self.seconds_between, self.files = plan, seconds_between, files
        self.printed = time.monotonic()

    @cached_property
    def estimate(self) -> Estimate:
        return Estimate(self.plan, prices_before(Path(self.plan.root)))

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "event", None) == FINISHED and time.monotonic() - self.printed >= self.seconds_between:
            self.printed = time.monotonic()
            self._print()

    def _print(self) -> None:
        state = status(self.estimate, Path(self.plan.root), files=self.files)
        stages = ", ".join(f"{stage.name} {stage.done}/{stage.total}" for stage in state.stages)
        print(f"bench: {stages}; {in_words(state)}", file=sys.stderr, flush=True)


def follow(plan: Plan, logger: logging.Logger, files: Container[Path] | None = None) -> None:
    """Tell progress for the rest of this run, which makes `files` (absolute; None: all that is planned): on its
    display, or in lines between Snakemake's own."""
    if not estimate_from(plan, files):
        logger.addHandler(StageProgress(plan, SECONDS_BETWEEN, files))
