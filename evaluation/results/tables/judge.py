"""Table III: what the judges say about each model's samples, and about real images."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from evaluation.jobs.judge import EXPERIMENT, MEASURES, REAL_TEST, REAL_VALIDATION
from evaluation.measures.metrics import bootstrap_interval, canonical_params, with_coverage
from evaluation.results.numbers import NOTHING, Number, Source, as_printed, in_protocol, with_interval, with_std
from evaluation.results.published import published
from evaluation.results.tables.writing import DATASET_LABELS, Table, records

if TYPE_CHECKING:
    import pandas as pd

DISTANCES = ("frechet_distance", "nearest_neighbour_distance")
HEADS = ("accuracy", "Fréchet", "precision", "recall", "nearest neighbour")
STATISTICS = ("n", "judges", "mean", "std", "low", "high", "std_judges")


def judged_rows(metrics: pd.DataFrame) -> pd.DataFrame:
    """The tidy rows of what judges say about samples, without the judges' own accuracies."""
    return metrics[(metrics["experiment"] == EXPERIMENT) & metrics["params"].str.contains('"judge"')]


def judged_results(metrics: pd.DataFrame) -> pd.DataFrame:
    """What the judges say: one row for each model, protocol, data set, point and metric.

    All judges look at the same models, so their values are no independent trials. They are averaged first, and the
    statistics are over trainings of the model. Columns: protocol, experiment, dataset, model, params (without the
    judge), metric; `n` trainings, `mean`, `std`, `low` and `high` (95 % bootstrap interval), as `over_seeds` has them;
    `judges`, `std_judges` (over judges, of the mean over trainings, NaN for one judge); `sources` (the params of the
    tidy rows). With one training and several judges `std` is the spread over the judges, as in the paper, and there
    is no interval.
    """
    import pandas as pd

    rows = judged_rows(metrics)
    points = [json.loads(params) for params in rows["params"]]
    judges = [point.pop("judge") for point in points]
    rows = rows.assign(judge=judges, sources=rows["params"], params=[canonical_params(point) for point in points])
    keys = ["protocol", "experiment", "dataset", "model", "params", "metric"]
    found = [
        {**dict(zip(keys, key, strict=True)), **_statistics(group), "sources": tuple(group["sources"].unique())}
        for key, group in rows.groupby(keys, sort=False)
    ]
    return pd.DataFrame(found, columns=[*keys, *STATISTICS, "sources"])


def _statistics(rows: pd.DataFrame) -> dict[str, Any]:
    by_training, by_judge = (rows.groupby(key)["value"].mean() for key in ("seed", "judge"))
    low, high = bootstrap_interval(by_training.to_numpy())
    std = by_training.std() if len(by_training) > 1 else by_judge.std()
    values = (len(by_training), len(by_judge), by_training.mean(), std, low, high, by_judge.std())
    return dict(zip(STATISTICS, values, strict=True))


def source(row: Mapping[str, Any]) -> Source:
    """The tidy rows behind a row of `judged_results`."""
    return Source.of(row)._replace(params=row["sources"])


def judge_table(metrics: pd.DataFrame, rows: Mapping[str, str]) -> Table:
    """`rows`: model → label. One row for each model and protocol, then the real images; for each data set the published
    accuracy and ours, and the measures that the paper does not have. Where there are several trainings and several
    judges, the spread of the accuracy over the judges has a column of its own."""
    import pandas as pd

    judged = judged_results(metrics)
    printed = {(row["dataset"], row["model"]): row for row in records(published()) if row["metric"] == MEASURES[0]}
    datasets = [d for d in DATASET_LABELS if d in set(judged["dataset"])]
    both = bool(((judged["n"] > 1) & (judged["judges"] > 1)).any())
    lines, data = [], []
    for model, label in [*rows.items(), (REAL_TEST, REAL_TEST), (REAL_VALIDATION, REAL_VALIDATION)]:
        of_model = judged[judged["model"] == model]
        for protocol in dict.fromkeys(of_model["protocol"]) or ["both"]:
            cells = [in_protocol(label, protocol)]
            for dataset in datasets:
                chosen = of_model[(of_model["protocol"] == protocol) & (of_model["dataset"] == dataset)]
                found = {row["metric"]: row for row in records(chosen)}
                paper = printed.get((dataset, label))
                cells.append(NOTHING if paper is None else as_printed(paper["mean"], paper["std"]))
                first, *others = (_cell(found.get(measure)) for measure in MEASURES)
                cells += [first, *([_over_judges(found.get(MEASURES[0]))] if both else []), *others]
                identity = {"model": model, "label": label, "protocol": protocol, "dataset": dataset}
                data += [{**identity, **row} for row in _data_rows(found.values(), paper)]
            lines.append(cells)
    heads = ("published", HEADS[0], *(["± over judges"] if both else []), *HEADS[1:])
    columns = ["samples", *(f"{DATASET_LABELS[d]} {head}" for d in datasets for head in heads)]
    return Table(_caption(judged, data), columns, lines, pd.DataFrame(data))


def _caption(judged: pd.DataFrame, data: Iterable[Mapping[str, Any]]) -> str:
    caption = (
        "Samples of one model per class, judged by the CNN of Table VII (accuracy, precision and recall in percent; "
        "distances in its penultimate features), mean ± std over trainings of the models [95 % bootstrap interval of "
        "the mean]."
    )
    several = judged["judges"] > 1
    if several.any():
        caption += f" {judged['judges'].max()} judges, averaged for each training."
    if (several & (judged["n"] == 1)).any():
        caption += " Where there is one training only, and for real images, ± is the spread over the judges."
    return with_coverage(caption, (int(row["n"]) for row in data))


def _cell(row: Any) -> str:
    """Mean ± std [interval] of a row of `judged_results`; a dash for none."""
    if row is None:
        return NOTHING
    digits = 2 if row["metric"] in DISTANCES else 1
    return Number(with_interval(row["mean"], row["std"], row["low"], row["high"], digits), source(row))


def _over_judges(row: Any) -> str:
    """The spread over the judges alone; a dash for one judge."""
    return NOTHING if row is None else with_std(row["std_judges"], None)


def _data_rows(found: Iterable[Mapping[str, Any]], paper: Any) -> Iterable[dict[str, Any]]:
    """Each metric for the CSV, the accuracies of single classes too."""
    for row in found:
        printed = paper is not None and row["metric"] == MEASURES[0]
        yield {
            "metric": row["metric"],
            **{key: row[key] for key in STATISTICS},
            **({"published": paper["mean"], "published_std": paper["std"]} if printed else {}),
        }
