"""What the paper says about its results in words, held against ours."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from evaluation.measures.metrics import paired_comparison
from evaluation.results.compare import changes
from evaluation.results.contents import DCGMM
from evaluation.results.numbers import Source, in_protocol
from evaluation.results.selection import PROTOCOLS, reported_values
from evaluation.results.tables.judge import judged_results
from evaluation.results.tables.writing import DATASET_LABELS, records

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.plan.config import Plan

HOLDS, IN_PART, FAILS, NOT_RUN = "holds", "holds in part", "does not hold", "not run"
UNDECIDED = "undecided"  # followed by the reason in brackets
FEWEST_SEEDS = 5  # for a verdict from an interval: with fewer it is far too narrow (measures.metrics.COVERAGE)
SPNS = ("rat-spn", "pd-spn", "dgc-spn")  # families of the paper's rivals
SIMILAR = 3.0  # points within which accuracies count as similar
COMPARABLE = 10.0  # points within which the areas of different outlier classes count as comparable
CONVERGED = 0.9  # share of a loss's range, from its minimum on, above which it stays when it has converged


@dataclass(frozen=True)
class Claim:
    """section and words: the paper's; verdict: one of those above; evidence: our numbers in one line."""

    section: str
    words: str
    verdict: str
    evidence: str


class Finding(NamedTuple):
    """Does one case speak for the claim, and what it is.

    seeds: on which the answer rests if it comes from an interval; changed: what the profile changes in the rival, whose
    training is then no opponent.
    """

    holds: bool
    what: str
    seeds: int | None = None
    changed: str = ""


def claims(metrics: pd.DataFrame, plan: Plan) -> list[Claim]:
    """Every claim with what our results say; each case of it (an instance, a rival, a data set) counts once."""
    others = [f"{DATASET_LABELS[d]} in place of {DATASET_LABELS[name]}" for name, d in _stands_in(plan).items()]
    return [_claim(section, words, list(check(metrics, plan)), others) for section, words, check in CLAIMS]


def _stands_in(plan: Plan) -> dict[str, str]:
    """Data set of the paper → the one that was used in its place."""
    return dict(plan.config.get("stands_in", {}))


def _papers_datasets(plan: Plan, experiment: str) -> list[str]:
    """The data sets of an experiment without those that stand in for another: the paper says nothing of these."""
    return [name for name in plan.datasets(experiment) if name not in _stands_in(plan).values()]


def _claim(section: str, words: str, found: list[Finding], others: list[str]) -> Claim:
    if not found and others:
        return Claim(section, words, f"{UNDECIDED} (other data)", f"the run used {', '.join(others)}")
    if not found:
        return Claim(section, words, NOT_RUN, "nothing of it is run in this profile, or not to its end")
    changed = [case for case in found if case.changed]
    few = [case for case in found if not case.changed and case.seeds is not None and case.seeds < FEWEST_SEEDS]
    decided = [case for case in found if case not in changed and case not in few]
    spoken = sum(case.holds for case in decided)
    if decided:
        verdict = HOLDS if spoken == len(decided) else FAILS if not spoken else IN_PART
    elif few:
        seeds = sorted({case.seeds for case in few if case.seeds is not None})
        verdict = f"{UNDECIDED} ({' to '.join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))} seeds)"
    else:
        verdict = f"{UNDECIDED} (shortened trainings)"
    groups = {
        "against it": [case.what for case in decided if not case.holds],
        f"undecided, with fewer than {FEWEST_SEEDS} seeds": [case.what for case in few],
        "not counted, shortened trainings": [f"{case.what} ({case.changed})" for case in changed],
    }
    parts = [f"{spoken} of {len(decided)}"] if decided else []
    parts += [f"{name}: {'; '.join(cases)}" for name, cases in groups.items() if cases]
    return Claim(section, words, verdict, "; ".join(parts))


# --- outlier detection -----------------------------------------------------------------------------------------------


