"""VAE and judge on each backend of Keras: `python -m benchmarks.speed.keras_backends`.

A training step of 100 images of 28×28, each backend in a process of its own, in turns. With `--accuracy DATASET`: the
test accuracy of judges trained on the first `--images` images, its spread over seeds beside that over backends.
On a GPU the backend's package for it must be there (jax[cuda13], torch with CUDA); nothing else changes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from typing import Any

from benchmarks.measure import report
from benchmarks.speed.workers import Worker, in_turns, serve

BATCH, SHAPE = 100, (28, 28, 1)
BACKENDS = ("tensorflow", "torch", "jax")
TASKS = ("CNN", "VAE")
RATE = 0.001  # of the judges whose accuracy is compared: at the paper's 0.01 some diverge


def work(tasks: list[str], width: float) -> None:
    """Be one backend: one step of each model."""
    import numpy as np

    from baselines.cnn import Cnn
    from baselines.vae import Vae

    rng = np.random.default_rng(0)
    x, labels, rows = rng.random((BATCH, *SHAPE), np.float32), rng.integers(0, 10, BATCH), np.arange(BATCH)
    cnn, vae = Cnn(SHAPE, epochs=1, learning_rate=RATE), Vae(SHAPE, epochs=1, width=width)
    if "CNN" in tasks:
        cnn.fit(x, labels=labels, progress=False)
        cnn._labels = labels
    if "VAE" in tasks:
        vae.fit(x, progress=False)
    steps = {"CNN": lambda: cnn._step(x, rows, 1, 0), "VAE": lambda: vae._step(x, rows, 1, 0)}
    serve({task: steps[task] for task in tasks})


def judge(dataset: str, images: int, epochs: int, seeds: list[int]) -> None:
    """Be one backend: print the test accuracies in percent of judges."""
    import numpy as np

    from baselines.cnn import Cnn
    from evaluation.datasets import load_dataset

    data = load_dataset(dataset)
    x, labels = (part[:images] for part in data.split("train"))
    test, truth = data.split("test")
    for seed in seeds:
        cnn = Cnn(SHAPE, seed=seed, epochs=epochs, learning_rate=RATE, classes=len(data.classes))
        cnn.fit(x, labels=labels, progress=False)
        print(json.dumps(100.0 * float(np.mean(cnn.predict(test) == truth))), flush=True)


def accuracies(backend: str, args: argparse.Namespace) -> list[float]:
    """The judges of one backend, trained in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.speed.keras_backends", "--judge", *_options(args)]
    done = subprocess.run(command, env=_environment(backend), stdout=subprocess.PIPE, text=True, check=True)
    return [float(line) for line in done.stdout.splitlines()]


def _options(args: argparse.Namespace) -> list[str]:
    seeds = [str(seed) for seed in args.seeds]
    return ["--accuracy", args.accuracy, "--images", str(args.images), "--epochs", str(args.epochs), "--seeds", *seeds]


def _environment(backend: str) -> dict[str, str]:
    return {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}


def steps(args: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each model and backend."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.speed.keras_backends",
        "--width",
        str(args.width),
        "--work",
        *args.tasks,
    ]
    workers = {
        f"{backend} {threads}": Worker(command, threads=threads, environment={"KERAS_BACKEND": backend})
        for backend in args.backends
        for threads in (1, 2)
    }
    measured = in_turns(workers, args.tasks, args.turns)
    for worker in workers.values():
        worker.close()
    return [
        {
            "step": task,
            "backend": backend,
            "CPU s, 1 thread": measured[f"{backend} 1", task].cpu_seconds,
            "clock s, 1 thread": measured[f"{backend} 1", task].seconds,
            "clock s, 2 threads": measured[f"{backend} 2", task].seconds,
        }
        for task in args.tasks
        for backend in args.backends
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backends", nargs="+", default=list(BACKENDS), choices=BACKENDS)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--width", type=float, default=0.25, help="of the VAE; 1 is the paper's")
    parser.add_argument("--accuracy", metavar="DATASET", help="compare judges' test accuracies instead")
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", help="write the table to this file")
    parser.add_argument("--markdown", help="write the table to this file")
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--judge", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(args.work, args.width)
        return
    if args.judge:
        judge(args.accuracy, args.images, args.epochs, args.seeds)
        return
    if args.accuracy:
        rows = []
        for backend in args.backends:
            found = accuracies(backend, args)
            seeds = {f"seed {seed} (%)": value for seed, value in zip(args.seeds, found, strict=True)}
            spread = statistics.stdev(found) if len(found) > 1 else 0.0
            rows.append({"backend": backend, **seeds, "mean": statistics.mean(found), "std": spread})
        notes = [
            f"{args.accuracy}, {args.images} training images, {args.epochs} epochs, Adam at {RATE}, all test images."
        ]
    else:
        rows, notes = (
            steps(args),
            [f"Batch {BATCH}, 28×28 pixels, VAE of width {args.width:g}; compilation not counted."],
        )
    report(rows, notes=notes, json_path=args.json, markdown_path=args.markdown)


if __name__ == "__main__":
    main()
