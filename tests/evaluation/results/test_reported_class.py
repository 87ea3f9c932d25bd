"""A profile that does not leave out class 0: its tables and figures report the first of its classes, and name it."""

import pytest

from evaluation.measures.tidy import tidy_row
from evaluation.results.against import against
from evaluation.results.claims import claims
from evaluation.results.comparison import compare, comparison_frame
from evaluation.results.figures.course import draw_course
from evaluation.results.figures.heat_map import draw_heat_map
from evaluation.results.outputs import TABLE, items
from evaluation.results.tables.grid import grid_table
from evaluation.results.tables.outliers import outlier_class_table, outlier_table_dcgmm, outlier_table_models
from evaluation.results.tables.paired import paired_table
from evaluation.results.tables.table import printed
from tests.evaluation.made_up import grid, plan, results, rows, two_models, validated

LABELS = {"dcgmm-a": "DCGMM-A", "gmm": "GMM"}
TABLES = (outlier_table_dcgmm, outlier_table_models, paired_table, grid_table)


def of_class(label):
    """DCGMM-A and a mixture on MNIST, with this class left out."""
    found = [*rows("dcgmm-a", [95.0, 96.0], outlier_class=label), *rows("gmm", [88.0, 88.0], outlier_class=label)]
    return validated(found)


def cells(table):
    return [list(map(str, row)) for row in printed(table).rows]


@pytest.mark.parametrize(
    ("settings", "reported"),
    [
        ({}, 0),
        ({"outlier_classes": [4, 0]}, 0),
        ({"outlier_classes": [4, 1]}, 4),
        ({"outlier_classes": [4], "all_classes": ["gmm"]}, 4),  # the others have no class 0
        ({"outlier_classes": [4], "all_classes": ["dcgmm-a", "dcgmm-e", "gmm"]}, 0),
    ],
)
def test_class_0_is_reported_where_every_model_has_it_else_the_first(settings, reported):
    assert results([], plan(**settings)).outlier_class == reported


def test_tables_have_the_numbers_of_the_class_and_name_it():
    """They were of class 0 alone: dashes, "class 0 left out … 0 seeds", after all of the trainings."""
    made = results(of_class(1), plan(outlier_classes=[1]))
    assert cells(outlier_table_dcgmm(made, {"dcgmm-a": "DCGMM-A"})) == [
        ["DCGMM-A", "–", "95.5 ± 0.7 [95.0, 96.0]", "–"]
    ]
    assert [row[:3] for row in cells(outlier_table_models(made, LABELS))] == [
        ["DCGMM-A", "–", "95.5 ± 0.7 [95.0, 96.0]"],
        ["GMM", "–", "88.0 ± 0.0 [88.0, 88.0]"],
    ]
    assert [row[2][:4] for row in cells(paired_table(made, LABELS))] == ["+7.5"]
    assert [row[4][:4] for row in cells(grid_table(made, LABELS))] == ["95.5", "88.0"]
    for table in TABLES:
        caption = table(made, LABELS).caption
        assert "class 1 left out" in caption and "class 0" not in caption and "0 seeds" not in caption
    assert "; 2 seeds." in outlier_table_models(made, LABELS).caption
    captions = {item.output.name: item.caption(made.plan) for item in items(made.plan, TABLE).values()}
    assert "trained without class 1, which is the outlier" in captions["table_1"]


def test_a_number_of_the_paper_stands_beside_class_0_only():
    shown = outlier_table_dcgmm(results(two_models(), plan(outlier_classes=[4, 0])), LABELS)
    assert shown.data["published"].notna().any()
    shown = outlier_table_dcgmm(results(of_class(4), plan(outlier_classes=[4, 1])), LABELS)
    assert len(shown.data) and shown.data["published"].isna().all()


def test_the_comparison_and_the_claims_stay_at_class_0():
    made = results(of_class(1), plan(outlier_classes=[1]))
    frame = comparison_frame(compare(made)).query("table == 'table_1' and metric == 'auroc' and dataset == 'mnist'")
    (remark,) = set(frame.query("model == 'DCGMM-A'")["remark"])
    assert frame["ours"].isna().all() and remark == "class 0 is not left out in this profile"
    assert {claim.verdict for claim in claims(made)} == {"not run"}


