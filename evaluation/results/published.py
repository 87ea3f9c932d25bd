"""The numbers that the paper prints, as a tidy frame for the side-by-side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    import pandas as pd

PUBLISHED = Path(__file__).with_name("published.yaml")
COLUMNS = (
    "table",
    "metric",
    "unit",
    "dataset",
    "model",
    "mean",
    "std",
    "runs",
    "source",
    "note",
    "explanation",
    "at_least",
)
ANY_DATASET = "any"  # for what does not depend on the data set


def published() -> pd.DataFrame:
    """One row per printed number, in the paper's order.

    Columns: table ("table_1" to "table_5", "appendix"), metric (as in our own results), unit ("percent", "count"),
    dataset ("any" where it does not matter), model, mean, std (NaN where none is printed), runs (0 where not said),
    source ("paper", or "literature" for values that the paper only quotes), note (empty, or why to read with care),
    explanation (empty, or what is known about a difference to our results), at_least (whether the number is a lower
    bound, of which nothing above is a difference).
    """
    import pandas as pd

    tables = yaml.safe_load(PUBLISHED.read_text(encoding="utf-8"))["tables"]
    frame = pd.DataFrame([row for table in tables for row in _rows(table)], columns=list(COLUMNS))
    return frame.astype({"mean": "float64", "std": "float64", "runs": "int64"})


def _rows(table: dict[str, Any]) -> list[tuple[Any, ...]]:
    notes, explanations = (table.get(key, {}) for key in ("notes", "explanations"))
    literature, at_least = (table.get(key, []) for key in ("literature", "at_least"))
    return [
        (
            table["table"],
            table["metric"],
            table["unit"],
            dataset,
            model,
            mean,
            std,
            table.get("runs", 0),
            "literature" if model in literature else "paper",
            notes.get(f"{dataset}/{model}", ""),
            explanations.get(f"{dataset}/{model}", ""),
            f"{dataset}/{model}" in at_least,
        )
        for dataset, models in table["values"].items()
        for model, (mean, std) in models.items()
    ]
