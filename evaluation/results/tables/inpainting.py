"""In-painting in numbers: every model's completions, for each mask and variant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.base.text import NOTHING
from evaluation.measures.completions import MASK_LABELS
from evaluation.measures.statistics import with_coverage
from evaluation.results.formatting import with_interval
from evaluation.results.results import STATISTICS, Results
from evaluation.results.tables.outliers import name
from evaluation.results.tables.table import STATISTICS_WORDS, Column, Record, Table, statistics_frame

HEADS = {"mse": "MSE", "ssim": "SSIM"}
DIGITS = 3
COLUMNS = ["model", "label", "protocol", "mask", "variant", "dataset", "metric", *STATISTICS, "annealing"]


def inpainting_table(results: Results, rows: Mapping[str, str]) -> Table:
    """`rows`: model → label. One line for each model (and protocol), mask and variant; for each data set the squared
    error of the unknown pixels and the similarity, mean ± std over seeds. Models of all classes only."""
    masks = {mask: place for place, mask in enumerate(MASK_LABELS)}
    found: list[dict[str, Any]] = []
    for value in results.values("inpainting"):
        model, dataset = value.source.model, value.source.dataset
        varied = value.varied
        if model in rows and "subset" not in varied and value.source.metric in HEADS:
            place: dict[str, Any] = {
                "model": model,
                "label": rows[model],
                "protocol": value.protocol,
                "dataset": dataset,
            }
            place |= {"mask": varied["mask"], "variant": varied.get("variant", NOTHING), "metric": value.source.metric}
            annealing = results.annealing("inpainting", dataset, model, value.protocol)
            place |= {**value.statistics(*STATISTICS), "_source": value.source, "annealing": annealing}
            found.append(place)
    order = {model: place for place, model in enumerate(rows)}
    found.sort(key=lambda row: (order[row["model"]], row["protocol"], masks[row["mask"]]))
    caption = (
        "In-painting of test images: mean squared error of the unknown pixels, and SSIM of whole images (at most 1), "
        f"{STATISTICS_WORDS}; variants as in docs/sampling.md."
    )
    caption = with_coverage(caption, (row["n"] for row in found))
    index = {"model": name, "erased": lambda row: MASK_LABELS[row["mask"]], "variant": lambda row: row["variant"]}
    line = ["model", "protocol", "mask", "variant"]
    columns = [Column(head, _measured, {"metric": metric}) for metric, head in HEADS.items()]
    return Table(caption, statistics_frame(found, COLUMNS), line, index, columns, "dataset")


def _measured(row: Record) -> str:
    return with_interval(row["mean"], row["std"], row["low"], row["high"], DIGITS)
