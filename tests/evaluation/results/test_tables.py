"""Tables of results: their cells, the numbers behind them, and what is left out."""

import numpy as np
import pandas as pd
import pytest

from evaluation.measures.tidy import tidy_frame, tidy_row
from evaluation.plan.limits import LeftOut
from evaluation.plan.plan import Plan
from evaluation.results.tables.classification import classification_table
from evaluation.results.tables.grid import grid_table
from evaluation.results.tables.inpainting import inpainting_table
from evaluation.results.tables.judge import judge_table
from evaluation.results.tables.outliers import outlier_class_table, outlier_table_dcgmm, outlier_table_models
from evaluation.results.tables.paired import paired_table
from evaluation.results.tables.table import printed
from tests.evaluation.made_up import grid, judged, plan, results, rows, two_models, validated

A = {"dcgmm-a": "DCGMM-A"}


def cells(table):
    return [list(map(str, row)) for row in printed(table).rows]


# --- outlier detection -----------------------------------------------------------------------------------------------


def test_table_1_has_published_and_both_areas():
    table = outlier_table_dcgmm(results(two_models()), {**A, "dcgmm-b": "DCGMM-B"})
    assert printed(table).columns == ["model", "MNIST published", "MNIST AUROC", "MNIST 100 thresholds"]
    assert cells(table) == [
        ["DCGMM-A", "95.4 ± 0.2", "95.5 ± 0.7 [95.0, 96.0]", "94.5 ± 0.7 [94.0, 95.0]"],
        ["DCGMM-B", "93.3 ± 0.5", "–", "–"],
    ]


def test_the_csv_has_the_numbers_that_the_cells_are_made_from():
    data = outlier_table_dcgmm(results(two_models()), A).data
    (first, second) = data.to_dict("records")
    assert (first["mean"], first["published"], first["n"], first["metric"]) == (95.5, 95.4, 2, "auroc")
    assert (second["mean"], second["low"], second["high"]) == (94.5, 94.0, 95.0)
    assert not [name for name in data if name.startswith("_")]


def test_the_caption_says_how_many_seeds_there_are():
    unfinished = tidy_frame([*rows("gmm", [1, 2, 3]), *two_models().query("model == 'dcgmm-a'").to_dict("records")])
    for metrics, seeds in ((two_models(), "2 seeds"), (unfinished, "2 to 3 seeds")):
        caption = outlier_table_models(results(metrics), {**A, "gmm": "G"}).caption
        assert f"; {seeds}. Intervals of few seeds" in caption


def test_table_2_splits_models_with_two_protocols():
    table = outlier_table_models(results(two_models()), {**A, "gmm": "GMM"})
    assert [row[0] for row in cells(table)] == ["DCGMM-A", "GMM"]
    table = outlier_table_models(results(grid()), {"gmm": "GMM"})
    assert [(row[0], row[2]) for row in cells(table)] == [
        ("GMM (paper)", "81.0 ± 1.4 [80.0, 82.0]"),
        ("GMM (clean)", "71.0 ± 1.4 [70.0, 72.0]"),
    ]


def test_the_caption_says_which_grids_are_not_finished():
    found = [*rows("pd-spn-normal", [80.0, 81.0], sums=5), *rows("pd-spn-normal", [70.0, 71.0], sums=20)]
    for grid_of, unfinished in (([5, 20, 40], True), ([5, 20], False)):
        of = plan({"pd-spn-normal": {"grid": {"sums": grid_of}}}, models=["pd-spn-normal"])
        caption = outlier_table_models(results(validated(found), of), {"pd-spn-normal": "PD-SPN"}).caption
        assert ("Not finished: PD-SPN (paper) on MNIST best of 2 of 3 grid points; PD" in caption) == unfinished


