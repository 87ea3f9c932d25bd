"""From scores to tables, figures and verdicts, on numbers made up for the purpose."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.base.errors import UserError
from evaluation.cli import main
from evaluation.jobs.score import read_scores, write_scores
from evaluation.measures.metrics import auroc, tidy_frame, tidy_row
from evaluation.measures.outliers import inliers_and_outliers, outlier_class, outlier_rows
from evaluation.plan.config import Plan
from evaluation.plan.grid_cost import LeftOut
from evaluation.plan.runs import read_runs, write_runs
from evaluation.results.claims import claims
from evaluation.results.compare import (
    CLOSE,
    NOT_REPRODUCED,
    NOT_RUN,
    REPRODUCED,
    changes,
    compare,
    compare_variants,
    page,
    verdict,
)
from evaluation.results.numbers import as_printed, with_std
from evaluation.results.selection import selected_results
from evaluation.results.tables.outliers import (
    grid_table,
    outlier_class_table,
    outlier_table_dcgmm,
    outlier_table_models,
    paired_table,
)
from evaluation.results.tables.writing import latex, markdown, write

RECORD = {
    "name": "dcgmm-a",
    "model": "dcgmm-a",
    "protocol": "both",
    "point": {},
    "dataset": "mnist",
    "subset": "not0",
    "seed": 0,
    "parameters": 10,
    "seconds": 1.5,
}


def scores(seed=0, shift=1.0):
    rng = np.random.default_rng(seed)
    label = np.tile(np.arange(10), 40)
    frame = pd.DataFrame({"split": np.repeat(["validation", "test"], 200), "label": label})
    frame["layer_0"] = rng.normal(size=400)
    frame["score"] = frame["layer_1"] = rng.normal(size=400) + shift * (label != 0)
    return frame


def rows(model, values, dataset="mnist", protocol="both", metric="auroc", **point):
    params = {"outlier_class": 0, **point}
    return [
        tidy_row(
            protocol=protocol,
            experiment="outliers",
            dataset=dataset,
            model=model,
            params=params,
            seed=seed,
            metric=metric,
            value=value,
        )
        for seed, value in enumerate(values)
    ]


def plan(**outliers):
    settings = {"datasets": ["mnist"], "models": ["dcgmm-a", "dcgmm-e", "gmm"], **outliers}
    return Plan({"profile": "test", "seeds": 2, "experiments": {"outliers": settings}})


# --- metrics ---------------------------------------------------------------------------------------------------------


def test_the_class_left_out_is_the_outlier():
    frame = scores()
    inliers, outliers = inliers_and_outliers(frame, "test", "not0")
    test = frame[frame["split"] == "test"]
    assert sorted(inliers) == sorted(test["score"][test["label"] != 0])
    assert sorted(outliers) == sorted(test["score"][test["label"] == 0])
    assert outlier_class("not7") == 7
    for subset in ("all", "only3", "not"):
        with pytest.raises(UserError, match=subset):
            outlier_class(subset)


def test_every_layer_has_its_row():
    frame = scores()
    values = {row["metric"]: row["value"] for row in outlier_rows(frame, RECORD)}
    assert values["auroc"] == values["auroc_layer_1"] == auroc(*inliers_and_outliers(frame, "test", "not0"))
    assert values["auroc_layer_0"] == auroc(*inliers_and_outliers(frame, "test", "not0", "layer_0"))
    assert values["auroc_validation"] == auroc(*inliers_and_outliers(frame, "validation", "not0"))
    assert values["auroc_validation"] != values["auroc"]
    assert values["log_likelihood"] == inliers_and_outliers(frame, "test", "not0")[0].mean()
    assert {"auroc_100_thresholds", "auroc_100_thresholds_layer_0", "parameters", "seconds"} <= values.keys()
    annealed = {row["metric"]: row["value"] for row in outlier_rows(frame, {**RECORD, "sigmas": [0.01, 0.5]})}
    assert (annealed["sigma_layer_0"], annealed["sigma_layer_1"]) == (0.01, 0.5)
    assert not any(metric.startswith("sigma") for metric in values)


def test_runs_on_a_command_line_there_and_back():
    runs = [("b+x=1", "not0", 0), ("a", "not0", 0), ("a", "not0", 1), ("a", "not1", 0), ("a", "not1", 1)]
    words = write_runs(runs)
    assert words == ["b+x=1:not0:0", "a:not0,not1:0,1"]
    assert sorted(read_runs(words)) == sorted(runs)
    with pytest.raises(UserError, match="VARIANT:SUBSETS:SEEDS"):
        list(read_runs(["a:not0"]))


def test_outliers_from_the_command_line(tmp_path):
    for seed in (0, 1):
        path = tmp_path / f"scores/mnist/not0/dcgmm-a/seed{seed}.parquet"
        write_scores(path, scores(seed), {**RECORD, "seed": seed})
        pd.testing.assert_frame_equal(read_scores(path)[0], scores(seed))
    common = [
        "outliers",
        "--dataset",
        "mnist",
        "--scores",
        str(tmp_path / "scores"),
        "--out",
        str(tmp_path / "o.parquet"),
    ]
    assert main([*common, "--run", "dcgmm-a:not0:0,1"]) == 0
    frame = pd.read_parquet(tmp_path / "o.parquet")
    assert list(frame["seed"].unique()) == [0, 1]
    assert set(frame["params"]) == {'{"outlier_class":0}'}
    assert main([*common, "--run", "dcgmm-a:not0:0,1,2"]) != 0


# --- selection -------------------------------------------------------------------------------------------------------


def grid():
    """Point 1 is best on test, point 2 on validation; point 3 has the best single seed."""
    test = {1: [80, 82], 2: [70, 72], 3: [10, 99]}
    validation = {1: [60, 60], 2: [65, 65], 3: [1, 1]}
    found = []
    for depth in (1, 2, 3):
        found += rows("gmm", test[depth], depth=depth)
        found += rows("gmm", validation[depth], depth=depth, metric="auroc_validation")
    return tidy_frame(found)


@pytest.mark.parametrize(("protocol", "depth", "mean"), [("paper", 1, 81.0), ("clean", 2, 71.0)])
def test_grid_points_are_chosen_by_the_mean_over_seeds(protocol, depth, mean):
    chosen = selected_results(grid(), protocol).query("metric == 'auroc'")
    assert list(chosen["point"]) == [json.dumps({"depth": depth}, separators=(",", ":"))]
    assert list(chosen["mean"]) == [mean]


def test_points_that_have_not_finished_are_not_chosen():
    """The only seed of a fourth point is the best of all."""
    found = [*grid().to_dict("records"), *rows("gmm", [99], depth=4)]
    found += rows("gmm", [99], depth=4, metric="auroc_validation")
    metrics = tidy_frame(found)
    for protocol, depth in (("paper", 1), ("clean", 2)):
        assert set(selected_results(metrics, protocol)["point"]) == {f'{{"depth":{depth}}}'}
    table = grid_table(metrics, {"gmm": "GMM"})
    assert [row[-1] for row in table.rows] == ["paper", "clean", "", "incomplete: 1 of 2 seeds"]
    assert list(table.data["n"]) == [2, 2, 2, 1]
    assert "Incomplete points take no part" in table.caption
    assert "Incomplete" not in grid_table(grid(), {"gmm": "GMM"}).caption


def test_a_protocol_sees_only_its_own_results():
    found = rows("gmm", [80], protocol="paper") + rows("gmm", [70], protocol="clean")
    found += rows("gmm", [1], protocol="paper", metric="auroc_validation")
    found += rows("gmm", [1], protocol="clean", metric="auroc_validation")
    for protocol, value in (("paper", 80.0), ("clean", 70.0)):
        assert list(selected_results(tidy_frame(found), protocol).query("metric == 'auroc'")["mean"]) == [value]


def test_other_outlier_classes_do_not_mix_in():
    found = rows("gmm", [80, 82]) + rows("gmm", [10, 12], outlier_class=3)
    found += rows("gmm", [1, 1], metric="auroc_validation") + rows(
        "gmm", [9, 9], metric="auroc_validation", outlier_class=3
    )
    assert list(selected_results(tidy_frame(found), "paper").query("metric == 'auroc'")["mean"]) == [81.0]


# --- tables ----------------------------------------------------------------------------------------------------------


def two_models():
    found = rows("dcgmm-a", [95.0, 96.0]) + rows("dcgmm-a", [94.0, 95.0], metric="auroc_100_thresholds")
    found += rows("dcgmm-a", [90, 90], metric="auroc_validation") + rows("gmm", [88.0, 88.0])
    found += rows("gmm", [80, 80], metric="auroc_validation")
    return tidy_frame(found)


def test_table_1_has_published_and_both_areas():
    table = outlier_table_dcgmm(two_models(), {"dcgmm-a": "DCGMM-A", "dcgmm-b": "DCGMM-B"})
    assert list(table.columns) == ["model", "MNIST published", "MNIST AUROC", "MNIST 100 thresholds"]
    assert list(map(list, table.rows)) == [
        ["DCGMM-A", "95.4 ± 0.2", "95.5 ± 0.7 [95.0, 96.0]", "94.5 ± 0.7 [94.0, 95.0]"],
        ["DCGMM-B", "93.3 ± 0.5", "–", "–"],
    ]


def test_the_caption_says_how_many_seeds_there_are():
    unfinished = tidy_frame([*rows("gmm", [1, 2, 3]), *two_models().query("model == 'dcgmm-a'").to_dict("records")])
    for metrics, seeds in ((two_models(), "2 seeds"), (unfinished, "2 to 3 seeds")):
        caption = outlier_table_models(metrics, {"dcgmm-a": "A", "gmm": "G"}).caption
        assert f"; {seeds}. Intervals of few seeds" in caption


def test_table_2_splits_models_with_two_protocols():
    table = outlier_table_models(two_models(), {"dcgmm-a": "DCGMM-A", "gmm": "GMM"})
    assert [row[0] for row in table.rows] == ["DCGMM-A", "GMM"]
    table = outlier_table_models(grid(), {"gmm": "GMM"})
    assert [(row[0], row[2]) for row in table.rows] == [
        ("GMM (paper)", "81.0 ± 1.4 [80.0, 82.0]"),
        ("GMM (clean)", "71.0 ± 1.4 [70.0, 72.0]"),
    ]


def test_every_grid_point_is_listed_with_who_chose_it():
    frame = grid_table(grid(), {"gmm": "GMM"}).data
    assert list(frame["auroc"]) == [81.0, 71.0, 54.5]
    assert list(frame["auroc_validation"]) == [60.0, 65.0, 1.0]
    assert (list(frame["auroc_low"]), list(frame["auroc_high"])) == ([80.0, 70.0, 10.0], [82.0, 72.0, 99.0])
    assert list(frame["chosen_by"]) == ["paper", "clean", ""]


def test_the_table_of_the_grid_says_what_was_left_out_and_why():
    point = LeftOut("gmm", "mnist", '{"depth":9}', "8.003 GFLOP per image (limit 1)")
    table = grid_table(grid(), {"gmm": "GMM"}, [point])
    assert table.rows[-1] == ["GMM", "MNIST", "–", "depth 9", "–", "–", f"left out: {point.reason}"]
    assert list(table.data["left_out"].dropna()) == [point.reason]
    assert "1 points" in table.caption


def test_the_table_of_the_grid_has_every_point_in_words():
    assert [row[3] for row in grid_table(grid(), {"gmm": "GMM"}).rows] == ["depth 1", "depth 2", "depth 3"]


# --- pairs -----------------------------------------------------------------------------------------------------------


def pairs():
    """The DCGMM wins with seeds 0 and 1, loses with seed 2; the rival has a fourth seed, and a second, worse point."""
    found = rows("dcgmm-a", [90, 91, 80]) + rows("gmm", [85, 88, 82, 0], depth=1) + rows("gmm", [1, 1, 1, 1], depth=2)
    for model, points in (("dcgmm-a", [{}]), ("gmm", [{"depth": 1}, {"depth": 2}])):
        for point in points:
            found += rows(model, [9, 9, 9], metric="auroc_validation", **point)
    return tidy_frame(found)


def test_pairs_are_compared_seed_by_seed_at_the_chosen_points():
    table = paired_table(pairs(), {"dcgmm-a": "DCGMM-A"}, {"gmm": "GMM"})
    (first, _) = table.data.to_dict("records")
    assert (first["n"], first["mean"], first["wins"], first["protocol"]) == (3, 2.0, 2, "paper")
    assert first["low"] < 0 < first["high"]
    assert table.rows[0][:2] == ["GMM (paper)", "MNIST"]
    assert table.rows[0][2] == "+2.0 [-2.0, +5.0] (n 3, p 0.5)"


def test_a_pair_without_a_common_seed_is_a_dash():
    gmm = [{**row, "seed": row["seed"] + 7} for row in rows("gmm", [5, 6])]
    frame = tidy_frame([*rows("dcgmm-a", [90, 91]), *gmm])
    table = paired_table(frame, {"dcgmm-a": "DCGMM-A"}, {"gmm": "GMM"})
    assert list(map(list, table.rows)) == [["GMM", "MNIST", "–"]]
    assert table.data.empty


# --- where a number comes from ---------------------------------------------------------------------------------------


def test_every_number_knows_its_tidy_rows():
    metrics = grid()
    number = outlier_table_models(metrics, {"gmm": "GMM"}).rows[1][2]
    (source,) = number.sources
    assert list(source.rows(metrics)["value"]) == [70, 72]
    assert source.by_seed(metrics) == {0: 70.0, 1: 72.0}
    (pair,) = {cell for row in paired_table(pairs(), {"dcgmm-a": "A"}, {"gmm": "G"}).rows[:1] for cell in row[2:]}
    assert [list(source.rows(pairs())["value"]) for source in pair.sources] == [[90, 91, 80], [85, 88, 82, 0]]


def test_anchors_differ_where_sources_do():
    metrics = grid()
    found = {number.sources[0].anchor for row in grid_table(metrics, {"gmm": "GMM"}).rows for number in row[4:6]}
    assert len(found) == 6
    assert all(set(anchor) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.") for anchor in found)


def test_classes_left_out_in_turn():
    found = [*rows("gmm", [80, 82]), *rows("gmm", [1, 1], metric="auroc_validation"), *rows("dcgmm-a", [5, 5])]
    found += rows("dcgmm-a", [5, 5], metric="auroc_validation")
    found += rows("gmm", [10, 12], outlier_class=3) + rows("gmm", [9, 9], metric="auroc_validation", outlier_class=3)
    table = outlier_class_table(tidy_frame(found), {"gmm": "GMM", "dcgmm-a": "DCGMM-A"})
    assert [[row[0], row[2], row[5]] for row in table.rows] == [
        ["GMM", "81.0 ± 1.4 [80.0, 82.0]", "11.0 ± 1.4 [10.0, 12.0]"]
    ]
    assert set(table.data["outlier_class"]) == {0, 3}


def test_a_table_in_three_formats(tmp_path):
    write(outlier_table_dcgmm(two_models(), {"dcgmm-a": "DCGMM-A"}), tmp_path / "t.csv", "50 % & more_")
    (first, *_) = csv.DictReader((tmp_path / "t.csv").open())
    assert (float(first["mean"]), float(first["published"]), first["n"]) == (95.5, 95.4, "2")
    assert float(first["low"]) <= 95.5 <= float(first["high"])
    line = "| DCGMM-A | 95.4 ± 0.2 | 95.5 ± 0.7 [95.0, 96.0] | 94.5 ± 0.7 [94.0, 95.0] |"
    assert line in (tmp_path / "t.md").read_text()
    tex = (tmp_path / "t.tex").read_text()
    assert r"DCGMM-A & 95.4 $\pm$ 0.2 & 95.5 $\pm$ 0.7 {[}95.0, 96.0{]} &" in tex
    assert r"50 \% \& more\_" in tex
    assert tex.count("{") == tex.count("}")


def test_cells():
    assert with_std(95.44, 0.21) == "95.4 ± 0.2"
    assert with_std(95.44, float("nan")) == "95.4"
    assert with_std(float("nan"), None) == "–"
    assert as_printed(98.7, 0.05) == "98.7 ± 0.05"
    assert [as_printed(value, float("nan")) for value in (98.19, 98.0)] == ["98.19", "98.0"]
    assert markdown(["a", "b"], [["x|y", "1"]]).splitlines()[1:] == ["| --- | ---: |", "| x\\|y | 1 |"]
    assert r"\textbackslash{}" in latex(["a"], [["\\"]], "c")


def test_the_label_of_a_data_set_stands_once_above_its_columns():
    columns = ["model", "MNIST published", "MNIST AUROC", "Fashion-MNIST published"]
    tex = latex(columns, [["a", "1", "2", "3"]], "c")
    head = tex[tex.index(r"\toprule") : tex.index(r"\midrule")].splitlines()[1:]
    assert head == [
        r" & \multicolumn{2}{c}{MNIST} & \multicolumn{1}{c}{Fashion-MNIST} \\",
        r"\cmidrule(lr){2-3} \cmidrule(lr){4-4}",
        r"model & published & AUROC & published \\",
    ]


def test_what_is_too_wide_or_too_long_for_a_page_is_split():
    wide = latex(["model", *(f"column {i}" for i in range(20))], [["a", *("1" * 15 for _ in range(20))]], "c")
    assert wide.count(r"\toprule") > 1
    assert wide.count("model & ") == wide.count(r"\toprule")
    assert "(part 2 of " in wide
    long = latex(["model"], [[f"row {i}"] for i in range(100)], "c")
    assert long.count(r"\begin{table}") == 3
    assert all(f"row {i} " in long for i in range(100))


def test_the_networks_of_tables_7_and_8_are_those_of_the_models(tmp_path):
    from baselines.cnn import Cnn
    from baselines.vae import Vae

    cnn, vae = Cnn((28, 28, 1)), Vae((32, 32, 3))
    networks = {"table_7": [cnn._network], "table_8": [vae._encoder, vae._decoder]}
    for table, chains in networks.items():
        assert main(["table", table, "--out", str(tmp_path / "t.csv")]) == 0
        frame = pd.read_csv(tmp_path / "t.csv")
        built = [layer for chain in chains for layer in chain.layers]
        assert list(frame["output"]) == ["×".join(map(str, layer.output.shape[1:])) for layer in built]
        assert list(frame["parameters"]) == [layer.count_params() for layer in built]


@pytest.mark.parametrize("table", ["table_5", "table_6"])
def test_architectures_from_the_notation(table, tmp_path):
    assert main(["table", table, "--out", str(tmp_path / "t.csv")]) == 0
    frame = pd.read_csv(tmp_path / "t.csv")
    if table == "table_5":
        assert list(frame["parameters"]) == list(frame["published"])
        assert len(frame) == 7
    else:
        b = frame[frame["model"] == "DCGMM-B"]
        assert list(b["output (H, W, C)"]) == ["11×11×64", "11×11×49", "1×1×5929", "1×1×49"]


# --- comparison ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("printed", "std", "ours", "our_std", "unit", "expected"),
    [
        (95.4, 0.2, 95.4, 0.2, "percent", REPRODUCED),
        (95.4, 0.2, 94.4, 0.0, "percent", REPRODUCED),  # exactly one point
        (95.4, 0.2, 94.3, 0.2, "percent", CLOSE),
        (95.4, 1.0, 92.6, 1.0, "percent", REPRODUCED),  # 2.8 within two combined standard deviations
        (95.4, 0.2, 92.4, 0.2, "percent", CLOSE),  # exactly three points
        (95.4, 0.2, 92.3, 0.2, "percent", NOT_REPRODUCED),
        (95.4, float("nan"), 96.0, float("nan"), "percent", REPRODUCED),
        (95.4, 0.2, float("nan"), float("nan"), "percent", NOT_RUN),
        (38416, float("nan"), 38416, float("nan"), "count", REPRODUCED),
        (38416, float("nan"), 38417, float("nan"), "count", NOT_REPRODUCED),
    ],
)
def test_verdicts(printed, std, ours, our_std, unit, expected):
    assert verdict(printed, std, ours, our_std, unit) == expected


def cell(frame, table, model, dataset="mnist", protocol="paper"):
    found = frame.query("table == @table and model == @model and dataset == @dataset and protocol == @protocol")
    return found.iloc[0]


def test_every_printed_number_has_a_verdict_and_what_was_not_run_a_reason():
    frame = compare(two_models(), plan())
    assert set(frame["verdict"]) <= {REPRODUCED, CLOSE, NOT_REPRODUCED, NOT_RUN}
    a = cell(frame, "table_1", "DCGMM-A")
    assert (a["ours"], a["verdict"]) == (95.5, REPRODUCED)
    assert abs(a["difference"] - 0.1) < 1e-9
    assert (frame[frame["verdict"] == NOT_RUN]["remark"] != "").all()
    assert "Fashion-MNIST" in cell(frame, "table_1", "DCGMM-A", "fashion_mnist")["remark"]
    assert "DCGMM-B" in cell(frame, "table_1", "DCGMM-B")["remark"]
    assert "not finished" in cell(frame, "table_1", "DCGMM-E")["remark"]
    assert "judge" in cell(frame, "table_3", "DCGMM-A")["remark"]
    assert (frame.query("table == 'table_5'")["verdict"] == REPRODUCED).all()


def test_the_page_starts_with_the_totals():
    frame = compare(two_models(), plan())
    text = page(frame, compare_variants(two_models(), plan()), claims(two_models(), plan()), "my title")
    counted = frame[frame["protocol"] == "paper"]["verdict"].value_counts()
    total = f"- paper: {counted[REPRODUCED]} reproduced"
    assert text.splitlines()[2].startswith(total)
    counts, measured = frame[frame["unit"] == "count"], frame[frame["unit"] != "count"]
    for line, kind, part in ((3, "measured values", measured), (4, "parameter counts", counts)):
        found = (part[part["protocol"] == "paper"]["verdict"] == REPRODUCED).sum()
        assert text.splitlines()[line].startswith(f"  - {kind}: {found} reproduced, ")
        assert text.splitlines()[line].endswith(f", of {len(part) // 2}")
    assert "| DCGMM-A | MNIST | 95.4 ± 0.2 | 95.5 ± 0.7 [95.0, 96.0] | +0.1 | reproduced |" in text
    assert "| V-B | for MNIST, the flat DCGMM-A performs best | not run |" in text


def test_a_variant_is_compared_with_what_it_is_a_variant_of():
    found = rows("dcgmm-e-independent", [90, 92]) + rows("dcgmm-e-independent", [1, 1], metric="auroc_validation")
    variants = compare_variants(tidy_frame(found), plan(models=["dcgmm-e-independent"]))
    assert list(variants["model"]) == ["DCGMM-E, independent"]
    assert (list(variants["published"]), list(variants["ours"])) == ([92.8], [91.0])


def test_the_paper_protocol_compares_what_the_published_runs_did():
    found = rows("dcgmm-b", [78.0], "fashion_mnist") + rows("dcgmm-b-independent", [72.5], "fashion_mnist")
    both = plan(datasets=["fashion_mnist"], models=["dcgmm-b", "dcgmm-b-independent"])
    frame = compare(tidy_frame([*found, *[{**row, "metric": "auroc_validation"} for row in found]]), both)
    own = frame[(frame["table"] == "table_1") & (frame["model"] == "DCGMM-B") & (frame["dataset"] == "fashion_mnist")]
    assert dict(zip(own["protocol"], own["ours"], strict=True)) == {"paper": 72.5, "clean": 78.0}
    assert dict(zip(own["protocol"], own["verdict"], strict=True)) == {"paper": REPRODUCED, "clean": NOT_REPRODUCED}
    assert own["remark"].iloc[0].startswith("DCGMM-B, independent")
    without = compare(
        tidy_frame([{**row, "metric": m} for row in found[:1] for m in ("auroc", "auroc_validation")]), both
    )
    assert cell(without, "table_1", "DCGMM-B", "fashion_mnist")["ours"] == 78.0


def test_the_paper_protocol_judges_what_the_published_runs_did():
    def judged(model, value):
        row = {"protocol": "both", "experiment": "judge", "dataset": "mnist", "model": model, "params": '{"judge":0}'}
        return {**row, "seed": 0, "metric": "judge_accuracy", "value": value}

    settings = {"judge": {"datasets": ["mnist"], "models": ["dcgmm-e", "dcgmm-e-independent"]}}
    both = Plan({"profile": "p", "seeds": 1, "experiments": settings})
    frame = compare(tidy_frame([judged("dcgmm-e", 81.0), judged("dcgmm-e-independent", 90.0)]), both)
    found = frame.query(
        "table == 'table_3' and metric == 'judge_accuracy' and model == 'DCGMM-E' and dataset == 'mnist'"
    )
    assert dict(zip(found["protocol"], found["ours"], strict=True)) == {"paper": 90.0, "clean": 81.0}


def parameters(model, value, experiment="outliers", protocol="both", **point):
    (row,) = rows(model, [value], protocol=protocol, metric="parameters", **point)
    return {**row, "experiment": experiment}


def test_parameters_are_those_of_the_model_that_the_table_reports():
    """The second grid point is chosen; the judged model counts where there is one, and no other model's row."""
    found = rows("rat-spn", [1], depth=1) + rows("rat-spn", [2], depth=2)
    found += rows("rat-spn", [1], depth=1, metric="auroc_validation")
    found += rows("rat-spn", [2], depth=2, metric="auroc_validation")
    found += [parameters("rat-spn", 7, depth=1), parameters("rat-spn", 9, depth=2), parameters("gmm", 5)]
    settings = {"outliers": {"datasets": ["mnist"], "models": ["gmm", "rat-spn"]}}
    only_outliers = Plan({"profile": "p", "seeds": 1, "experiments": settings})
    assert cell(compare(tidy_frame(found), only_outliers), "table_3", "RAT-SPN", "any")["ours"] == 9
    settings |= {"judge": {"datasets": ["mnist"], "models": ["rat-spn"]}}
    judged = Plan({"profile": "p", "seeds": 1, "experiments": settings})
    found += [{**parameters("rat-spn", 11, "judge"), "params": "{}"}]
    assert cell(compare(tidy_frame(found), judged), "table_3", "RAT-SPN", "any")["ours"] == 11


