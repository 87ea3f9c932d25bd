"""Every printed number of the paper beside ours, with a verdict."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evaluation.jobs.judge import settings
from evaluation.measures.metrics import over_seeds, with_coverage
from evaluation.models.registry import families
from evaluation.plan.config import Catalogue, Plan
from evaluation.results.contents import experiment_of
from evaluation.results.numbers import NOTHING, Number, Source, as_printed, with_interval
from evaluation.results.published import ANY_DATASET, published
from evaluation.results.selection import PROTOCOLS, reported_values
from evaluation.results.tables.judge import judged_results
from evaluation.results.tables.judge import source as judged_source
from evaluation.results.tables.writing import DATASET_LABELS, markdown, records

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.results.claims import Claim

REPRODUCED, CLOSE, NOT_REPRODUCED, NOT_RUN = "reproduced", "close", "not reproduced", "not run"
SAME = (
    "Models that are the same in both protocols count in both; where a DCGMM was also run as the authors' scripts do, "
    "with independent lower layers, that is the paper protocol's number."
)
ANNEALED = 0.2  # σ at which the smoothing gives neighbours a weight below 1e-5
VERDICTS = (REPRODUCED, CLOSE, NOT_REPRODUCED, NOT_RUN)
RULE = (
    "reproduced: within two combined standard deviations or 1 point (counts: equal); close: within 3 points; "
    "not reproduced: further away. What lies above a printed lower bound is reproduced."
)
FAR = 3.0  # points: a difference above is reproduced only because results spread widely, and says little
RECORDING = {"measurements", "measured_images"}  # parameters that change what is written down, not the model
# Parameters on which the number of a model's parameters depends.
SIZES = {
    "config",
    "components",
    "sums",
    "depth",
    "repetitions",
    "leaf",
    "delta",
    "axes",
    "products",
    "leaves",
    "latent",
    "width",
}
JUDGE = "CNN"  # the judge itself, as the paper and our metrics call it
KINDS = {"measured values": "percent", "parameter counts": "count"}  # name in the totals → unit


@dataclass(frozen=True)
class Cell:
    """Our side of one printed number, in one protocol."""

    mean: float = math.nan
    std: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    reason: str = ""  # why there is none
    changes: str = ""  # what the profile changes in the model
    judge: str = ""  # that the judge is a weak one
    source: Source | None = None


def verdict(
    printed: float, printed_std: float, ours: float, ours_std: float, unit: str = "percent", *, at_least: bool = False
) -> str:
    """The verdict by `RULE`; a missing standard deviation counts as 0. at_least: `printed` is a lower bound."""
    if math.isnan(ours):
        return NOT_RUN
    difference = abs(ours - printed)
    if unit == "count":
        return REPRODUCED if difference == 0 else NOT_REPRODUCED
    if at_least and ours >= printed:
        return REPRODUCED
    spread = math.hypot(*(0.0 if math.isnan(std) else std for std in (printed_std, ours_std)))
    # Printed values have one decimal: a difference of exactly 1.0 or 3.0 must not fail by a rounding error.
    if difference <= max(1.0, 2 * spread) + 1e-9:
        return REPRODUCED
    return CLOSE if difference <= FAR + 1e-9 else NOT_REPRODUCED


def compare(metrics: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """One row per printed number and protocol.

    Columns: table, metric, unit, dataset, model, protocol, published, published_std, ours, ours_std, ours_low and
    ours_high (95 % bootstrap interval), n, difference, verdict, remark (why it was not run, the note of published.yaml,
    what the profile changes, what is to be known about the verdict and the difference), source (of ours, a `Source` or
    None).
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
    difference = cell.mean - printed["mean"]
    judged = verdict(
        printed["mean"], printed["std"], cell.mean, cell.std, printed["unit"], at_least=printed["at_least"]
    )
    by_spread = judged == REPRODUCED and abs(difference) > FAR + 1e-9 and not printed["at_least"]
    remark = [
        cell.reason,
        printed["note"],
        "by its spread only" if by_spread else "",
        cell.changes,
        cell.judge,
        printed["explanation"] if judged in (CLOSE, NOT_REPRODUCED) else "",
    ]
    return {
        **{key: printed[key] for key in ("table", "metric", "unit", "dataset", "model")},
        "protocol": protocol,
        "published": printed["mean"],
        "published_std": printed["std"],
        "ours": cell.mean,
        "ours_std": cell.std,
        "ours_low": cell.low,
        "ours_high": cell.high,
        "n": cell.n,
        "difference": difference,
        "verdict": judged,
        "remark": "; ".join(filter(None, remark)),
        "source": cell.source,
    }