def _values(metrics: pd.DataFrame, protocol: str = "paper", outlier: int = 0) -> dict[tuple[str, str, str], Any]:
    return reported_values(metrics, protocol, outlier) if (metrics["experiment"] == "outliers").any() else {}


def _instances(plan: Plan) -> dict[str, str]:
    """Catalogue name → label of the paper's own instances A to G."""
    return {m.name: m.label for m in plan.rows("outliers") if m.family == DCGMM and m.extends is None}


def top_layer_is_best(metrics: pd.DataFrame, plan: Plan) -> Iterator[Finding]:
    values = _values(metrics)
    for model, label in _instances(plan).items():
        for dataset in _papers_datasets(plan, "outliers"):
            layers = [
                row["mean"]
                for (d, m, metric), row in sorted(values.items())
                if (d, m) == (dataset, model) and metric.startswith("auroc_layer_")
            ]
            if len(layers) > 1:
                areas = ", ".join(f"{area:.1f}" for area in layers)
                what = f"{label} on {DATASET_LABELS[dataset]} ({areas} from bottom to top)"
                yield Finding(layers[-1] >= max(layers), what)


def flat_instance_is_best(metrics: pd.DataFrame, plan: Plan) -> Iterator[Finding]:
    yield from _against_a(metrics, plan, "mnist", lambda a, deep: a >= deep)


def depth_helps(metrics: pd.DataFrame, plan: Plan) -> Iterator[Finding]:
    yield from _against_a(metrics, plan, "fashion_mnist", lambda a, deep: deep > a)


def _against_a(
    metrics: pd.DataFrame, plan: Plan, dataset: str, holds: Callable[[float, float], bool]
) -> Iterator[Finding]:
    values = _values(metrics)
    a = values.get((dataset, "dcgmm-a", "auroc"))
    for model, label in _instances(plan).items():
        deep = values.get((dataset, model, "auroc"))
        if model != "dcgmm-a" and a is not None and deep is not None:
            yield Finding(holds(a["mean"], deep["mean"]), f"{label} {deep['mean']:.1f}, DCGMM-A {a['mean']:.1f}")


def classes_are_comparable(metrics: pd.DataFrame, plan: Plan) -> Iterator[Finding]:
    by_class = [_values(metrics, outlier=outlier) for outlier in range(10)]
    for model, label in _instances(plan).items():
        for dataset in _papers_datasets(plan, "outliers"):
            areas = [v[dataset, model, "auroc"]["mean"] for v in by_class if (dataset, model, "auroc") in v]
            if len(areas) > 1:
                what = f"{label} on {DATASET_LABELS[dataset]} from {min(areas):.1f} to {max(areas):.1f}"
                yield Finding(max(areas) - min(areas) <= COMPARABLE, what)


def e_beats_the_spns(metrics: pd.DataFrame, plan: Plan) -> Iterator[Finding]:
    """Seed by seed, in every protocol: the interval of the difference is above 0. Rivals as the catalogue has them."""
    seen = set()
    for protocol in PROTOCOLS:
        values = _values(metrics, protocol)
        for dataset in _papers_datasets(plan, "outliers"):
            e = values.get((dataset, "dcgmm-e", "auroc"))
            for rival in (model for model in plan.rows("outliers") if model.family in SPNS):
                other = values.get((dataset, rival.name, "auroc"))
                if e is None or other is None or Source.of(other) in seen:
                    continue
                seen.add(Source.of(other))
                ours, theirs = (Source.of(row).by_seed(metrics) for row in (e, other))
                if ours.keys() & theirs.keys():
                    pair = paired_comparison(ours, theirs)
                    name = in_protocol(rival.label, other["protocol"])
                    what = f"{name} on {DATASET_LABELS[dataset]}, difference {pair.mean:+.1f}"
                    yield Finding(pair.low > 0, what, pair.n, changes(plan, rival.name))


# --- dynamics and samples --------------------------------------------------------------------------------------------


