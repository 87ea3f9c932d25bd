"""Whether judges are good enough to judge: their accuracy on real test images beside that of the paper's judge."""

from __future__ import annotations

from evaluation.results.changes import JUDGE
from evaluation.results.published import published
from evaluation.results.results import Results
from evaluation.results.verdicts import NEAR


def weak_judges(results: Results, dataset: str, protocol: str = "both") -> str:
    """That a judge of this data set is far below the paper's, in words; empty if none is, or if nothing is known."""
    papers = next((p for p in published() if p.metric == "cnn_test_accuracy" and p.dataset == dataset), None)
    own = results.value("judge", dataset, JUDGE, "cnn_test_accuracy", protocol)
    if papers is None or own is None or min(own.by_seed.values()) >= papers.mean - NEAR:
        return ""
    which = "the judge" if own.n == 1 else f"the weakest of {own.n} judges"
    worst = min(own.by_seed.values())
    return f"{which} has a test accuracy of {worst:.1f} % only, the paper's {papers.mean:.0f} %"