class _Results:
    """Our numbers in one protocol, found by what the paper's cell is called."""

    def __init__(self, metrics: pd.DataFrame, plan: Plan, protocol: str) -> None:
        self.plan, self.protocol = plan, protocol
        self.outliers = reported_values(metrics, protocol) if (metrics["experiment"] == "outliers").any() else {}
        here = metrics[metrics["protocol"].isin([protocol, "both"])]
        self.others = over_seeds(here)
        self.judged = {(row["dataset"], row["model"], row["metric"]): row for row in records(judged_results(here))}
        own = metrics[metrics["metric"] == "cnn_test_accuracy"]
        self.judges = {str(dataset): values.to_list() for dataset, values in own.groupby("dataset")["value"]}

    def cell(self, printed: Mapping[str, Any]) -> Cell:
        if printed["source"] == "literature":
            return Cell(reason="the paper quotes this from the literature, and neither runs the model")
        if printed["metric"] == "parameters":
            return self._parameters(printed["model"])
        experiment = experiment_of(printed["table"])
        model, reason = self._model(experiment, printed["dataset"], printed["model"])
        if reason:
            return Cell(reason=reason)
        if self.protocol == "paper":
            model = self._as_published(experiment, printed["dataset"], model, printed["metric"])
        found = self._found(experiment, printed["dataset"], model, printed["metric"])
        if found is None:
            return Cell(reason="no result: the job has not finished, or it failed (see the logs)")
        judged = experiment == "judge" and model != JUDGE
        return self.of(found, model, one_class=judged, judge=self._weak(printed["dataset"]) if judged else "")

    def of(self, found: Any, model: str, *, sizes: bool = False, one_class: bool = False, judge: str = "") -> Cell:
        """The cell of a row of statistics. sizes: the number is a model's size, which most changes do not touch;
        one_class: it is of models of one class."""
        mean, std, low, high = (float(found[key]) for key in ("mean", "std", "low", "high"))
        origin = judged_source(found) if "sources" in found else Source.of(found)
        entry = None if model == JUDGE else self.plan.catalogue.model(model)
        named = entry.label if entry and entry.as_published else ""
        annealing = "" if sizes else self._annealing(found["dataset"], model)
        words = [named, changes(self.plan, model, sizes=sizes, one_class=one_class), annealing]
        changed = "; ".join(filter(None, words))
        return Cell(mean, std, low, high, int(found["n"]), changes=changed, judge=judge, source=origin)

    def _annealing(self, dataset: str, model: str) -> str:
        """That a DCGMM of the outlier experiment was still annealing when its training ended, or nothing."""
        sigmas = [
            float(row["mean"])
            for (where, which, metric), row in self.outliers.items()
            if (where, which) == (dataset, model) and metric.startswith("sigma_layer_")
        ]
        return f"the annealing was not over (σ {max(sigmas):.2f})" if max(sigmas, default=0.0) > ANNEALED else ""

    def _weak(self, dataset: str) -> str:
        """That a judge of this data set is far below the paper's, or nothing."""
        papers = published().query("metric == 'cnn_test_accuracy' and dataset == @dataset")["mean"]
        own = self.judges.get(dataset, [])
        if papers.empty or not own or min(own) >= papers.iloc[0] - FAR:
            return ""
        which = "the judge" if len(own) == 1 else f"the weakest of {len(own)} judges"
        return f"{which} has a test accuracy of {min(own):.1f} % only, the paper's {papers.iloc[0]:.0f} %"

    def _model(self, experiment: str, dataset: str, label: str) -> tuple[str, str]:
        """Catalogue name of the model with this label in an experiment, or the reason why there is none."""
        if experiment not in self.plan.experiments:
            return "", f"the experiment {experiment} is not in this profile"
        if dataset not in self.plan.datasets(experiment):
            other = self.plan.config.get("stands_in", {}).get(dataset)
            if other:
                return "", f"other data: {DATASET_LABELS[other]} was used in its place"
            return "", f"{DATASET_LABELS[dataset]} is not in this profile"
        for model in self.plan.rows(experiment):
            if model.label == label:
                return model.name, ""
        if label == JUDGE:  # is not among the judged models
            return label, ""
        return "", f"{label} is not among the models of this profile's {experiment}"

    def _as_published(self, experiment: str, dataset: str, model: str, metric: str) -> str:
        """The variant of a model in the settings of the published runs, where it has a result, else the model."""
        for other in self.plan.rows(experiment):
            published = other.as_published and other.extends == model
            if published and self._found(experiment, dataset, other.name, metric) is not None:
                return other.name
        return model

    def _found(self, experiment: str, dataset: str, model: str, metric: str) -> Any:
        """The row of statistics of a result, None where there is none: in the outlier experiment of the chosen grid
        point, of judges what Table III says, else of the model as it stands in the catalogue, which is the row with the
        fewest options."""
        if experiment == "outliers":
            return self.outliers.get((dataset, model, metric))
        if experiment == "judge" and (dataset, model, metric) in self.judged:
            return self.judged[dataset, model, metric]
        wanted = {"experiment": experiment, "dataset": dataset, "model": model, "metric": metric}
        rows = self.others
        for key, value in wanted.items():
            rows = rows[rows[key] == value]
        return None if rows.empty else rows.iloc[int(rows["params"].str.len().argmin())]

    def _parameters(self, label: str) -> Cell:
        """Centroids of a DCGMM from its notation (as the paper counts); otherwise everything that is trained, in the
        model whose samples are judged, or else in the one that Table II reports."""
        from dcgmm.instances import INSTANCES
        from dcgmm.notation import place

        name = label.removeprefix("DCGMM-")
        if label != name and name in INSTANCES:
            return Cell(float(place(INSTANCES[name].config, (28, 28, 1)).centroid_parameters), n=1)
        for experiment in ("judge", "outliers"):
            for model in (model for model in self.plan.rows(experiment) if model.label == label):
                for dataset in self.plan.datasets(experiment):
                    found = self._found(experiment, dataset, model.name, "parameters")
                    if found is not None:
                        return self.of(found, model.name, sizes=True)
        return Cell(reason=f"no trained {label} in this profile")


