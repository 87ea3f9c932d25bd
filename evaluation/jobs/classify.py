"""Classification: accuracy of a trained model with a classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from evaluation.base.errors import ModelError, UserError
from evaluation.datasets.contents import refuse_other_images
from evaluation.models.calling import classes
from evaluation.models.interface import Classifier

SPLITS = ("validation", "test")
ALONE, ROUNDED = 16, 1  # images that are classified again alone; of these, so many may be on a border


def classifier(directory: Path) -> tuple[dict[str, Any], Classifier]:
    """What bench.json says of a trained model, and the model.

    Raises:
        UserError: no model, or one without a `predict` method.
        DataError: its data set holds other images than it was trained on.
    """
    from evaluation.models.registry import load_model, read_spec

    record, model = read_spec(directory), load_model(directory)
    refuse_other_images(record, directory)
    if not isinstance(model, Classifier):
        raise UserError(f"the model in {directory} ({record['factory']}) has no predict method: it is no classifier")
    return record, model


def accuracies(directory: Path) -> dict[str, float]:
    """Percent of the validation and of the test images whose class a model finds. Raises as `classifier`."""
    from evaluation.datasets import load_dataset

    record, model = classifier(directory)
    return {split: _accuracy(model, *load_dataset(record["dataset"]).split(split), directory) for split in SPLITS}


def _accuracy(model: Classifier, x: np.ndarray, y: np.ndarray, directory: Path) -> float:
    predicted = classes(model, x, str(directory))
    some = np.unique(np.linspace(0, len(x) - 1, ALONE).astype(int))
    alone = np.concatenate([classes(model, x[i : i + 1].copy(), str(directory)) for i in some])
    if (wrong := int((alone != predicted[some]).sum())) > ROUNDED:
        raise ModelError(
            f"{directory}: predict gives {wrong} of {len(some)} images another class alone than beside others; "
            "`bench check` tries what a model promises"
        )
    return 100.0 * float((predicted == y).mean())


def classification_rows(directory: Path) -> list[dict[str, Any]]:
    """Tidy rows of one model: accuracy (test) and accuracy_validation, in percent."""
    from evaluation.measures.tidy import tidy_row
    from evaluation.models.registry import read_spec

    record = read_spec(directory)
    identity = {key: record[key] for key in ("protocol", "dataset", "model", "seed")}
    rows = []
    for split, value in accuracies(directory).items():
        metric = "accuracy" if split == "test" else f"accuracy_{split}"
        rows.append(
            tidy_row(experiment="classification", metric=metric, value=value, params=record["point"], **identity)
        )
    return rows
