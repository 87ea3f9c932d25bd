"""The trainings that a collection of results lacks, done without Snakemake and pydantic: on a bare GPU machine.

    python -m benchmarks.missing_trainings list todo.json --configfile config/paper.yaml --missing docs/reference/paper
    python -m benchmarks.missing_trainings train todo.json --models models --device gpu --seconds 400

`list` writes what `bench plan --missing` prints, cheapest first, with everything that a training depends on. `train`
needs JAX or PyTorch, NumPy, SciPy, pandas, scikit-learn, safetensors and $BENCH_DATA, trains line after line, on a GPU
all of a line together, and keeps each model as soon as it is trained; what is in the folder already is left as it is.
Copied into a run (`cp -an models results/paper/`), the models count as trained: Snakemake makes what follows.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from dcgmm.storage import write_json
from evaluation.base.errors import UserError
from evaluation.base.process import on_gpu, prepare
from evaluation.base.reading import read_json
from evaluation.datasets import load_dataset
from evaluation.jobs.store import is_complete
from evaluation.jobs.train import Place, train_all
from evaluation.plan.training import Training

OWN = {entry.name for entry in fields(Training)}
CURE = "write it again with `list`"


def listed(configfile: str, folder: Path, models: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The lines of `bench plan --missing`, of some models (catalogue names) or of all; each with its trainings."""
    from evaluation.cost.estimate import Estimate
    from evaluation.cost.missing import collected, missing
    from evaluation.cost.prices import Prices, result_folders
    from evaluation.plan.resolve import resolve

    plan = resolve(configfile).plan
    for name in models:
        plan.catalogue.model(name)
    rows = missing(Estimate(plan, Prices(result_folders())), collected(folder, plan))
    return [
        {
            "line": f"{row.variant} {row.dataset} {row.kind}",
            "core_hours": row.hours,
            "trainings": [plan.training(key).record() for key in row.keys],
        }
        for row in rows
        if not models or plan.variants[row.variant].model.name in models
    ]


def places_of(trainings: Iterable[Mapping[str, Any]], models: Path) -> list[Place]:
    """The trainings of a line and their directories.

    Raises:
        UserError: a training that this version would do otherwise than the one that wrote the list.
    """
    found = []
    for record in trainings:
        training = Training(**{name: record[name] for name in OWN})
        if training.spec != record["spec"]:
            raise UserError(f"{training.key.word} has other settings in this version; {CURE}")
        found.append(Place(training, models / training.key.path))
    return found


def train(lines: Sequence[Mapping[str, Any]], models: Path, *, together: bool, until: float) -> Iterator[str]:
    """Train line after line, none after the moment `until` (time.monotonic); yields what to print about each."""
    work = [(line["line"], places_of(line["trainings"], models)) for line in lines]
    for name, places in work:
        todo = [place for place in places if not is_complete(place.training, place.directory)]
        if not todo:
            continue
        if time.monotonic() > until:
            yield f"{name}: not begun, {len(todo)} trainings"
            continue
        start, said = time.perf_counter(), "done"
        try:
            train_all(todo, load_dataset(todo[0].training.dataset), together=together)
        except (UserError, ImportError) as error:  # the next line may need other packages
            said = f"failed: {error}"
        yield f"{name}: {len(todo)} trainings in {time.perf_counter() - start:.0f} s, {said}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=["list", "train"])
    parser.add_argument("file", type=Path, help="the list")
    parser.add_argument("--configfile", default="config/paper.yaml", help="list: the profile")
    parser.add_argument("--missing", type=Path, default=Path("docs/reference/paper"), help="list: a collection")
    parser.add_argument("--only", nargs="+", default=[], metavar="MODEL", help="list: models of the catalogue (all)")
    parser.add_argument("--models", type=Path, default=Path("models"), help="train: folder of the models")
    parser.add_argument("--device", choices=["auto", "cpu", "gpu"], default="auto", help="train: where")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="train: no line begins later than this")
    args = parser.parse_args()
    try:
        if args.what == "list":
            lines = listed(args.configfile, args.missing, args.only)
            write_json(args.file, {"lines": lines})
            for line in lines:
                price = "?" if line["core_hours"] is None else f"{line['core_hours']:.2f}"
                print(f"{line['line']}: {len(line['trainings'])} trainings, {price} core hours")
            return
        lines, until = read_json(args.file, CURE, "lines")["lines"], time.monotonic() + args.seconds
        prepare(None, args.device)
        for said in train(lines, args.models, together=on_gpu(args.device), until=until):
            print(said, flush=True)
    except UserError as error:
        raise SystemExit(f"missing_trainings: {error}") from None


if __name__ == "__main__":
    main()
