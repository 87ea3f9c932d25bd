"""What a profile changes in a model of the catalogue, in words."""

import pytest

from evaluation.results.changes import changes
from evaluation.results.comparison import compare, comparison_frame
from tests.evaluation.made_up import plan, results, rows, validated


def compared(metrics, of):
    return comparison_frame(compare(results(metrics, of)))


def cell(frame, table, model, dataset="mnist", protocol="paper"):
    found = frame.query("table == @table and model == @model and dataset == @dataset and protocol == @protocol")
    return found.iloc[0]


def of_rat_spn(entry, grid=True):
    return plan({"rat-spn": entry}, models=["rat-spn"], grid=grid)


def test_changes_of_one_protocol_are_said_of_this_one():
    of = of_rat_spn({"protocols": {"paper": {"pixels": "unit", "epochs": 1}, "clean": {}}})
    assert changes(of, "rat-spn") == "epochs 1 instead of 25 (paper)"
    assert changes(of, "rat-spn", protocol="paper") == "epochs 1 instead of 25"
    assert changes(of, "rat-spn", protocol="clean") == changes(plan(models=["rat-spn"]), "rat-spn") == ""
    found = [row for protocol in ("paper", "clean") for row in rows("rat-spn", [80, 81], protocol=protocol)]
    frame = compared(validated(found), of)
    remarks = [cell(frame, "table_2", "RAT-SPN", protocol=protocol)["remark"] for protocol in ("paper", "clean")]
    assert ["epochs 1 instead of 25" in remark for remark in remarks] == [True, False]


def test_a_protocol_that_loses_a_parameter_is_a_change():
    of = of_rat_spn({"protocols": {"paper": {"epochs": 1}}})
    assert changes(of, "rat-spn", protocol="paper") == "epochs 1 instead of 25, pixels counts instead of unit"
    assert changes(of_rat_spn({"protocols": {}}), "rat-spn") == "pixels counts instead of unit (paper)"


def test_a_parameter_that_the_profile_takes_away_is_a_change():
    of = plan({"dcgmm-e": {"one_class": {}}})
    assert (changes(of, "dcgmm-e"), changes(of, "dcgmm-e", one_class=True)) == ("", "no iterations instead of 10000")


def test_epochs_of_one_class_are_said_where_other_classes_train_iterations():
    of = plan({"dcgmm-e": {"params": {"iterations": 600}, "one_class": {"epochs": 3}}})
    assert set(changes(of, "dcgmm-e", one_class=True).split(", ")) == {
        "epochs 3 instead of 80",
        "no iterations instead of 10000",
    }


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({"sums": [5], "depth": [9, 5, 1], "repetitions": [10, 25, 40]}, "sums 5 instead of 5, 20 or 40"),
        (
            {"epochs": [1, 2]},
            "sums 10 instead of 5, 20 or 40, depth 4 instead of 1, 5 or 9, epochs 1 or 2 instead of 25, "
            "repetitions 10 instead of 10, 25 or 40",
        ),
    ],
)
def test_another_grid_is_a_change_where_it_is_tried(grid, words):
    assert sorted(changes(of_rat_spn({"grid": grid}), "rat-spn").split(", ")) == sorted(words.split(", "))
    assert changes(of_rat_spn({"grid": grid}), "rat-spn", one_class=True) == ""
    assert changes(of_rat_spn({"grid": grid}, grid=False), "rat-spn") == ""


def test_beside_counts_only_the_grids_of_sizes_are_said():
    of = of_rat_spn({"grid": {"sums": [5], "epochs": [1], "depth": [1, 5, 9], "repetitions": [10, 25, 40]}})
    assert changes(of, "rat-spn", sizes=True) == "sums 5 instead of 5, 20 or 40"


def test_where_a_model_is_computed_is_no_change_and_another_class_is_one():
    assert changes(of_rat_spn({"params": {"device": "cpu", "memory_limit": 10**9}}), "rat-spn") == ""
    assert "factory baselines.einsum:PdSpn instead of baselines.einsum:RatSpn" in changes(
        of_rat_spn({"factory": "baselines.einsum:PdSpn"}), "rat-spn"
    )
