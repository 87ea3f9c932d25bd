"""Our circuits beside those of other libraries: `python -m benchmarks.speed.peers`.

SPFlow 1.1, deeprob-kit 1.1, libspn-keras 0.6 and scikit-learn: a training step on 100 images of 28×28 and 100 samples,
at equal sizes, in turns, with one thread and with two. The peers get an environment of their own, made on the first run
(`--environment`, default: in the user's cache); they are no dependencies of this project.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

from benchmarks.measure import report
from benchmarks.speed.peer_workers import BATCH, CHANNELS, DEPTH, PRODUCTS, REPETITIONS, SIDES, SUMS
from benchmarks.speed.workers import Measured, Worker, in_turns

PACKAGES = ("spflow==1.1.0", "deeprob-kit==1.1.0", "scikit-learn>=1.7")
ROOT = Path(__file__).parents[2]
ELSEWHERE = ("SPFlow", "deeprob-kit", "scikit-learn")  # sides that run in the peers' environment


def environment_python(folder: Path) -> Path:
    """The Python of the peers' environment, which is made if it is not there."""
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"making the peers' environment in {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        (folder / "complete").write_text("\n".join(PACKAGES) + "\n")
    return python


def measure(names: list[str], python: Path, threads: int, turns: int) -> dict[str, dict[str, Any]]:
    """Seconds of a step and of 100 samples, by side; one kind of model at a time."""
    workers = {}
    for name in names:
        chosen = str(python) if any(peer in name for peer in ELSEWHERE) else sys.executable
        command = [chosen, "-m", "benchmarks.speed.peer_workers", name]
        workers[name] = Worker(command, threads=threads, environment={"PYTHONPATH": str(ROOT)})
    found: dict[str, dict[str, Any]] = {name: {"parameters": w.ready["parameters"]} for name, w in workers.items()}
    for task in ("step", "sample"):
        able = {name: worker for name, worker in workers.items() if task in worker.ready["tasks"]}
        for (name, _), times in in_turns(able, [task], turns).items():
            steps = workers[name].ready["steps"] if task == "step" else 1
            found[name][task] = seconds(times, threads) / steps
    for worker in workers.values():
        worker.close()
    return found


def seconds(times: Measured, threads: int) -> float:
    """CPU time of one thread, which other jobs disturb less; the clock's with more."""
    return times.cpu_seconds if threads == 1 else times.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "dcgmm-benchmark" / "peers"
    parser.add_argument("--environment", type=Path, default=cache, help="folder of the peers' environment")
    parser.add_argument("--kinds", nargs="+", default=["RAT-SPN", "DGC-SPN", "mixture"])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", help="write the table to this file")
    parser.add_argument("--markdown", help="write the table to this file")
    args = parser.parse_args()
    python, rows = environment_python(args.environment), []
    for kind in args.kinds:
        names = [name for name in SIDES if name.startswith(kind)]
        by_threads = {threads: measure(names, python, threads, args.turns) for threads in args.threads}
        for name in names:
            row: dict[str, Any] = {"model": name, "parameters": next(iter(by_threads.values()))[name]["parameters"]}
            for task, label in (("step", "step"), ("sample", "100 samples")):
                for threads, found in by_threads.items():
                    plural = "thread" if threads == 1 else "threads"
                    row[f"{label}, {threads} {plural} (ms)"] = 1000 * found[name][task] if task in found[name] else "–"
            rows.append(row)
    notes = [
        f"RAT-SPN: K {SUMS}, D {DEPTH}, R {REPETITIONS}, normal leaves; DGC-SPN: S {CHANNELS}, {PRODUCTS} products, no "
        f"dropout; mixtures: 49 diagonal components. Batches of {BATCH}.",
        "Steps: ours and libspn-keras online EM, or Adam where it says gradient; SPFlow and deeprob-kit Adam; DCGMM-A "
        "SGD; scikit-learn one iteration of EM on the batch.",
        "One thread: CPU time; two: by the clock. Medians, in turns, each side in a process of its own.",
    ]
    report(rows, notes=notes, json_path=args.json, markdown_path=args.markdown)


if __name__ == "__main__":
    main()
