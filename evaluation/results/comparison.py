"""Every printed number of the paper beside ours, with a verdict."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from evaluation.datasets.contents import specification
from evaluation.plan.experiments import outlier_classes
from evaluation.results.cases import OWN_ENTRY
from evaluation.results.changes import JUDGE, changes, is_known
from evaluation.results.judge_accuracy import weak_judges
from evaluation.results.labels import dataset_label, dataset_labels
from evaluation.results.published import PublishedNumber, published
from evaluation.results.reported_class import PAPERS_CLASS
from evaluation.results.results import Results, Value
from evaluation.results.selection import as_published, protocols_of, reported, unfinished_grid
from evaluation.results.verdicts import CLOSE, NOT_REPRODUCED, NOT_RUN, UNDECIDED, VERDICTS, Judged, judge, over_judges

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.models.catalogue import Model

KINDS = {"measured values": "percent", "parameter counts": "count"}  # name in the totals → unit
# The experiment whose results a table of the paper prints.
EXPERIMENTS = {"table_1": "outliers", "table_2": "outliers", "table_3": "judge", "appendix": "judge"}
EXPERIMENTS |= {"table_4": "classification"}
IMAGE_SHAPE = (28, 28, 1)  # of the models whose parameters the paper counts


@dataclass(frozen=True)
class Ours:
    """Our side of a printed number, in one protocol: the result, or the reason why there is none; facts: what is to be
    known about it; decided: whether the verdict may rest on it."""

    value: Value | None = None
    count: float = math.nan  # a number of parameters that needs no run
    reason: str = ""
    facts: tuple[str, ...] = ()
    decided: bool = True

    @property
    def mean(self) -> float:
        return self.count if self.value is None else self.value.mean


@dataclass(frozen=True)
class Row:
    """One printed number and ours, in one protocol. remarks: why it was not run, the note of published.yaml, what the
    profile changes, what is known about a difference."""

    printed: PublishedNumber
    model: str  # as printed; a variant of it under its own label
    protocol: str
    ours: Ours
    judged: Judged
    remarks: tuple[str, ...]

    @property
    def verdict(self) -> str:
        return self.judged.verdict


def compare(results: Results) -> list[Row]:
    """A row for each printed number and protocol of the run, in the paper's order."""
    sides = {protocol: _Side(results, protocol) for protocol in protocols_of(results.plan)}
    return [_row(printed, side.ours(printed), protocol) for printed in published() for protocol, side in sides.items()]


def compare_variants(results: Results) -> list[Row]:
    """Models that extend a published one (another sharing mode, for example) beside its published AUROC, in
    the first protocol of the run."""
    plan, rows = results.plan, []
    protocol = protocols_of(plan)[0]
    side = _Side(results, protocol)
    printed = {
        (p.dataset, p.model): p for p in reversed(published()) if p.table in ("table_1", "table_2")
    }  # of a model in both tables the first
    for model in plan.rows("outliers"):
        base = plan.catalogue.model(model.extends).label if model.extends else model.label
        for (dataset, label), number in reversed(printed.items()):
            found = side.outliers.get((dataset, model.name, "auroc"))
            if label == base != model.label and found is not None:
                rows.append(_row(number, side.of(found), protocol, model.label))
    return rows


def _row(printed: PublishedNumber, ours: Ours, protocol: str, model: str = "") -> Row:
    value = ours.value
    std, n = (math.nan, 1) if value is None else (value.std, value.n)
    judges = () if value is None else over_judges(value.std_judges, value.judges)
    of_paper, own = (printed.mean, printed.std, printed.runs), (ours.mean, std, n)
    judged = judge(of_paper, own, printed.unit, at_least=printed.at_least, judges=judges)
    if not ours.decided and judged.verdict != NOT_RUN:
        judged = replace(judged, verdict=UNDECIDED)
    known = printed.explanation if judged.verdict in (CLOSE, NOT_REPRODUCED) else ""
    remarks = tuple(filter(None, [ours.reason, printed.note, *ours.facts, known]))
    return Row(printed, model or printed.model, protocol, ours, judged, remarks)


