"""What a run shows on a terminal: a line with a bar for each stage, what runs now, the time left, warnings, failures.

    Snakemake's log events ──▶ Board (counts) ──▶ Display: redrawn in place on a terminal, plain lines elsewhere

Snakemake loads it by way of workflow/logger (`snakemake --logger bench`); its own output stays in .snakemake/log.
"""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from evaluation.plan.plan import Plan

# Stages in their order: rules. A rule that is not here is a stage of its own.
STAGES = {
    "data": ("data",),
    "train": ("train",),
    "train judges": ("train_judge",),
    "score": ("score",),
    "sample": ("sample",),
    "in-paint": ("inpaint",),
    "measure": ("measure",),
    "tables": ("table",),
    "figures": ("figure",),
    "report": ("compare", "provenance", "report_page"),
}
TARGETS = ("all", "tables", "figures")  # rules that make nothing
STAGE_OF = {rule: stage for stage, rules in STAGES.items() for rule in rules}
SECONDS_BETWEEN = 30.0  # of the plain lines
SECONDS_OF_ESTIMATE = 10.0  # after which the time left is computed anew
NAMES_SHOWN = 90  # characters of what runs now
PARTS_SHOWN = 2  # subsets or seeds of a job that are named; of more, the first and the last
# Of Snakemake's errors, what follows a failed job, which has its own line.
SAID_BEFORE = (
    "CalledProcessError in file",
    "Exiting because a job execution failed",
    "At least one job did not complete",
)
WORTH_SAYING = ("Terminating processes", "Nothing to be done", "Will exit after", "Trying to restart")
TOLD = "told"  # attribute of a record: the result of the run, to be read at its end


class Board:
    """Counts of a run's jobs, from Snakemake's log events."""

    def __init__(self) -> None:
        self.total: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.failed: dict[int, str] = {}  # job → stage, until another attempt has succeeded
        self.running: dict[int, tuple[str, str]] = {}  # job → stage, name

    def take(self, record: Mapping[str, Any]) -> str:
        """Note an event; returns its stage if a job has begun, finished or failed, else nothing."""
        event = record.get("event")
        if event == "run_info":
            counts = {rule: count for rule, count in record["stats"].items() if rule not in (*TARGETS, "total")}
            self.total = Counter()
            for rule, count in counts.items():
                self.total[stage_of(rule)] += count
        elif event == "job_info" and record["rule_name"] not in TARGETS:
            stage = stage_of(record["rule_name"])
            self.running[record["jobid"]] = stage, job_name(record["rule_name"], record["log"])
            return stage
        elif event == "job_finished":
            stage, _ = self.running.pop(record["job_id"], ("", ""))
            self.failed.pop(record["job_id"], None)
            if stage:
                self.done[stage] += 1
            return stage
        elif event == "job_error":
            stage, _ = self.running.pop(record["jobid"], (stage_of(record["rule_name"]), ""))
            self.failed[record["jobid"]] = stage
            return stage
        return ""

    def stages(self) -> list[str]:
        """The stages that have jobs, in their order."""
        return sorted(self.total, key=lambda stage: [*STAGES, stage].index(stage))

    def now(self, stage: str) -> str:
        """What runs now in a stage."""
        return ", ".join(name for own, name in self.running.values() if own == stage)


def stage_of(rule: str) -> str:
    return STAGE_OF.get(rule, rule.replace("_", " "))


def job_name(rule: str, logs: Iterable[str]) -> str:
    """A job's name, from its log: "fashion_mnist dcgmm-e not0 0-1"."""
    parts = next((Path(log).with_suffix("").parts for log in logs or ()), (rule,))
    below = parts[parts.index("logs") + 1 :] if "logs" in parts else parts
    return " ".join(map(_ends, below[1:] or below))


def _ends(word: str) -> str:
    """The first and last of many: "only0…only9" for "only0-only1-…-only9", "seed0…4" for "seed0-1-2-3-4"."""
    if not re.fullmatch(r"(seed\d+|all|not\d+|only\d+)(-(all|not\d+|only\d+|\d+))*", word):
        return word
    parts = word.split("-")
    return word if len(parts) <= PARTS_SHOWN else f"{parts[0]}…{parts[-1]}"


