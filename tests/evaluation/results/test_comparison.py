"""The paper's numbers beside ours: which of ours, with which verdict and remark, and the page."""

import re

import pytest

from evaluation.measures.tidy import canonical_params, tidy_frame
from evaluation.plan.plan import Plan
from evaluation.results.changes import changes
from evaluation.results.comparison import compare, compare_variants, comparison_frame, totals
from evaluation.results.comparison_page import comparison_page, glance
from evaluation.results.tables.outliers import outlier_class_table, outlier_table_dcgmm
from evaluation.results.tables.table import printed
from evaluation.results.verdicts import CLOSE, NOT_REPRODUCED, NOT_RUN, REPRODUCED, RULE, UNDECIDED, VERDICTS
from tests.evaluation.made_up import grid, judged, plan, results, rows, two_models, validated


def compared(metrics, of=None):
    return comparison_frame(compare(results(metrics, of or plan())))


def cell(frame, table, model, dataset="mnist", protocol="paper"):
    found = frame.query("table == @table and model == @model and dataset == @dataset and protocol == @protocol")
    return found.iloc[0]


def test_every_printed_number_has_a_verdict_and_what_was_not_run_a_reason():
    frame = compared(two_models())
    assert set(frame["verdict"]) <= set(VERDICTS)
    a = cell(frame, "table_1", "DCGMM-A")
    assert (a["ours"], a["verdict"], a["n"]) == (95.5, CLOSE, 2)
    assert abs(a["difference"] - 0.1) < 1e-9
    assert a["difference_low"] < -3 and a["difference_high"] > 3  # of two seeds
    assert (frame[frame["verdict"] == NOT_RUN]["remark"] != "").all()
    assert "Fashion-MNIST" in cell(frame, "table_1", "DCGMM-A", "fashion_mnist")["remark"]
    assert "DCGMM-B" in cell(frame, "table_1", "DCGMM-B")["remark"]
    assert "not finished" in cell(frame, "table_1", "DCGMM-E")["remark"]
    assert "judge" in cell(frame, "table_3", "DCGMM-A")["remark"]
    assert (frame.query("table == 'table_5'")["verdict"] == REPRODUCED).all()


def test_a_variant_is_compared_with_what_it_is_a_variant_of():
    found = validated(rows("dcgmm-e-independent", [90, 92]))
    (variant,) = compare_variants(results(found, plan(models=["dcgmm-e-independent"])))
    assert variant.model == "DCGMM-E, independent"
    assert (variant.printed.mean, variant.ours.mean) == (92.8, 91.0)


def test_a_variant_of_a_clean_run_is_compared_at_the_point_that_validation_chose():
    found = grid().assign(model="rat-spn-variant")
    entry = {"rat-spn-variant": {"extends": "rat-spn", "label": "V", "protocols": {}}}
    of = Plan({**plan(entry, models=["rat-spn-variant"]).config, "protocols": ["clean"]})
    (variant,) = compare_variants(results(found, of))
    assert (variant.protocol, variant.ours.mean) == ("clean", 71.0)


def test_the_paper_protocol_compares_what_the_published_runs_did():
    found = rows("dcgmm-b", [78.0, 78.1], "fashion_mnist") + rows("dcgmm-b-independent", [72.2, 72.3], "fashion_mnist")
    both = plan(datasets=["fashion_mnist"], models=["dcgmm-b", "dcgmm-b-independent"])
    frame = compared(validated(found), both)
    own = frame[(frame["table"] == "table_1") & (frame["model"] == "DCGMM-B") & (frame["dataset"] == "fashion_mnist")]
    assert dict(zip(own["protocol"], own["ours"], strict=True)) == {"paper": 72.25, "clean": 78.05}
    assert dict(zip(own["protocol"], own["verdict"], strict=True)) == {"paper": REPRODUCED, "clean": NOT_REPRODUCED}
    assert own["remark"].iloc[0].startswith("DCGMM-B, independent")
    without = compared(validated(found[:1]), both)
    assert cell(without, "table_1", "DCGMM-B", "fashion_mnist")["ours"] == 78.0


