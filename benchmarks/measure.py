"""Timing two rivals fairly, and printing the result as a table or writing it as JSON or markdown."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


def seconds(run: Callable[[], Any], repeats: int = 1) -> float:
    """Wall-clock seconds of one call, averaged over `repeats` calls in a row."""
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - start) / repeats


def alternate(rivals: Mapping[str, Callable[[], Any]], turns: int, repeats: Mapping[str, int] | None = None) -> dict:
    """Median seconds per call of each rival, taken in turns so that a busy moment of the machine hits all of them.

    Every rival is called once before (compilation, caches). `repeats`: calls in a row within one turn; 1 if not given.
    """
    taken: dict[str, list[float]] = {name: [] for name in rivals}
    for run in rivals.values():
        run()
    for _ in range(turns):
        for name, run in rivals.items():
            taken[name].append(seconds(run, (repeats or {}).get(name, 1)))
    return {name: statistics.median(times) for name, times in taken.items()}


def machine() -> str:
    """One line: processor, cores that this process may use, Python."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model}, {cores} cores, Python {platform.python_version()}"


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with equal keys as a markdown table; floats with three significant digits."""

    def cell(value: Any) -> str:
        return (
            f"{value:.3g}"
            if isinstance(value, float) and abs(value) < 1000
            else f"{value:,.0f}"
            if isinstance(value, float)
            else str(value)
        )

    columns = list(rows[0])
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(cell(row[c]) for c in columns) + " |" for row in rows]
    return "\n".join(lines)


def report(
    rows: Sequence[Mapping[str, Any]],
    *,
    notes: Sequence[str] = (),
    json_path: str | None = None,
    markdown_path: str | None = None,
) -> None:
    """Print the table and the notes below it; write them where asked, whole or not at all."""
    date = time.strftime("%Y-%m-%d")
    text = "\n".join([f"{machine()}, {date}", "", markdown(rows), "", *(f"- {note}" for note in notes), ""])
    print(text)
    record = {"machine": machine(), "date": date, "rows": list(rows), "notes": list(notes)}
    for path, content in ((json_path, json.dumps(record, indent=1)), (markdown_path, text)):
        if path:
            temporary = Path(path + ".tmp")
            temporary.write_text(content)
            temporary.replace(path)
