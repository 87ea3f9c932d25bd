"""A run's results: tidy rows read once, and every number that tables, comparison, claims and report print.

tidy rows ──Results──▶ Value (a result, seeds taken together, with its TidySource) ──▶ tables, comparison, claims,
report"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from evaluation.measures.statistics import bootstrap_interval
from evaluation.measures.tidy import METRIC_COLUMNS, canonical_params, refuse_duplicates
from evaluation.results.reported_class import PAPERS_CLASS, reported_class

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.plan.plan import Plan

# What an experiment's rows vary besides the model's own parameters; what is left of the params is a grid point.
VARIED = {
    "outliers": ("outlier_class",),
    "course": ("outlier_class", "step"),
    "dynamics": ("step", "split"),
    "judge": ("judge",),
    "inpainting": ("mask", "variant", "subset"),
}
TOGETHER = {"course": "outliers"}  # rows that are measured with those of another experiment
EVERY_VARIED = tuple(dict.fromkeys(name for names in VARIED.values() for name in names))
NO_POINT = "{}"  # of a model as it stands in the catalogue
ANNEALED = 0.2  # σ at which the smoothing gives neighbours a weight below 1e-5
SIGMA = "sigma_layer_"  # metrics of a DCGMM: where the annealing of each layer was when training ended


class TidySource(NamedTuple):
    """Some tidy rows: those with these values, all seeds, and any of `params` (canonical JSON)."""

    experiment: str
    dataset: str
    model: str
    protocol: str
    metric: str
    params: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """A name for links within a page: letters, digits, dashes, dots and underscores."""
        words = [*self[:-1], *self.params]
        return "rows-" + "-".join(re.sub(r"[^A-Za-z0-9_.]+", "-", word).strip("-") for word in words)

    def rows(self, metrics: pd.DataFrame) -> pd.DataFrame:
        """The tidy rows themselves."""
        wanted = metrics["params"].isin(self.params)
        for name in self._fields[:-1]:
            wanted &= metrics[name] == getattr(self, name)
        return metrics[wanted]


@dataclass(frozen=True)
class Value:
    """One result, seeds taken together.

    point: canonical JSON of the grid point, "{}" of the model as in the catalogue; by_seed: seed → value, of several
    judges their mean; n, mean, std (n - 1, NaN for one), low and high (95 % bootstrap interval of the mean): over
    seeds. judges: how many there are, 0 in other experiments; by_judge: judge → mean over seeds; std_judges: of these
    means. With one seed and several judges `std` is the spread over the judges, as in the paper, and there is no
    interval.
    """

    source: TidySource
    point: str
    by_seed: Mapping[int, float] = field(repr=False)
    n: int
    mean: float
    std: float
    low: float
    high: float
    judges: int = 0
    std_judges: float = math.nan
    by_judge: Mapping[int, float] = field(default_factory=dict, repr=False)

    @property
    def protocol(self) -> str:
        return self.source.protocol

    @property
    def as_in_catalogue(self) -> bool:
        """Whether the model is no grid point and has no options of its own."""
        return self.point == NO_POINT

    @property
    def varied(self) -> dict[str, Any]:
        """What the experiment varies, of the params: the mask of an in-painting, for example."""
        return {k: v for k, v in json.loads(self.source.params[0]).items() if k in VARIED[self.source.experiment]}

    def statistics(self, *names: str) -> dict[str, Any]:
        """Some fields, as columns of a table."""
        return {name: getattr(self, name) for name in names}


STATISTICS = ("n", "mean", "std", "low", "high")
Key = tuple[str, str, str]  # data set, model, metric


class Results:
    """The results of one run.

    Args:
        metrics: tidy rows of the whole run, or of a part of it.
        plan: the run's profile, checked and expanded.

    Attributes:
        rows: `metrics`, and of their params `point` (a grid point), `as_in_catalogue` (whether there is none) and what
            the experiments vary (`EVERY_VARIED`, None where a row does not have it).

    Raises:
        UserError: a row stands there twice.
    """

    def __init__(self, metrics: pd.DataFrame, plan: Plan) -> None:
        refuse_duplicates(metrics)
        self.metrics, self.plan = metrics, plan
        parsed = {params: json.loads(params) for params in metrics["params"].unique()}
        taken = [
            (parsed[params], VARIED.get(experiment, ()))
            for params, experiment in zip(metrics["params"], metrics["experiment"], strict=True)
        ]
        points = [canonical_params({k: v for k, v in some.items() if k not in varied}) for some, varied in taken]
        columns = {name: [some.get(name) if name in v else None for some, v in taken] for name in EVERY_VARIED}
        self.rows = metrics.assign(point=points, as_in_catalogue=[p == NO_POINT for p in points])
        for name, values in columns.items():
            self.rows[name] = _column(values)
        self._by_experiment = dict(list(self.rows.groupby("experiment", sort=False)))
        self._values: dict[tuple[str, int], list[Value]] = {}

    def of(self, experiment: str) -> pd.DataFrame:
        """The rows of an experiment."""
        return self._by_experiment.get(experiment, self.rows.iloc[:0])

    def has(self, experiment: str) -> bool:
        """Whether there is something for the experiment's tables: of the judge, more than its own accuracy."""
        rows = self.of(experiment)
        return bool(rows["judge"].notna().any()) if experiment == "judge" else not rows.empty

    def datasets(self, experiment: str) -> set[str]:
        """The data sets of which an experiment has results."""
        return set(map(str, self.of(experiment)["dataset"].unique()))

    @cached_property
    def outlier_classes(self) -> list[int]:
        """The classes that were left out for outlier detection, in order."""
        return sorted(set(map(int, self.of("outliers")["outlier_class"].dropna())))

    @cached_property
    def outlier_class(self) -> int:
        """The left-out class that tables and figures report."""
        return reported_class(self.plan)

    def values(self, experiment: str, outlier_class: int = PAPERS_CLASS) -> list[Value]:
        """Every result of an experiment, in the order of the rows; of outlier detection, with this class left out."""
        if (experiment, outlier_class) not in self._values:
            rows = self.of(experiment)
            if experiment == "outliers":
                rows = rows[rows["outlier_class"] == outlier_class]
            if experiment == "judge":
                rows = rows[rows["judge"].notna()]
            together = "judge" if experiment == "judge" else None
            self._values[experiment, outlier_class] = _values(rows, together)
        return self._values[experiment, outlier_class]

    @cached_property
    def judged(self) -> dict[tuple[str, str, str, str], Value]:
        """What judges say of samples: (data set, model, protocol, metric) → value, of models as in the catalogue."""
        return {
            (v.source.dataset, v.source.model, v.protocol, v.source.metric): v
            for v in self.values("judge")
            if v.as_in_catalogue
        }

    @cached_property
    def _plain(self) -> dict[tuple[str, str, str, str], list[Value]]:
        rows = self.rows[
            self.rows["as_in_catalogue"] & ~self.rows["experiment"].isin(["outliers", "course", "dynamics"])
        ]
        rows = rows[rows["judge"].isna()]
        found: dict[tuple[str, str, str, str], list[Value]] = {}
        for value in _values(rows):
            s = value.source
            found.setdefault((s.experiment, s.dataset, s.model, s.metric), []).append(value)
        return found

    def value(self, experiment: str, dataset: str, model: str, metric: str, protocol: str) -> Value | None:
        """A result of a model as in the catalogue, in a protocol; None where there is none."""
        found = self._plain.get((experiment, dataset, model, metric), [])
        return next((value for value in found if value.protocol in (protocol, "both")), None)

    def annealing(
        self,
        experiment: str,
        dataset: str,
        model: str,
        protocol: str | None = None,
        point: str | None = None,
        outlier_class: int | None = PAPERS_CLASS,
    ) -> str:
        """That a DCGMM was still annealing when its training ended, "σ 0.40"; empty where it was not, or is not known.

        The largest σ of its layers and seeds counts: of every protocol and grid point where none is given; of outlier
        detection, with this class left out, None for every class.
        """
        sigmas = self._sigmas.get((experiment, dataset, model), {})
        there = [
            sigma
            for (which, at, outlier), sigma in sigmas.items()
            if which in (protocol or which, "both")
            and at == (point or at)
            and (outlier_class is None or outlier in (outlier_class, None))
        ]
        widest = max(there, default=0.0)
        if widest <= ANNEALED:
            return ""
        entry = self.plan.catalogue.model(model)
        of_one_class = entry.one_class if experiment == "judge" else {}
        return annealing_words([widest], {**entry.params, **json.loads(point or NO_POINT), **of_one_class})

    @cached_property
    def _sigmas(self) -> dict[tuple[str, str, str], dict[tuple[str, str, int | None], float]]:
        """(experiment, data set, model) → (protocol, grid point, left-out class if any) → largest σ."""
        import pandas as pd

        rows = self.rows[self.rows["metric"].str.startswith(SIGMA)]
        found: dict[tuple[str, str, str], dict[tuple[str, str, int | None], float]] = {}
        by = ["experiment", "dataset", "model", "protocol", "point", "outlier_class"]
        for key, values in rows.groupby(by, dropna=False)["value"]:
            *place, outlier = cast(tuple[Any, ...], key)
            experiment, dataset, model, protocol, point = map(str, place)
            left_out = None if pd.isna(outlier) else int(outlier)
            found.setdefault((experiment, dataset, model), {})[protocol, point, left_out] = float(values.max())
        return found