@pytest.mark.parametrize(("asked", "unfinished"), [([5, 20, 40], True), ([5, 20], False)])
def test_pairs_and_the_list_of_points_name_the_grids_that_are_not_finished(asked, unfinished):
    found = [*rows("pd-spn", [80, 81], protocol="paper", sums=5), *rows("pd-spn", [70, 71], protocol="paper", sums=20)]
    of = plan({"pd-spn": {"grid": {"sums": asked}}}, models=["dcgmm-a", "pd-spn"])
    made = results(validated([*found, *rows("dcgmm-a", [90, 91])]), Plan({**of.config, "protocols": ["paper"]}))
    shown = {**A, "pd-spn": "PD-SPN"}
    said = "Not finished: PD-SPN (paper) on MNIST best of 2 of 3 grid points."
    for table in (outlier_table_models, paired_table, grid_table):
        assert (said in table(made, shown).caption) == unfinished
    assert grid_table(made, shown).caption.startswith("Grid points so far" if unfinished else "All grid points")


def test_a_grid_without_a_result_is_not_all_grid_points():
    of = plan({"pd-spn": {"grid": {"sums": [5, 20]}}}, models=["dcgmm-a", "pd-spn"])
    made = results(validated(rows("dcgmm-a", [90, 91])), of)
    assert grid_table(made, {**A, "pd-spn": "PD-SPN"}).caption.startswith("Grid points so far, class 0 left out")
    assert grid_table(made, A).caption.startswith("All grid points")


def test_a_run_of_one_protocol_has_no_lines_of_the_other():
    of = Plan({**plan().config, "protocols": ["clean"]})
    table = outlier_table_models(results(grid(), of), {"gmm": "GMM"})
    assert [row[0] for row in cells(table)] == ["GMM (clean)"]
    assert {row[-1] for row in cells(grid_table(results(grid(), of), {"gmm": "GMM"}))} == {"", "clean"}


def test_no_number_of_the_paper_stands_beside_a_model_of_the_profile_s_own():
    own = {"my-a": {"extends": "dcgmm-a", "label": "DCGMM-A"}}
    settings = {name: {"datasets": ["mnist"], "models": ["my-a"]} for name in ("outliers", "judge")}
    of = Plan({"profile": "p", "seeds": 1, "models": own, "experiments": settings})
    found = [*validated(rows("my-a", [95.0, 96.0])), judged("my-a", 98.0)]
    made = results(found, of)
    for table in (outlier_table_dcgmm, judge_table):
        data = table(made, {"my-a": "DCGMM-A"}).data.query("model == 'my-a'")
        assert data["mean"].notna().any() and data["published"].isna().all()


def test_models_of_one_label_have_a_line_each():
    """Nobody forbids two entries of the same label; no number may vanish behind the other's."""
    table = outlier_table_models(results(two_models()), {"dcgmm-a": "Same", "gmm": "Same"})
    assert [row[2][:4] for row in cells(table)] == ["95.5", "88.0"]


def test_classes_left_out_in_turn():
    found = [*rows("gmm", [80, 82]), *rows("dcgmm-a", [5, 5]), *rows("gmm", [10, 12], outlier_class=3)]
    table = outlier_class_table(results(validated(found)), {"gmm": "GMM", **A})
    assert [[row[0], row[2], row[5]] for row in cells(table)] == [
        ["GMM", "81.0 ± 1.4 [80.0, 82.0]", "11.0 ± 1.4 [10.0, 12.0]"]
    ]
    assert set(table.data["outlier_class"]) == {0, 3}


def test_classes_left_out_in_turn_are_those_of_the_data_set(tmp_path, monkeypatch):
    """Twelve of them, the last two at 20.0."""
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    images = np.zeros((60, 4, 4), np.uint8)
    images[:, 0, 0] = 255
    np.savez(tmp_path / "mine.npz", x=images, y=np.arange(60) % 12)
    areas = [80.0] * 10 + [20.0] * 2
    found = [row for o, area in enumerate(areas) for row in rows("gmm", [area], "mine", outlier_class=o)]
    of = plan(datasets=["mine"], models=["gmm"], all_classes=["gmm"])
    table = outlier_class_table(results(validated(found), of), {"gmm": "GMM"})
    assert printed(table).columns[2:] == [f"class {label}" for label in range(12)]
    assert cells(table) == [["GMM", "mine", *["80.0"] * 10, *["20.0"] * 2]]


# --- the grid --------------------------------------------------------------------------------------------------------