def changed_plan():
    config = {"profile": "p", "seeds": 2}
    models = {"dcgmm-a": {"params": {"epochs": 2, "window": 8, "rate_w": 0.0}, "train_images": 1000}}
    settings = {"outliers": {"datasets": ["mnist"], "models": ["dcgmm-a"]}}
    return Plan({**config, "models": models, "experiments": settings})


@pytest.mark.parametrize(
    ("values", "judged", "said"),
    [
        ([95.4, 95.4], REPRODUCED, ""),
        ([80.0, 80.0], NOT_REPRODUCED, ""),
        ([85.0, 99.0], REPRODUCED, "by its spread only; "),  # 3.4 points away
        ([90.0, 95.0], REPRODUCED, ""),
    ],
)
def test_what_the_profile_changed_is_always_said(values, judged, said):
    found = tidy_frame(rows("dcgmm-a", values) + rows("dcgmm-a", [1, 1], metric="auroc_validation"))
    row = cell(compare(found, changed_plan()), "table_1", "DCGMM-A")
    assert row["verdict"] == judged
    assert row["remark"] == f"{said}epochs 2 instead of 80, window 8 instead of 100, trained on 1,000 images"


@pytest.mark.parametrize(("sigma", "said"), [(0.01, False), (0.7, True)])
def test_an_annealing_that_was_cut_off_is_said(sigma, said):
    found = [
        r
        for v, m in ((95, "auroc"), (1, "auroc_validation"), (sigma, "sigma_layer_0"))
        for r in rows("dcgmm-a", [v], metric=m)
    ]
    row = cell(compare(tidy_frame(found), plan(models=["dcgmm-a"])), "table_1", "DCGMM-A")
    assert ("the annealing was not over (σ 0.70)" in row["remark"]) == said


