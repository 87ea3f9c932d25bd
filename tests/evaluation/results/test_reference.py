"""The committed reference results: they say what the code says of their metrics, and they are small."""

from pathlib import Path

import pytest

from evaluation.cli import main

REFERENCE = Path(__file__).resolve().parents[3] / "docs/reference"
RUNS = sorted(path.parent.name for path in REFERENCE.glob("*/metrics"))


def test_there_are_reference_results_and_they_are_small():
    assert "quick" in RUNS
    assert sum(path.stat().st_size for path in REFERENCE.rglob("*") if path.is_file()) < 20e6


@pytest.mark.parametrize("profile", RUNS)
def test_the_comparison_is_that_of_the_metrics(profile, tmp_path):
    """Made again with `bench collect`, or with `bench compare --profile … --out …`, when this fails."""
    folder = REFERENCE / profile
    assert main(["compare", "--profile", str(folder), "--out", str(tmp_path / "compare.md")]) == 0
    made = (tmp_path / "compare.md").read_text().splitlines()
    assert (folder / "compare.md").read_text().splitlines() == made
    assert (folder / "compare.csv").read_text() == (tmp_path / "compare.csv").read_text()


@pytest.mark.parametrize("profile", RUNS)
def test_every_run_has_its_configuration_provenance_and_tables(profile):
    folder = REFERENCE / profile
    for name in ("profile.json", "provenance.json", "report.html", "tables/table_2_outliers_models.md"):
        assert (folder / name).is_file()
