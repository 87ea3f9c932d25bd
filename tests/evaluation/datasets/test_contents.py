"""The table of contents: what a plan makes, and that the paper profile makes everything."""

import pytest

from evaluation.plan.config import ROOT, Plan, load_plan
from evaluation.results.contents import FILES, SECTIONS, entry, figures, metric_tables, table_options, tables
from evaluation.results.report import NAMES


def test_the_paper_profile_makes_every_table_and_figure_of_the_results():
    plan = load_plan(ROOT / "config/paper.yaml")
    found = {table.name for table in tables(plan)}
    assert found >= {*(f"table_{n}" for n in range(1, 9)), "outlier_classes", "paired", "grid", "table_inpainting"}
    drawn = figures(plan)
    assert set(drawn.values()) >= {*(f"fig_{n}" for n in range(4, 15)), "heat_map"}
    grids = {stem.removeprefix("heat_map_") for stem, name in drawn.items() if name == "heat_map"}
    assert grids == {"rat-spn", "rat-spn-normal", "pd-spn", "pd-spn-normal", "dgc-spn"}


def test_everything_has_a_section_a_name_and_a_file():
    assert set(SECTIONS) == set(NAMES)
    assert set(SECTIONS) - set(FILES) == {"heat_map"}
    assert len(set(FILES.values())) == len(FILES)
    assert set(metric_tables()) == {name for name in FILES if name.startswith("table") and name < "table_5"} | {
        "outlier_classes", "paired", "grid", "table_inpainting",
    }  # fmt: skip


def plan(models):
    return Plan({"profile": "p", "seeds": 1, "experiments": {"outliers": {"datasets": ["mnist"], "models": models}}})


@pytest.mark.parametrize(
    ("models", "missing"),
    [(["gmm", "rat-spn"], {"table_1", "paired"}), (["dcgmm-a"], {"paired"}), (["dcgmm-a", "gmm"], set())],
)
def test_tables_that_would_be_empty_are_not_made(models, missing):
    every = {"table_1", "table_2", "paired", "grid"}
    found = {table.name for table in tables(plan(models))}
    assert found & every == every - missing


def test_rows_of_a_table():
    both = plan(["dcgmm-a", "gmm"])
    assert entry(both, "table_1").rows == {"dcgmm-a": "DCGMM-A"}
    assert entry(both, "table_2").rows == {"dcgmm-a": "DCGMM-A", "gmm": "GMM"}
    assert table_options(both, "paired") == "--row dcgmm-a=DCGMM-A --rival gmm=GMM"
