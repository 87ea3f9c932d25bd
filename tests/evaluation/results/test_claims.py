"""Claims of the paper in words, on numbers made up to support them, to contradict them, or both."""

from itertools import product

import pytest

from evaluation.measures.tidy import tidy_frame, tidy_row
from evaluation.plan.catalogue import Catalogue
from evaluation.plan.plan import Plan
from evaluation.results.claims import FAILS, HOLDS, IN_PART, NOT_RUN, UNDECIDED, claims
from evaluation.results.results import Results
from tests.evaluation.made_up import validated

LETTERS = "abe"


def plan(**changed):
    models = [*(f"dcgmm-{letter}" for letter in LETTERS), "dcgmm-e-independent", "rat-spn", "gmm"]
    outliers = {"datasets": ["mnist", "fashion_mnist"], "models": models, "grid": False}
    experiments = {
        "outliers": outliers,
        "judge": {
            "datasets": ["mnist", "fashion_mnist"],
            "models": ["dcgmm-b", "dcgmm-e", "dcgmm-e-independent", "rat-spn", "pd-spn", "pd-spn-published", "gmm"],
        },
        "dynamics": {"datasets": ["mnist"], "models": ["dcgmm-f-dynamics"]},
    }
    return Plan({"profile": "p", "seeds": 2, "protocols": ["paper"], "experiments": experiments, "models": changed})


def area(model, values, dataset="mnist", metric="auroc", outlier=0, protocol="both"):
    """Rows of one area for each seed, and of the validation area that selection looks at."""
    params = {"outlier_class": outlier}
    for seed, value in enumerate(values):
        for name in dict.fromkeys((metric, "auroc")):
            yield tidy_row(
                protocol=protocol, experiment="outliers", dataset=dataset, model=model, params=params, seed=seed,
                metric=name, value=value if name == metric else 50.0,
            )  # fmt: skip


def judged(model, value, dataset, protocol="both", seeds=5, judges=(0,)):
    """Rows of so many trainings under judges that add so much."""
    for seed, (judge, more) in product(range(seeds), enumerate(judges)):
        yield tidy_row(
            protocol=protocol, experiment="judge", dataset=dataset, model=model, params={"judge": judge}, seed=seed,
            metric="judge_accuracy", value=value + more,
        )  # fmt: skip


def dynamics(curves, model="dcgmm-f-dynamics"):
    """One curve of test log-likelihoods for each layer."""
    for layer, curve in enumerate(curves):
        for step, value in enumerate(curve):
            yield tidy_row(
                protocol="both", experiment="dynamics", dataset="mnist", model=model, seed=0,
                params={"step": step, "split": "test"}, metric=f"log_likelihood_layer_{layer}", value=value,
            )  # fmt: skip


def verdict(rows, words, **changed):
    (claim,) = [
        claim for claim in claims(Results(tidy_frame(rows).drop_duplicates(), plan(**changed))) if words in claim.words
    ]
    return claim


def test_without_results_nothing_is_said():
    assert {claim.verdict for claim in claims(Results(tidy_frame([]), plan()))} == {NOT_RUN}


@pytest.mark.parametrize(("e", "expected"), [(80, HOLDS), (70, IN_PART), (50, FAILS)])
def test_depth_on_fashion_mnist(e, expected):
    b = 75 if expected != FAILS else 40
    rows = [*area("dcgmm-a", [60, 60], "fashion_mnist"), *area("dcgmm-e", [e, e], "fashion_mnist")]
    rows += area("dcgmm-b", [b if expected != IN_PART else 50] * 2, "fashion_mnist")
    claim = verdict(rows, "depth increases")
    assert claim.verdict == expected
    assert ("against: DCGMM-B 50.0, DCGMM-A 60.0" in claim.cases) == (expected == IN_PART)


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


def layered(model, areas, dataset="mnist"):
    return [
        row
        for layer, value in enumerate(areas)
        for row in area(model, [value] * 2, dataset, f"auroc_layer_{layer}")
        if row["metric"] != "auroc"
    ]


def test_an_instance_counts_in_the_form_of_the_published_runs_as_in_the_tables():
    """The tables compare the printed number with independent layers, the claims were about shared ones."""
    rows = [*area("dcgmm-a", [70] * 5), *area("dcgmm-e", [60] * 5), *layered("dcgmm-e", (50, 60))]
    rows += [*area("dcgmm-e-independent", [80] * 5), *layered("dcgmm-e-independent", (90, 80))]
    rows += [*area("rat-spn", [85] * 5, protocol="paper"), *area("dcgmm-e", [65] * 5, outlier=4)]
    assert verdict(rows, "flat DCGMM-A").cases == ("against: DCGMM-E, independent 80.0, DCGMM-A 70.0",)
    assert verdict(rows, "highest cGMM").verdict == FAILS
    assert verdict(rows, "clear edge").cases[0].startswith("against: RAT-SPN (paper) on MNIST, difference -5.0")
    assert verdict(rows, "outlier classes").verdict == HOLDS  # of the only form with several classes


