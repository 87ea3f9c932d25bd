"""Every printed number of the paper beside ours, with a verdict."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evaluation.config import Plan
from evaluation.metrics import over_seeds
from evaluation.numbers import NOTHING, with_std
from evaluation.published import ANY_DATASET, published
from evaluation.selection import PROTOCOLS, reported_values
from evaluation.tables import DATASET_LABELS, markdown, records

if TYPE_CHECKING:
    import pandas as pd

REPRODUCED, CLOSE, NOT_REPRODUCED, NOT_RUN = "reproduced", "close", "not reproduced", "not run"
VERDICTS = (REPRODUCED, CLOSE, NOT_REPRODUCED, NOT_RUN)
RULE = (
    "reproduced: within two combined standard deviations or 1 point (counts: equal); close: within 3 points; "
    "not reproduced: further away."
)
EXPERIMENT_OF = {
    "table_1": "outliers",
    "table_2": "outliers",
    "table_3": "judge",
    "table_4": "classification",
    "appendix": "judge",
}


@dataclass(frozen=True)
class Cell:
    """Our side of one printed number, in one protocol."""

    mean: float = math.nan
    std: float = math.nan
    n: int = 0
    reason: str = ""  # why there is none


def verdict(printed: float, printed_std: float, ours: float, ours_std: float, unit: str = "percent") -> str:
    """The verdict by `RULE`; a missing standard deviation counts as 0."""
    if math.isnan(ours):
        return NOT_RUN
    difference = abs(ours - printed)
    if unit == "count":
        return REPRODUCED if difference == 0 else NOT_REPRODUCED
    spread = math.hypot(*(0.0 if math.isnan(std) else std for std in (printed_std, ours_std)))
    # Printed values have one decimal: a difference of exactly 1.0 or 3.0 must not fail by a rounding error.
    if difference <= max(1.0, 2 * spread) + 1e-9:
        return REPRODUCED
    return CLOSE if difference <= 3.0 + 1e-9 else NOT_REPRODUCED


def compare(metrics: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """One row per printed number and protocol.

    Columns: table, metric, unit, dataset, model, protocol, published, published_std, ours, ours_std, n, difference,
    verdict, remark (why it was not run, or the note of published.yaml).
    """
    import pandas as pd

    ours = {protocol: _Results(metrics, plan, protocol) for protocol in PROTOCOLS}
    rows = []
    for printed in records(published()):
        for protocol in PROTOCOLS:
            cell = ours[protocol].cell(printed)
            rows.append(_row(printed, protocol, cell))
    return pd.DataFrame(rows)


def _row(printed: Mapping[str, Any], protocol: str, cell: Cell) -> dict[str, Any]:
    literature = "the paper quotes this from the literature" if printed["source"] == "literature" else ""
    return {
        **{key: printed[key] for key in ("table", "metric", "unit", "dataset", "model")},
        "protocol": protocol,
        "published": printed["mean"],
        "published_std": printed["std"],
        "ours": cell.mean,
        "ours_std": cell.std,
        "n": cell.n,
        "difference": cell.mean - printed["mean"],
        "verdict": verdict(printed["mean"], printed["std"], cell.mean, cell.std, printed["unit"]),
        "remark": "; ".join(filter(None, [cell.reason, printed["note"], literature])),
    }


class _Results:
    """Our numbers in one protocol, found by what the paper's cell is called."""

    def __init__(self, metrics: pd.DataFrame, plan: Plan, protocol: str) -> None:
        self.plan = plan
        self.outliers = reported_values(metrics, protocol) if (metrics["experiment"] == "outliers").any() else {}
        self.others = over_seeds(metrics[metrics["protocol"].isin([protocol, "both"])])

    def cell(self, printed: Mapping[str, Any]) -> Cell:
        if printed["metric"] == "parameters":
            return self._parameters(printed["model"], EXPERIMENT_OF.get(printed["table"], "outliers"))
        experiment = EXPERIMENT_OF[printed["table"]]
        model, reason = self._model(experiment, printed["dataset"], printed["model"])
        if reason:
            return Cell(reason=reason)
        if experiment == "outliers":
            found = self.outliers.get((printed["dataset"], model, printed["metric"]))
        else:
            found = self._other(experiment, printed["dataset"], model, printed["metric"])
        if found is None:
            return Cell(reason="no result: the job has not finished, or it failed (see the logs)")
        return Cell(found["mean"], found["std"], int(found["n"]))

    def _model(self, experiment: str, dataset: str, label: str) -> tuple[str, str]:
        """Catalogue name of the model with this label in an experiment, or the reason why there is none."""
        if experiment not in self.plan.experiments:
            return "", f"the experiment {experiment} is not in this profile"
        if dataset not in self.plan.datasets(experiment):
            return "", f"{DATASET_LABELS[dataset]} is not in this profile"
        for model in self.plan.rows(experiment):
            if model.label == label:
                return model.name, ""
        if label == "CNN":  # the judge itself is not among the judged models
            return label, ""
        return "", f"{label} is not among the models of this profile's {experiment}"

    def _other(self, experiment: str, dataset: str, model: str, metric: str) -> Any:
        """The row with the fewest options set, of the metric of an experiment."""
        wanted = {"experiment": experiment, "dataset": dataset, "model": model, "metric": metric}
        rows = self.others
        for key, value in wanted.items():
            rows = rows[rows[key] == value]
        return None if rows.empty else rows.iloc[int(rows["params"].str.len().argmin())]

    def _parameters(self, label: str, experiment: str) -> Cell:
        """Centroids of a DCGMM from its notation (as the paper counts), everything that is trained otherwise."""
        from dcgmm.instances import INSTANCES
        from dcgmm.notation import place

        name = label.removeprefix("DCGMM-")
        if label != name and name in INSTANCES:
            return Cell(float(place(INSTANCES[name].config, (28, 28, 1)).centroid_parameters), n=1)
        rows = self.others[self.others["metric"] == "parameters"]
        for model in self.plan.rows(experiment):
            of_model = rows[(rows["model"] == model.name) & (rows["experiment"] == experiment)]
            if model.label == label and len(of_model):
                # Models of several grid points: the published number is of one of them; take the nearest in size.
                return Cell(float(of_model["mean"].iloc[0]), n=int(of_model["n"].iloc[0]))
        return Cell(reason=f"no trained {label} in this profile's {experiment}")


