"""DGC-SPN: a training step of ours against libspn-keras': `python -m benchmarks.speed.dgcspn`.

Seven products, batches of 128 images of 28×28, the same dropout; each side in a process of its own, in turns.
CPU seconds of one thread, seconds by the clock with two, and the most memory that a process had.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from benchmarks.measure import report
from benchmarks.speed.workers import Worker, in_turns, serve

BATCH = 128
SHAPE = (28, 28, 1)


def work(side: str, sums: int, dropout: float, tasks: list[str]) -> None:
    """Be one of the sides."""
    import numpy as np

    x = np.random.default_rng(0).random((BATCH, *SHAPE), dtype=np.float32)
    params: dict[str, Any] = {"sums": sums, "dropout": dropout, "batch_size": BATCH, "epochs": 0}
    if side == "libspn-keras":
        from baselines.dgcspn.libspn import DgcSpnLibspn

        theirs = DgcSpnLibspn(SHAPE, **params)
        theirs.fit(x, progress=False)
        calls = {"step": lambda: float(theirs._step(x, 0).mean())}
        model: Any = theirs
    else:
        from baselines.dgcspn import DgcSpn

        ours = DgcSpn(SHAPE, **params, device="gpu" if side == "ours, GPU" else "cpu")
        ours.fit(x, progress=False)
        calls = {"step": lambda: float(ours._step(x, 0).mean())}
        model = ours
    calls["score"] = lambda: model.score_samples(x)
    calls["sample"] = lambda: model.sample(100, seed=0)
    serve(
        {task: calls[task] for task in tasks}, {"parameters": model.count_params()}, 1 if side == "libspn-keras" else 4
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sums", type=int, nargs="+", default=[16, 32, 64], help="sums per position and layer")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--tasks", nargs="+", default=["step"], choices=["step", "score", "sample"])
    parser.add_argument("--alone", action="store_true", help="without libspn-keras")
    parser.add_argument("--gpu", action="store_true", help="ours on a GPU too, by PyTorch's operators")
    parser.add_argument("--json", help="write the table to this file")
    parser.add_argument("--markdown", help="write the table to this file")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(args.work, args.sums[0], args.dropout, args.tasks)
        return
    rows = [row for sums in args.sums for row in compare(sums, args)]
    notes = ["Times: CPU seconds with one thread, by the clock with two. Memory: of the process, the largest so far."]
    report(rows, notes=notes, json_path=args.json, markdown_path=args.markdown)


def compare(sums: int, args: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each task at one size."""
    sides = {"ours, 1": ("ours", 1), "ours, 2": ("ours", 2)}
    if not args.alone:
        sides = {"libspn-keras": ("libspn-keras", 1), **sides}
    if args.gpu:
        sides["ours, GPU"] = ("ours, GPU", 1)
    command = [sys.executable, "-m", "benchmarks.speed.dgcspn", "--sums", str(sums), "--dropout", str(args.dropout)]
    workers = {}
    for name, (side, threads) in sides.items():
        workers[name] = Worker([*command, "--tasks", *args.tasks, "--work", side], threads=threads)
    measured = in_turns(workers, args.tasks, args.turns)
    memory = {name: worker.run(args.tasks[0])["memory_gb"] for name, worker in workers.items()}
    for worker in workers.values():
        worker.close()
    rows = []
    for task in args.tasks:
        one, two = measured["ours, 1", task], measured["ours, 2", task]
        theirs = None if args.alone else measured["libspn-keras", task].cpu_seconds
        row = {
            "S": sums,
            "task": task,
            "libspn-keras (s)": "–" if theirs is None else theirs,
            "ours (s)": one.cpu_seconds,
            "times as fast": "–" if theirs is None else theirs / one.cpu_seconds,
            "ours, 2 threads (s)": two.seconds,
            "2 threads / 1": two.seconds / one.seconds,
            "libspn-keras (GB)": "–" if args.alone else memory["libspn-keras"],
            "ours (GB)": memory["ours, 1"],
        }
        rows.append(row | ({"ours, GPU (s)": measured["ours, GPU", task].seconds} if args.gpu else {}))
    return rows


if __name__ == "__main__":
    main()