@pytest.mark.parametrize(("other", "expected"), [(65, HOLDS), (75, FAILS)])
def test_outlier_classes(other, expected):
    rows = [*area("dcgmm-a", [60, 60]), *area("dcgmm-a", [other, other], outlier=4)]
    assert verdict(rows, "outlier classes").verdict == expected


@pytest.mark.parametrize(
    ("e", "expected"),
    [([80, 82, 81, 80, 81], HOLDS), ([80, 60, 80, 60, 80], FAILS)],  # the mean is better, the interval has 0 in it
)
def test_the_edge_over_the_rivals_needs_an_interval_above_zero(e, expected):
    rows = [*area("dcgmm-e", e), *area("rat-spn", [69] * 5, protocol="paper"), *area("gmm", [99] * 5)]
    claim = verdict(rows, "clear edge")
    assert (claim.verdict, claim.evidence[:6]) == (expected, f"{int(expected == HOLDS)} of 1")


@pytest.mark.parametrize("seeds", [1, 2, 4])
def test_an_interval_of_few_seeds_decides_nothing(seeds):
    rows = [*area("dcgmm-e", [80, 82, 81, 80][:seeds]), *area("rat-spn", [69] * 4, protocol="paper")]
    claim = verdict(rows, "clear edge")
    assert claim.verdict == f"{UNDECIDED} ({seeds} seeds)"
    assert claim.evidence == "1 have fewer than 5 seeds"
    assert claim.cases[0].startswith("undecided, fewer than 5 seeds: RAT-SPN (paper) on MNIST, difference +1")


def test_a_shortened_rival_is_no_opponent():
    short = {"rat-spn": {"params": {"epochs": 2}}}
    rows = [*area("dcgmm-e", [80, 82, 81, 80, 81]), *area("rat-spn", [69] * 5, protocol="paper")]
    claim = verdict(rows, "clear edge", **short)
    assert claim.verdict == f"{UNDECIDED} (shortened trainings)"
    assert claim.evidence == "1 not counted (shortened trainings)"
    assert claim.cases[0].startswith("not counted: RAT-SPN (paper) on MNIST, difference +11.8 (epochs 2 instead of 25")
    rows = [*judged("dcgmm-e", 95, "fashion_mnist"), *judged("rat-spn", 90, "fashion_mnist", "paper")]
    assert verdict(rows, "outperform").verdict == HOLDS
    assert verdict(rows, "outperform", **short).verdict == f"{UNDECIDED} (shortened trainings)"


def test_a_model_that_was_still_annealing_is_not_counted():
    rows = [*area("dcgmm-a", [60, 60], "fashion_mnist"), *area("dcgmm-e", [70, 70], "fashion_mnist")]
    assert verdict(rows, "depth increases").verdict == HOLDS
    rows += list(area("dcgmm-e", [0.4, 0.01], "fashion_mnist", metric="sigma_layer_2"))[::2]
    claim = verdict(rows, "depth increases")
    assert (claim.verdict, claim.evidence) == (f"{UNDECIDED} (unfinished)", "1 not counted (unfinished)")
    assert claim.cases == ("not counted: DCGMM-E 70.0, DCGMM-A 60.0 (still annealing, σ 0.40)",)
    short = verdict(rows, "depth increases", **{"dcgmm-a": {"params": {"epochs": 2}}})
    assert (short.verdict, short.evidence) == (
        f"{UNDECIDED} (shortened trainings)", "1 not counted (shortened trainings)",
    )  # fmt: skip


def test_evidence_is_one_short_line():
    for claim in claims(Results(tidy_frame([*area("dcgmm-a", [60, 60]), *area("dcgmm-b", [70, 70])]), plan())):
        assert len(claim.evidence) < 120 and "\n" not in claim.evidence


def two_points(model, classes=(0,)):
    """Point 1 is better on the test images, far better with class 1 left out; point 2 on the validation images; the
    other points of the published grid are worse."""
    grid = Catalogue().model(model).grid or {"depth": [1, 5]}
    for number, values in enumerate(product(*grid.values())):
        test, more, validation = ((80, 15, 50), (60, 1, 70), (0, 0, 0))[min(number, 2)]
        for outlier in classes:
            params = {"outlier_class": outlier, **dict(zip(grid, values, strict=True))}
            for seed in range(5):
                for metric, value in (("auroc", test + more * outlier), ("auroc_validation", validation)):
                    yield tidy_row(
                        protocol="both", experiment="outliers", dataset="mnist", model=model, params=params, seed=seed,
                        metric=metric, value=value,
                    )  # fmt: skip


