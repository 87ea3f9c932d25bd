"""What the paper says in words, on numbers made up to speak for it, against it, or both."""

import pytest

from evaluation.claims import FAILS, HOLDS, IN_PART, NOT_RUN, claims
from evaluation.config import Plan
from evaluation.metrics import tidy_frame, tidy_row

LETTERS = "abe"


def plan():
    models = [*(f"dcgmm-{letter}" for letter in LETTERS), "dcgmm-e-independent", "rat-spn", "gmm"]
    outliers = {"datasets": ["mnist", "fashion_mnist"], "models": models, "grid": False}
    experiments = {
        "outliers": outliers,
        "judge": {"datasets": ["mnist", "fashion_mnist"], "models": ["dcgmm-e", "rat-spn", "gmm"]},
        "dynamics": {"datasets": ["mnist"], "models": ["dcgmm-f-dynamics"]},
    }
    return Plan({"profile": "p", "seeds": 2, "protocols": ["paper"], "experiments": experiments})


def area(model, values, dataset="mnist", metric="auroc", outlier=0, protocol="both"):
    """Rows of one area for each seed, and of the validation area that selection looks at."""
    params = {"outlier_class": outlier}
    for seed, value in enumerate(values):
        for name in dict.fromkeys((metric, "auroc")):
            yield tidy_row(
                protocol=protocol, experiment="outliers", dataset=dataset, model=model, params=params, seed=seed,
                metric=name, value=value if name == metric else 50.0,
            )  # fmt: skip


def judged(model, value, dataset, protocol="both"):
    return tidy_row(
        protocol=protocol, experiment="judge", dataset=dataset, model=model, params={"judge": 0}, seed=0,
        metric="judge_accuracy", value=value,
    )  # fmt: skip


def dynamics(curves):
    """One curve of test log-likelihoods for each layer."""
    for layer, curve in enumerate(curves):
        for step, value in enumerate(curve):
            yield tidy_row(
                protocol="both", experiment="dynamics", dataset="mnist", model="dcgmm-f-dynamics", seed=0,
                params={"step": step, "split": "test"}, metric=f"log_likelihood_layer_{layer}", value=value,
            )  # fmt: skip


def verdict(rows, words):
    (claim,) = [claim for claim in claims(tidy_frame(rows), plan()) if words in claim.words]
    return claim


def test_without_results_nothing_is_said():
    assert {claim.verdict for claim in claims(tidy_frame([]), plan())} == {NOT_RUN}


@pytest.mark.parametrize(("e", "expected"), [(80, HOLDS), (70, IN_PART), (50, FAILS)])
def test_depth_on_fashion_mnist(e, expected):
    b = 75 if expected != FAILS else 40
    rows = [*area("dcgmm-a", [60, 60], "fashion_mnist"), *area("dcgmm-e", [e, e], "fashion_mnist")]
    rows += area("dcgmm-b", [b if expected != IN_PART else 50] * 2, "fashion_mnist")
    claim = verdict(rows, "depth increases")
    assert claim.verdict == expected
    assert ("DCGMM-B 50.0, DCGMM-A 60.0" in claim.evidence) == (expected == IN_PART)


@pytest.mark.parametrize(("deep", "expected"), [(50, HOLDS), (70, FAILS)])
def test_the_flat_instance_on_mnist_and_variants_do_not_count(deep, expected):
    rows = [*area("dcgmm-a", [60, 60]), *area("dcgmm-b", [deep, deep]), *area("dcgmm-e-independent", [99, 99])]
    claim = verdict(rows, "flat DCGMM-A")
    assert (claim.verdict, claim.evidence[:6]) == (expected, f"{int(expected == HOLDS)} of 1")


@pytest.mark.parametrize(("areas", "expected"), [((40, 50, 60), HOLDS), ((40, 70, 60), FAILS)])
def test_the_highest_layer(areas, expected):
    rows = [
        row for layer, value in enumerate(areas) for row in area("dcgmm-b", [value] * 2, metric=f"auroc_layer_{layer}")
    ]
    assert verdict(rows[::-1], "highest cGMM").verdict == expected


@pytest.mark.parametrize(("other", "expected"), [(65, HOLDS), (75, FAILS)])
def test_outlier_classes(other, expected):
    rows = [*area("dcgmm-a", [60, 60]), *area("dcgmm-a", [other, other], outlier=4)]
    assert verdict(rows, "outlier classes").verdict == expected


@pytest.mark.parametrize(
    ("e", "expected"),
    [([80, 82], HOLDS), ([80, 60], FAILS)],  # the mean is better, the interval has 0 in it
)
def test_the_edge_over_the_rivals_needs_an_interval_above_zero(e, expected):
    rows = [*area("dcgmm-e", e), *area("rat-spn", [69, 69], protocol="paper"), *area("gmm", [99, 99])]
    claim = verdict(rows, "clear edge")
    assert (claim.verdict, claim.evidence[:6]) == (expected, f"{int(expected == HOLDS)} of 1")


def test_samples_on_both_data_sets():
    rows = [judged("dcgmm-e", 95, "mnist"), judged("rat-spn", 93, "mnist", "paper"), judged("gmm", 10, "mnist")]
    rows += [judged("dcgmm-e", 95, "fashion_mnist"), judged("rat-spn", 97, "fashion_mnist", "paper")]
    assert verdict(rows, "very similarly").verdict == HOLDS
    claim = verdict(rows, "outperform")
    assert claim.verdict == FAILS and "RAT-SPN (paper) 97.0, DCGMM-E 95.0" in claim.evidence


@pytest.mark.parametrize(
    ("curves", "expected"),
    [
        (([0, 9, 10, 10], [5, 0, 6, 10]), HOLDS),
        (([5, 0, 6, 10], [0, 9, 10, 10]), FAILS),
        (([0, 9, 10, 10], [5, 10, 6, 0]), NOT_RUN),  # the upper layer had not converged when training ended
    ],
)
def test_layers_in_order(curves, expected):
    assert verdict(list(dynamics(curves)), "converge sequentially").verdict == expected
