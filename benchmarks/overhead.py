"""What part of a run's time its jobs spend on starting: interpreter, command line, imports of their frameworks.

    python -m benchmarks.overhead --results results/quick

Every kind of start is a process of its own that imports what such a job imports, timed from the outside (CPU seconds,
user and system, median of the turns). Multiplied by the number of jobs of that kind, it stands against the time by the
clock of all jobs in the run's benchmark files; jobs have one thread, so their CPU time is at most that. (The files'
column cpu_time is sampled every 30 seconds and misses what comes after the last sample.) Models are loaded in
milliseconds and not counted; compilation is work, and shown by benchmarks.speed.startup.
"""

from __future__ import annotations

import argparse
import ast
import csv
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.measure import report
from benchmarks.speed.startup import measure
from evaluation.plan.plan import Plan, load_plan

COMMON = (
    "from evaluation.base.process import prepare; prepare(1); "
    "import evaluation.cli, evaluation.jobs.train, pandas, pyarrow"
)
FRAMEWORKS = {
    "DCGMM (JAX)": "from dcgmm import DCGMM; DCGMM('G(4)', (2, 2, 1))",
    "Einsum networks (PyTorch)": "import torch, baselines.einsum",
    "DGC-SPN (numba)": "import baselines.dgcspn.network",
    "DGC-SPN (libspn-keras)": "from baselines.dgcspn.libspn import import_libspn; import_libspn()",
    "VAE, judge (Keras)": "import keras",
    "Gaussian mixture (scikit-learn)": "import sklearn.mixture",
    "figures (seaborn)": "import matplotlib.pyplot, seaborn",
    "tables, metrics": "import sklearn.metrics",
}
FAMILIES = {
    "dcgmm": "DCGMM (JAX)",
    "rat-spn": "Einsum networks (PyTorch)",
    "pd-spn": "Einsum networks (PyTorch)",
    "dgc-spn": "DGC-SPN (numba)",
    "dgc-spn-libspn": "DGC-SPN (libspn-keras)",
    "vae": "VAE, judge (Keras)",
    "gmm": "Gaussian mixture (scikit-learn)",
}


def kind(rule: str, wildcards: dict[str, str], params: dict[str, str], plan: Plan) -> str:
    """The kind of start of a job; a model without a family counts as a plain one."""
    if variant := params.get("variant"):
        return FAMILIES.get(plan.variants[variant].model.family or "", "tables, metrics")
    if rule == "train_judge" or wildcards.get("experiment") == "judge":
        return "VAE, judge (Keras)"
    return "figures (seaborn)" if rule == "figure" else "tables, metrics"


def jobs(results: Path) -> dict[str, list[float]]:
    """Seconds by the clock of the jobs of each kind of start."""
    plan = load_plan(results / "profile.json")
    found = defaultdict(list)
    for file in sorted(results.glob("benchmarks/**/*.tsv")):
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
                facts = (ast.literal_eval(row[column]) for column in ("wildcards", "params"))
                found[kind(row["rule_name"], *facts, plan)].append(float(row["s"]))
    return dict(found)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, help="folder of results of a run")
    parser.add_argument("--turns", type=int, default=3, help="runs of each start (default: 3)")
    parser.add_argument("--json", help="write the table to this file")
    parser.add_argument("--markdown", help="write the table to this file")
    args = parser.parse_args(argv)
    found, rows = jobs(args.results), []
    for name, program in FRAMEWORKS.items():
        if own := found.get(name):
            command = [sys.executable, "-c", f"{COMMON}; {program}"]
            start = statistics.median(measure(name, command)["CPU (s)"] for _ in range(args.turns))
            rows.append(_row(name, len(own), start, len(own) * start, sum(own)))
    every = [sum(row[key] for row in rows) for key in ("jobs", "starts (CPU s)", "jobs (s)")]
    report(
        [*rows, _row("all", every[0], every[1] / every[0], every[1], every[2])],
        json_path=args.json,
        markdown_path=args.markdown,
    )
    return 0


def _row(name: str, count: int, start: float, starts: float, everything: float) -> dict[str, Any]:
    return {
        "start": name,
        "jobs": count,
        "one start (CPU s)": start,
        "starts (CPU s)": starts,
        "jobs (s)": everything,
        "share (%)": 100 * starts / everything,
    }


if __name__ == "__main__":
    raise SystemExit(main())