def said(rows, protocols, words):
    """A claim in a run of these protocols."""
    outliers = {"datasets": ["mnist"], "models": ["dcgmm-a", "dcgmm-b", "dcgmm-e", "rat-spn-normal"]}
    plan = Plan({"profile": "p", "seeds": 5, "protocols": protocols, "experiments": {"outliers": outliers}})
    (claim,) = [claim for claim in claims(Results(tidy_frame(rows), plan)) if words in claim.words]
    return claim


@pytest.mark.parametrize(
    ("protocols", "differences"),
    [(["clean"], ["+10.0"]), (["paper"], ["-10.0"]), (["paper", "clean"], ["-10.0", "+10.0"])],
)
def test_the_run_s_protocols_choose_the_rivals_of_a_claim(protocols, differences):
    claim = said([*validated(list(area("dcgmm-e", [70] * 5))), *two_points("rat-spn-normal")], protocols, "clear edge")
    assert claim.evidence == f"{differences.count('+10.0')} of {len(differences)} cases support it"
    against = "against: RAT-SPN, normal leaves (paper) on MNIST, difference -10.0"
    assert list(claim.cases) == [against] * ("-10.0" in differences)


def test_a_point_that_both_protocols_choose_is_one_case():
    points = [row for row in two_points("rat-spn-normal") if row["metric"] == "auroc"]
    claim = said([*validated(list(area("dcgmm-e", [70] * 5))), *validated(points)], ["paper", "clean"], "clear edge")
    assert claim.evidence == "0 of 1 cases support it"


def test_a_clean_run_s_claims_rest_on_nothing_that_was_chosen_on_test_images():
    found = [*validated(list(area("dcgmm-a", [70] * 5))), *two_points("dcgmm-b", classes=(0, 1))]
    for protocols, expected in ((["clean"], HOLDS), (["paper", "clean"], FAILS)):
        assert said(found, protocols, "flat DCGMM-A").verdict == expected
        assert said(found, protocols, "outlier classes").verdict == expected


def test_a_rival_whose_grid_is_not_finished_is_not_counted():
    points = list(two_points("rat-spn-normal"))
    e = validated(list(area("dcgmm-e", [70] * 5)))
    claim = said([*e, *points[:-10]], ["paper"], "clear edge")
    assert (claim.verdict, claim.evidence) == (f"{UNDECIDED} (unfinished)", "1 not counted (unfinished)")
    assert claim.cases[0].endswith("on MNIST, difference -10.0 (best of 26 of 27 grid points)")
    short = [row for row in points[-10:] if row["seed"] < 4]  # the last point has four of the five seeds
    assert said([*e, *points[:-10], *short], ["paper"], "clear edge").cases == claim.cases
    assert said([*e, *points], ["paper"], "clear edge").verdict == FAILS


def test_some_of_the_outlier_classes_decide_nothing():
    rows = [*area("dcgmm-a", [60, 60]), *area("dcgmm-a", [61, 61], outlier=4)]
    config = plan().config
    outliers = {**config["experiments"]["outliers"], "all_classes": ["dcgmm-a"]}
    of = Plan({**config, "experiments": {**config["experiments"], "outliers": outliers}})
    (claim,) = [c for c in claims(Results(tidy_frame(rows), of)) if "outlier classes" in c.words]
    assert claim.verdict == f"{UNDECIDED} (unfinished)"
    assert claim.cases == ("not counted: DCGMM-A on MNIST from 60.0 to 61.0 (2 of 10 outlier classes finished)",)


def test_every_class_of_a_data_set_counts():
    """Classes from 10 on were not looked at: of twelve, the last two may be the odd ones."""
    rows = [row for outlier in range(12) for row in area("dcgmm-a", [80 if outlier < 10 else 20] * 2, outlier=outlier)]
    assert verdict(rows, "outlier classes").verdict == FAILS


def test_data_that_the_paper_does_not_have_decide_no_claim():
    rows = [*area("dcgmm-e", [92] * 5, "digits"), *area("rat-spn", [81] * 5, "digits", protocol="paper")]
    rows += [row for layer in (0, 1) for row in area("dcgmm-e", [50 + layer] * 2, "digits", f"auroc_layer_{layer}")][
        ::2
    ]
    config = plan().config
    outliers = {**config["experiments"]["outliers"], "datasets": ["digits"]}
    of = Plan({**config, "experiments": {"outliers": outliers}})
    found = claims(Results(tidy_frame(rows).drop_duplicates(["model", "metric", "seed"]), of))
    assert {claim.verdict for claim in found} == {NOT_RUN}
