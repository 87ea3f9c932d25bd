"""What the trainings of docs/spn-outliers.md left behind, read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.studies.spn_runs import DATASETS, EARLY, MODELS, PROFILE_NAMES, VARIANTS, Run, read_course, runs
from evaluation.base.errors import UserError
from evaluation.jobs.score import read_scores
from evaluation.jobs.store import read_history
from evaluation.results.published import published_number

LABELS = {
    "binomial-unit": "binomial, pixels in [0, 1] (paper)",
    "binomial-counts": "binomial, counts (clean)",
    "normal": "normal",
}


class Done(NamedTuple):
    """A training of the profile with what it left behind."""

    run: Run
    model: Path  # its directory
    record: dict[str, Any]  # bench.json
    history: pd.DataFrame  # step, layer, split, log_likelihood
    scores: np.ndarray  # of the test images, nats
    labels: np.ndarray


def finished(results: Path, seeds: list[int]) -> list[Done]:
    """All trainings that have been scored.

    Raises:
        UserError: there are none.
    """
    found = []
    for run in runs(seeds):
        file = run.place(results / "scores").with_suffix(".parquet")
        if file.exists():
            frame, record = read_scores(file)
            test = frame[frame["split"] == "test"]
            model = run.place(results / "models")
            history = read_history(model)
            found.append(Done(run, model, record, history, test["score"].to_numpy(), test["label"].to_numpy()))
    if not found:
        names = ", ".join(pattern.format(model) for model in MODELS for pattern in PROFILE_NAMES.values())
        raise UserError(f"{results} has no scores of {names}: run the outlier experiment of a profile first")
    return found


def cells(done: list[Done]) -> Iterator[tuple[str, str, str, list[Done]]]:
    """(dataset, model, variant, its trainings), in the order of the tables.

    Raises:
        UserError: trainings of one cell differ in more than their seed.
    """
    for dataset in DATASETS:
        for model in MODELS:
            for variant in VARIANTS:
                own = [d for d in done if d.run[:3] == (dataset, model, variant)]
                if len({str(sorted(d.record["params"].items())) for d in own}) > 1:
                    raise UserError(f"the seeds of {own[0].model.parent} were trained with different parameters")
                if own:
                    yield dataset, model, variant, own


def courses(out: Path, seeds: list[int]) -> Iterator[tuple[str, str, str, list[list[dict[str, float]]]]]:
    """(dataset, model, variant, course of each seed that was followed)."""
    for dataset in DATASETS:
        for model in MODELS:
            for variant in VARIANTS:
                logs = [read_course(out, Run(dataset, model, variant, seed)) for seed in seeds]
                if any(logs):
                    yield dataset, model, variant, [log for log in logs if log]


def early(log: list[dict[str, float]]) -> list[dict[str, float]]:
    """The points of a course that every seed has."""
    return [point for point in log if point["update"] in EARLY]


def spread(values: list[float]) -> str:
    """Mean ± standard deviation (ddof 1), or the one value."""
    if len(values) == 1:
        return f"{values[0]:.1f}"
    return f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}"


def paper(dataset: str, model: str) -> tuple[float, float]:
    """Mean and standard deviation that the paper prints in Table II, percent."""
    number = published_number("table_2", "auroc", dataset, f"{model.upper()}-SPN")
    return number.mean, number.std
