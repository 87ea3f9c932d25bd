"""What models cost: the table behind `bench plan`, evaluation/cost/model_costs.yaml.

    python -m benchmarks.model_costs --results results/quick --models dgc-spn dgc-spn+sums=32 vae vae+width=0.25 \\
        --out evaluation/cost/model_costs.yaml

Prices are CPU seconds (not of the clock, so that a busy machine matters less), from two sources:

- `--results`: a run with `benchmark:` files. A job's CPU time less the start of a job with this framework (START),
  divided by its images and epochs; of several jobs of a model the longest.
- `--models`: models of the catalogue (NAME or NAME+PARAMETER=VALUE), fitted here for one epoch to few and to more
  images, and again: the difference of the later two is the price of an image.

With `--keep FILE` the prices of an earlier table stay where nothing newer was measured:

    python -m benchmarks.model_costs --results results/paper --keep evaluation/cost/model_costs.yaml \\
        --out evaluation/cost/model_costs.yaml
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measure import machine
from evaluation.base.process import prepare

# Training images of the two fits, by family; batches of 32 for the slow ones, whose time does not depend on it.
IMAGES = {
    "dcgmm": (2000, 12000),
    "gmm": (2000, 10000),
    "rat-spn": (500, 4000),
    "pd-spn": (500, 4000),
    "dgc-spn": (256, 1024),
    "dgc-spn-libspn": (32, 96),
    "vae": (64, 256),
}
SLOW = {"dgc-spn-libspn": {"batch_size": 32}, "vae": {"batch_size": 32}}
START = {"dcgmm": 5.0, "gmm": 2.0, "rat-spn": 4.0, "pd-spn": 4.0, "dgc-spn": 3.0, "vae": 9.0}  # docs/performance.md
SHORT = 2.0  # a job of less than so many starts says little about the price of an image
SAMPLES = 100


def cpu_seconds(run: Callable[[], Any]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def measure(name: str) -> dict[str, Any]:
    """The costs of NAME or NAME+PARAMETER=VALUE, with its parameters."""
    prepare(1)
    from evaluation.datasets import load_dataset
    from evaluation.plan.catalogue import Catalogue, Variant

    word, *changes = name.split("+")
    model = Catalogue().model(word)
    protocol = "clean" if model.in_protocols else "both"
    params = Variant(model, protocol, ()).params | {k: json.loads(v) for k, v in (c.split("=") for c in changes)}
    dataset = load_dataset("photos" if word.endswith("-svhn") else "fashion_mnist")
    x, y = dataset.split("train")
    fitted, costs = _train(model, params, x, y, dataset.image_shape)
    described = {key: value for key, value in params.items() if key not in ("epochs", "pixels", "normalization")}
    return {"factory": model.factory, "params": described, **costs, **_use(fitted, model, x)}


def _train(model: Any, params: dict[str, Any], x: Any, y: Any, shape: Sequence[int]) -> tuple[Any, dict[str, float]]:
    from inspect import signature

    from evaluation.models import registry

    few, many = IMAGES[model.family]
    params = params | ({"epochs": 1} if model.family != "gmm" else {}) | SLOW.get(model.family, {})
    last: list[Any] = []

    def fit(n: int) -> None:
        fitted = registry.build(model.factory, params, shape, 0)
        labels = {"labels": y[:n]} if "labels" in signature(fitted.fit).parameters else {}
        fitted.fit(x[:n], progress=False, **labels)
        last[:] = [fitted]

    fit(few)
    first = time.process_time()  # from the start of the process: with imports and compilation
    fit(many)
    again, more = cpu_seconds(lambda: fit(few)), cpu_seconds(lambda: fit(many))
    per_thousand = 1000 * (more - again) / (many - few)
    return last[0], {"start": first - per_thousand * few / 1000, "train": per_thousand}


def _use(fitted: Any, model: Any, x: Any) -> dict[str, float]:
    """Scoring, sampling and in-painting per 1000 images (a second call each), memory and disk in MB."""
    import numpy as np

    n = 32 if model.family in SLOW else 1000
    score = getattr(fitted, "score_layers", None) or fitted.score_samples
    score(x[:n])
    costs = {"score": 1000 * cpu_seconds(lambda: score(x[:n])) / n}
    calls: dict[str, Callable[[], Any]] = {
        "sample": lambda: fitted.sample(SAMPLES, seed=0, **model.sampling),
        "inpaint": lambda: fitted.inpaint(
            x[:SAMPLES], np.arange(x.shape[2])[None, :] < np.full((x.shape[1], 1), 14), seed=0
        ),
    }
    for what, call in calls.items():
        if what == "inpaint" and model.family != "dcgmm":
            continue
        call()
        costs[what] = 1000 * cpu_seconds(call) / SAMPLES
    with tempfile.TemporaryDirectory() as folder:
        fitted.save(Path(folder) / "model")
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    return {**costs, "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "disk_mb": size / 2**20}


def rows_of_run(results: Path) -> dict[str, dict[str, Any]]:
    """Rows from the jobs of a run: of each model the longest training, with what was made from it."""
    from evaluation.cost.prices import image_epochs, lasting
    from evaluation.datasets import specification
    from evaluation.models.catalogue import families

    family_of = {described.factory: name for name, described in families().items()}
    rows: dict[str, dict[str, Any]] = {}
    for stamp in results.glob("stamps/train/*/*/**/*.json"):
        job, made = _job(results, "train", stamp), _made(stamp)
        records = [json.loads((model / "bench.json").read_text()) for model in made]
        family, dataset = family_of.get(records[0]["factory"], ""), records[0]["dataset"]
        images = sum(
            image_epochs(dataset, r["subset"], lasting(family, r["params"]), r["train_images"]) for r in records
        )
        if job is None or family not in START or job["cpu_time"] < SHORT * START[family]:
            continue
        old = rows.get(records[0]["model"])
        if old is not None and old["images"] > images:
            continue
        row = {"factory": records[0]["factory"], "params": _described(records[0]["params"]), "images": images}
        row |= {"start": START[family], "train": 1000 * (job["cpu_time"] - START[family]) / images}
        scored = _job(results, "score", stamp)
        per_model = sum(specification(dataset).sizes[1:]) / 1000
        if scored:
            row["score"] = max(scored["cpu_time"] - 0.6 * START[family], 0.5) / len(made) / per_model
        row["memory_mb"] = job["max_rss"]
        row["disk_mb"] = sum(f.stat().st_size for f in made[0].iterdir()) / 2**20
        rows[records[0]["model"]] = row
    return rows


def _made(stamp: Path) -> list[Path]:
    from evaluation.jobs.stamps import read_stamp

    return read_stamp(stamp)


def _described(params: dict[str, Any]) -> dict[str, Any]:
    from evaluation.models.catalogue import families

    return {key: value for key, value in params.items() if any(key in family.size for family in families().values())}


def _job(results: Path, stage: str, stamp: Path) -> dict[str, float] | None:
    """CPU seconds and memory (MB) of the job of a stage that belongs to the training behind a stamp."""
    file = results / "benchmarks" / stage / stamp.relative_to(results / "stamps/train").with_suffix(".tsv")
    if not file.is_file():
        return None
    with file.open(newline="") as lines:
        row = next(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    return {key: float(row[key]) for key in ("cpu_time", "max_rss")} if row["max_rss"] != "NA" else None


def rows_measured_here(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Rows of models that are trained for the purpose, a process for each."""
    rows = {}
    for name in names:
        command = [sys.executable, "-m", "benchmarks.model_costs", "--one", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        else:
            rows[name] = json.loads(done.stdout.splitlines()[-1])
    return rows


def added(kept: Mapping[str, Any], rows: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The rows of an earlier table with newer prices; a stage that has none keeps its old one."""
    before = kept.get("models", {})
    return {name: {**before.get(name, {}), **rows.get(name, {})} for name in before | rows}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", metavar="DIR", help="a run whose jobs give prices")
    parser.add_argument("--models", nargs="*", default=[], metavar="NAME", help="models that are measured here")
    parser.add_argument("--keep", metavar="FILE.yaml", help="an earlier table, whose other prices stay")
    parser.add_argument("--out", metavar="FILE.yaml", help="write the table to this file")
    parser.add_argument("--one", metavar="NAME", help=argparse.SUPPRESS)  # the work of one process
    args = parser.parse_args(argv)
    if args.one:
        print(json.dumps(measure(args.one)))
        return 0
    run, here = rows_of_run(Path(args.results)) if args.results else {}, rows_measured_here(args.models)
    rows = {f"{name} as run" if name in here else name: row for name, row in run.items()} | here
    kept = yaml.safe_load(Path(args.keep).read_text(encoding="utf-8")) if args.keep else {}
    rows = added(kept, rows)
    models = {name: {k: _rounded(v) for k, v in row.items() if k != "images"} for name, row in sorted(rows.items())}
    words = ["python -m benchmarks.model_costs"] + (["--results", args.results] if args.results else [])
    command = " ".join([*words, *(["--models", *args.models] if args.models else [])])
    command += f"; other prices: {kept['date']}, {kept['command']}" if kept else ""
    head = {"machine": machine(), "date": datetime.now(UTC).date().isoformat(), "command": command}
    text = yaml.safe_dump({**head, "models": models}, sort_keys=False, default_flow_style=None, width=200)
    print(text)
    if args.out:
        Path(args.out).write_text(text, encoding="utf-8")
    return 0


def _rounded(value: Any) -> Any:
    return float(f"{value:.3g}") if isinstance(value, float) else value


if __name__ == "__main__":
    raise SystemExit(main())
