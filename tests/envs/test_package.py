"""The library by itself: a wheel, in an empty environment outside of the checkout, that needs nothing of the suite."""

from __future__ import annotations

import ast
import itertools
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

CHECKOUT = Path(__file__).resolve().parents[2]
TEN_LINES = """
import numpy as np
from dcgmm import DCGMM
x = np.random.default_rng(0).random((200, 28, 28, 1), np.float32)
model = DCGMM("F(28,1)-G(49)", input_shape=(28, 28, 1), seed=0)
history = model.fit(x, iterations=20)
model.save("a")
again = DCGMM.load("a")
assert np.array_equal(again.score_samples(x), model.score_samples(x)) and len(history)
drawn = again.sample(10, seed=1, top_s=3, divisor=20.0)
print(drawn.shape, drawn.dtype, DCGMM.__module__)
"""


def imports(package: Path) -> set[str]:
    """Names of the packages that a package imports, wherever in its code, beside itself and the standard library."""
    trees = [ast.walk(ast.parse(file.read_text(encoding="utf-8"))) for file in package.rglob("*.py")]
    found: set[str] = set()
    for node in itertools.chain(*trees):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).partition(".")[0])
    return found - set(sys.stdlib_module_names) - {package.name}


def test_installing_brings_what_the_library_imports_and_no_more():
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    needed = {Requirement(line).name for line in project["dependencies"]}
    optional = {"pandas"}  # of `History.to_frame`, for who has it
    assert needed == imports(CHECKOUT / "dcgmm") - optional
    assert {"suite", "gpu", "docs", "dev"} <= set(project["optional-dependencies"])


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=environment | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_a_wheel_in_an_empty_environment_trains_saves_loads_and_samples(tmp_path):
    """Needs a package index, or pip's cache of what the lock installed."""
    pinned = {"PIP_CONSTRAINT": str(CHECKOUT / "requirements.lock")}  # a release of today breaks nothing here
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    copy = tmp_path / "copy"  # a build leaves files where it builds
    for room in ("dcgmm", "baselines", "evaluation"):
        shutil.copytree(CHECKOUT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / file, copy)
    run(*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path / "dist", copy, cwd=tmp_path, **pinned)
    (wheel,) = (tmp_path / "dist").glob("dcgmm_benchmark-*.whl")
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path, **pinned)
    work = tmp_path / "work"
    work.mkdir()
    assert run(python, "-c", TEN_LINES, cwd=work) == "(10, 28, 28, 1) float32 dcgmm.model\n"
    listed = run(python, "-m", "pip", "list", "--format=freeze", cwd=work).lower()
    for absent in ("tensorflow", "torch", "pandas", "scikit-learn", "snakemake", "numba", "matplotlib"):
        assert absent not in listed
    for words in (["train", "--config", "G(4)", "--dataset", "digits"], ["--help"], ["tabel"], ["table", "table_1"]):
        told = subprocess.run([python.with_name("bench"), *words], cwd=work, capture_output=True, text=True)
        assert told.returncode == 2 and "needs what is in the extra 'suite'" in told.stderr
        assert "Traceback" not in told.stderr
