"""How many threads JAX uses on a CPU, and what limits them: one process for each setting, training and scoring E.

    python -m benchmarks.speed.threads

"busy threads": how many threads did at least 2 % of the work each, after everything was compiled. "CPU / clock" is how
many cores the process kept busy, to be trusted on an otherwise idle machine only; the busy threads are what they are.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import report

SETTINGS: dict[str, dict[str, str]] = {
    "nothing": {},
    "OMP_NUM_THREADS=1": {"OMP_NUM_THREADS": "1"},
    "XLA_FLAGS=--xla_cpu_multi_thread_eigen=false": {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"},
    "one core (affinity)": {"CORES": "1"},
    "NPROC=1": {"NPROC": "1"},
}


def ticks() -> dict[str, int]:
    """Processor time of each thread of this process, by its number. Linux."""
    found = {}
    for stat in Path("/proc/self/task").glob("*/stat"):
        fields = stat.read_text().rpartition(")")[2].split()
        found[stat.parent.name] = int(fields[11]) + int(fields[12])
    return found


def job() -> dict[str, Any]:
    """Training, scoring and sampling with E, after a first time that compiles."""
    if "CORES" in os.environ:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(os.environ["CORES"])])
    from benchmarks.speed.cases import images
    from dcgmm import DCGMM

    model, x = DCGMM.instance("E"), images(1000)
    work: dict[str, Callable[[], Any]] = {
        "train": lambda: model.fit(x, iterations=100, measurements=0, progress=False),
        "score": lambda: model.score_samples(x),
    }
    found: dict[str, Any] = {}
    for run in work.values():
        run()
    before = ticks()
    for name, run in work.items():
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        found |= {f"{name}, CPU (s)": cpu, f"{name}, CPU / clock": cpu / wall}
    spent = [after - before.get(thread, 0) for thread, after in ticks().items()]
    return found | {"threads": len(spent), "busy threads": sum(t >= 0.02 * sum(spent) for t in spent)}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--job", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", help="write the table to this file")
    parser.add_argument("--markdown", help="write the table to this file")
    args = parser.parse_args(argv)
    if args.job:
        print(json.dumps(job()))
        return 0
    rows = []
    for name, variables in SETTINGS.items():
        command = [sys.executable, "-m", "benchmarks.speed.threads", "--job"]
        done = subprocess.run(command, env=os.environ | variables, stdout=subprocess.PIPE, text=True, check=True)
        rows.append({"setting": name, **json.loads(done.stdout.splitlines()[-1])})
    report(rows, json_path=args.json, markdown_path=args.markdown)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