def test_the_paper_protocol_judges_what_the_published_runs_did():
    settings = {"judge": {"datasets": ["mnist"], "models": ["dcgmm-e", "dcgmm-e-independent"]}}
    both = Plan({"profile": "p", "seeds": 1, "experiments": settings})
    frame = compared([judged("dcgmm-e", 81.0), judged("dcgmm-e-independent", 90.0)], both)
    found = frame.query(
        "table == 'table_3' and metric == 'judge_accuracy' and model == 'DCGMM-E' and dataset == 'mnist'"
    )
    assert dict(zip(found["protocol"], found["ours"], strict=True)) == {"paper": 90.0, "clean": 81.0}


def test_the_paper_protocol_judges_the_model_whose_parameters_the_paper_prints():
    """Table III prints the parameters of 40 normal leaves; binomial leaves on pixels in [0, 1] were held against it."""
    settings = {"judge": {"datasets": ["mnist"], "models": ["pd-spn", "pd-spn-published"]}}
    both = Plan({"profile": "p", "seeds": 1, "experiments": settings})
    binomial = [judged("pd-spn", 88.5, protocol="paper"), judged("pd-spn", 99.9, protocol="clean")]
    sizes = [{**parameters("pd-spn", 484323, "judge", protocol), "params": "{}"} for protocol in ("paper", "clean")]
    sizes.append({**parameters("pd-spn-published", 515683, "judge"), "params": "{}"})
    for found, ours, count in (
        (binomial + sizes[:2], {"paper": 88.5, "clean": 99.9}, {"paper": 484323, "clean": 484323}),
        (
            [*binomial, judged("pd-spn-published", 96.4), *sizes],
            {"paper": 96.4, "clean": 99.9},
            {"paper": 515683, "clean": 484323},
        ),
    ):
        frame = compared(found, both).query("table == 'table_3' and model == 'PD-SPN'")
        accuracy = frame[(frame["metric"] == "judge_accuracy") & (frame["dataset"] == "mnist")]
        assert dict(zip(accuracy["protocol"], accuracy["ours"], strict=True)) == ours
        size = frame[frame["metric"] == "parameters"]
        assert dict(zip(size["protocol"], size["ours"], strict=True)) == count
    assert size.set_index("protocol")["verdict"]["paper"] == REPRODUCED


def test_one_training_under_five_judges_is_a_single_seed():
    settings = {"judge": {"datasets": ["mnist"], "models": ["dcgmm-e"]}}
    of = Plan({"profile": "p", "seeds": 1, "experiments": settings})
    row = cell(compared([judged("dcgmm-e", 98.0 + judge, judge=judge) for judge in range(5)], of), "table_3", "DCGMM-E")
    assert (row["ours"], row["n"], row["verdict"]) == (100.0, 1, UNDECIDED)


def parameters(model, value, experiment="outliers", protocol="both", **point):
    (row,) = rows(model, [value], protocol=protocol, metric="parameters", **point)
    return {**row, "experiment": experiment}


def test_parameters_are_those_of_the_model_that_the_table_reports():
    """The second grid point is chosen; the judged model counts where there is one, and no other model's row."""
    found = validated(rows("rat-spn", [1], depth=1) + rows("rat-spn", [2], depth=2))
    found += [parameters("rat-spn", 7, depth=1), parameters("rat-spn", 9, depth=2), parameters("gmm", 5)]
    settings = {"outliers": {"datasets": ["mnist"], "models": ["gmm", "rat-spn"]}}
    only_outliers = Plan({"profile": "p", "seeds": 1, "experiments": settings})
    assert cell(compared(found, only_outliers), "table_3", "RAT-SPN", "any")["ours"] == 9
    settings |= {"judge": {"datasets": ["mnist"], "models": ["rat-spn"]}}
    judging = Plan({"profile": "p", "seeds": 1, "experiments": settings})
    found += [{**parameters("rat-spn", 11, "judge"), "params": "{}"}]
    assert cell(compared(found, judging), "table_3", "RAT-SPN", "any")["ours"] == 11


def test_parameters_are_counted_whatever_class_is_left_out():
    of = plan(outlier_classes=[3], models=["rat-spn"])
    found = [*validated(rows("rat-spn", [90], outlier_class=3)), parameters("rat-spn", 1_187_840, outlier_class=3)]
    row = cell(compared(found, of), "table_3", "RAT-SPN", "any")
    assert (row["ours"], row["verdict"]) == (1_187_840, REPRODUCED)


