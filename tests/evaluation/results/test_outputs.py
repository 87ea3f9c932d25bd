"""The registry of tables and figures: complete, consistent, and light to read."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.base.errors import UserError
from evaluation.base.files import CHECKOUT as ROOT
from evaluation.plan.plan import load_plan
from evaluation.results.outputs import FIGURE, OUTPUTS, TABLE, find, items, rows_of
from evaluation.results.status import outputs
from tests.evaluation.made_up import made_up_plan, plan


def test_every_output_has_a_function_a_section_and_a_caption():
    for output in OUTPUTS.values():
        assert callable(output.load()), output.name
        assert output.section and output.caption.endswith((".", "}")), output.name
        assert output.kind in (TABLE, FIGURE)
        assert output.file.startswith(("table_", "fig_", "heat_map_", "outlier_"))
    assert len({output.file for output in OUTPUTS.values()}) == len(OUTPUTS)
    sections = [output.section for output in OUTPUTS.values()]
    assert [s for i, s in enumerate(sections) if i and s != sections[i - 1] and s in sections[:i]] == []


def test_reading_the_registry_imports_no_pandas_and_no_matplotlib():
    code = (
        "import sys; from evaluation.results.outputs import items; from evaluation.plan.plan import load_plan;"
        "i = items(load_plan('config/smoke.yaml')); [x.caption(load_plan('config/smoke.yaml')) for x in i.values()];"
        "print([m for m in ('pandas', 'matplotlib', 'scipy', 'torch', 'jax', 'keras') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("profile", ["smoke", "quick", "cpu", "paper"])
def test_status_and_captions_are_made_from_it(profile):
    of = load_plan(f"config/{profile}.yaml")
    there = items(of)
    made = outputs(of, of.paths(""))
    assert {Path(f"tables/{file}.csv") for file in items(of, TABLE)} == set(made["tables"])
    assert {Path(f"figures/{file}.png") for file in items(of, FIGURE)} == set(made["figures"])
    for item in there.values():
        caption = item.caption(of)
        assert of.title in caption and item.title() in caption and "{" not in caption
        assert bool(item.metrics(of)) + bool(item.stamps(of)) <= 1
        assert item.metrics(of) or item.stamps(of) or item.output.experiment is None, item.file
        assert all(Path(name) in made["metrics"] for name in item.metrics(of))
        known = {path.as_posix() for stage in made.values() for path in stage}
        assert set(item.stamps(of)) <= known


def test_a_heat_map_is_of_one_model():
    of = made_up_plan()
    maps = [item for item in items(of).values() if item.output.name == "heat_map"]
    assert maps and all(item.file == f"heat_map_{item.model.name}" for item in maps)
    assert all(item.title() == f"Grid of {item.model.label}" for item in maps)


def test_an_item_is_found_by_its_name_or_its_file():
    of = made_up_plan()
    assert find(of, TABLE, "table_1") is not None
    assert find(of, TABLE, "table_1").file == find(of, TABLE, "table_1_outliers_dcgmm").file
    with pytest.raises(UserError, match=r"there is no table 'tabel_1'; did you mean 'table_1'\?"):
        find(of, TABLE, "tabel_1")
    with pytest.raises(UserError, match=r"made-up profile .* makes no table_inpainting"):
        find(of, TABLE, "table_inpainting")
    with pytest.raises(UserError, match="there is no table 'fig_4'"):
        find(of, TABLE, "fig_4")
    several = [item.file for item in items(of).values() if item.output.name == "heat_map"]
    if len(several) > 1:
        with pytest.raises(UserError, match=f"heat_map is {len(several)} figures here; name one of "):
            find(of, FIGURE, "heat_map")


def test_rows_are_the_plans():
    of = plan()
    assert rows_of(of, OUTPUTS["table_1"]) == {"dcgmm-a": "DCGMM-A", "dcgmm-e": "DCGMM-E"}
    assert list(rows_of(of, OUTPUTS["table_2"])) == ["dcgmm-a", "dcgmm-e", "gmm"]
    assert rows_of(of, OUTPUTS["table_5"]) == {}


def test_the_workflow_has_no_table_or_figure_of_its_own():
    from pathlib import Path

    rules = "".join(path.read_text() for path in Path("workflow/rules").glob("*.smk"))
    assert not re.search(r"\b(table_[1-8]|fig_\d+|heat_map)", rules)


def test_the_paper_profile_makes_every_table_and_figure_of_the_results():
    found = {item.output.name for item in items(load_plan(ROOT / "config/paper.yaml")).values()}
    assert found == set(OUTPUTS)
    grids = [file for file in items(load_plan(ROOT / "config/paper.yaml")) if file.startswith("heat_map_")]
    assert {file.removeprefix("heat_map_") for file in grids} == {
        "rat-spn", "rat-spn-normal", "pd-spn", "pd-spn-normal", "dgc-spn",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("models", "missing"),
    [(["gmm", "rat-spn"], {"table_1", "paired"}), (["dcgmm-a"], {"paired"}), (["dcgmm-a", "gmm"], set())],
)
def test_tables_that_would_be_empty_are_not_made(models, missing):
    every = {"table_1", "table_2", "paired", "grid"}
    found = {item.output.name for item in items(plan(models=models)).values()}
    assert found & every == every - missing
