"""Log-likelihood of every layer over training time (Fig. 4), from the history that a trained model keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evaluation.jobs.train import HISTORY_FILE
from evaluation.measures.tidy import tidy_row


def dynamics_rows(directory: Path, record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Tidy rows of one model's history, in nats; `record` is its bench.json, step and split are among the params."""
    import pandas as pd

    common = {key: record[key] for key in ("protocol", "dataset", "model", "seed")}
    for step, layer, split, value in pd.read_parquet(directory / HISTORY_FILE).itertuples(index=False):
        params = {"step": int(step), "split": split, **record["point"]}
        metric = f"log_likelihood_layer_{layer}"
        yield tidy_row(experiment="dynamics", params=params, metric=metric, value=value, **common)
