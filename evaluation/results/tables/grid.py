"""Every grid point of Table II, and which protocol chose which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.base.text import NOTHING
from evaluation.measures.statistics import with_coverage
from evaluation.results.formatting import point_words, with_interval
from evaluation.results.labels import dataset_label
from evaluation.results.results import Results, Value
from evaluation.results.selection import (
    Point,
    chosen,
    every_point_is_there,
    most_seeds,
    points,
    protocols_of,
    unfinished_grids,
)
from evaluation.results.tables.table import STATISTICS_WORDS, Column, Record, Table, statistics_frame

SPLITS = {"": "auroc", "_validation": "auroc_validation"}
_KEYS = ["model", "dataset", "protocol", "point"]
COLUMNS = [*_KEYS, "n", *(f"auroc{split}{end}" for split in SPLITS for end in ("", "_std", "_low", "_high"))]
COLUMNS += ["chosen_by", "incomplete", "left_out"]


def grid_table(results: Results, rows: Mapping[str, str]) -> Table:
    """Every grid point of every model: AUROC on test and validation images, and which protocol chose it; then the
    points that were not run, and what they would have cost."""
    found: list[dict[str, Any]] = []
    for point, chosen_by, incomplete in grid_points(results):
        if point.model in rows:
            place: dict[str, Any] = {key: getattr(point, key) for key in _KEYS}
            facts = {"n": point.seeds, "chosen_by": chosen_by, "incomplete": incomplete}
            areas: dict[str, Any] = {}
            for split, metric in SPLITS.items():
                areas |= _area(split, point.values.get(metric))
            found.append({**place, **facts, **areas})
    left_out = [point for point in results.plan.left_out if point.model in rows]
    found += [
        {"model": p.model, "dataset": p.dataset, "protocol": NOTHING, "point": p.point, "left_out": p.reason}
        for p in left_out
    ]
    head = "All grid points" if every_point_is_there(results, rows) else "Grid points so far"
    head += f", class {results.outlier_class} left out"
    caption = f"{head}: exact AUROC in percent, {STATISTICS_WORDS}; which protocol chose which."
    caption = f"{caption} {unfinished_grids(results, rows)}".strip()
    if left_out:
        caption += f" Left out for their estimated cost: {len(left_out)} points."
    if any(row.get("incomplete") for row in found):
        caption += " Incomplete points take no part in the choice."
    caption = with_coverage(caption, (int(row["n"]) for row in found if "n" in row))
    index = {
        "model": lambda row: rows[row["model"]],
        "data set": lambda row: dataset_label(row["dataset"]),
        "protocol": lambda row: row["protocol"],
        "point": lambda row: point_words(row["point"]),
    }
    columns = [
        Column("test", lambda row: _words(row, "auroc"), source="_source_test"),
        Column("validation", lambda row: _words(row, "auroc_validation"), source="_source_validation"),
        Column("chosen by", _choice),
    ]
    return Table(caption, statistics_frame(found, COLUMNS), _KEYS, index, columns)


def grid_points(results: Results) -> list[tuple[Point, str, str]]:
    """Every point with the protocols that chose it, and that it has fewer seeds than others of the model and takes no
    part in the choice, in words."""
    every = [point for point in points(results, results.outlier_class) if point.seeds]
    of_model: dict[tuple[str, str, str], list[Point]] = {}
    for point in every:
        of_model.setdefault((point.model, point.dataset, point.protocol), []).append(point)
    whole = {family: most_seeds(own) for family, own in of_model.items()}
    protocols = protocols_of(results.plan)
    by = {protocol: set(chosen(every, protocol).values()) for protocol in protocols}
    found = []
    for point in every:
        most = whole[point.model, point.dataset, point.protocol]
        incomplete = f"incomplete: {point.seeds} of {most} seeds" if point.seeds < most else ""
        found.append((point, " ".join(protocol for protocol in protocols if point in by[protocol]), incomplete))
    return found


def _area(split: str, value: Value | None) -> dict[str, Any]:
    if value is None:
        return {}
    bounds = {f"auroc{split}_{end}": getattr(value, end) for end in ("std", "low", "high")}
    return {f"auroc{split}": value.mean, **bounds, f"_source{split or '_test'}": value.source}


def _words(row: Record, area: str) -> str:
    return with_interval(row[area], row[f"{area}_std"], row[f"{area}_low"], row[f"{area}_high"])


def _choice(row: Record) -> str:
    if isinstance(row["left_out"], str):
        return f"left out: {row['left_out']}"
    return str(row["chosen_by"] or row["incomplete"])
