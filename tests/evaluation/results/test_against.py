"""Two runs side by side."""

import numpy as np
import pandas as pd
import pytest

from evaluation.cli import main
from evaluation.measures.tidy import tidy_frame, write_metrics
from evaluation.plan.plan import Plan
from evaluation.results.against import against, summary
from tests.evaluation.made_up import grid, judged, plan, results, rows, two_models, validated


def run(folder, metrics, of=None):
    write_metrics(folder / "metrics/outliers_mnist.parquet", metrics)
    (folder / "profile.json").write_text((of or plan()).as_json())
    return str(folder)


def other_models():
    """DCGMM-A 5 points lower, and a model that the first run has not."""
    return validated([*rows("dcgmm-a", [90.4, 90.6]), *rows("dcgmm-e", [92.0])])


def test_every_number_has_both_sides_and_the_difference():
    cells = {
        (c.table, c.label, c.what): c for c in against(results(two_models(), plan()), results(other_models(), plan()))
    }
    a = cells["Table I", "DCGMM-A", "auroc"]
    assert (a.first, a.second) == (pytest.approx((95.5, 0.7071068, 2)), pytest.approx((90.5, 0.1414214, 2)))
    assert a.difference == pytest.approx(-5.0) and a.interval.low < -5 < a.interval.high
    e = cells["Table I", "DCGMM-E", "auroc"]
    assert e.first[2] == 0 and e.second == (92.0, pytest.approx(float("nan"), nan_ok=True), 1) and not e.differs
    assert cells["Table II", "GMM", "auroc"].second[2] == 0


def test_a_run_does_not_differ_from_itself():
    cells = against(results(grid()), results(grid()))
    assert {cell.label for cell in cells} == {"GMM (paper)", "GMM (clean)"}
    assert all(cell.difference == 0 and not cell.differs for cell in cells)
    assert summary(cells).startswith(f"{len(cells)} numbers, {len(cells)} of them in both runs")


def test_a_number_of_two_tables_is_counted_once():
    """Tables I and II have the areas of DCGMMs; the table of outlier classes those of class 0 left out again."""
    of = plan(models=["dcgmm-a", "dcgmm-e", "gmm"], all_classes=["dcgmm-a", "gmm"])
    found = [*validated([*rows("dcgmm-a", [95, 96]), *rows("dcgmm-e", [90, 91]), *rows("gmm", [80, 81])])]
    found += validated([*rows("dcgmm-a", [85, 86], outlier_class=4), *rows("gmm", [70, 71], outlier_class=4)])
    cells = against(results(found, of), results(found, of))
    said = [(c.table, c.label, c.what, c.first[0]) for c in cells]
    assert said[:2] == [("Table I", "DCGMM-A", "auroc", 95.5), ("Table I", "DCGMM-E", "auroc", 90.5)]
    assert sorted(said[2:], key=str) == [
        ("Every class left out in turn", "DCGMM-A", "class 4", 85.5),
        ("Every class left out in turn", "GMM", "class 4", 70.5),
        ("Table II", "GMM", "auroc", 80.5),
    ]


def test_a_number_that_one_run_has_in_another_table_only_is_not_lost():
    """Without the DCGMM among its models a run has no Table I."""
    first, second = validated(rows("dcgmm-a", [95, 96])), validated(rows("gmm", [80, 81]))
    cells = against(results(first, plan(models=["dcgmm-a"])), results(second, plan(models=["gmm"])))
    assert [(c.table, c.label, c.first[2], c.second[2]) for c in cells] == [
        ("Table I", "DCGMM-A", 2, 0),
        ("Table II", "GMM", 0, 2),
    ]


def test_a_model_that_was_still_annealing_is_left_out_and_named(tmp_path, capsys):
    short = [*two_models().to_dict("records"), *rows("dcgmm-a", [0.4, 0.01], metric="sigma_layer_0")]
    cells = against(results(short, plan()), results(two_models(), plan()))
    assert {c.label for c in cells if c.first[2]} == {"GMM"}
    assert {c.label for c in cells if c.second[2]} == {"GMM", "DCGMM-A"}
    assert {c.label for c in against(results(short, plan()), results(short, plan()))} == {"GMM"}
    first, second = run(tmp_path / "a", tidy_frame(short)), run(tmp_path / "b", two_models())
    words = "Left out, still annealing when training ended: DCGMM-A on MNIST (first, σ 0.40)."
    assert main(["compare", "--profile", first, "--against", second, "--out", str(tmp_path / "c.md")]) == 0
    assert words in capsys.readouterr().out and words in (tmp_path / "c.md").read_text()
    assert main(["compare", "--profile", second, "--against", second]) == 0
    assert "Left out" not in capsys.readouterr().out


def under_judges(leniency):
    """Five trainings, 0.1 points apart, under judges that add so many points."""
    settings = {"judge": {"datasets": ["mnist"], "models": ["dcgmm-a"]}}
    scores = np.add.outer([90.0, 90.1, 90.2, 90.1, 90.1], leniency)
    found = [judged("dcgmm-a", v, seed=seed, judge=judge) for (seed, judge), v in np.ndenumerate(scores)]
    return results(found, Plan({"profile": "p", "seeds": 5, "experiments": settings}))


def test_samples_that_other_judges_judge_differ_by_what_judges_differ():
    """The interval was that over trainings alone: the same samples differed from themselves."""
    (cell,) = against(under_judges([-1.0, 1.0]), under_judges([-1.0, 0.0, 2.5]))
    assert (round(cell.difference, 6), cell.differs) == (0.5, False)
    assert cell.interval.low < -1 and cell.interval.high > 1
    (cell,) = against(under_judges([-1.0, 1.0]), under_judges([9.0, 11.0, 10.0]))
    assert cell.differs


def test_the_command_compares_two_runs(tmp_path, capsys):
    first, second = run(tmp_path / "a", two_models()), run(tmp_path / "b", other_models())
    assert main(["compare", "--profile", first, "--against", second, "--out", str(tmp_path / "c.md")]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"first: {first}\nsecond: {second}\n") and "numbers" in said
    frame = pd.read_csv(tmp_path / "c.csv")
    row = frame[(frame["table"] == "Table I") & (frame["model"] == "DCGMM-A") & (frame["what"] == "auroc")].iloc[0]
    assert (row["first"], row["second"], row["first_n"]) == (95.5, 90.5, 2)
    page = (tmp_path / "c.md").read_text()
    assert "-5.0 [" in page and "95.5 ± 0.7 (n 2)" in page
    assert main(["compare", "--profile", first, "--against", second, "--title", "Mine"]) == 0
    assert "# Mine (first) and " in capsys.readouterr().out
    assert main(["compare", "--profile", first, "--title", "Mine"]) == 2  # it had no effect
    assert "--title is the heading of a page" in capsys.readouterr().err
    assert main(["compare", "--profile", first, "--against", str(tmp_path / "none/such")]) == 2
    assert "none/such" in capsys.readouterr().err
