"""What the paper says about its results in words, held against ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from evaluation.measures.statistics import paired_comparison
from evaluation.results.changes import changes
from evaluation.results.formatting import in_protocol
from evaluation.results.labels import dataset_label
from evaluation.results.results import Results
from evaluation.results.selection import choosing, lines, protocols_of, reported
from evaluation.results.tables.judge import ACCURACY

HOLDS, IN_PART, FAILS, NOT_RUN = "holds", "holds in part", "does not hold", "not run"
UNDECIDED = "undecided"  # followed by the reason in brackets
FEWEST_SEEDS = 5  # for a verdict from an interval: of fewer it is far too narrow (measures.statistics.COVERAGE)
DCGMM = "dcgmm"
SPNS = ("rat-spn", "pd-spn", "dgc-spn")  # families of the paper's rivals
SIMILAR = 3.0  # points within which accuracies count as similar
COMPARABLE = 10.0  # points within which the areas of different outlier classes count as comparable
CONVERGED = 0.9  # share of a loss's range, from its minimum on, above which it stays when it has converged


@dataclass(frozen=True)
class Claim:
    """section and words: the paper's; verdict: one of those above; evidence: one line; cases: all those that do not
    simply speak for it, in words."""

    section: str
    words: str
    verdict: str
    evidence: str
    cases: tuple[str, ...] = ()


class Finding(NamedTuple):
    """Does one case speak for the claim, and what it is.

    seeds: on which the answer rests if it comes from an interval; changed: why the case does not count: what the
    profile changes in the rival, whose training is then no opponent, or an annealing that was not over.
    """

    holds: bool
    what: str
    seeds: int | None = None
    changed: str = ""


def claims(results: Results) -> list[Claim]:
    """Every claim with what our results say; each case of it (an instance, a rival, a data set) counts once."""
    used = results.plan.config.get("stands_in", {})
    others = [f"{dataset_label(other)} in place of {dataset_label(name)}" for name, other in used.items()]
    return [_claim(section, words, list(check(results)), others) for section, words, check in CLAIMS]


def _papers_datasets(results: Results, experiment: str) -> list[str]:
    """The data sets of an experiment without those that stand in for another: the paper says nothing of these."""
    others = results.plan.config.get("stands_in", {}).values()
    return [name for name in results.plan.datasets(experiment) if name not in others]


def _claim(section: str, words: str, found: list[Finding], others: list[str]) -> Claim:
    if not found and others:
        return Claim(section, words, f"{UNDECIDED} (other data)", f"the run used {', '.join(others)}")
    if not found:
        return Claim(section, words, NOT_RUN, "not run in this profile, or not to the end")
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
    counts = {
        f"{spoken} of {len(decided)} cases support it": decided,
        f"{len(few)} have fewer than {FEWEST_SEEDS} seeds": few,
        f"{len(changed)} not counted (shortened trainings)": changed,
    }
    cases = [f"against: {case.what}" for case in decided if not case.holds]
    cases += [f"undecided, fewer than {FEWEST_SEEDS} seeds: {case.what}" for case in few]
    cases += [f"not counted: {case.what} ({case.changed})" for case in changed]
    return Claim(section, words, verdict, ", ".join(words for words, some in counts.items() if some), tuple(cases))


# --- outlier detection -----------------------------------------------------------------------------------------------


def _instances(results: Results) -> dict[str, str]:
    """Catalogue name → label of the paper's own instances A to G."""
    return {m.name: m.label for m in results.plan.rows("outliers") if m.family == DCGMM and m.extends is None}


def _unfinished(results: Results, experiment: str, dataset: str, *models: str) -> str:
    """That one of these DCGMMs was still annealing, in words."""
    found = next(filter(None, (results.annealing(experiment, dataset, model) for model in models)), "")
    return f"still annealing, {found}" if found else ""


def top_layer_is_best(results: Results) -> Iterator[Finding]:
    values = reported(results, choosing(results.plan))
    for model, label in _instances(results).items():
        for dataset in _papers_datasets(results, "outliers"):
            layers = [
                value.mean
                for (d, m, metric), value in sorted(values.items(), key=lambda item: item[0])
                if (d, m) == (dataset, model) and metric.startswith("auroc_layer_")
            ]
            if len(layers) > 1:
                areas = ", ".join(f"{area:.1f}" for area in layers)
                what = f"{label} on {dataset_label(dataset)} ({areas} from bottom to top)"
                changed = _unfinished(results, "outliers", dataset, model)
                yield Finding(layers[-1] >= max(layers), what, changed=changed)


def flat_instance_is_best(results: Results) -> Iterator[Finding]:
    yield from _against_a(results, "mnist", lambda a, deep: a >= deep)


def depth_helps(results: Results) -> Iterator[Finding]:
    yield from _against_a(results, "fashion_mnist", lambda a, deep: deep > a)