@pytest.mark.parametrize("experiment", ["outliers", "judge"])
def test_parameters_are_those_of_images_of_the_paper_s_shape(experiment):
    """A model of photographs, 32×32×3, has more of them, and comes first here."""
    settings = {experiment: {"datasets": ["photos", "mnist"], "models": ["rat-spn"]}}
    of = Plan({"profile": "p", "seeds": 1, "experiments": settings})
    sizes = [(name, size, rows("rat-spn", [90], name)) for name, size in (("photos", 5_000_000), ("mnist", 1_187_840))]
    found = [
        {**row, "experiment": experiment, **({"params": "{}"} if experiment == "judge" else {})}
        for name, size, areas in sizes
        for row in [*validated(areas), *rows("rat-spn", [size], name, metric="parameters")]
    ]
    row = cell(compared(found, of), "table_3", "RAT-SPN", "any")
    assert (row["ours"], row["verdict"]) == (1_187_840, REPRODUCED)
    row = cell(compared([row for row in found if row["dataset"] == "photos"], of), "table_3", "RAT-SPN", "any")
    assert (row["verdict"], row["remark"].split(";")[0]) == (NOT_RUN, "no trained RAT-SPN in this profile")


def test_a_class_that_the_profile_does_not_leave_out_is_the_reason():
    of = plan(outlier_classes=[3], models=["dcgmm-a", "dcgmm-e"], all_classes=["dcgmm-e"])
    frame = compared(validated(rows("dcgmm-a", [90, 91], outlier_class=3)), of)
    row = cell(frame, "table_1", "DCGMM-A")
    assert (row["verdict"], row["remark"]) == (NOT_RUN, "class 0 is not left out in this profile")
    every = plan(outlier_classes=[3], models=["dcgmm-a"], all_classes=["dcgmm-a"])
    assert "not finished" in cell(compared(validated(rows("gmm", [1])), every), "table_1", "DCGMM-A")["remark"]


# --- remarks ---------------------------------------------------------------------------------------------------------


def changed_plan():
    models = {"dcgmm-a": {"params": {"epochs": 2, "window": 8, "rate_w": 0.0}, "train_images": 1000}}
    return plan(models, models=["dcgmm-a"])


@pytest.mark.parametrize(
    ("values", "verdict"),
    [([95.4, 95.4], REPRODUCED), ([80.0, 80.0], NOT_REPRODUCED), ([85.0, 99.0], UNDECIDED), ([93.0, 95.0], CLOSE)],
)
def test_what_the_profile_changed_is_always_said(values, verdict):
    row = cell(compared(validated(rows("dcgmm-a", values)), changed_plan()), "table_1", "DCGMM-A")
    assert row["verdict"] == verdict
    assert row["remark"] == "epochs 2 instead of 80, window 8 instead of 100, trained on 1,000 images"


@pytest.mark.parametrize(("sigma", "over"), [(0.01, True), (0.7, False)])
def test_an_annealing_that_was_cut_off_is_said_and_decides_nothing(sigma, over):
    found = [*validated(rows("dcgmm-a", [60, 61])), *rows("dcgmm-a", [0.01, sigma], metric="sigma_layer_0")]
    row = cell(compared(found, plan(models=["dcgmm-a"])), "table_1", "DCGMM-A")
    assert ("the annealing was not over (σ 0.70)" in row["remark"]) != over
    assert row["verdict"] == (NOT_REPRODUCED if over else UNDECIDED)
    assert row["ours"] == 60.5


def test_an_annealing_counts_for_its_own_left_out_class():
    """A training without class 3 that had been cut off left class 0 undecided, and out of every table."""
    other = [*rows("dcgmm-a", [80, 82]), *rows("dcgmm-a", [0.01, 0.5], metric="sigma_layer_0")]
    found = [*rows("dcgmm-a", [95, 96]), *rows("dcgmm-a", [0.01, 0.01], metric="sigma_layer_0")]
    found += [{**row, "params": canonical_params({"outlier_class": 3})} for row in other]
    made = results(validated(found), plan(models=["dcgmm-a"], outlier_classes=[0, 3]))
    row = cell(comparison_frame(compare(made)), "table_1", "DCGMM-A")
    assert "annealing" not in row["remark"] and row["verdict"] == CLOSE
    annealing = [made.annealing("outliers", "mnist", "dcgmm-a", outlier_class=which) for which in (0, 3, None)]
    assert annealing == ["", "σ 0.50", "σ 0.50"]
    assert len(printed(outlier_table_dcgmm(made, {"dcgmm-a": "DCGMM-A"})).rows) == 1
    classes = printed(outlier_class_table(made, {"dcgmm-a": "DCGMM-A"}))
    assert "Left out, still annealing when training ended: DCGMM-A on MNIST, class 3 (σ 0.50)." in classes.caption
    assert [str(value)[:4] for value in classes.rows[0][2:]] == ["95.5", *["–"] * 9]