class _Side:
    """Our numbers in one protocol, found by what the paper's cell is called."""

    def __init__(self, results: Results, protocol: str) -> None:
        self.results, self.plan, self.protocol = results, results.plan, protocol
        self.outliers = reported(results, protocol)

    def ours(self, printed: PublishedNumber) -> Ours:
        if printed.literature:
            return Ours(reason="quoted by the paper from the literature; not run here")
        if printed.metric == "parameters":
            return self._parameters(printed.model)
        experiment = EXPERIMENTS[printed.table]
        model, reason = self._model(experiment, printed.dataset, printed.model)
        if reason:
            return Ours(reason=reason)
        model = self._published(experiment, printed.dataset, model, printed.metric)
        found = self._found(experiment, printed.dataset, model, printed.metric)
        if found is None:
            return Ours(reason=self._missing(experiment, printed.dataset, model))
        return self.of(found)

    def _published(self, experiment: str, dataset: str, model: str, metric: str) -> str:
        """The model in whose settings the published runs were, in the `paper` protocol, if it was measured."""
        measured = lambda name: self._found(experiment, dataset, name, metric) is not None  # noqa: E731
        return as_published(self.plan, experiment, model, measured, self.protocol)

    def of(self, found: Value, *, sizes: bool = False) -> Ours:
        """Our side from a result. sizes: the number is a model's size, which most changes do not touch."""
        experiment, dataset, model = found.source.experiment, found.source.dataset, found.source.model
        samples = experiment == "judge" and model != JUDGE
        entry = None if model == JUDGE else self.plan.catalogue.model(model)
        named = entry.label if entry and entry.as_published else ""
        own = "" if is_known(model) else OWN_ENTRY
        sigma = "" if sizes else self.results.annealing(experiment, dataset, model, found.protocol)
        annealing = f"the annealing was not over ({sigma})" if sigma else ""
        weak = weak_judges(self.results, dataset, self.protocol) if samples and not sizes else ""
        grid = experiment == "outliers"
        unfinished = unfinished_grid(self.results, dataset, model, found.protocol) if grid else ""
        changed = changes(self.plan, model, sizes=sizes, one_class=samples, protocol=found.protocol, grid=grid)
        facts = tuple(filter(None, [named, own, changed, annealing, unfinished, weak]))
        return Ours(found, facts=facts, decided=not own and not annealing and not unfinished)

    def _model(self, experiment: str, dataset: str, label: str) -> tuple[str, str]:
        """Catalogue name of the model with this label in an experiment, or the reason why there is none."""
        if experiment not in self.plan.experiments:
            return "", f"the experiment {experiment} is not in this profile"
        if dataset not in self.plan.datasets(experiment):
            other = self.plan.config.get("stands_in", {}).get(dataset)
            if other:
                return "", f"other data: {dataset_label(other)} was used in its place"
            return "", f"{dataset_label(dataset)} is not in this profile"
        for model in self._labelled(experiment, label):
            return model.name, ""
        if label == JUDGE:  # is not among the judged models
            return label, ""
        return "", f"{label} is not among the models of this profile's {experiment}"

    def _labelled(self, experiment: str, label: str) -> list[Model]:
        """The models of an experiment with this label, the catalogue's before the profile's own."""
        found = [model for model in self.plan.rows(experiment) if model.label == label]
        return sorted(found, key=lambda model: not is_known(model.name))

    def _missing(self, experiment: str, dataset: str, model: str) -> str:
        """Why there is no result of a model that the run has."""
        settings = self.plan.profile.experiments.outliers
        if experiment == "outliers" and settings and 0 not in outlier_classes(settings, model, dataset):
            return "class 0 is not left out in this profile"
        return "no result: the job has not finished, or it failed (see the logs)"

    def _found(
        self, experiment: str, dataset: str, model: str, metric: str, outlier_class: int = PAPERS_CLASS
    ) -> Value | None:
        """A result: in the outlier experiment of the chosen grid point, of judges what Table III says, else of the
        model as it stands in the catalogue."""
        if experiment == "outliers":
            return reported(self.results, self.protocol, outlier_class).get((dataset, model, metric))
        for protocol in (self.protocol, "both"):
            if (dataset, model, protocol, metric) in self.results.judged and experiment == "judge":
                return self.results.judged[dataset, model, protocol, metric]
        return self.results.value(experiment, dataset, model, metric, self.protocol)

    def _parameters(self, label: str) -> Ours:
        """Centroids of a DCGMM from its notation (as the paper counts); otherwise everything that is trained, in the
        model whose samples are judged, or else in the one that Table II reports, of images of the paper's shape."""
        from dcgmm.instances import INSTANCES
        from dcgmm.notation import place

        name = label.removeprefix("DCGMM-")
        if label != name and name in INSTANCES:
            return Ours(count=float(place(INSTANCES[name].config, IMAGE_SHAPE).centroid_parameters))
        for experiment in ("judge", "outliers"):
            datasets = [d for d in self.plan.datasets(experiment) if specification(d).image_shape == IMAGE_SHAPE]
            classes = self.results.outlier_classes if experiment == "outliers" else [PAPERS_CLASS]
            for model in self._labelled(experiment, label):
                for dataset, outlier_class in itertools.product(datasets, classes):
                    name = self._published(experiment, dataset, model.name, "parameters")
                    found = self._found(experiment, dataset, name, "parameters", outlier_class)
                    if found is not None:
                        return self.of(found, sizes=True)
        return Ours(reason=f"no trained {label} in this profile")


