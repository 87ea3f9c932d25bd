"""The choice of grid points."""

import pytest

from evaluation.measures.tidy import tidy_frame
from evaluation.results.selection import PROTOCOLS, chosen, points, reported
from evaluation.results.tables.grid import grid_table
from evaluation.results.tables.table import printed
from tests.evaluation.made_up import grid, results, rows, validated


def choice(metrics, protocol):
    (point,) = chosen(points(results(metrics)), protocol).values()
    return point.point, point.values["auroc"].mean


@pytest.mark.parametrize(("protocol", "depth", "mean"), [("paper", 1, 81.0), ("clean", 2, 71.0)])
def test_grid_points_are_chosen_by_the_mean_over_seeds(protocol, depth, mean):
    assert choice(grid(), protocol) == (f'{{"depth":{depth}}}', mean)


def test_points_that_have_not_finished_are_not_chosen():
    """The only seed of a fourth point is the best of all."""
    found = [*grid().to_dict("records"), *rows("gmm", [99], depth=4)]
    found += rows("gmm", [99], depth=4, metric="auroc_validation")
    for protocol, depth in (("paper", 1), ("clean", 2)):
        assert choice(found, protocol)[0] == f'{{"depth":{depth}}}'
    table = grid_table(results(found), {"gmm": "GMM"})
    assert [row[-1] for row in printed(table).rows] == ["paper", "clean", "", "incomplete: 1 of 2 seeds"]
    assert list(table.data["n"]) == [2, 2, 2, 1]
    assert "Incomplete points take no part" in table.caption
    assert "Incomplete" not in grid_table(results(grid()), {"gmm": "GMM"}).caption


def test_of_equally_good_points_the_first_is_taken():
    found = [*rows("gmm", [80], depth=9), *rows("gmm", [80], depth=1)]
    assert {choice(validated(found), protocol)[0] for protocol in PROTOCOLS} == {'{"depth":9}'}


def test_a_protocol_sees_only_its_own_results():
    found = rows("gmm", [80], protocol="paper") + rows("gmm", [70], protocol="clean")
    for protocol, value in (("paper", 80.0), ("clean", 70.0)):
        assert choice(validated(found), protocol)[1] == value


def test_other_outlier_classes_do_not_mix_in():
    found = tidy_frame(validated(rows("gmm", [80, 82]) + rows("gmm", [10, 12], outlier_class=3)))
    made = results(found)
    assert reported(made, "paper")["mnist", "gmm", "auroc"].mean == 81.0
    assert reported(made, "paper", 3)["mnist", "gmm", "auroc"].mean == 11.0