def _against_a(results: Results, dataset: str, holds: Callable[[float, float], bool]) -> Iterator[Finding]:
    values = reported(results, choosing(results.plan))
    a = values.get((dataset, "dcgmm-a", "auroc"))
    for model, label in _instances(results).items():
        deep = values.get((dataset, model, "auroc"))
        if model != "dcgmm-a" and a is not None and deep is not None:
            what = f"{label} {deep.mean:.1f}, DCGMM-A {a.mean:.1f}"
            changed = _unfinished(results, "outliers", dataset, "dcgmm-a", model)
            yield Finding(holds(a.mean, deep.mean), what, changed=changed)


def classes_are_comparable(results: Results) -> Iterator[Finding]:
    by_class = [reported(results, choosing(results.plan), outlier) for outlier in range(10)]
    for model, label in _instances(results).items():
        for dataset in _papers_datasets(results, "outliers"):
            areas = [values[dataset, model, "auroc"].mean for values in by_class if (dataset, model, "auroc") in values]
            if len(areas) > 1:
                what = f"{label} on {dataset_label(dataset)} from {min(areas):.1f} to {max(areas):.1f}"
                changed = _unfinished(results, "outliers", dataset, model)
                yield Finding(max(areas) - min(areas) <= COMPARABLE, what, changed=changed)


def e_beats_the_spns(results: Results) -> Iterator[Finding]:
    """Seed by seed, in every protocol of the run: the interval of the difference is above 0. Rivals as the catalogue
    has them; a grid point that both protocols choose counts once."""
    rivals = {model.name: model.label for model in results.plan.rows("outliers") if model.family in SPNS}
    seen = set()
    for model, label, protocol in lines(results, rivals):
        values = reported(results, choosing(results.plan, protocol))
        for dataset in _papers_datasets(results, "outliers"):
            e, other = (values.get((dataset, name, "auroc")) for name in ("dcgmm-e", model))
            if e is None or other is None or (e.source, other.source) in seen:
                continue
            seen.add((e.source, other.source))
            if e.by_seed.keys() & other.by_seed.keys():
                pair = paired_comparison(e.by_seed, other.by_seed)
                what = f"{in_protocol(label, protocol)} on {dataset_label(dataset)}, difference {pair.mean:+z.1f}"
                changed = changes(results.plan, model) or _unfinished(results, "outliers", dataset, "dcgmm-e")
                yield Finding(pair.low > 0, what, pair.n, changed)


# --- dynamics and samples --------------------------------------------------------------------------------------------


def layers_converge_in_order(results: Results) -> Iterator[Finding]:
    """A layer has converged at the step from which on its mean loss stays in the upper tenth of its range.

    The range is that from its minimum on: before, the loss is that of the initial parameters on what the lower layers
    give, and may be higher than it ever becomes by learning. A training that ends before all of its layers have
    converged says nothing about their order.
    """
    rows = results.of("dynamics")
    rows = rows[rows["split"] == "test"]
    for dataset in _papers_datasets(results, "dynamics"):
        steps, ended = [], True
        for _, curve in rows[rows["dataset"] == dataset].groupby("metric"):
            mean = curve.groupby("step")["value"].mean()
            mean = mean[mean.index >= mean.idxmin()]
            below = mean.index[(mean - mean.min()) < CONVERGED * (mean.max() - mean.min())]
            steps.append(int(below.max() if len(below) else mean.index.min()))
            ended &= steps[-1] < int(mean.index.max())
        if len(steps) > 1 and ended:
            what = f"{dataset_label(dataset)}: below until steps {', '.join(map(str, steps))}"
            yield Finding(steps == sorted(steps), what)


def _judged(results: Results, dataset: str) -> dict[tuple[str, str], tuple[str, float]]:
    """(model, protocol) → label and mean accuracy that judges give its samples, in the protocols of the run."""
    models = {model.name: model for model in results.plan.rows("judge") if model.family in (DCGMM, *SPNS)}
    protocols = ("both", *protocols_of(results.plan))
    return {
        (model, protocol): (in_protocol(models[model].label, protocol), value.mean)
        for (where, model, protocol, metric), value in results.judged.items()
        if metric == ACCURACY and where == dataset and model in models and protocol in protocols
    }


def samples_are_similar(results: Results) -> Iterator[Finding]:
    judged = _judged(results, "mnist")
    if len(judged) > 1:
        best = max(value for _, value in judged.values())
        for (model, _), (label, value) in judged.items():
            changed = _unfinished(results, "judge", "mnist", model)
            yield Finding(best - value <= SIMILAR, f"{label} {value:.1f}, the best {best:.1f}", changed=changed)


def e_samples_beat_the_spns(results: Results) -> Iterator[Finding]:
    judged, plan = _judged(results, "fashion_mnist"), results.plan
    as_published = [model.name for model in plan.rows("judge") if model.as_published and model.extends == "dcgmm-e"]
    ours = [name for name in (*as_published, "dcgmm-e") if (name, "both") in judged]
    for (model, _), (label, value) in judged.items():
        if ours and plan.catalogue.model(model).family in SPNS:
            name, e = judged[ours[0], "both"]
            changed = changes(plan, model, one_class=True) or _unfinished(results, "judge", "fashion_mnist", ours[0])
            yield Finding(e > value, f"{label} {value:.1f}, {name} {e:.1f}", changed=changed)


CLAIMS: tuple[tuple[str, str, Callable[[Results], Iterator[Finding]]], ...] = (
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
