"""In-painting in numbers: every model's completions, for each mask and variant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evaluation.measures.inpainting import MASK_LABELS
from evaluation.measures.metrics import over_seeds, with_coverage
from evaluation.results.numbers import NOTHING, Number, Source, in_protocol, with_interval
from evaluation.results.tables.writing import DATASET_LABELS, STATISTICS, Table, records

if TYPE_CHECKING:
    import pandas as pd

HEADS = {"mse": "MSE", "ssim": "SSIM"}
DIGITS = 3


def inpainting_table(metrics: pd.DataFrame, rows: Mapping[str, str]) -> Table:
    """`rows`: model → label. One row for each model (and protocol), mask and variant; for each data set the squared
    error of the unknown pixels and the similarity, mean ± std over seeds. Models of all classes only."""
    import pandas as pd

    found: dict[tuple[str, str, str, str], dict[tuple[str, str], dict[str, Any]]] = {}
    for row in records(over_seeds(metrics[metrics["experiment"] == "inpainting"])):
        params = json.loads(row["params"])
        if "subset" not in params:
            line = (row["model"], row["protocol"], params["mask"], params.get("variant", NOTHING))
            found.setdefault(line, {})[row["dataset"], row["metric"]] = row
    measured = {dataset for cells in found.values() for dataset, _ in cells}
    columns = [(d, metric) for d in DATASET_LABELS if d in measured for metric in HEADS]
    order = {model: place for place, model in enumerate(rows)}
    masks = {mask: place for place, mask in enumerate(MASK_LABELS)}
    lines, data = [], []
    for line in sorted((line for line in found if line[0] in order), key=lambda k: (order[k[0]], k[1], masks[k[2]])):
        model, protocol, mask, variant = line
        label = in_protocol(rows[model], protocol)
        lines.append([label, MASK_LABELS[mask], variant, *(_cell(found[line].get(column)) for column in columns)])
        for (dataset, metric), row in found[line].items():
            identity = {"model": model, "label": rows[model], "protocol": protocol, "mask": mask, "variant": variant}
            statistics = {key: row[key] for key in ("n", "mean", "std", "low", "high")}
            data.append({**identity, "dataset": dataset, "metric": metric, **statistics})
    heads = [f"{DATASET_LABELS[dataset]} {HEADS[metric]}" for dataset, metric in columns]
    caption = (
        "In-painting of test images: mean squared error of the unknown pixels, and SSIM of whole images (at most 1), "
        f"{STATISTICS}; variants as in docs/sampling.md."
    )
    caption = with_coverage(caption, (int(row["n"]) for row in data))
    return Table(caption, ["model", "erased", "variant", *heads], lines, pd.DataFrame(data))


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return NOTHING
    return Number(with_interval(row["mean"], row["std"], row["low"], row["high"], DIGITS), Source.of(row))
