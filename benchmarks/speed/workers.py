"""Opponents in processes of their own, measured in turns so that a busy moment of the machine hits all of them."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


@dataclass
class Measured:
    """Of one task of one worker: medians of seconds by the clock and of CPU time."""

    seconds: float
    cpu_seconds: float


class Worker:
    """A program that runs tasks by name: `command` starts it, and it ends in `serve`."""

    def __init__(self, command: Sequence[str], *, threads: int, environment: Mapping[str, str] | None = None) -> None:
        settings = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **dict.fromkeys(THREADS, str(threads))}
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**settings, **(environment or {})},
        )
        self.ready = self._read()

    def run(self, task: str) -> dict[str, Any]:
        """Run a task once: {"seconds", "cpu_seconds", "memory_gb"}, the last the largest so far in the process."""
        assert self._process.stdin is not None
        self._process.stdin.write(task + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise SystemExit(f"{' '.join(map(str, self._process.args))} ended without an answer")  # type: ignore[arg-type]


def serve(
    tasks: Mapping[str, Callable[[], Any]], facts: Mapping[str, Any] | None = None, repeats: int = 1
) -> None:  # fmt: skip
    """Answer a worker's requests until its input ends, each with the mean of `repeats` calls in a row.

    Every task runs once before: compilation, caches.
    """
    for task in tasks.values():
        task()
    print(json.dumps({**(facts or {}), "memory_gb": _memory()}), flush=True)
    for line in sys.stdin:
        clock, cpu = time.perf_counter(), time.process_time()
        for _ in range(repeats):
            tasks[line.strip()]()
        taken = {"seconds": time.perf_counter() - clock, "cpu_seconds": time.process_time() - cpu}
        print(json.dumps({k: v / repeats for k, v in taken.items()} | {"memory_gb": _memory()}), flush=True)


def in_turns(workers: Mapping[str, Worker], tasks: Sequence[str], turns: int) -> dict[tuple[str, str], Measured]:
    """Medians by (worker, task)."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for _ in range(turns):
        for task in tasks:
            for name, worker in workers.items():
                found.setdefault((name, task), []).append(worker.run(task))
    return {
        key: Measured(*(statistics.median(run[part] for run in runs) for part in ("seconds", "cpu_seconds")))
        for key, runs in found.items()
    }


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
