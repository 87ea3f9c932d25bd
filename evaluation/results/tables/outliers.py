"""Tables I and II: outlier detection; every class left out; pairs of models; all grid points."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evaluation.measures.metrics import paired_comparison, with_coverage
from evaluation.results.numbers import NOTHING, Number, Source, as_printed, in_protocol, interval, measured
from evaluation.results.published import published
from evaluation.results.selection import PROTOCOLS, grid_results, has_grid, reported_values, selected_results
from evaluation.results.tables.writing import DATASET_LABELS, STATISTICS, Table, records

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.plan.grid_cost import LeftOut

Line = tuple[str, str, str]  # model, label, protocol ("both" where the protocols do not differ)


def outlier_table_dcgmm(metrics: pd.DataFrame, rows: Mapping[str, str]) -> Table:
    """Table I: exact AUROC and the scripts' 100-threshold area beside the published value; `rows`: model → label."""
    return _outlier_table(metrics, _lines(metrics, rows), "table_1", thresholds=True)


def outlier_table_models(metrics: pd.DataFrame, rows: Mapping[str, str]) -> Table:
    """Table II: models with two protocols, or with a grid, have a row for each protocol."""
    return _outlier_table(metrics, _lines(metrics, rows), "table_2", thresholds=False)


def _lines(metrics: pd.DataFrame, rows: Mapping[str, str]) -> list[Line]:
    """A line for each model; one for each protocol where the protocols can give different results."""
    lines = []
    for model, label in rows.items():
        of_model = metrics[(metrics["experiment"] == "outliers") & (metrics["model"] == model)]
        split = (of_model["protocol"] != "both").any() or has_grid(of_model)
        lines += [(model, label, protocol) for protocol in (PROTOCOLS if split else ("both",))]
    return lines


def _choosing(protocol: str) -> str:
    """The protocol by which grid points are chosen for a line; both choose the same where there is one point."""
    return "clean" if protocol == "clean" else "paper"


def _outlier_table(metrics: pd.DataFrame, lines: Sequence[Line], table: str, *, thresholds: bool) -> Table:
    import pandas as pd

    chosen = {protocol: reported_values(metrics, protocol) for protocol in PROTOCOLS}
    printed = {(row["dataset"], row["model"]): row for row in records(published()) if row["table"] == table}
    datasets = _datasets(metrics)
    kinds = ("auroc", "auroc_100_thresholds") if thresholds else ("auroc",)
    heads = ("published", "AUROC", "100 thresholds") if thresholds else ("published", "AUROC")
    rows, data = [], []
    for model, label, protocol in lines:
        values = chosen[_choosing(protocol)]
        cells = [in_protocol(label, protocol)]
        for dataset in datasets:
            paper = printed.get((dataset, label))
            ours = [values.get((dataset, model, kind)) for kind in kinds]
            cells.append(NOTHING if paper is None else as_printed(paper["mean"], paper["std"]))
            cells += map(measured, ours)
            data += _data_rows((model, label, protocol, dataset), paper, zip(kinds, ours, strict=True))
        rows.append(cells)
    columns = ["model", *(f"{DATASET_LABELS[d]} {head}" for d in datasets for head in heads)]
    counts = sorted({row["n"] for row in data}) or [0]
    seeds = f"{counts[0]} to {counts[-1]} seeds" if len(counts) > 1 else f"{counts[0]} seed{'s' * (counts[0] != 1)}"
    caption = f"Outlier detection, class 0 left out: area under the ROC curve in percent, {STATISTICS}; {seeds}."
    caption = with_coverage(caption, counts)
    return Table(caption, columns, rows, pd.DataFrame(data, columns=_DATA_COLUMNS))


_IDENTITY = ("model", "label", "protocol", "dataset")
_STATISTICS = ("n", "mean", "std", "low", "high")
_DATA_COLUMNS = [*_IDENTITY, "metric", "published", "published_std", *_STATISTICS, "point"]


def _datasets(metrics: pd.DataFrame) -> list[str]:
    run = set(metrics["dataset"][metrics["experiment"] == "outliers"])
    return [dataset for dataset in DATASET_LABELS if dataset in run]


