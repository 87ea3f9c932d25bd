"""A progress bar for training, on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np


@contextmanager
def training_progress(
    total: int, done: int, remark: str, *, shown: bool
) -> Iterator[Callable[[int, np.ndarray], None]]:
    """Show iterations, losses per layer (nats) and the estimated time left; yields the function to report to."""
    if not shown:
        yield lambda iteration, losses: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if remark:
        console.print(remark)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=console) as bar:
        task = bar.add_task("", total=total, completed=done)

        def report(iteration: int, losses: np.ndarray) -> None:
            values = " ".join(f"{value:.1f}" for value in losses)
            bar.update(task, completed=iteration, description=f"loss per layer {values}")

        yield report