def changes(plan: Plan, model: str, *, sizes: bool = False, one_class: bool = False) -> str:
    """What the profile changes in a model of the catalogue (the paper's settings), as in "epochs 3 instead of 25".

    sizes: only what changes the number of its parameters; one_class: in its models of one class.
    """
    if model == JUDGE:
        return _changes_of_judges(plan)
    catalogue = Catalogue({}, "catalogue")
    if model not in catalogue.names():
        return ""
    ours, papers = plan.catalogue.model(model), catalogue.model(model)
    described = families()[papers.family]["parameters"] if papers.family else {}
    defaults = {key: entry["default"] for key, entry in described.items() if "default" in entry}
    before = {**defaults, **papers.params, **(papers.one_class if one_class else {})}
    now = {**ours.params, **(ours.one_class if one_class else {})}
    ignored = {*RECORDING, *(["epochs"] if "iterations" in now else [])}
    words = [
        f"{key} {value}" + (f" instead of {before[key]}" if key in before else "")
        for key, value in now.items()
        if value != before.get(key) and key not in ignored and (key in SIZES or not sizes)
    ]
    images = ours.train_images or plan.config.get("train_images")
    if images and not sizes:
        words.append(f"trained on {images:,} images")
    return ", ".join(words)


def _changes_of_judges(plan: Plan) -> str:
    """The same for the trainings of the judges."""
    papers = settings({"params": {}, "limit": None})
    ours = {**papers, **plan.experiments.get("judge", {}).get("judges", {})}
    keys = [key for key in ("epochs", "learning_rate") if ours[key] != papers[key]]
    words = [f"{key} {ours[key]} instead of {papers[key]}" for key in keys]
    words += [f"trained on {ours['train_images']:,} images"] if ours["train_images"] else []
    return ", ".join(words)


# --- the page ---------------------------------------------------------------------------------------------------------


def totals(rows: pd.DataFrame, protocol: str) -> Counter[str]:
    """Verdict → number of cells, in one protocol."""
    return Counter(rows["verdict"][rows["protocol"] == protocol])


def totals_line(rows: pd.DataFrame, protocol: str) -> str:
    return f"{protocol}: {_counted(totals(rows, protocol))}"


def totals_lines(rows: pd.DataFrame, protocol: str) -> list[str]:
    """The totals of a protocol, then indented those of measured values and of parameter counts, which need no run."""
    parts = [f"  {kind}: {_counted(totals(rows[rows['unit'] == unit], protocol))}" for kind, unit in KINDS.items()]
    return [totals_line(rows, protocol), *parts]


def _counted(count: Counter[str]) -> str:
    return ", ".join(f"{count[v]} {v}" for v in VERDICTS) + f", of {sum(count.values())}"