def test_a_grid_is_finished_or_not_in_the_class_that_is_reported():
    found = [*rows("gmm", [80.0], outlier_class=4, depth=1), *rows("gmm", [70.0], outlier_class=4, depth=2)]
    found += rows("gmm", [70.0], outlier_class=1, depth=1)
    for classes, unfinished in (([4, 1], False), ([1, 4], True)):
        of = plan({"gmm": {"grid": {"components": [1, 2]}}}, models=["gmm"], outlier_classes=classes)
        named = [{**row, "params": row["params"].replace("depth", "components")} for row in found]
        table = grid_table(results(validated(named), of), {"gmm": "GMM"})
        assert ("best of 1 of 2 grid points" in table.caption) == unfinished
        assert table.caption.startswith("Grid points so far" if unfinished else "All grid points")


def test_heat_maps_and_the_course_are_of_the_class_and_name_it():
    other = grid().assign(params=lambda frame: frame["params"].str.replace('"outlier_class":0', '"outlier_class":4'))
    figure = draw_heat_map(results(other, plan(outlier_classes=[4])), "gmm", "GMM")
    assert [text.get_text() for text in figure.axes[0].texts] == ["81.0", "71.0", "54.5"]
    assert figure._suptitle.get_text() == "GMM: AUROC in percent, class 4 left out"
    assert draw_heat_map(results(grid()), "gmm", "GMM")._suptitle.get_text() == "GMM: AUROC in percent"
    followed = [
        tidy_row(
            protocol="both", experiment="course", dataset="mnist", model="dcgmm-a", seed=0, metric="auroc_layer_0",
            params={"outlier_class": label, "step": 9}, value=50.0 + label,
        )
        for label in (1, 4)
    ]  # fmt: skip
    scored = [*rows("dcgmm-a", [90.0, 91.0], outlier_class=4), *rows("dcgmm-e", [90.0], outlier_class=1)]
    figure, words = draw_course(results([*followed, *scored], plan(outlier_classes=[4, 1])))
    (line,) = figure.axes[0].lines
    assert list(line.get_ydata()) == [54.0]
    assert words == "Class 4 left out. Not followed in training: DCGMM-A on MNIST, seed 1."


def test_numbers_of_different_classes_are_not_held_against_each_other():
    first, second = results(two_models(), plan()), results(of_class(1), plan(outlier_classes=[1]))
    cells = [
        (c.label, c.what, c.first[2], c.second[2]) for c in against(first, second) if c.what != "auroc_100_thresholds"
    ]
    assert cells == [
        ("DCGMM-A", "auroc", 2, 0), ("DCGMM-A", "auroc, class 1", 0, 2),
        ("GMM", "auroc", 2, 0), ("GMM", "auroc, class 1", 0, 2),
    ]  # fmt: skip
    assert all(cell.difference == 0 for cell in against(second, second)) and against(second, second)


def test_of_several_classes_the_first_is_not_listed_twice():
    of = plan(outlier_classes=[4, 1])
    made = results([*of_class(4), *of_class(1)], of)
    assert set(outlier_class_table(made, LABELS).data["outlier_class"]) == {1, 4}
    said = [(c.table, c.label, c.what) for c in against(made, made)]
    assert said == [
        ("Table I", "DCGMM-A", "auroc, class 4"),
        ("Every class left out in turn", "DCGMM-A", "class 1"),
        ("Every class left out in turn", "GMM", "class 1"),
        ("Table II", "GMM", "auroc, class 4"),
    ]


def test_the_table_of_classes_names_grids_that_are_not_finished():
    def areas(model, *classes, components):
        return [row for o in classes for row in rows(model, [80.0], outlier_class=o, components=components)]

    of = plan({"gmm": {"grid": {"components": [1, 2]}}}, models=["dcgmm-a", "gmm"], outlier_classes=[0, 1, 2, 3])
    whole = [*rows("dcgmm-a", [90.0]), *rows("dcgmm-a", [91.0], outlier_class=1)]
    cases = [
        ([0, 1, 2], [0, 1, 2], ""),
        ([0, 1, 2], [0], "Not finished: GMM on MNIST best of 1 of 2 grid points (classes 1, 2)."),
        ([0, 1, 2], [0, 2], "Not finished: GMM on MNIST best of 1 of 2 grid points (class 1)."),
        ([0, 1, 2], [], "Not finished: GMM on MNIST best of 1 of 2 grid points."),
        ([0], [], ""),  # which is no line of the table
    ]
    for first, second, said in cases:
        found = [*whole, *areas("gmm", *first, components=1), *areas("gmm", *second, components=2)]
        caption = outlier_class_table(results(validated(found), of), LABELS).caption
        assert said in caption and ("Not finished" in caption) == bool(said)