def test_changes_of_models_of_one_class_are_said_for_these():
    changed = {"dcgmm-e": {"params": {"epochs": 20}, "one_class": {"iterations": 5000, "window": 50}}}
    plan = Plan({"profile": "p", "seeds": 1, "models": changed, "experiments": {}})
    assert changes(plan, "dcgmm-e") == "epochs 20 instead of 80"
    assert changes(plan, "dcgmm-e", one_class=True) == "iterations 5000 instead of 10000, window 50 instead of 100"


def test_beside_counts_only_changes_of_the_size_are_said():
    params = {"epochs": 2, "products": 6}
    settings = {"outliers": {"datasets": ["mnist"], "models": ["dgc-spn"]}}
    changed = {"dgc-spn": {"params": params, "train_images": 400}}
    plan = Plan({"profile": "p", "seeds": 1, "models": changed, "experiments": settings})
    assert changes(plan, "dgc-spn") == "products 6 instead of 7, epochs 2 instead of 15, trained on 400 images"
    found = [*rows("dgc-spn", [90]), *rows("dgc-spn", [90], metric="auroc_validation"), parameters("dgc-spn", 6)]
    assert cell(compare(tidy_frame(found), plan), "table_3", "DGC-SPN", "any")["remark"] == "products 6 instead of 7"