def test_a_clean_run_has_no_points_that_were_chosen_on_test_images():
    made = results(grid(), Plan({**plan(models=["dcgmm-a", "gmm"]).config, "protocols": ["clean"]}))
    again = grid().assign(params=lambda frame: frame["params"].str.replace('"outlier_class":0', '"outlier_class":1'))
    both = results(pd.concat([grid(), again]), made.plan)
    assert list(outlier_class_table(both, {"gmm": "GMM"}).data["mean"]) == [71.0, 71.0]
    deep = grid().assign(model="dcgmm-a")
    mixed = results(pd.concat([deep, tidy_frame(validated(rows("gmm", [60, 62])))]), made.plan)
    (row,) = paired_table(mixed, {**A, "gmm": "GMM"}).data.to_dict("records")
    assert row["mean"] == 10.0


def test_every_grid_point_is_listed_with_who_chose_it():
    table = grid_table(results(grid()), {"gmm": "GMM"})
    frame = table.data
    assert list(frame["auroc"]) == [81.0, 71.0, 54.5]
    assert list(frame["auroc_validation"]) == [60.0, 65.0, 1.0]
    assert (list(frame["auroc_low"]), list(frame["auroc_high"])) == ([80.0, 70.0, 10.0], [82.0, 72.0, 99.0])
    assert list(frame["chosen_by"]) == ["paper", "clean", ""]
    assert [row[3] for row in cells(table)] == ["depth 1", "depth 2", "depth 3"]


def test_the_table_of_the_grid_says_what_was_left_out_and_why():
    point = LeftOut("gmm", "mnist", '{"depth":9}', "8.003 GFLOP per image (limit 1)")
    made = results(grid())
    made.plan.left_out[point] = None
    table = grid_table(made, {"gmm": "GMM"})
    assert cells(table)[-1] == ["GMM", "MNIST", "–", "depth 9", "–", "–", f"left out: {point.reason}"]
    assert list(table.data["left_out"].dropna()) == [point.reason]
    assert "1 points" in table.caption


# --- pairs -----------------------------------------------------------------------------------------------------------


def pairs():
    """The DCGMM wins with seeds 0 and 1, loses with seed 2; the rival has a fourth seed, and a second, worse point."""
    found = rows("dcgmm-a", [90, 91, 80]) + rows("gmm", [85, 88, 82, 0], depth=1) + rows("gmm", [1, 1, 1, 1], depth=2)
    return tidy_frame(validated(found))


def test_pairs_are_compared_seed_by_seed_at_the_chosen_points():
    table = paired_table(results(pairs()), {**A, "gmm": "GMM"})
    (first, _) = table.data.to_dict("records")
    assert (first["n"], first["mean"], first["wins"], first["protocol"]) == (3, 2.0, 2, "paper")
    assert first["low"] < 0 < first["high"]
    assert cells(table)[0] == ["GMM (paper)", "MNIST", "+2.0 [-2.0, +5.0] (n 3, p 0.5)"]


def test_a_pair_without_a_common_seed_is_a_dash():
    gmm = [{**row, "seed": row["seed"] + 7} for row in rows("gmm", [5, 6])]
    table = paired_table(results(validated([*rows("dcgmm-a", [90, 91]), *gmm])), {**A, "gmm": "GMM"})
    assert cells(table) == [["GMM", "MNIST", "–"]]
    assert table.data.empty


# --- where a number comes from ---------------------------------------------------------------------------------------


def test_every_number_knows_its_tidy_rows():
    metrics = grid()
    number = printed(outlier_table_models(results(metrics), {"gmm": "GMM"})).rows[1][2]
    (source,) = number.sources
    assert list(source.rows(metrics)["value"]) == [70, 72]
    published = printed(outlier_table_dcgmm(results(two_models()), A)).rows[0][1]
    assert published == "95.4 ± 0.2" and not published.sources  # it is the paper's
    pair = printed(paired_table(results(pairs()), {**A, "gmm": "G"})).rows[0][2]
    assert [list(source.rows(pairs())["value"]) for source in pair.sources] == [[90, 91, 80], [85, 88, 82, 0]]


