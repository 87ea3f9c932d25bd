"""What one job costs before it computes anything: interpreter, imports, model, compilation, the command line.

    python -m benchmarks.speed.startup --turns 3

Each row is a process of its own, timed from the outside: wall-clock seconds and CPU seconds (user and system), medians.
A job that trains or scores several seeds pays this once. Only `bench` keeps compiled programs for other jobs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from benchmarks.measure import report
from benchmarks.speed.cases import CONFIGS, SHAPE


def program(name: str, seeds: int) -> str:
    """Python code that trains an instance for a few steps, with as many seeds, and scores."""
    return (
        "from benchmarks.speed.cases import images\nfrom dcgmm import DCGMM\nx = images(1000)\n"
        f"for seed in range({seeds}):\n"
        f"    model = DCGMM({CONFIGS[name]!r}, input_shape={SHAPE}, seed=seed)\n"
        "    model.fit(x, iterations=10, progress=False)\n    model.score_layers(x[:100])\n"
    )


def jobs(folder: str) -> dict[str, list[str]]:
    """The command of each row."""
    python = [sys.executable, "-c"]
    bench = ["env", f"BENCH_COMPILED={folder}/compiled", sys.executable, "-m", "evaluation"]
    train = ["train", "--config", "F(28,1)-G(49)", "--dataset", "digits", "--param", "iterations=10", "--quiet"]
    return {
        "python": [*python, "pass"],
        "import dcgmm": [*python, "import dcgmm"],
        "import jax": [*python, "import jax"],
        "bench --help": [*bench, "--help"],
        "A: build, 10 steps, score": [*python, program("A", 1)],
        "E: build, 10 steps, score": [*python, program("E", 1)],
        "E: the same for 3 seeds": [*python, program("E", 3)],
        "bench train, A, digits, 10 steps; no program kept before": [*bench, *train, "--models", f"{folder}/first"],
        "the same, programs kept": [*bench, *train, "--models", f"{folder}/second"],
    }


def measure(name: str, command: list[str]) -> dict[str, Any]:
    """One run of one job as a row."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"job": name, "wall (s)": wall, "CPU (s)": cpu}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=3, help="runs of each job (default: 3)")
    parser.add_argument("--json", help="write the table to this file")
    parser.add_argument("--markdown", help="write the table to this file")
    args = parser.parse_args(argv)
    rows = []
    for turn in range(args.turns):  # a fresh folder each time: what is trained already is not trained again
        with tempfile.TemporaryDirectory() as folder:
            rows.append([measure(name, command) for name, command in jobs(folder).items()])
        print(f"turn {turn + 1} of {args.turns}", file=sys.stderr)
    medians = [
        {key: cells[0][key] if key == "job" else statistics.median(c[key] for c in cells) for key in cells[0]}
        for cells in zip(*rows, strict=True)
    ]
    report(medians, json_path=args.json, markdown_path=args.markdown)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
