"""From outlier detection at every grid point to one result per model: the choice of points.

Protocol "paper": the point with the best mean AUROC over seeds on the *test* images, as the paper did. Protocol
"clean": the best on the validation images. A model trained in the same way in both protocols (protocol "both") takes
part in both choices. Points with fewer seeds than others of the model have not finished, and take no part: the best of
few seeds is chosen for its luck.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from evaluation.measures.tidy import canonical_params
from evaluation.results.formatting import in_protocol
from evaluation.results.labels import dataset_label, dataset_labels
from evaluation.results.reported_class import PAPERS_CLASS
from evaluation.results.results import Key, Results, Value

if TYPE_CHECKING:
    from evaluation.plan.plan import Plan

PROTOCOLS = ("paper", "clean")
CHOSEN_BY = {"paper": "auroc", "clean": "auroc_validation"}


def protocols_of(plan: Plan) -> tuple[str, ...]:
    """The protocols of a run, in the order in which they are shown."""
    return tuple(protocol for protocol in PROTOCOLS if protocol in plan.profile.protocols)


def as_published(
    plan: Plan, experiment: str, model: str, measured: Callable[[str], bool], protocol: str = "paper"
) -> str:
    """The variant of a model in the settings of the published runs, if it was measured, else the model; in another
    protocol than "paper" the model."""
    for other in plan.rows(experiment) if protocol == "paper" else ():
        of = other.extends if other.as_published is True else other.as_published
        if of == model and measured(other.name):
            return other.name
    return model


@dataclass(frozen=True)
class Point:
    """A grid point of a model on a data set, in the protocol that it was run in; values: metric → result."""

    dataset: str
    model: str
    protocol: str
    point: str
    values: dict[str, Value] = field(default_factory=dict, compare=False)

    @property
    def seeds(self) -> int:
        """Seeds that have finished."""
        return min((v.n for metric, v in self.values.items() if metric in CHOSEN_BY.values()), default=0)


@lru_cache(maxsize=64)  # tables, comparison and claims of one page ask for the same
def points(results: Results, outlier_class: int = PAPERS_CLASS) -> Sequence[Point]:
    """Every grid point with this class left out, in the order of the rows, which is that of the grid."""
    found: dict[Point, Point] = {}
    for value in results.values("outliers", outlier_class):
        place = Point(value.source.dataset, value.source.model, value.protocol, value.point)
        found.setdefault(place, place).values[value.source.metric] = value
    return tuple(found.values())


def chosen(candidates: Sequence[Point], protocol: str) -> dict[tuple[str, str], Point]:
    """(data set, model) → the point that a protocol chooses; of equally good ones the first."""
    metric = CHOSEN_BY[protocol]
    found: dict[tuple[str, str], Point] = {}
    for point in candidates:
        if point.protocol not in (protocol, "both") or metric not in point.values:
            continue
        best = found.get((point.dataset, point.model))
        if best is None or _rank(point, metric) > _rank(best, metric):
            found[point.dataset, point.model] = point
    return found


def _rank(point: Point, metric: str) -> tuple[int, float]:
    value = point.values[metric]
    return value.n, value.mean


@lru_cache(maxsize=64)
def reported(results: Results, protocol: str, outlier_class: int = PAPERS_CLASS) -> Mapping[Key, Value]:
    """(data set, model, metric) → result with this class left out, of the chosen points."""
    selected = chosen(points(results, outlier_class), protocol)
    return {(*place, metric): value for place, point in selected.items() for metric, value in point.values.items()}


def most_seeds(own: Iterable[Point]) -> int:
    """Seeds of the point that has the most, of those of one model, data set and protocol; a point with fewer
    (`Point.seeds`) has not finished."""
    return max((v.n for p in own for metric, v in p.values.items() if metric in CHOSEN_BY.values()), default=0)


def unfinished_grid(
    results: Results, dataset: str, model: str, protocol: str, outlier_class: int = PAPERS_CLASS
) -> str:
    """That a model's grid is not finished, in words: "best of 4 of 23 grid points"; empty if it is, or is none.

    The best of some points is no best of all: with more of them, a protocol can choose another.
    """
    asked = _asked(results.plan)
    place = next((place for which in (protocol, "both") if (place := (dataset, model, which)) in asked), None)
    if place is None or len(asked[place]) < 2:
        return ""
    own = [p for p in points(results, outlier_class) if (p.dataset, p.model, p.protocol) == place and p.seeds]
    most = most_seeds(own)
    there = asked[place] & {p.point for p in own if p.seeds == most}
    return f"best of {len(there)} of {len(asked[place])} grid points" if len(there) < len(asked[place]) else ""


def unfinished_grids(results: Results, rows: Mapping[str, str]) -> str:
    """The sentence of a caption that names the grids behind a table's numbers (`rows`: model → label) that are not
    finished; empty if there is none."""
    found, outlier = [], results.outlier_class
    for model, label, protocol in lines(results, rows):
        values = reported(results, choosing(results.plan, protocol), outlier)
        for dataset in dataset_labels(results.datasets("outliers")):
            of = unfinished_grid(results, dataset, model, protocol, outlier)
            if of and (dataset, model, "auroc") in values:
                found.append(f"{in_protocol(label, protocol)} on {dataset_label(dataset)} {of}")
    return f"Not finished: {'; '.join(found)}." if found else ""


def every_point_is_there(results: Results, rows: Mapping[str, str]) -> bool:
    """Whether the grids of these models are finished, those without any result too."""
    places = [place for place in _asked(results.plan) if place[1] in rows]
    return not any(unfinished_grid(results, *place, results.outlier_class) for place in places)


@lru_cache(maxsize=8)
def _asked(plan: Plan) -> Mapping[tuple[str, str, str], frozenset[str]]:
    """(data set, model, protocol) → the points (canonical JSON) at which a run trains it for Table II."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for key in plan.keys("outliers") if "outliers" in plan.experiments else ():
        variant = plan.variant(key)
        place = key.dataset, variant.model.name, variant.protocol
        found.setdefault(place, set()).add(canonical_params(dict(variant.point)))
    return {place: frozenset(some) for place, some in found.items()}


def lines(results: Results, rows: Mapping[str, str], experiment: str = "outliers") -> list[tuple[str, str, str]]:
    """(model, label, protocol) of a table's lines: one for each model (`rows`: model → label), or one for each protocol
    where the protocols can give different results; "both" where they cannot."""
    everywhere = results.of(experiment)
    found = []
    for model, label in rows.items():
        of_model = everywhere[everywhere["model"] == model]
        split = bool((of_model["protocol"] != "both").any()) or of_model["point"].nunique() > 1
        found += [(model, label, protocol) for protocol in (protocols_of(results.plan) if split else ("both",))]
    return found


def choosing(plan: Plan, protocol: str = "both") -> str:
    """The protocol by which grid points are chosen for a line; of the run's first where the line is the same in both.
    A run of protocol "clean" has nothing that was chosen on test images."""
    return protocol if protocol in PROTOCOLS else protocols_of(plan)[0]
