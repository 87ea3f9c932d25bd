"""docs/tutorial.ipynb runs from top to bottom, and the pictures of its last run are in it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CELLS = json.loads((ROOT / "docs/tutorial.ipynb").read_text(encoding="utf-8"))["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]


@pytest.mark.slow
def test_the_tutorial_runs(tmp_path):
    script = tmp_path / "tutorial.py"
    script.write_text("\n\n".join(CODE), encoding="utf-8")
    environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "same scores: True" in done.stdout


def test_pictures_are_in_it():
    outputs = [output for cell in CELLS for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output["output_type"] == "error"]
    drawn = sum("show(" in source or "subplots(" in source for source in CODE[1:])
    assert sum("image/png" in output.get("data", {}) for output in outputs) == drawn