def _data_rows(identity: tuple[str, ...], paper: Any, ours: Iterable[tuple[str, Any]]) -> list[dict[str, Any]]:
    printed = {} if paper is None else {"published": paper["mean"], "published_std": paper["std"]}
    return [
        {
            **dict(zip(_IDENTITY, identity, strict=True)),
            "metric": kind,
            **printed,
            **{key: value[key] for key in (*_STATISTICS, "point")},
        }
        for kind, value in ours
        if value is not None
    ]


def outlier_class_table(metrics: pd.DataFrame, rows: Mapping[str, str]) -> Table:
    """Models for which every class was the outlier once: AUROC of each ("comparable", says Sec. V-B)."""
    import pandas as pd

    by_class = {outlier: reported_values(metrics, "paper", outlier) for outlier in range(10)}
    lines, data = [], []
    for model, label in rows.items():
        for dataset in _datasets(metrics):
            found = {outlier: values.get((dataset, model, "auroc")) for outlier, values in by_class.items()}
            if sum(value is not None for value in found.values()) < 2:
                continue
            lines.append([label, DATASET_LABELS[dataset], *map(measured, found.values())])
            identity = {"model": model, "label": label, "dataset": dataset}
            data += [
                {**identity, "outlier_class": outlier, **{key: value[key] for key in _STATISTICS}}
                for outlier, value in found.items()
                if value is not None
            ]
    columns = ["model", "data set", *(f"class {outlier}" for outlier in by_class)]
    caption = f"Outlier detection with each class left out in turn: exact AUROC in percent, {STATISTICS}."
    caption = with_coverage(caption, (row["n"] for row in data))
    return Table(caption, columns, lines, pd.DataFrame(data, columns=[*_CLASS_COLUMNS, *_STATISTICS]))


_CLASS_COLUMNS = ("model", "label", "dataset", "outlier_class")


# --- pairs -----------------------------------------------------------------------------------------------------------


def paired_table(metrics: pd.DataFrame, rows: Mapping[str, str], rivals: Mapping[str, str]) -> Table:
    """Every DCGMM (`rows`: model → label) against every rival, seed by seed: the mean difference of their exact AUROC.

    A cell has the difference, its interval, the number of pairs and the p-value of a sign-flip test; the CSV also the
    seeds won by the DCGMM.
    """
    import pandas as pd

    chosen = {protocol: reported_values(metrics, protocol) for protocol in PROTOCOLS}
    lines, data = [], []
    for dataset in _datasets(metrics):
        for rival, label, protocol in _lines(metrics, rivals):
            values = chosen[_choosing(protocol)]
            second = values.get((dataset, rival, "auroc"))
            cells = [in_protocol(label, protocol), DATASET_LABELS[dataset]]
            for model, name in rows.items():
                first = values.get((dataset, model, "auroc"))
                cell, pair = _pair(metrics, first, second)
                cells.append(cell)
                if pair:
                    identity = {"dcgmm": name, "rival": label, "protocol": protocol, "dataset": dataset}
                    data.append({**identity, **pair})
            lines.append(cells)
    caption = (
        "DCGMM minus rival, exact AUROC in points, class 0 left out: mean difference between runs of equal seeds "
        "[95 % bootstrap interval] (n: number of pairs; p: of a two-sided sign-flip test, not below 0.06 with five "
        "pairs). Above 0: the DCGMM is better."
    )
    caption = with_coverage(caption, (row["n"] for row in data))
    columns = ["rival", "data set", *rows.values()]
    return Table(caption, columns, lines, pd.DataFrame(data, columns=_PAIR_COLUMNS))


_PAIR_COLUMNS = ["dcgmm", "rival", "protocol", "dataset", "n", "mean", "low", "high", "wins", "p_value"]


def _pair(metrics: pd.DataFrame, first: Any, second: Any) -> tuple[str, dict[str, Any]]:
    """The printed difference and the row of the CSV; a dash and nothing where a side, or a common seed, is missing."""
    if first is None or second is None:
        return NOTHING, {}
    sources = [Source.of(first), Source.of(second)]
    ours, theirs = (source.by_seed(metrics) for source in sources)
    if not ours.keys() & theirs.keys():
        return NOTHING, {}
    pair = paired_comparison(ours, theirs)
    text = (
        f"{pair.mean:+.1f} {interval(pair.low, pair.high, sign='+')}".strip() + f" (n {pair.n}, p {pair.p_value:.2g})"
    )
    return Number(text, *sources), vars(pair)