def annealing_words(sigmas: Iterable[float], params: Mapping[str, Any]) -> str:
    """ "σ 0.40" where the annealing of a DCGMM was not over, else nothing.

    It is over below `ANNEALED`, where the smoothing has no effect any more, though `sigma_end` may be lower: some of
    the published trainings end at 0.13. A model whose own `sigma_end` is higher is at its end there.
    """
    widest = max(sigmas, default=0.0)
    end = max(ANNEALED, float(params.get("sigma_end", 0.0)) * (1 + 1e-6))
    return f"σ {widest:.2f}" if widest > end else ""


def _column(values: list[Any]) -> Any:
    import pandas as pd

    return pd.array(values, dtype="object")


def _values(rows: pd.DataFrame, together: str | None = None) -> list[Value]:
    """The results of some rows, the same in whatever order these come. together: a column whose values are averaged for
    each seed first."""
    keys = [name for name in METRIC_COLUMNS if name not in ("seed", "value", "params")]
    by = [*keys, "point"] if together else [*keys, "point", "params"]
    found = []
    rows = rows.assign(group=rows.groupby(by, sort=False).ngroup()).sort_values(["group", "seed", "value"])
    for key, group in rows.groupby(by, sort=False):
        facts = dict(zip(by, key, strict=True))
        by_seed = group.groupby("seed", sort=False)["value"].mean()
        values = by_seed.to_numpy()
        std = float(by_seed.std())
        judges, std_judges, of_judges = 0, math.nan, {}
        if together:
            by_judge = group.groupby(together)["value"].mean()
            judges, std_judges = len(by_judge), float(by_judge.std())
            of_judges = dict(zip(map(int, by_judge.index), map(float, by_judge), strict=True))
            std = std if len(values) > 1 else std_judges
        params = tuple(group["params"].unique()) if together else (facts["params"],)
        source = TidySource._make([*(str(facts[name]) for name in TidySource._fields[:-1]), params])
        low, high = bootstrap_interval(values)
        seeds = dict(zip(map(int, by_seed.index), map(float, values), strict=True))
        found.append(
            Value(
                source,
                str(facts["point"]),
                seeds,
                len(values),
                float(values.mean()),
                std,
                low,
                high,
                judges,
                std_judges,
                of_judges,
            )
        )
    return found
