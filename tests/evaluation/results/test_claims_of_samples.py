"""The claims about samples, which judges decide."""

import pytest

from evaluation.results.claims import FAILS, HOLDS, IN_PART, UNDECIDED
from tests.evaluation.results.test_claims import judged, verdict


def test_samples_on_both_data_sets():
    rows = [*judged("dcgmm-e", 95, "mnist"), *judged("rat-spn", 93, "mnist", "paper"), *judged("gmm", 10, "mnist")]
    rows += [*judged("dcgmm-e", 95, "fashion_mnist"), *judged("rat-spn", 97, "fashion_mnist", "paper")]
    assert verdict(rows, "very similarly").verdict == HOLDS
    claim = verdict(rows, "outperform")
    assert claim.verdict == FAILS and claim.cases == ("against: RAT-SPN (paper) 97.0, DCGMM-E 95.0",)
    rows += judged("dcgmm-e-independent", 98, "fashion_mnist")  # as the published runs
    assert verdict(rows, "outperform").verdict == HOLDS


@pytest.mark.parametrize(("b", "expected"), [(60, FAILS), (94, IN_PART)])
def test_the_best_samples_are_no_case_beside_themselves(b, expected):
    """Similar to itself, the best always spoke for the claim: it could not fail."""
    rows = [*judged("dcgmm-e", 95, "mnist"), *judged("dcgmm-b", b, "mnist"), *judged("rat-spn", 50, "mnist", "paper")]
    claim = verdict(rows, "very similarly")
    assert (claim.verdict, claim.evidence) == (expected, f"{int(expected == IN_PART)} of 2 cases support it")


def test_samples_that_are_level_outperform_nothing():
    """E with 91.3 ± 0.4 was called above an RAT-SPN with 91.3 ± 0.1: the larger mean decided."""
    rows = [*judged("rat-spn", 91.3, "fashion_mnist", "paper"), *judged("dcgmm-e", 91.0, "fashion_mnist")]
    for row, value in zip(rows[5:], (90.9, 91.3, 92.0, 91.1, 91.4), strict=True):
        row["value"] = value
    claim = verdict(rows, "outperform")
    assert claim.verdict == FAILS and claim.cases == ("against: RAT-SPN (paper) 91.3, DCGMM-E 91.3",)


@pytest.mark.parametrize(
    ("e", "expected"),
    [
        ((-9, 0, 9), FAILS),  # other judges may say the opposite
        ((2, -2, 0), HOLDS),  # as lenient to both: the judges agree about the difference
    ],
)
def test_samples_outperform_others_if_further_judges_would_say_so(e, expected):
    """The interval was that over trainings alone."""
    rows = [*judged("dcgmm-e", 92, "fashion_mnist", judges=e)]
    rows += judged("rat-spn", 91, "fashion_mnist", "paper", judges=(2, -2, 0))
    assert verdict(rows, "outperform").verdict == expected


def test_samples_of_few_trainings_decide_nothing():
    """A claim held in part on the page of a run with one training of E."""
    rows = [*judged("dcgmm-e", 95, "fashion_mnist", seeds=1), *judged("rat-spn", 60, "fashion_mnist", "paper")]
    claim = verdict(rows, "outperform")
    assert claim.verdict == f"{UNDECIDED} (1 seeds)"
    assert claim.cases == ("undecided, fewer than 5 seeds: RAT-SPN (paper) 60.0, DCGMM-E 95.0",)
    rows = [*judged("dcgmm-e", 95, "mnist"), *judged("rat-spn", 93, "mnist", "paper", seeds=2)]
    claim = verdict(rows, "very similarly")
    assert (claim.verdict, claim.evidence) == (f"{UNDECIDED} (2 seeds)", "1 have fewer than 5 seeds")


def test_what_was_judged_in_another_protocol_is_no_case():
    rows = [*judged("dcgmm-e", 95, "mnist"), *judged("rat-spn", 93, "mnist", "paper")]
    assert verdict([*rows, *judged("rat-spn", 50, "mnist", "clean")], "very similarly").verdict == HOLDS


def test_a_sum_product_network_counts_as_published():
    rows = [*judged("dcgmm-e", 97, "mnist"), *judged("pd-spn", 60, "mnist", "paper")]
    assert verdict(rows, "very similarly").verdict == FAILS
    rows += judged("pd-spn-published", 96, "mnist")
    claim = verdict(rows, "very similarly")
    assert (claim.verdict, claim.evidence[:6]) == (HOLDS, "1 of 1")


def test_an_instance_is_judged_in_one_form():
    rows = [*judged("dcgmm-b", 99, "mnist"), *judged("dcgmm-e", 80, "mnist")]
    assert verdict(rows, "very similarly").verdict == FAILS
    claim = verdict([*rows, *judged("dcgmm-e-independent", 98, "mnist")], "very similarly")
    assert (claim.verdict, claim.evidence[:6]) == (HOLDS, "1 of 1")
