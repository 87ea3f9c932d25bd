"""Table III: what the judges say about each model's samples, and about real images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evaluation.judge import EXPERIMENT, MEASURES, REAL_TEST, REAL_VALIDATION
from evaluation.metrics import bootstrap_interval
from evaluation.numbers import NOTHING, Number, Source, as_printed, in_protocol, with_interval
from evaluation.published import published
from evaluation.tables import DATASET_LABELS, Table, records

if TYPE_CHECKING:
    import pandas as pd

DISTANCES = ("frechet_distance", "nearest_neighbour_distance")
HEADS = ("accuracy", "Fréchet", "precision", "recall", "nearest neighbour")


def judge_table(metrics: pd.DataFrame, rows: Mapping[str, str]) -> Table:
    """`rows`: model → label. One row for each model and protocol, then the real images; for each data set the published
    accuracy and ours, and the measures that the paper does not have, each mean ± std over models' and judges' seeds."""
    import pandas as pd

    judged = metrics[(metrics["experiment"] == EXPERIMENT) & metrics["params"].str.contains('"judge"')]
    printed = {(row["dataset"], row["model"]): row for row in records(published()) if row["metric"] == MEASURES[0]}
    datasets = [d for d in DATASET_LABELS if d in set(judged["dataset"])]
    lines, data = [], []
    for model, label in [*rows.items(), (REAL_TEST, REAL_TEST), (REAL_VALIDATION, REAL_VALIDATION)]:
        of_model = judged[judged["model"] == model]
        for protocol in dict.fromkeys(of_model["protocol"]) or ["both"]:
            cells = [in_protocol(label, protocol)]
            for dataset in datasets:
                chosen = of_model[(of_model["protocol"] == protocol) & (of_model["dataset"] == dataset)]
                paper = printed.get((dataset, label))
                cells.append(NOTHING if paper is None else as_printed(paper["mean"], paper["std"]))
                cells += [_cell(chosen[chosen["metric"] == measure]) for measure in MEASURES]
                identity = {"model": model, "label": label, "protocol": protocol, "dataset": dataset}
                data += [{**identity, **row} for row in _statistics(chosen, paper)]
            lines.append(cells)
    columns = ["samples", *(f"{DATASET_LABELS[d]} {head}" for d in datasets for head in ("published", *HEADS))]
    caption = (
        "Samples of one model per class, judged by the CNN of Table VII (accuracy, precision and recall in percent; "
        "distances in its penultimate features), mean ± std over trainings of models and judges, taken together "
        "[95 % bootstrap interval of the mean]."
    )
    return Table(caption, columns, lines, pd.DataFrame(data))


def _cell(rows: pd.DataFrame) -> str:
    """Mean ± std [interval] over the tidy rows of one measure, all seeds of models and judges; a dash for none."""
    if rows.empty:
        return NOTHING
    first = records(rows)[0]
    digits = 2 if first["metric"] in DISTANCES else 1
    values = rows["value"]
    text = with_interval(values.mean(), values.std(), *bootstrap_interval(values.to_numpy()), digits)
    return Number(text, Source.of(first)._replace(params=tuple(rows["params"].unique())))


def _statistics(chosen: pd.DataFrame, paper: Any) -> list[dict[str, Any]]:
    """Each metric over all seeds of models and judges, the accuracies of single classes too."""
    found = []
    for metric, values in chosen.groupby("metric", sort=False)["value"]:
        low, high = bootstrap_interval(values.to_numpy())
        row = {"metric": metric, "n": len(values), "mean": values.mean(), "std": values.std(), "low": low, "high": high}
        if paper is not None and metric == MEASURES[0]:
            row |= {"published": paper["mean"], "published_std": paper["std"]}
        found.append(row)
    return found