# --- the rows together ------------------------------------------------------------------------------------------------


def comparison_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """compare.csv: every row, as numbers."""
    import pandas as pd

    return pd.DataFrame([_record(row) for row in rows])


def _record(row: Row) -> dict[str, Any]:
    printed, value = row.printed, row.ours.value
    of_value = ("std", "low", "high")
    return {
        **{key: getattr(printed, key) for key in ("table", "metric", "unit", "dataset")},
        "model": row.model,
        "protocol": row.protocol,
        "published": printed.mean,
        "published_std": printed.std,
        "ours": row.ours.mean,
        **{f"ours_{key}": math.nan if value is None else getattr(value, key) for key in of_value},
        "n": value.n if value else int(not math.isnan(row.ours.count)),
        "difference": row.judged.difference,
        "difference_low": row.judged.interval.low,
        "difference_high": row.judged.interval.high,
        "verdict": row.verdict,
        "remark": "; ".join(row.remarks),
    }


def by_cell(rows: Sequence[Row]) -> dict[tuple[str, str], list[dict[str, Row]]]:
    """(table, metric) → its cells, each protocol → row."""
    cells: dict[tuple[str, str], dict[tuple[str, str], dict[str, Row]]] = {}
    for row in rows:
        group = cells.setdefault((row.printed.table, row.printed.metric), {})
        group.setdefault((row.printed.dataset, row.model), {})[row.protocol] = row
    return {place: list(group.values()) for place, group in cells.items()}


def totals(rows: Sequence[Row], protocol: str) -> Counter[str]:
    """Verdict → number of cells, in one protocol."""
    return Counter(row.verdict for row in rows if row.protocol == protocol)


def totals_line(rows: Sequence[Row], protocol: str) -> str:
    return f"{protocol}: {_counted(totals(rows, protocol))}"


def totals_lines(rows: Sequence[Row], protocol: str) -> list[str]:
    """The totals of a protocol, then indented those of measured values and of parameter counts, which need no run."""
    parts = [
        f"  {kind}: {_counted(totals([row for row in rows if row.printed.unit == unit], protocol))}"
        for kind, unit in KINDS.items()
    ]
    return [totals_line(rows, protocol), *parts]


def _counted(count: Mapping[str, int]) -> str:
    return ", ".join(f"{count.get(v, 0)} {v}" for v in VERDICTS) + f", of {sum(count.values())}"


def data_words(results: Results) -> str:
    """The data sets that were used, and which of them the paper has no number of."""
    used = dataset_labels({str(name) for name in results.metrics["dataset"].unique()})
    papers = {number.dataset for number in published()}
    words = f"Data: {', '.join(used.values()) or 'none yet'}."
    others = [label for name, label in used.items() if name not in papers]
    missing = [dataset_label(name) for name in ("mnist", "fashion_mnist") if name not in used]
    if others:
        words += f" The paper has no numbers of {', '.join(others)}: not compared."
    if missing:
        words += f" Not run: {', '.join(missing)}."
    return words


def remarks(cell: Mapping[str, Row]) -> Iterator[str]:
    """The remarks of both protocols: what they have in common once, before the others that it is not said of both."""
    found: dict[str, list[str]] = {}
    for protocol, row in cell.items():
        for remark in row.remarks:
            found.setdefault(remark, []).append(protocol)
    return (remark if len(of) == len(cell) else f"{', '.join(of)}: {remark}" for remark, of in found.items())