# --- the page ---------------------------------------------------------------------------------------------------------


def totals(rows: pd.DataFrame, protocol: str) -> Counter[str]:
    """Verdict → number of cells, in one protocol."""
    return Counter(rows["verdict"][rows["protocol"] == protocol])


def totals_line(rows: pd.DataFrame, protocol: str) -> str:
    count = totals(rows, protocol)
    return f"{protocol}: " + ", ".join(f"{count[v]} {v}" for v in VERDICTS) + f", of {sum(count.values())}"


def page(rows: pd.DataFrame, variants: pd.DataFrame, title: str) -> str:
    """compare.md: totals first, then every cell with both protocols side by side, then variants of the models."""
    parts = ["# The paper's numbers and ours", "", title, "", RULE, ""]
    parts += ["Totals by protocol (models that are the same in both protocols count in both):", ""]
    parts += [f"- {totals_line(rows, protocol)}" for protocol in PROTOCOLS]
    parts += ["", _totals_by_table(rows)]
    for (table, metric), cells in rows.groupby(["table", "metric"], sort=False):
        parts += ["", f"## {str(table).replace('_', ' ').capitalize()}: {metric}", "", _cells(cells)]
    if len(variants):
        parts += ["", "## Variants of the models beside the same published values", "", _variants(variants)]
    return "\n".join(parts) + "\n"


def _totals_by_table(rows: pd.DataFrame) -> str:
    lines = []
    for (table, metric), cells in rows.groupby(["table", "metric"], sort=False):
        for protocol in PROTOCOLS:
            count = totals(cells, protocol)
            lines.append([f"{str(table).replace('_', ' ')}, {metric}", protocol, *(str(count[v]) for v in VERDICTS)])
    return markdown(["table", "protocol", *VERDICTS], lines)


def _number(value: float, std: float, unit: str) -> str:
    return f"{value:,.0f}" if unit == "count" and not math.isnan(value) else with_std(value, std)


def _difference(value: float, unit: str) -> str:
    return NOTHING if math.isnan(value) else (f"{value:+,.0f}" if unit == "count" else f"{value:+.1f}")


def _cells(cells: pd.DataFrame) -> str:
    lines = []
    for (dataset, model), pair in cells.groupby(["dataset", "model"], sort=False):
        by_protocol = {row["protocol"]: row for row in records(pair)}
        first = by_protocol["paper"]
        place = NOTHING if dataset == ANY_DATASET else DATASET_LABELS[str(dataset)]
        line = [str(model), place, _number(first["published"], first["published_std"], first["unit"])]
        for row in by_protocol.values():
            ours = _number(row["ours"], row["ours_std"], row["unit"])
            line += [ours, _difference(row["difference"], row["unit"]), row["verdict"]]
        lines.append([*line, first["remark"]])
    sides = (f"{what} ({protocol})" for protocol in PROTOCOLS for what in ("ours", "difference", "verdict"))
    return markdown(["model", "data set", "published", *sides, "remark"], lines)


def compare_variants(metrics: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Models that extend a published one (another sharing mode, for example) beside its published AUROC.

    Columns: model, dataset, published, published_std, ours, ours_std, n, difference, verdict.
    """
    import pandas as pd

    if not (metrics["experiment"] == "outliers").any():
        return pd.DataFrame()
    values = reported_values(metrics, "paper")
    printed = published().query("table == 'table_1' or table == 'table_2'").drop_duplicates(["dataset", "model"])
    rows = []
    for model in plan.rows("outliers"):
        if model.extends is None:
            continue
        base = plan.catalogue.model(model.extends).label
        for cell in records(printed[(printed["model"] == base) & (base != model.label)]):
            found = values.get((cell["dataset"], model.name, "auroc"))
            if found is not None:
                row = _row(cell, "paper", Cell(found["mean"], found["std"], int(found["n"])))
                rows.append({**row, "model": model.label})
    return pd.DataFrame(rows)


def _variants(variants: pd.DataFrame) -> str:
    lines = [
        [
            row["model"],
            DATASET_LABELS[row["dataset"]],
            with_std(row["published"], row["published_std"]),
            with_std(row["ours"], row["ours_std"]),
            _difference(row["difference"], "percent"),
            row["verdict"],
        ]
        for row in records(variants)
    ]
    return markdown(["model", "data set", "published", "ours", "difference", "verdict"], lines)
