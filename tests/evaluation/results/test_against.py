"""Two runs side by side."""

import pandas as pd
import pytest

from evaluation.cli import main
from evaluation.measures.tidy import write_metrics
from evaluation.results.against import against, summary
from tests.evaluation.made_up import grid, plan, results, rows, two_models, validated


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
    assert main(["compare", "--profile", first, "--against", str(tmp_path / "none/such")]) == 2
    assert "none/such" in capsys.readouterr().err
