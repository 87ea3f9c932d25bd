"""Every DCGMM against every rival, seed by seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.measures.statistics import paired_comparison, with_coverage
from evaluation.results.formatting import in_protocol, interval
from evaluation.results.labels import dataset_label, dataset_labels
from evaluation.results.results import Results, Value
from evaluation.results.selection import choosing, lines, reported, unfinished_grids
from evaluation.results.tables.table import Column, Record, Table, statistics_frame

COLUMNS = ["dcgmm", "rival", "protocol", "dataset", "n", "mean", "low", "high", "wins", "p_value", "annealing"]


def paired_table(results: Results, rows: Mapping[str, str]) -> Table:
    """Every DCGMM of the models (`rows`: model → label) against every other one: the mean difference of exact AUROC.

    A cell has the difference, its interval, the number of pairs and the p-value of a sign-flip test; the CSV also the
    seeds won by the DCGMM.
    """
    families = {model: results.plan.catalogue.model(model).family for model in rows}
    ours = {model: label for model, label in rows.items() if families[model] == "dcgmm"}
    rivals = {model: label for model, label in rows.items() if families[model] != "dcgmm"}
    found: list[dict[str, Any]] = []
    for dataset in dataset_labels(results.datasets("outliers")):
        for rival, label, protocol in lines(results, rivals):
            values = reported(results, choosing(results.plan, protocol), results.outlier_class)
            place = {"rival": label, "protocol": protocol, "dataset": dataset, "_rival": rival}
            pairs = {
                model: _pair(values.get((dataset, model, "auroc")), values.get((dataset, rival, "auroc")))
                for model in ours
            }
            for model, pair in pairs.items():
                annealing = results.annealing("outliers", dataset, model, outlier_class=results.outlier_class)
                facts = {"_dcgmm": model, "_label": ours[model], "dcgmm": ours[model]}
                found.append({**place, **facts, **pair, "annealing": annealing})
    caption = (
        f"DCGMM minus rival, exact AUROC in points, class {results.outlier_class} left out: mean difference between "
        "runs of equal seeds [95 % bootstrap interval] (n: number of pairs; p: of a two-sided sign-flip test, not "
        "below 0.06 with five pairs). Above 0: the DCGMM is better."
    )
    caption = f"{caption} {unfinished_grids(results, rows)}".strip()
    counts = [int(row["n"]) for row in found if "n" in row]
    columns = [Column(label, _cell, {"_dcgmm": model}) for model, label in ours.items()]
    line = ["_rival", "protocol", "dataset"]
    index = {
        "rival": lambda row: in_protocol(row["rival"], row["protocol"]),
        "data set": lambda row: dataset_label(row["dataset"]),
    }
    return Table(with_coverage(caption, counts), statistics_frame(found, COLUMNS), line, index, columns)


def _pair(first: Value | None, second: Value | None) -> dict[str, Any]:
    """The statistics of a pair; nothing where a side, or a common seed, is missing."""
    if first is None or second is None or not first.by_seed.keys() & second.by_seed.keys():
        return {}
    return {**vars(paired_comparison(first.by_seed, second.by_seed)), "_source": (first.source, second.source)}


def _cell(row: Record) -> str:
    if not row["n"] > 0:
        return "–"
    bounds = interval(row["low"], row["high"], sign="+")
    return f"{row['mean']:+z.1f} {bounds}".strip() + f" (n {row['n']}, p {row['p_value']:.2g})"
