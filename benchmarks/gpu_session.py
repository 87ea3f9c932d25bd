"""Everything that is measured on a GPU, in one call: what is right first, then what is fast, then Table I.

    python -m benchmarks.gpu_session --out gpu             # about ten minutes; every part has its own limit
    python -m benchmarks.gpu_session --out gpu --parts check step
    python -m benchmarks.gpu_session --out gpu --device cpu --tiny   # a try of the script itself

Parts, in this order, each written to a file of its own as soon as it ends: `check` (scores against the CPU's and
float64, the same training twice, three models at once against three), `step` (DCGMM: benchmarks.speed.train_step),
`einsum` (benchmarks.speed.einsum_step), `dgcspn` (benchmarks.speed.dgcspn), `table1` (Table I, five seeds, the paper's
epochs: areas and minutes). Needs JAX, PyTorch, NumPy, SciPy, pandas, scikit-learn and safetensors; `table1` also
$BENCH_DATA. A part that fails or runs too long is named, and the next one starts.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.cases import EPOCHS

LIMITS = {"check": 90, "step": 150, "einsum": 90, "dgcspn": 60, "table1": 240}  # seconds
SEEDS = 5
DATASETS = ("mnist", "fashion_mnist")


def check(device: str, tiny: bool) -> Iterator[dict[str, Any]]:
    """How far the device is from the CPU and from float64 (nats), and whether it repeats itself to the bit."""
    from benchmarks.speed.cases import CONFIGS, SHAPE, images, log_densities
    from dcgmm import DCGMM, fit_many

    x = images(60 if tiny else 500)
    for name in "AE" if tiny else "ABCDEFG":
        for sharing in ("shared", "independent"):

            def trained(where: str, seed: int = 0, name: str = name, sharing: str = sharing) -> Any:
                model = DCGMM.instance(name, sharing=sharing, seed=seed, device=where)
                model.fit(x, iterations=30, window=5, measurements=0, progress=False)
                return model

            first, second, other = trained(device), trained(device), DCGMM.instance(name, sharing=sharing, device="cpu")
            other.set_parameters(first.get_parameters())
            far = np.abs(first.score_layers(x) - other.score_layers(x)).max()
            same = all(
                np.array_equal(one[key], two[key])
                for one, two in zip(first.get_parameters(), second.get_parameters(), strict=True)
                for key in one
            )
            many = [DCGMM.instance(name, sharing=sharing, seed=seed, device=device) for seed in range(3)]
            fit_many(many, x, iterations=30, window=5, measurements=0, progress=False)
            apart = np.abs(many[0].score_layers(x) - first.score_layers(x)).max()
            row = {"instance": name, "sharing": sharing, "from the CPU (nats)": far, "twice the same bits": same}
            yield {**row, "in a program of three (nats)": apart}
    model = DCGMM(CONFIGS["A"], SHAPE, device=device)
    model.fit(x, iterations=30, window=5, measurements=0, progress=False)
    (layer,) = model.get_parameters()
    wide = [layer[key].astype(np.float64) for key in ("mu", "s", "w")]
    exact = log_densities(x.reshape(len(x), 1, -1).astype(np.float64), *wide)
    far = np.abs(exact.max(-1).mean(-1) - model.score_samples(x)).max()
    yield {"instance": "A", "sharing": "against float64", "from the CPU (nats)": far}


def table1(device: str, tiny: bool) -> Iterator[dict[str, Any]]:
    """Areas (percent, class 0 left out) of five seeds on both data sets, which are one program; and the minutes."""
    from dcgmm import DCGMM, fit_many
    from evaluation.datasets import load_dataset
    from evaluation.measures.roc import auroc

    names = ("digits",) if tiny else DATASETS
    data = [load_dataset(name) for name in names]
    x = np.concatenate([d.split("train")[0] for d in data])
    y = np.concatenate([d.split("train")[1] for d in data])
    of = np.concatenate([np.full(len(d.split("train")[0]), number) for number, d in enumerate(data)])
    for sharing in ("shared", "independent"):
        for name, epochs in EPOCHS.items():
            if tiny and name not in "AB":
                continue
            runs = [(number, seed) for number in range(len(data)) for seed in range(1 if tiny else SEEDS)]
            models = [DCGMM.instance(name, sharing=sharing, seed=seed, device=device) for _, seed in runs]
            rows = [np.flatnonzero((y != 0) & (of == number)) for number, _ in runs]
            start = time.perf_counter()
            fit_many(models, x, rows, epochs=1 if tiny else epochs, measurements=0, progress=False)
            minutes = (time.perf_counter() - start) / 60
            for model, (number, seed) in zip(models, runs, strict=True):
                images, labels = data[number].split("test")
                scores = model.score_samples(images)
                area = auroc(scores[labels != 0], scores[labels == 0])
                row = {"instance": name, "sharing": sharing, "dataset": names[number], "seed": seed, "auroc": area}
                yield {**row, "minutes of all": minutes}


def command_of(part: str, device: str, tiny: bool, out: Path) -> list[str]:
    """The command of a part, a process of its own."""
    this = [sys.executable, "-m", "benchmarks.gpu_session", "--out", str(out), "--device", device, "--in-process", part]
    speed = [sys.executable, "-m"]
    files = ["--turns", "3", "--json", str(out / f"{part}.json"), "--markdown", str(out / f"{part}.md")]
    small = ["--tiny"] if tiny else []
    if part in ("check", "table1"):
        return [*this, *small]
    if part == "step":
        sizes = ["--instances", "A", "--models", "1"] if tiny else ["--models", "1", "10", "50"]
        return [*speed, "benchmarks.speed.train_step", "--device", device, "--parameters", "trained", *sizes, *files]
    if part == "einsum":
        sizes = ["--only", "RAT K 10", "--leaf", "binomial"] if tiny else []
        return [*speed, "benchmarks.speed.einsum_step", "--device", device, *sizes, *files]
    sizes = ["--sums", "16"] if tiny else ["--sums", "16", "32", "64"]
    return [*speed, "benchmarks.speed.dgcspn", "--alone", *(["--gpu"] if device == "gpu" else []), *sizes, *files]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True, help="folder of what was measured")
    parser.add_argument("--parts", nargs="+", choices=LIMITS, default=list(LIMITS))
    parser.add_argument("--device", choices=["cpu", "gpu"], default="gpu")
    parser.add_argument("--tiny", action="store_true", help="only to try the script")
    parser.add_argument("--in-process", choices=["check", "table1"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.in_process:
        _write(
            args.out / f"{args.in_process}.csv",
            {"check": check, "table1": table1}[args.in_process](args.device, args.tiny),
        )
        return
    for part in args.parts:
        start = time.perf_counter()
        with (args.out / f"{part}.log").open("w") as log:
            try:
                command = command_of(part, args.device, args.tiny, args.out)
                code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, timeout=LIMITS[part]).returncode
                said = "done" if code == 0 else f"failed, see {log.name}"
            except subprocess.TimeoutExpired:
                said = f"stopped after {LIMITS[part]} s; what it had until then is in {args.out}"
        print(f"{part}: {said} ({time.perf_counter() - start:.0f} s)", flush=True)


def _write(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    """Rows as they come, so that a part that is stopped leaves what it had."""
    with path.open("w", newline="") as out:
        writer = None
        for row in rows:
            writer = writer or csv.DictWriter(out, list(row))
            if out.tell() == 0:
                writer.writeheader()
            writer.writerow(row)
            out.flush()
            print(row, flush=True)


if __name__ == "__main__":
    main()