def test_a_remark_of_one_protocol_says_of_which():
    """A cell with a number said "no result", which was of the other protocol's column."""
    settings = {"judge": {"datasets": ["mnist"], "models": ["dcgmm-e", "dcgmm-e-independent"]}}
    of = Plan({"profile": "p", "seeds": 1, "experiments": settings})
    page = comparison_page(results([judged("dcgmm-e-independent", 91.0)], of))
    (line,) = [line for line in page.splitlines() if line.startswith("- DCGMM-E, MNIST: ")]
    assert "; clean: no result" in line and "paper: DCGMM-E, independent" in line


@pytest.mark.parametrize(("last", "verdict"), [(None, UNDECIDED), (1, UNDECIDED), (2, NOT_REPRODUCED)])
def test_the_best_point_of_an_unfinished_grid_is_said_and_decides_nothing(last, verdict):
    """last: seeds of the last point; the others have two."""
    of = plan({"pd-spn": {"grid": {"sums": [5, 20, 40]}}}, models=["pd-spn"])
    found = rows("pd-spn", [60.0, 60.1], protocol="paper", sums=5)
    found += rows("pd-spn", [55.0, 55.1], protocol="paper", sums=20)
    found += rows("pd-spn", [50.0, 50.1][:last], protocol="paper", sums=40) if last else []
    row = cell(compared(validated(found), of), "table_2", "PD-SPN")
    assert (row["ours"], row["verdict"]) == (60.05, verdict)
    assert ("best of 2 of 3 grid points" in row["remark"]) == (last != 2)


def test_changes_of_models_of_one_class_are_said_for_these():
    changed = {"dcgmm-e": {"params": {"epochs": 20}, "one_class": {"iterations": 5000, "window": 50}}}
    of = Plan(
        {
            "profile": "p",
            "seeds": 1,
            "models": changed,
            "experiments": {"inpainting": {"datasets": ["mnist"], "models": ["gmm"]}},
        }
    )
    assert changes(of, "dcgmm-e") == "epochs 20 instead of 80"
    assert changes(of, "dcgmm-e", one_class=True) == "iterations 5000 instead of 10000, window 50 instead of 100"


def test_beside_counts_only_changes_of_the_size_are_said():
    of = plan({"dgc-spn": {"params": {"epochs": 2, "products": 6}, "train_images": 400}}, models=["dgc-spn"])
    assert changes(of, "dgc-spn") == "products 6 instead of 7, epochs 2 instead of 15, trained on 400 images"
    found = [*validated(rows("dgc-spn", [90])), parameters("dgc-spn", 6)]
    assert cell(compared(found, of), "table_3", "DGC-SPN", "any")["remark"] == "products 6 instead of 7"


def test_what_is_known_about_a_difference_is_said():
    found = validated(rows("rat-spn", [80, 80], "fashion_mnist"))
    frame = compared(found, plan(datasets=["fashion_mnist"], models=["rat-spn"]))
    row = cell(frame, "table_2", "RAT-SPN", "fashion_mnist")
    assert "docs/errata.md" in row["remark"]
    assert (row["verdict"], row["ours_low"], row["ours_high"]) == (NOT_REPRODUCED, 80, 80)
    quoted = frame[(frame["table"] == "table_4") & (frame["model"] == "RAT-SPN")]
    assert quoted["remark"].str.contains("from the literature").all()


def own_model():
    return {"my-e": {"extends": "dcgmm-a", "label": "DCGMM-E", "params": {"epochs": 1}}}


def test_a_model_of_the_profile_s_own_decides_nothing_under_a_label_of_the_paper():
    frame = compared(validated(rows("my-e", [92.8, 92.8])), plan(own_model(), models=["my-e"]))
    for table in ("table_1", "table_2"):
        for protocol in ("paper", "clean"):
            row = cell(frame, table, "DCGMM-E", protocol=protocol)
            assert (row["ours"], row["verdict"]) == (92.8, UNDECIDED)
            assert row["remark"] == "a model of this profile, not of the paper"