def page(rows: pd.DataFrame, variants: pd.DataFrame, said: Sequence[Claim], title: str) -> str:
    """compare.md: totals, what the paper says in words, every cell with both protocols, variants of the models."""
    parts = [f"# The paper's numbers and ours: {title}", ""]
    for protocol in PROTOCOLS:
        total, *kinds = totals_lines(rows, protocol)
        parts += [f"- {total}", *(f"  - {kind.strip()}" for kind in kinds)]
    parts += ["", f"{RULE} {SAME} {interval_words(rows)}".strip()]
    parts += ["", _totals_by_table(rows), "", "## What the paper says in words", ""]
    spoken = [[claim.section, claim.words, claim.verdict, claim.evidence] for claim in said]
    parts += [markdown(["section", "claim", "verdict", "cases that speak for it"], spoken, numbers=False)]
    for (table, metric), cells in rows.groupby(["table", "metric"], sort=False):
        parts += ["", f"## {str(table).replace('_', ' ').capitalize()}: {metric}", "", _cells(cells)]
    if len(variants):
        parts += ["", "## Variants of the models beside the same published values", "", _variants(variants)]
    return "\n".join(parts) + "\n"


def interval_words(rows: pd.DataFrame) -> str:
    """What the brackets are, and how far they can be trusted."""
    counts = rows["n"][rows["ours_low"].notna()]
    return with_coverage("In brackets: 95 % bootstrap intervals of the mean over seeds.", counts)


def _totals_by_table(rows: pd.DataFrame) -> str:
    lines = []
    for (table, metric), cells in rows.groupby(["table", "metric"], sort=False):
        for protocol in PROTOCOLS:
            count = totals(cells, protocol)
            lines.append([f"{str(table).replace('_', ' ')}, {metric}", protocol, *(str(count[v]) for v in VERDICTS)])
    return markdown(["table", "protocol", *VERDICTS], lines)


def published_words(row: Mapping[str, Any]) -> str:
    """The published number of a row of `compare`, as printed."""
    return _count(row["published"]) if row["unit"] == "count" else as_printed(row["published"], row["published_std"])


def our_words(row: Mapping[str, Any]) -> str:
    """Our number of a row of `compare`, with its interval and where it comes from."""
    if row["unit"] == "count":
        text = _count(row["ours"])
    else:
        text = with_interval(row["ours"], row["ours_std"], row["ours_low"], row["ours_high"])
    return Number(text, *filter(None, [row["source"]]))


def _count(value: float) -> str:
    return NOTHING if math.isnan(value) else f"{value:,.0f}"


def difference_words(value: float, unit: str) -> str:
    """The difference with its sign, a dash for none."""
    return NOTHING if math.isnan(value) else (f"{value:+,.0f}" if unit == "count" else f"{value:+.1f}")


def remarks(rows: Iterable[Mapping[str, Any]]) -> str:
    """The remarks of both protocols, what they have in common once."""
    return "; ".join(dict.fromkeys(part for row in rows for part in row["remark"].split("; ") if part))


def _cells(cells: pd.DataFrame) -> str:
    lines = []
    for (dataset, model), pair in cells.groupby(["dataset", "model"], sort=False):
        by_protocol = {row["protocol"]: row for row in records(pair)}
        first = by_protocol["paper"]
        place = NOTHING if dataset == ANY_DATASET else DATASET_LABELS[str(dataset)]
        line = [str(model), place, published_words(first)]
        for row in by_protocol.values():
            line += [our_words(row), difference_words(row["difference"], row["unit"]), row["verdict"]]
        lines.append([*line, remarks(by_protocol.values())])
    sides = (f"{what} ({protocol})" for protocol in PROTOCOLS for what in ("ours", "difference", "verdict"))
    return markdown(["model", "data set", "published", *sides, "remark"], lines)


def compare_variants(metrics: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Models that extend a published one (another sharing mode, for example) beside its published AUROC.

    Columns: model, dataset, published, published_std, ours, ours_std, n, difference, verdict.
    """
    import pandas as pd

    if not (metrics["experiment"] == "outliers").any():
        return pd.DataFrame()
    results = _Results(metrics, plan, "paper")
    printed = published().query("table == 'table_1' or table == 'table_2'").drop_duplicates(["dataset", "model"])
    rows = []
    for model in plan.rows("outliers"):
        if model.extends is None:
            continue
        base = plan.catalogue.model(model.extends).label
        for cell in records(printed[(printed["model"] == base) & (base != model.label)]):
            found = results.outliers.get((cell["dataset"], model.name, "auroc"))
            if found is not None:
                row = _row(cell, "paper", results.of(found, model.name))
                rows.append({**row, "model": model.label})
    return pd.DataFrame(rows)


def _variants(variants: pd.DataFrame) -> str:
    lines = [
        [
            row["model"],
            DATASET_LABELS[row["dataset"]],
            published_words(row),
            our_words(row),
            difference_words(row["difference"], "percent"),
            row["verdict"],
        ]
        for row in records(variants)
    ]
    return markdown(["model", "data set", "published", "ours", "difference", "verdict"], lines)