def test_what_is_above_a_lower_bound_is_reproduced():
    nothing = float("nan")
    assert verdict(99.0, nothing, 99.9, nothing, at_least=True) == REPRODUCED
    assert verdict(90.0, nothing, 99.2, nothing, at_least=True) == REPRODUCED
    assert verdict(90.0, nothing, 99.2, nothing) == NOT_REPRODUCED
    below = [verdict(99.0, nothing, ours, nothing, at_least=True) for ours in (98.0, 96.5, 90.0, nothing)]
    assert below == [REPRODUCED, CLOSE, NOT_REPRODUCED, NOT_RUN]


def test_what_is_known_about_a_difference_is_said():
    found = rows("rat-spn", [80, 80], "fashion_mnist")
    found += rows("rat-spn", [80, 80], "fashion_mnist", metric="auroc_validation")
    frame = compare(tidy_frame(found), plan(datasets=["fashion_mnist"], models=["rat-spn"]))
    row = cell(frame, "table_2", "RAT-SPN", "fashion_mnist")
    assert "docs/errata.md" in row["remark"]
    assert (row["verdict"], row["ours_low"], row["ours_high"]) == (NOT_REPRODUCED, 80, 80)
    quoted = frame[(frame["table"] == "table_4") & (frame["model"] == "RAT-SPN")]
    assert quoted["remark"].str.contains("from the literature").all()