def test_the_catalogue_s_model_is_compared_before_one_of_the_profile_s_own():
    of = plan(own_model(), models=["my-e", "dcgmm-e"])
    row = cell(compared(validated(rows("my-e", [50, 50]) + rows("dcgmm-e", [92.8, 92.8])), of), "table_1", "DCGMM-E")
    assert (row["ours"], row["verdict"], row["remark"]) == (92.8, REPRODUCED, "")


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_page_starts_with_the_totals():
    made = results(two_models(), plan())
    found, text = compare(made), comparison_page(made)
    counted = totals(found, "paper")
    assert sum(counted.values()) == len(found) / 2
    head, _, *lines = table_lines(text.partition("**Summary**")[2])
    assert head == ["protocol", "numbers", *VERDICTS, "of"]
    for line, kind, unit in zip(lines, ("measured values", "parameter counts"), ("percent", "count"), strict=False):
        count = totals([row for row in found if row.printed.unit == unit], "paper")
        assert line == ["paper", kind, *(str(count[verdict]) for verdict in VERDICTS), str(sum(count.values()))]


def test_the_table_at_a_glance_comes_before_all_explanations():
    text = comparison_page(results(two_models(), plan()))
    above = re.sub(r"<details>.*?</details>", "", text.partition("## At a glance")[0], flags=re.DOTALL)
    assert RULE in text and RULE not in above


def test_a_run_of_one_protocol_is_compared_in_this_one():
    of = Plan({**plan().config, "protocols": ["clean"]})
    made = results(two_models(), of)
    assert {row.protocol for row in compare(made)} == {"clean"}
    text = comparison_page(made)
    assert "## At a glance: protocol clean" in text and "protocol paper" not in text


def test_verdicts_at_a_glance():
    columns, lines = glance(compare(results(two_models(), plan())), "paper")
    assert ("table_1", "mnist") in columns and "DCGMM-A" in lines
    assert lines["DCGMM-A"]["table_1", "mnist"].verdict == CLOSE
    text = comparison_page(results(two_models(), plan()))
    (line,) = [line for line in text.partition("protocol paper")[2].splitlines() if line.startswith("| DCGMM-A")][:1]
    assert "≈ +0.1" in line


def table_lines(text):
    """Cells of every table line of a Markdown page, without padding."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]


def test_cells_have_the_difference_with_its_interval_and_remarks_are_folded():
    made = results(validated(rows("dcgmm-a", [95.0, 95.4, 95.8])), changed_plan())
    text = comparison_page(made)
    (line,) = [line for line in table_lines(text) if line[:2] == ["DCGMM-A", "MNIST"]]
    assert line[2:6] == ["95.4 ± 0.2", "95.4 ± 0.4 [95.0, 95.8]", "+0.0 [-0.9, +0.9]", "reproduced"]
    folded = text[text.index("<details><summary>Remarks</summary>") :].partition("</details>")[0]
    assert "- DCGMM-A, MNIST: epochs 2 instead of 80" in folded
    assert all(len(cell) <= 200 for line in table_lines(text) for cell in line)


def test_what_was_not_run_is_folded_by_reason():
    text = comparison_page(results(two_models(), plan()))
    assert "<details><summary>Not run: " in text
    assert "- Fashion-MNIST is not in this profile: DCGMM-A on Fashion-MNIST" in text


def test_claims_have_one_line_of_evidence():
    text = comparison_page(results(two_models(), plan()))
    spoken = [line for line in table_lines(text) if line[:1] == ["V-B"]]
    assert ["V-B", "for MNIST, the flat DCGMM-A performs best", "not run"] in [line[:3] for line in spoken]


def test_the_page_names_the_data():
    assert "\nData: MNIST." in comparison_page(results(two_models(), plan()))
    of = plan(datasets=["digits"], models=["dcgmm-a"])
    text = comparison_page(results(tidy_frame(validated(rows("dcgmm-a", [90, 91], "digits"))), of))
    assert "Data: Digits. The paper has no numbers of Digits: not compared." in text
    assert totals(compare(results(validated(rows("dcgmm-a", [90, 91], "digits")), of)), "paper")[NOT_RUN] >= 44