# --- grids -----------------------------------------------------------------------------------------------------------


def grid_table(metrics: pd.DataFrame, rows: Mapping[str, str], left_out: Sequence[LeftOut] = ()) -> Table:
    """Every grid point of every model: AUROC on test and validation images, and which protocol chose it; then the
    points that were not run, and what they would have cost."""
    lines, data = [], []
    for row in grid_points_of(metrics[metrics["model"].isin(list(rows))]):
        test, validation = row.pop("auroc", None), row.pop("auroc_validation", None)
        place = [rows[row["model"]], DATASET_LABELS[row["dataset"]], row["protocol"], point_words(row["point"])]
        lines.append([*place, measured(test), measured(validation), row["chosen_by"] or row["incomplete"]])
        data.append({**row, **_statistics("auroc", test), **_statistics("auroc_validation", validation)})
    for point in left_out:
        place = [rows[point.model], DATASET_LABELS[point.dataset], NOTHING, point_words(point.point)]
        lines.append([*place, NOTHING, NOTHING, f"left out: {point.reason}"])
        data.append({"model": point.model, "dataset": point.dataset, "point": point.point, "left_out": point.reason})
    caption = f"All grid points, class 0 left out: exact AUROC in percent, {STATISTICS}; which protocol chose which."
    if left_out:
        caption += f" Left out for their estimated cost: {len(left_out)} points."
    if any(row.get("incomplete") for row in data):
        caption += " Incomplete points take no part in the choice."
    caption = with_coverage(caption, (row["n"] for row in data if "n" in row))
    import pandas as pd

    columns = ["model", "data set", "protocol", "point", "test", "validation", "chosen by"]
    return Table(caption, columns, lines, pd.DataFrame(data, columns=_GRID_COLUMNS))


def grid_points_of(metrics: pd.DataFrame) -> list[dict[str, Any]]:
    """One entry for each model, data set, protocol and grid point: these four, `n` seeds, `chosen_by` (the protocols
    that chose it), `incomplete` (empty, or that it has fewer seeds than others of the model and takes no part in the
    choice), and the rows of `over_seeds` for `auroc` (test) and `auroc_validation`."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    whole: dict[tuple[str, ...], int] = {}
    for row in records(grid_results(metrics)):
        if row["metric"] in ("auroc", "auroc_validation"):
            key = tuple(row[name] for name in _GRID_KEYS)
            facts = {"n": row["n"], "chosen_by": "", "incomplete": ""}
            entry = found.setdefault(key, {**dict(zip(_GRID_KEYS, key, strict=True)), **facts})
            entry["n"] = min(entry["n"], row["n"])
            entry[row["metric"]] = row
            whole[key[:-1]] = max(whole.get(key[:-1], 0), row["n"])
    for key, entry in found.items():
        if entry["n"] < whole[key[:-1]]:
            entry["incomplete"] = f"incomplete: {entry['n']} of {whole[key[:-1]]} seeds"
    for protocol in PROTOCOLS:
        chosen = selected_results(metrics, protocol)
        for key in {tuple(row[name] for name in _GRID_KEYS) for row in records(chosen)}:
            found[key]["chosen_by"] = f"{found[key]['chosen_by']} {protocol}".strip()
    return list(found.values())


def point_words(point: str) -> str:
    """A grid point in words: "depth 5, sums 20"; a dash for a model without a grid."""
    return ", ".join(f"{key} {value}" for key, value in json.loads(point).items()) or NOTHING


def _statistics(name: str, row: Any) -> dict[str, Any]:
    """The columns of a metric in the CSV: name, name_std, name_low, name_high."""
    if row is None:
        return {}
    return {name: row["mean"], **{f"{name}_{key}": row[key] for key in ("std", "low", "high")}}


_GRID_KEYS = ("model", "dataset", "protocol", "point")
_GRID_COLUMNS = [*_GRID_KEYS, "n"]
_GRID_COLUMNS += [f"auroc{split}{end}" for split in ("", "_validation") for end in ("", "_std", "_low", "_high")]
_GRID_COLUMNS += ["chosen_by", "incomplete", "left_out"]