def test_compare_finds_a_run_by_its_profile(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("results/mine/metrics").mkdir(parents=True)
    two_models().to_parquet("results/mine/metrics/outliers_mnist.parquet")
    Path("results/mine/profile.json").write_text(plan().as_json())
    assert main(["compare", "--profile", "mine", "--out", "c.md"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("results in results/mine:\npaper: ")
    assert Path("c.md").is_file()
    assert Path("c.csv").is_file()
    assert main(["compare", "--profile", "yours"]) != 0
    assert "'yours'" in capsys.readouterr().err


# --- figures ---------------------------------------------------------------------------------------------------------


def is_picture(path):
    return (
        path.with_suffix(".png").read_bytes()[:4] == b"\x89PNG" and path.with_suffix(".pdf").read_bytes()[:4] == b"%PDF"
    )


def test_fig_10_and_fig_4(tmp_path):
    write_scores(tmp_path / "scores/mnist/not0/dcgmm-a/seed0.parquet", scores(), RECORD)
    panel = "DCGMM-A=mnist/not0/dcgmm-a/seed0"
    out = tmp_path / "fig_10.png"
    words = ["figure", "fig_10", "--scores", str(tmp_path / "scores"), "--panel", panel, "--panel", panel]
    assert main([*words, "--out", str(out)]) == 0
    assert is_picture(out)
    dynamics = [
        tidy_row(
            protocol="both",
            experiment="dynamics",
            dataset="mnist",
            model="dcgmm-f",
            params={"step": step, "split": "test"},
            seed=0,
            metric=f"log_likelihood_layer_{layer}",
            value=step * layer,
        )
        for step in range(3)
        for layer in range(2)
    ]
    tidy_frame(dynamics).to_parquet(tmp_path / "d.parquet")
    assert (
        main(["figure", "fig_4", "--metrics", str(tmp_path / "d.parquet"), "--out", str(tmp_path / "fig_4.png")]) == 0
    )
    assert is_picture(tmp_path / "fig_4.png")


def test_the_heat_map_has_every_point_and_frames_the_chosen_one(tmp_path, monkeypatch):
    import matplotlib.pyplot as plt

    from evaluation.results.figures import heat_map

    drawn = []
    monkeypatch.setattr(heat_map, "save", lambda figure, path, title: drawn.append(figure))
    heat_map.draw_heat_map(grid(), "gmm", "GMM", tmp_path / "g.png", "")
    paper, clean = drawn[0].axes
    assert [text.get_text() for text in paper.texts] == ["81.0", "71.0", "54.5"]
    assert [text.get_text() for text in clean.texts] == ["60.0", "65.0", "1.0"]
    assert [int(axis.patches[0].get_x()) for axis in (paper, clean)] == [0, 1]
    plt.close("all")
    with pytest.raises(UserError, match="no grid"):
        heat_map.draw_heat_map(two_models(), "gmm", "GMM", tmp_path / "g.png", "")


def test_a_figure_is_as_wide_as_the_paper(tmp_path):
    import re

    path = tmp_path / "grid.parquet"
    grid().to_parquet(path)
    out = tmp_path / "g.png"
    assert main(["figure", "heat_map", "--metrics", str(path), "--panel", "GMM=gmm", "--out", str(out)]) == 0
    (width,) = re.findall(rb"MediaBox \[ ?0 0 ([\d.]+)", out.with_suffix(".pdf").read_bytes())
    assert float(width) == pytest.approx(3.5 * 72, abs=0.1)


def test_a_figure_without_its_input_says_what_is_missing(tmp_path, capsys):
    assert main(["figure", "fig_10", "--out", str(tmp_path / "f.png")]) != 0
    assert "--panel" in capsys.readouterr().err
