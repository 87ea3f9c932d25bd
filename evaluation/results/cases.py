"""The cases of the paper's claims: an instance, a rival, a data set each, and whether it speaks for the claim."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from evaluation.datasets.subsets import left_out_class
from evaluation.measures.statistics import paired_comparison, paired_interval
from evaluation.plan.experiments import PAPERS_DATASETS
from evaluation.results.changes import JUDGE, changes, is_known, shortened_judges
from evaluation.results.formatting import in_protocol
from evaluation.results.judge_accuracy import weak_judges
from evaluation.results.labels import dataset_label
from evaluation.results.reported_class import PAPERS_CLASS
from evaluation.results.results import Key, Results, Value
from evaluation.results.selection import as_published, choosing, lines, protocols_of, reported, unfinished_grid
from evaluation.results.tables.judge import ACCURACY

if TYPE_CHECKING:
    import pandas as pd

DCGMM = "dcgmm"
SPNS = ("rat-spn", "pd-spn", "dgc-spn")  # families of the paper's rivals
SIMILAR = 3.0  # points within which accuracies count as similar
COMPARABLE = 10.0  # points within which the areas of different outlier classes count as comparable
CONVERGED = (0.5, 0.6, 0.7, 0.8, 0.9)  # shares of a layer's rise that each may count as "converged"
OWN_ENTRY = "a model of this profile, not of the paper"
ALONE = "no other model counts"
SHORTENED, WEAK, UNFINISHED = "shortened trainings", "weak judges", "unfinished"  # kinds of doubt
UNCLEAR = "depends on the threshold"  # another
DOUBTS = (SHORTENED, WEAK, UNFINISHED, UNCLEAR)


class Doubt(NamedTuple):
    """Why a case does not count, in words; empty if it counts. kind: the profile changes a training of it, its judge is
    far below the paper's, a training or a grid has not come to its end, or a threshold that the paper does not name
    decides: the first of these that holds."""

    words: str = ""
    kind: str = ""

    def __bool__(self) -> bool:
        return bool(self.words)


class Finding(NamedTuple):
    """Does one case speak for the claim, and what it is.

    seeds: on which the answer rests, where they decide whether it counts; doubt: why the case does not count.
    """

    holds: bool
    what: str
    seeds: int | None = None
    doubt: Doubt = Doubt()


def _papers_datasets(results: Results, experiment: str) -> list[str]:
    """The data sets of an experiment of which the paper says something: its own, if none stands in for another."""
    others = results.plan.config.get("stands_in", {}).values()
    return [name for name in results.plan.datasets(experiment) if name in PAPERS_DATASETS and name not in others]


def _doubt(
    results: Results,
    experiment: str,
    dataset: str,
    *models: str,
    protocol: str = "both",
    outlier_class: int | None = PAPERS_CLASS,
) -> Doubt:
    """What the profile changes in these models, a weak judge, an annealing (with this class left out, None for every
    class) or a grid that was not over. The case names the first model, the words name the others."""
    words, kind = [], UNFINISHED
    for model in dict.fromkeys(models):
        changed = _changed(results, experiment, model, protocol)
        weak = weak_judges(results, dataset) if model == JUDGE else ""
        kind = SHORTENED if changed else WEAK if weak and kind != SHORTENED else kind
        reasons = [changed, weak]
        which = protocol if protocol != "both" else None
        sigma = results.annealing(experiment, dataset, model, which, outlier_class=outlier_class)
        reasons.append(f"still annealing, {sigma}" if sigma else "")
        if experiment == "outliers":
            reasons.append(unfinished_grid(results, dataset, model, protocol))
        if found := "; ".join(filter(None, reasons)):
            words.append(found if model == models[0] else f"{_label(results, model)}: {found}")
    return Doubt("; ".join(words), kind) if words else Doubt()


def _changed(results: Results, experiment: str, model: str, protocol: str = "both") -> str:
    """What the profile changes in a model as an experiment trains it, or that the paper has no such model."""
    if model == JUDGE:
        return shortened_judges(results.plan)
    of = {"one_class": experiment == "judge", "grid": experiment == "outliers"}
    return changes(results.plan, model, protocol=protocol, **of) if is_known(model) else OWN_ENTRY


def _label(results: Results, model: str) -> str:
    return model if model == JUDGE else results.plan.catalogue.model(model).label


# --- outlier detection -----------------------------------------------------------------------------------------------


def _instances(results: Results, values: Mapping[Key, Value], protocol: str) -> Iterator[tuple[str, str, str]]:
    """Catalogue name, label and data set of the paper's instances A to G with an area; in protocol "paper" in the form
    of the published runs, if this was run too, as in the tables."""
    for model in results.plan.rows("outliers"):
        for dataset in _papers_datasets(results, "outliers"):
            if model.family == DCGMM and model.extends is None and (dataset, model.name, "auroc") in values:
                name = as_published(results.plan, "outliers", model.name, _with_area(values, dataset), protocol)
                yield name, _label(results, name), dataset


def _with_area(values: Mapping[Key, Value], dataset: str) -> Callable[[str], bool]:
    return lambda name: (dataset, name, "auroc") in values


def top_layer_is_best(results: Results) -> Iterator[Finding]:
    protocol = choosing(results.plan)
    values = reported(results, protocol)
    for model, label, dataset in _instances(results, values, protocol):
        layers = [
            value.mean
            for (d, m, metric), value in sorted(values.items(), key=lambda item: item[0])
            if (d, m) == (dataset, model) and metric.startswith("auroc_layer_")
        ]
        if len(layers) > 1:
            areas = ", ".join(f"{area:.1f}" for area in layers)
            what = f"{label} on {dataset_label(dataset)} ({areas} from bottom to top)"
            doubt = _doubt(results, "outliers", dataset, model, protocol=protocol)
            yield Finding(layers[-1] >= max(layers), what, doubt=doubt)


def flat_instance_is_best(results: Results) -> Iterator[Finding]:
    yield from _against_a(results, "mnist", lambda a, deep: a >= deep)


def depth_helps(results: Results) -> Iterator[Finding]:
    yield from _against_a(results, "fashion_mnist", lambda a, deep: deep > a)


def _against_a(results: Results, dataset: str, holds: Callable[[float, float], bool]) -> Iterator[Finding]:
    protocol = choosing(results.plan)
    values = reported(results, protocol)
    a = values.get((dataset, "dcgmm-a", "auroc"))
    for model, label, where in _instances(results, values, protocol):
        if where == dataset and model != "dcgmm-a" and a is not None:
            deep = values[dataset, model, "auroc"]
            what = f"{label} {deep.mean:.1f}, DCGMM-A {a.mean:.1f}"
            doubt = _doubt(results, "outliers", dataset, model, "dcgmm-a", protocol=protocol)
            yield Finding(holds(a.mean, deep.mean), what, doubt=doubt)


def classes_are_comparable(results: Results) -> Iterator[Finding]:
    protocol = choosing(results.plan)
    by_class = {outlier: reported(results, protocol, outlier) for outlier in results.outlier_classes}
    others = {place: value for outlier in by_class if outlier for place, value in by_class[outlier].items()}
    for model, label, dataset in _instances(results, others, protocol):
        place = dataset, model, "auroc"
        there = {outlier: values[place] for outlier, values in by_class.items() if place in values}
        areas = [value.mean for value in there.values()]
        if len(areas) > 1:
            what = f"{label} on {dataset_label(dataset)} from {min(areas):.1f} to {max(areas):.1f}"
            doubt = _doubt(results, "outliers", dataset, model, protocol=protocol, outlier_class=None)
            if lacking := _unfinished_classes(results, dataset, model, there):
                doubt = Doubt("; ".join(filter(None, [doubt.words, lacking])), doubt.kind or UNFINISHED)
            yield Finding(max(areas) - min(areas) <= COMPARABLE, what, doubt=doubt)


def _unfinished_classes(results: Results, dataset: str, model: str, there: Mapping[int, Value]) -> str:
    """How many of the planned outlier classes have an area, where not all have; else nothing."""
    planned = {left_out_class(key.subset) for key in results.plan.keys("outliers", dataset=dataset, model=model)}
    whole = planned & there.keys()
    return f"{len(whole)} of {len(planned)} outlier classes finished" if len(whole) < len(planned) else ""


def e_beats_the_spns(results: Results) -> Iterator[Finding]:
    """Seed by seed, in every protocol of the run: the interval of the difference is above 0. Rivals as the catalogue
    has them; a grid point that both protocols choose counts once."""
    rivals = {model.name: model.label for model in results.plan.rows("outliers") if model.family in SPNS}
    seen = set()
    for model, label, protocol in lines(results, rivals):
        choice = choosing(results.plan, protocol)
        values = reported(results, choice)
        for dataset in _papers_datasets(results, "outliers"):
            ours = as_published(results.plan, "outliers", "dcgmm-e", _with_area(values, dataset), choice)
            e, other = (values.get((dataset, name, "auroc")) for name in (ours, model))
            if e is None or other is None or (e.source, other.source) in seen:
                continue
            seen.add((e.source, other.source))
            if e.by_seed.keys() & other.by_seed.keys():
                pair = paired_comparison(e.by_seed, other.by_seed)
                what = f"{in_protocol(label, protocol)} on {dataset_label(dataset)}, difference {pair.mean:+z.1f}"
                doubt = _doubt(results, "outliers", dataset, model, ours, protocol=protocol)
                yield Finding(pair.low > 0, what, pair.n, doubt)


# --- dynamics and samples --------------------------------------------------------------------------------------------


def layers_converge_in_order(results: Results) -> Iterator[Finding]:
    """A case for each model and data set, the seeds of a model taken together.

    The paper does not say when a layer has converged. Here: when its mean log-likelihood has, for the first time, risen
    by a share of all that it rises after its minimum; it may fall again. Before the minimum it is that of the initial
    parameters on what the lower layers give, and may be higher than it ever becomes by learning. A case counts if the
    layers are in order at every share of `CONVERGED`, or at none. A layer that is at its minimum when training ends
    says nothing about the order.
    """
    rows = results.of("dynamics")
    rows = rows[rows["split"] == "test"]
    for dataset in _papers_datasets(results, "dynamics"):
        for key, curves in rows[rows["dataset"] == dataset].groupby(["model", "protocol", "point"], sort=False):
            rises = [_rise(curve) for _, curve in curves.groupby("metric")]
            if len(rises) > 1:
                model, protocol = map(str, key[:2])
                where = f"{in_protocol(_label(results, model), protocol)} on {dataset_label(dataset)}"
                yield _in_order(where, rises, _changed(results, "dynamics", model))


def _rise(curve: pd.DataFrame) -> dict[float, int]:
    """Share of `CONVERGED` → the step at which a layer first has so much of its rise; nothing where it never rises."""
    mean = curve.groupby("step")["value"].mean()
    mean = mean[mean.index >= mean.idxmin()]
    risen, whole = mean - mean.min(), mean.max() - mean.min()
    return {share: int(risen.index[risen >= share * whole].min()) for share in CONVERGED} if whole > 0 else {}


def _in_order(where: str, rises: list[dict[float, int]], changed: str) -> Finding:
    """The case of layers that rise so, from bottom to top. changed: what the profile changes in their model."""
    what, lacking, kind = where, "", ""
    kept: list[float] = []
    if low := [f"layer {layer}" for layer, rise in enumerate(rises) if not rise]:
        lacking, kind = f"at the lowest when training ended: {', '.join(low)}", UNFINISHED
    else:
        steps = {share: [rise[share] for rise in rises] for share in CONVERGED}
        ends = [
            f"{_percent([share])} of the rise at steps {', '.join(map(str, steps[share]))}"
            for share in (CONVERGED[0], CONVERGED[-1])
        ]
        what = f"{where}: {', '.join(ends)}"
        kept = [share for share in CONVERGED if steps[share] == sorted(steps[share])]
        if 0 < len(kept) < len(CONVERGED):
            others = [share for share in CONVERGED if share not in kept]
            lacking, kind = f"in order at {_percent(kept)} of the rise, not at {_percent(others)}", UNCLEAR
    doubt = Doubt("; ".join(filter(None, [changed, lacking])), SHORTENED if changed else kind)
    return Finding(bool(kept), what, doubt=doubt)


def _percent(shares: Sequence[float]) -> str:
    return f"{', '.join(f'{100 * share:.0f}' for share in shares)} %"


def _judged(results: Results, dataset: str) -> dict[tuple[str, str], tuple[str, Value]]:
    """(model, protocol) → label, and the accuracy that judges give its samples, in the protocols of the run."""
    models = {model.name: model for model in results.plan.rows("judge") if model.family in (DCGMM, *SPNS)}
    protocols = ("both", *protocols_of(results.plan))
    return {
        (model, protocol): (in_protocol(models[model].label, protocol), value)
        for (where, model, protocol, metric), value in results.judged.items()
        if metric == ACCURACY and where == dataset and model in models and protocol in protocols
    }


def _in_one_form(
    results: Results, judged: Mapping[tuple[str, str], tuple[str, Value]]
) -> dict[tuple[str, str], tuple[str, Value]]:
    """Each model in the one form in which it counts; in the `clean` protocol, as it stands there."""
    there, choice = {model for model, _ in judged}, choosing(results.plan)

    def counts(model: str, protocol: str) -> bool:
        return protocol == "clean" or as_published(results.plan, "judge", model, there.__contains__, choice) == model

    return {place: found for place, found in judged.items() if counts(*place)}


def samples_are_similar(results: Results) -> Iterator[Finding]:
    """Each model beside the best of those that count, which is no case itself; an instance in one form. The judge is a
    training too."""
    judged = _in_one_form(results, _judged(results, "mnist"))
    doubts = {place: _doubt(results, "judge", "mnist", place[0], JUDGE, protocol=place[1]) for place in judged}
    counted = [place for place in judged if not doubts[place]]
    first = max(counted, key=lambda place: judged[place][1].mean) if len(counted) > 1 else None
    for place, (label, value) in judged.items() if len(judged) > 1 else ():
        if place == first:
            continue
        best = max((judged[other][1] for other in (judged if doubts[place] else counted)), key=lambda one: one.mean)
        doubt = doubts[place] or (Doubt(ALONE, SHORTENED) if len(counted) == 1 else Doubt())
        what = f"{label} {value.mean:.1f}, the best {best.mean:.1f}"
        yield Finding(best.mean - value.mean <= SIMILAR, what, min(value.n, best.n), doubt)


def e_samples_beat_the_spns(results: Results) -> Iterator[Finding]:
    """The interval of the difference is above 0: seed by seed as in `e_beats_the_spns`, and judge by judge, since other
    judges may say something else."""
    judged, plan = _judged(results, "fashion_mnist"), results.plan
    ours = as_published(plan, "judge", "dcgmm-e", lambda name: (name, "both") in judged)
    for (model, protocol), (label, value) in judged.items():
        if (ours, "both") in judged and plan.catalogue.model(model).family in SPNS:
            name, e = judged[ours, "both"]
            doubt = _doubt(results, "judge", "fashion_mnist", model, ours, JUDGE, protocol=protocol)
            what = f"{label} {value.mean:.1f}, {name} {e.mean:.1f}"
            shared = len(e.by_seed.keys() & value.by_seed.keys())
            interval = paired_interval(e.by_seed, value.by_seed, [(e.by_judge, value.by_judge)])
            yield Finding(interval.low > 0, what, shared, doubt)