def test_anchors_differ_where_sources_do():
    lines = printed(grid_table(results(grid()), {"gmm": "GMM"})).rows
    found = {number.sources[0].anchor for row in lines for number in row[4:6]}
    assert len(found) == 6
    assert all(set(anchor) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.") for anchor in found)


# --- models that were still annealing --------------------------------------------------------------------------------


def annealed(model, sigma, dataset="mnist"):
    return [*rows(model, [80, 82], dataset), *rows(model, [0.01, sigma], dataset, metric="sigma_layer_1")]


def test_a_row_of_models_that_were_still_annealing_is_named_and_not_printed():
    made = results(
        validated([*annealed("dcgmm-a", 0.01), *annealed("dcgmm-b", 0.41)]), plan(models=["dcgmm-a", "dcgmm-b"])
    )
    table = outlier_table_dcgmm(made, {**A, "dcgmm-b": "DCGMM-B"})
    shown = printed(table)
    assert [row[0] for row in shown.rows] == ["DCGMM-A"]
    assert "Left out, still annealing when training ended: DCGMM-B on MNIST (σ 0.41)." in shown.caption
    assert list(table.data.query("metric == 'auroc'")["mean"]) == [81.0, 81.0]  # the CSV has the number, and says so
    assert list(table.data.query("metric == 'auroc'")["annealing"]) == ["", "σ 0.41"]


def test_of_a_model_that_converged_on_one_data_set_the_other_is_a_dash():
    found = [*annealed("dcgmm-a", 0.01), *annealed("dcgmm-a", 0.3, "fashion_mnist")]
    table = outlier_table_dcgmm(results(validated(found)), A)
    assert cells(table) == [["DCGMM-A", "95.4 ± 0.2", "81.0 ± 1.4 [80.0, 82.0]", "–", "62.2 ± 0.3", "–", "–"]]
    assert "DCGMM-A on Fashion-MNIST (σ 0.30)" in printed(table).caption


@pytest.mark.parametrize(("sigma", "end", "left_out"), [(0.13, 0.01, False), (0.3, 0.01, True), (0.3, 0.3, False)])
def test_an_annealing_is_over_where_smoothing_has_no_effect_or_at_its_own_end(sigma, end, left_out):
    made = results(validated(annealed("dcgmm-a", sigma)), plan({"dcgmm-a": {"params": {"sigma_end": end}}}))
    assert bool(made.annealing("outliers", "mnist", "dcgmm-a")) == left_out


def test_pairs_of_a_model_that_was_still_annealing_are_dashes():
    found = [*annealed("dcgmm-a", 0.5), *rows("gmm", [5, 6])]
    table = paired_table(results(validated(found)), {**A, "gmm": "GMM"})
    assert cells(table) == [] and "DCGMM-A on MNIST (σ 0.50)" in printed(table).caption


# --- other tables ----------------------------------------------------------------------------------------------------


def test_table_3_has_models_and_real_images():
    found = [judged("rat-spn", value, seed=seed, judge=judge, protocol="paper") for seed, judge, value in
             [(0, 0, 90), (0, 1, 92), (1, 0, 94), (1, 1, 96)]]  # fmt: skip
    found += [judged("real test images", 99, judge=judge) for judge in (0, 1)]
    found += [judged("rat-spn", 90, protocol="paper", metric="judge_accuracy_class_3")]
    table = judge_table(results(found), {"rat-spn": "RAT-SPN", "gmm": "GMM"})
    shown = printed(table)
    assert shown.columns[:4] == ["samples", "MNIST published", "MNIST accuracy", "MNIST ± over judges"]
    lines = {row[0]: row for row in cells(table)}
    assert lines["RAT-SPN (paper)"][2] == "93.0 ± 2.8 [91.0, 95.0]"
    assert lines["real test images"][2] == "99.0 ± 0.0" and lines["GMM"][2] == "–"
    assert "2 judges, averaged for each training" in table.caption
    assert "judge_accuracy_class_3" in set(table.data["metric"])


def completion_row(model, seed, metric, value, dataset="mnist", protocol="both", **params):
    return tidy_row(
        protocol=protocol, experiment="inpainting", dataset=dataset, model=model, seed=seed, metric=metric, value=value,
        params=params,
    )  # fmt: skip


def test_table_of_completions_has_a_row_for_each_model_mask_and_variant():
    found = [
        completion_row("dcgmm-a", seed, metric, value + 0.01 * seed, mask=mask, variant=variant)
        for seed in (0, 1)
        for mask in ("left", "right")
        for variant, values in (("paper", (0.071, 0.588)), ("conditional", (0.053, 0.725)))
        for metric, value in zip(("mse", "ssim"), values, strict=True)
    ]
    found += [
        completion_row("gmm", 0, "mse", 0.5, mask="right", protocol="clean"),
        completion_row("dcgmm-a", 0, "mse", 0.2, "digits", mask="right", variant="paper"),
        completion_row("dcgmm-a", 0, "mse", 9.0, mask="right", variant="paper", subset="only3"),
        completion_row("vae", 0, "mse", 9.0, mask="right"),
    ]
    table = inpainting_table(results(found), {"gmm": "GMM", **A})
    shown = printed(table)
    assert shown.columns == ["model", "erased", "variant", "MNIST MSE", "MNIST SSIM", "Digits MSE", "Digits SSIM"]
    assert [row[:3] for row in cells(table)] == [
        ["GMM (clean)", "right half", "–"],
        ["DCGMM-A", "right half", "paper"],
        ["DCGMM-A", "right half", "conditional"],
        ["DCGMM-A", "left half", "paper"],
        ["DCGMM-A", "left half", "conditional"],
    ]
    assert cells(table)[0][3:] == ["0.500", "–", "–", "–"]
    assert cells(table)[1][3:] == ["0.076 ± 0.007 [0.071, 0.081]", "0.593 ± 0.007 [0.588, 0.598]", "0.200", "–"]
    assert len(table.data) == 10 and set(table.data["metric"]) == {"mse", "ssim"}
    (source,) = shown.rows[1][3].sources
    assert list(source.rows(tidy_frame(found))["value"]) == pytest.approx([0.071, 0.081])


def accuracy(values, **params):
    return [
        tidy_row(
            protocol="both", experiment="classification", dataset="mnist", model="dcgmm-b-classifier", seed=seed,
            metric="accuracy", value=value, params=params,
        )
        for seed, value in enumerate(values)
    ]  # fmt: skip


def test_table_4_marks_the_literature():
    table = classification_table(results(accuracy((97.0, 98.0))), {"dcgmm-b-classifier": "DCGMM-B"})
    assert cells(table)[0] == ["DCGMM-B", "98.0 ± 0.1", "97.5 ± 0.7 [97.0, 98.0]", "89.6 ± 0.2", "–"]
    assert cells(table)[1][:3] == ["RAT-SPN (literature)", "98.19", "–"]
    assert [row[0] for row in cells(table)[1:]] == ["RAT-SPN (literature)", "DGC-SPN (literature)"]
    assert list(table.data["source"]) == ["run"] * 2 + ["literature"] * 4


@pytest.mark.parametrize("order", [1, -1])
def test_the_model_of_the_catalogue_is_the_one_without_a_point(order):
    """Not the one with the shortest parameters: a point may be short, and come first."""
    found = [accuracy((97.0, 98.0)), accuracy((10.0, 20.0), k=1)][::order]
    made = results([row for some in found for row in some])
    wanted = ("classification", "mnist", "dcgmm-b-classifier", "accuracy", "paper")
    assert made.value(*wanted).mean == 97.5
    assert results(accuracy((10.0,), k=1)).value(*wanted) is None
    flags = made.rows[["params", "as_in_catalogue"]].drop_duplicates()
    assert dict(flags.itertuples(index=False)) == {"{}": True, '{"k":1}': False}


def test_results_refuse_rows_that_stand_there_twice():
    from evaluation.base.errors import UserError

    twice = pd.concat([two_models(), two_models().iloc[:1]])
    with pytest.raises(UserError, match="2 rows are about the same result"):
        results(twice)