def clock(seconds: float) -> str:
    """Minutes and seconds, "3:07"; with hours "1:03:07"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Display(logging.Handler):
    """The terminal's side of a run."""

    def __init__(self, console: Console, *, dry_run: bool = False) -> None:
        super().__init__()
        self.console, self.dry_run = console, dry_run
        self.board = Board()
        self.left: Callable[[], str] | None = None  # the time left, in words
        self._left, self._computed = "", 0.0
        self._begun, self._printed = time.monotonic(), time.monotonic()
        self._started = False
        self._last: list[tuple[str, str]] = []  # what is said below the bars, at the end
        self._live: Live | None = None

    # --- events

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._take(record)
        except Exception:
            self.handleError(record)

    def _take(self, record: logging.LogRecord) -> None:
        facts = record.__dict__
        event = facts.get("event")
        stage = self.board.take(facts)
        if event == "run_info":
            self._start()
        elif event == "job_error":
            self._say(f"{stage}: {job_name(facts['rule_name'], facts['log'])} failed", "red")
        elif any(words in record.getMessage() for words in SAID_BEFORE):
            pass
        elif record.getMessage().startswith(WORTH_SAYING):
            self._say(record.getMessage())
        elif event is None and (record.levelno >= logging.WARNING or facts.get(TOLD)):
            style = {logging.WARNING: "yellow", logging.ERROR: "red"}.get(record.levelno, "")
            if facts.get(TOLD) and self._live:
                self._last.append((record.getMessage(), style))
            else:
                self._say(record.getMessage(), style)
        elif event == "error":
            self._say(record.getMessage(), "red")
        if event in ("job_finished", "job_error"):
            self._estimate()
            self._plain(stage)

    def _say(self, message: str, style: str = "") -> None:
        self.console.print(Text(message, style), soft_wrap=True)

    def _start(self) -> None:
        if self._started:  # a dry run counts its jobs once more at its end
            return
        self._started = True
        self._begun = self._printed = time.monotonic()
        counts = ", ".join(f"{stage} {self.board.total[stage]}" for stage in self.board.stages())
        if self.dry_run or not self.console.is_terminal:
            self._say(f"{'would run' if self.dry_run else 'jobs'}: {counts}")
        elif self._live is None:
            self._live = Live(get_renderable=self._drawn, console=self.console, refresh_per_second=4, transient=False)
            self._live.start()

    def _estimate(self) -> None:
        if self.left and time.monotonic() - self._computed >= SECONDS_OF_ESTIMATE:
            self._left = self.left()
            self._computed = time.monotonic()

    def close(self) -> None:
        if self._live:
            self._left = ""
            self._live.stop()
            self._live = None
            for message, style in self._last:
                self._say(message, style)
        super().close()

    # --- drawing

    def _plain(self, stage: str) -> None:
        """A line when a stage has ended, and every half a minute; only where nothing is drawn."""
        if self._live:
            return
        ended = stage and self.board.done[stage] == self.board.total[stage]
        if ended or time.monotonic() - self._printed >= SECONDS_BETWEEN:
            self._printed = time.monotonic()
            counts = [f"{s} {self.board.done[s]}/{self.board.total[s]}" for s in self.board.stages()]
            self._say("; ".join([f"{clock(time.monotonic() - self._begun)} {', '.join(counts)}", *self._remarks()]))

    def _remarks(self) -> list[str]:
        failed = len(self.board.failed)
        return [*filter(None, [self._left]), *([f"{failed} failed"] if failed else [])]

    def _drawn(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        for _ in range(3):
            table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis")
        for stage in self.board.stages():
            done, total = self.board.done[stage], self.board.total[stage]
            style = "" if done < total else "dim"
            counts = Text(f"{done}/{total}", style, justify="right")
            failed = list(self.board.failed.values()).count(stage)
            now = Text(f"{failed} failed  ", "red") if failed else Text()
            now.append(shortened(self.board.now(stage)), "dim")
            table.add_row(Text(stage, style), ProgressBar(total, done, width=24), counts, now)
        words = "; ".join([f"{clock(time.monotonic() - self._begun)} elapsed", *self._remarks()])
        return Group(table, Text(words, "bold"))


def shortened(text: str, longest: int = NAMES_SHOWN) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


ACTIVE: list[Display] = []  # the display of this process, if Snakemake was asked for one


def show(*, dry_run: bool, stdout: bool) -> Display:
    """The display of this process, for Snakemake's logger plugin."""
    ACTIVE.append(Display(Console(stderr=not stdout, highlight=False), dry_run=dry_run))
    return ACTIVE[-1]


def estimate_from(plan: Plan, files: Container[Path] | None = None) -> bool:
    """Let the display of this process tell the time left for `files` (`time_left`); False if there is none."""
    from evaluation.cost.estimate import Estimate
    from evaluation.cost.prices import prices_before
    from evaluation.results.status import duration, time_left, workers_of

    if not ACTIVE:
        return False
    paths = plan.paths()
    estimate = Estimate(plan, prices_before(paths.root))

    def left() -> str:
        found = time_left(estimate, paths, workers_of(plan, paths), files)
        return f"{duration(found.seconds)} left" if found.seconds else ""

    ACTIVE[-1].left = left
    return True