def layers_converge_in_order(metrics: pd.DataFrame, plan: Plan) -> Iterator[Finding]:
    """A layer has converged at the step from which on its mean loss stays in the upper tenth of its range.

    The range is that from its minimum on: before, the loss is that of the initial parameters on what the lower layers
    give, and may be higher than it ever becomes by learning. A training that ends before all of its layers have
    converged says nothing about their order.
    """
    rows = metrics[metrics["experiment"] == "dynamics"]
    params = rows["params"].map(json.loads)
    rows = rows.assign(step=[p["step"] for p in params], split=[p["split"] for p in params])
    rows = rows[rows["split"] == "test"]
    for dataset in _papers_datasets(plan, "dynamics"):
        steps, ended = [], True
        for _, curve in rows[rows["dataset"] == dataset].groupby("metric"):
            mean = curve.groupby("step")["value"].mean()
            mean = mean[mean.index >= mean.idxmin()]
            below = mean.index[(mean - mean.min()) < CONVERGED * (mean.max() - mean.min())]
            steps.append(int(below.max() if len(below) else mean.index.min()))
            ended &= steps[-1] < int(mean.index.max())
        if len(steps) > 1 and ended:
            what = f"{DATASET_LABELS[dataset]}: below until steps {', '.join(map(str, steps))}"
            yield Finding(steps == sorted(steps), what)


def _judged(metrics: pd.DataFrame, plan: Plan, dataset: str) -> dict[tuple[str, str], tuple[str, float]]:
    """(model, protocol) → label and mean accuracy that judges give its samples."""
    models = {model.name: model for model in plan.rows("judge") if model.family in (DCGMM, *SPNS)}
    return {
        (row["model"], row["protocol"]): (in_protocol(models[row["model"]].label, row["protocol"]), row["mean"])
        for row in records(judged_results(metrics))
        if row["metric"] == "judge_accuracy" and row["dataset"] == dataset and row["model"] in models
    }


def samples_are_similar(metrics: pd.DataFrame, plan: Plan) -> Iterator[Finding]:
    judged = _judged(metrics, plan, "mnist")
    if len(judged) > 1:
        best = max(value for _, value in judged.values())
        for label, value in judged.values():
            yield Finding(best - value <= SIMILAR, f"{label} {value:.1f}, the best {best:.1f}")


def e_samples_beat_the_spns(metrics: pd.DataFrame, plan: Plan) -> Iterator[Finding]:
    judged = _judged(metrics, plan, "fashion_mnist")
    as_published = [model.name for model in plan.rows("judge") if model.as_published and model.extends == "dcgmm-e"]
    own = [judged[name, "both"] for name in (*as_published, "dcgmm-e") if (name, "both") in judged]
    for (model, _), (label, value) in judged.items():
        if own and plan.catalogue.model(model).family in SPNS:
            name, e = own[0]
            changed = changes(plan, model, one_class=True)
            yield Finding(e > value, f"{label} {value:.1f}, {name} {e:.1f}", changed=changed)


CLAIMS: tuple[tuple[str, str, Callable[..., Iterator[Finding]]], ...] = (
    ("V-A", "cGMM layers converge sequentially in the order of the hierarchy", layers_converge_in_order),
    ("V-B", "the highest cGMM layers are most suited for outlier detection", top_layer_is_best),
    ("V-B", "for FashionMNIST, depth increases the outlier detection capacity", depth_helps),
    ("V-B", "for MNIST, the flat DCGMM-A performs best", flat_instance_is_best),
    (
        "V-B",
        f"results with different outlier classes are comparable (here: within {COMPARABLE:g} points)",
        classes_are_comparable,
    ),
    ("V-C", "a clear edge for DCGMM-E over the sum-product networks", e_beats_the_spns),
    (
        "V-F",
        f"all models' samples are judged very similarly on MNIST (here: within {SIMILAR:g} points)",
        samples_are_similar,
    ),
    ("V-F", "DCGMM-E's samples outperform the sum-product networks' on FashionMNIST", e_samples_beat_the_spns),
)
