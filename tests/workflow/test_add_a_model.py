"""docs/add-a-model.md, followed word by word in a directory of a user's own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs/add-a-model.md").read_text()
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "CHECKOUT": str(ROOT),
    "OMP_NUM_THREADS": "1",
}


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, flags=re.MULTILINE | re.DOTALL)


def run(command, folder):
    done = subprocess.run(
        ["bash", "-euc", command], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_guide_shows_the_model_file_as_it_is():
    source = (ROOT / "baselines/gmm.py").read_text()
    assert len(source.splitlines()) <= 60
    shown = blocks("python")
    assert len(shown) == 7
    for block in shown:
        assert block in source
    named = re.findall(r"\*\*`(\w+)`\*\*", GUIDE)
    assert set(re.findall(r"    def (\w+)\(", source)) == {"__init__", *named}


@pytest.mark.slow
def test_a_users_own_model_gets_into_table_2_and_the_figures(tmp_path):
    copy, check, by_hand, whole = blocks("bash")
    run(copy, tmp_path)
    said = run(check, tmp_path)
    assert said.count(" kept ") == 10 and "BROKEN" not in said
    assert "AUROC" in run(by_hand, tmp_path)
    (config,) = blocks("yaml")
    (tmp_path / "mine.yaml").write_text(config)
    promised = re.findall(r"^    ((?:tables|figures)/\S+)", GUIDE, flags=re.MULTILINE)
    assert len(promised) == 4
    run(f"{whole.strip()} -- {' '.join(f'results/mine/{name}' for name in promised)}", tmp_path)

    results = tmp_path / "results/mine"
    table = pd.read_csv(results / "tables/table_2_outliers_models.csv")
    mine = table[table["model"].isin(["mixture", "mixture-random"])]
    assert list(mine["label"]) == ["My mixture", "My mixture, random start"]
    assert (mine["n"] == 3).all() and mine["mean"].between(50, 100).all()
    assert "| My mixture, random start |" in (results / "tables/table_2_outliers_models.md").read_text()
    pairs = pd.read_csv(results / "tables/table_2_paired.csv")
    assert set(zip(pairs["dcgmm"], pairs["rival"], strict=True)) == {("DCGMM-A", label) for label in mine["label"]}
    for name in promised[2:]:
        assert (results / name).read_bytes()[:4] == b"\x89PNG"
