"""What the paper says about its results in words, held against ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from evaluation.results.cases import (
    COMPARABLE,
    DOUBTS,
    SIMILAR,
    Finding,
    classes_are_comparable,
    depth_helps,
    e_beats_the_spns,
    e_samples_beat_the_spns,
    flat_instance_is_best,
    layers_converge_in_order,
    samples_are_similar,
    top_layer_is_best,
)
from evaluation.results.labels import dataset_label
from evaluation.results.results import Results

HOLDS, IN_PART, FAILS, NOT_RUN = "holds", "holds in part", "does not hold", "not run"
UNDECIDED = "undecided"  # followed by the reason in brackets
FEWEST_SEEDS = 5  # for a verdict from an interval (of fewer: measures.statistics.COVERAGE) or from judged samples


@dataclass(frozen=True)
class Claim:
    """section and words: the paper's; verdict: one of those above; evidence: one line; cases: all those that do not
    simply speak for it, in words."""

    section: str
    words: str
    verdict: str
    evidence: str
    cases: tuple[str, ...] = ()


def claims(results: Results) -> list[Claim]:
    """Every claim with what our results say; each case of it (an instance, a rival, a data set) counts once."""
    used = results.plan.config.get("stands_in", {})
    others = [f"{dataset_label(other)} in place of {dataset_label(name)}" for name, other in used.items()]
    return [_claim(section, words, list(check(results)), others) for section, words, check in CLAIMS]


def _claim(section: str, words: str, found: list[Finding], others: list[str]) -> Claim:
    if not found and others:
        return Claim(section, words, f"{UNDECIDED} (other data)", f"the run used {', '.join(others)}")
    if not found:
        return Claim(section, words, NOT_RUN, "not run in this profile, or not to the end")
    doubted = {kind: [c for c in found if c.doubt and c.doubt.kind == kind] for kind in DOUBTS}
    few = [case for case in found if not case.doubt and case.seeds is not None and case.seeds < FEWEST_SEEDS]
    decided = [case for case in found if not case.doubt and case not in few]
    spoken = sum(case.holds for case in decided)
    if decided:
        verdict = HOLDS if spoken == len(decided) else FAILS if not spoken else IN_PART
    elif few:
        seeds = sorted({case.seeds for case in few if case.seeds is not None})
        verdict = f"{UNDECIDED} ({' to '.join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))} seeds)"
    else:
        verdict = f"{UNDECIDED} ({next(kind for kind, some in doubted.items() if some)})"
    counts = {
        f"{spoken} of {len(decided)} cases support it": decided,
        f"{len(few)} have fewer than {FEWEST_SEEDS} seeds": few,
        **{f"{len(some)} not counted ({kind})": some for kind, some in doubted.items()},
    }
    cases = [f"against: {case.what}" for case in decided if not case.holds]
    cases += [f"undecided, fewer than {FEWEST_SEEDS} seeds: {case.what}" for case in few]
    cases += [f"not counted: {case.what} ({case.doubt.words})" for case in found if case.doubt]
    return Claim(section, words, verdict, ", ".join(words for words, some in counts.items() if some), tuple(cases))


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
