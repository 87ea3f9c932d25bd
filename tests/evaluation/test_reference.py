"""The committed reference results: they say what the code says of their metrics, and they are small."""

from pathlib import Path

import pytest

from evaluation.cli import main

REFERENCE = Path(__file__).resolve().parents[2] / "docs/reference"
RUNS = sorted(path.parent.name for path in REFERENCE.glob("*/metrics"))


def test_there_are_reference_results_and_they_are_small():
    assert "quick" in RUNS
    assert sum(path.stat().st_size for path in REFERENCE.rglob("*") if path.is_file()) < 10e6


@pytest.mark.parametrize("profile", RUNS)
def test_the_totals_are_those_of_the_metrics(profile, capsys, tmp_path, monkeypatch):
    """Made again with `bench collect`, or from the metrics, when this fails."""
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "--profile", profile]) == 0
    page = (REFERENCE / profile / "compare.md").read_text()
    for line in capsys.readouterr().out.splitlines():
        assert f"- {line}" in page


@pytest.mark.parametrize("profile", RUNS)
def test_every_run_has_its_configuration_provenance_and_tables(profile):
    folder = REFERENCE / profile
    for name in ("profile.json", "provenance.json", "report.html", "tables/table_2_outliers_models.md"):
        assert (folder / name).is_file()
