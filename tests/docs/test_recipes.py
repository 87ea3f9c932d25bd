"""docs/recipes.md: its blocks are run as they stand, in a folder where config/quick.yaml is a tiny profile on digits.

Not run, since they need a scheduler, a GPU or a network, are the blocks of tasks 6 and 7: their commands go through the
real parsers, and every data set, model, profile and target that they name exists.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from evaluation.cli import build_parser, main
from evaluation.datasets.catalogue import CATALOGUE
from evaluation.plan.catalogue import Catalogue
from evaluation.plan.plan import load_plan

ROOT = Path(__file__).resolve().parents[2]
TASKS = dict(re.findall(r"^## (\d+)\. .*?\n(.*?)(?=^## |\Z)", (ROOT / "docs/recipes.md").read_text(), re.M | re.S))
CHECKOUT = ("Snakefile", "workflow", "profiles", "baselines", "docs", "envs")  # what commands use of it
QUICK = """
profile: quick
seeds: 1
models:
  dcgmm-a: {params: {iterations: 300, window: 4, learning_rate: 0.1, measurements: 1}}
experiments:
  outliers: {datasets: [digits], models: [dcgmm-a], curves: [[dcgmm-a, digits]]}
"""


def blocks(task, language="bash"):
    return re.findall(rf"^```{language}\n(.*?)^```$", TASKS[str(task)], flags=re.M | re.S)


def running(folder, **environment):
    """What runs commands in a folder and gives what they print; $BENCH_DATA is only what `environment` says."""
    bin_first = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    inherited = {name: value for name, value in os.environ.items() if name != "BENCH_DATA"}
    whole = {**inherited, "PATH": bin_first, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}

    def run(commands):
        words = ["bash", "-euc", commands]
        done = subprocess.run(words, cwd=folder, env=whole, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def run(tmp_path):
    """Run commands in a folder like the checkout; the data sets are elsewhere, in a folder that is not there yet."""
    for name in CHECKOUT:
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/quick.yaml").write_text(QUICK)
    return running(tmp_path, BENCH_DATA=str(tmp_path / "all data/sets"))


# --- run -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_in_pieces_and_what_is_made_of_it(run, tmp_path):
    results = tmp_path / "results/quick"
    (one_table,) = blocks(1)
    run(one_table)
    assert "DCGMM-A" in (results / "tables/table_1_outliers_dcgmm.md").read_text()
    assert not (results / "report.html").exists()

    (pieces,) = blocks(8)
    run(pieces)
    assert (tmp_path / "so-far/compare.md").is_file() and (results / "report.html").is_file()

    pages = [results / "figures/fig_10_outlier_curves.png", results / "tables/table_1_outliers_dcgmm.tex"]
    pages.append(results / "report.html")
    for page in pages:
        page.unlink()
    (again,) = blocks(2)
    run(again)
    assert all(page.is_file() for page in pages)

    one, everything = blocks(3)
    assert "results/quick/models/digits/not0/dcgmm-a/seed0" in run(one.replace("fashion_mnist", "digits"))
    run(everything)
    assert (tmp_path / "provenance.json").is_file()

    (latex,) = blocks(9, "latex")
    (included,) = re.findall(r"\\input\{(.*?)\}", latex)
    assert (tmp_path / included).is_file()
    (own_table,) = blocks(9)
    assert re.search(r"digits & dcgmm-a & \d+\.\d", run(own_table))

    (compare,) = blocks(10)
    said = run(compare)
    assert str(results) in said and "docs/reference/quick" in said


@pytest.mark.slow
def test_a_model_of_my_own(run):
    (own_model,) = blocks(4)
    assert "AUROC" in run(own_model)


def data_of_my_own(run, folder):
    """Task 5 in a folder, from the first command to the last."""
    train, plan = blocks(5)
    assert "AUROC" in run(train)
    (profile,) = blocks(5, "yaml")
    (folder / "mine.yaml").write_text(profile)
    assert re.search(r"^train +\d", run(plan), flags=re.M)


@pytest.mark.slow
def test_data_of_my_own(run, tmp_path):
    data_of_my_own(run, tmp_path)
    assert (tmp_path / "all data/sets/mine.npz").is_file()


@pytest.mark.slow
def test_data_of_my_own_in_a_fresh_checkout(tmp_path):
    """Without $BENCH_DATA: in a copy of the code, whose data directory is its own and not ours."""
    for name in ("evaluation", "dcgmm", "baselines"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    data_of_my_own(running(tmp_path, PYTHONPATH=str(tmp_path)), tmp_path)
    assert (tmp_path / "data/mine.npz").is_file()


# --- read ------------------------------------------------------------------------------------------------------------


def test_a_profile_that_extends_another_one(tmp_path):
    (profile,) = blocks(8, "yaml")
    (tmp_path / "quick.yaml").write_text(QUICK)
    (tmp_path / "five.yaml").write_text(profile)
    assert len(load_plan(tmp_path / "five.yaml").keys("outliers")) == 5


@pytest.mark.parametrize("words", [["table", "table_1"], ["figure", "fig_10"], ["report"]], ids=lambda words: words[0])
def test_task_2_says_which_files_out_takes(words, tmp_path, capsys):
    """It said FILE of all three; a table as x.md is refused."""
    run = str(ROOT / "docs/reference/quick")
    assert main([*words, "--profile", run, "--out", str(tmp_path / "x.other")]) == 2
    (ending,) = re.findall(r"a file name that ends in (\.\w+) is expected", capsys.readouterr().err)
    assert f"`--out FILE{ending}`" in TASKS["2"]


def commands(task):
    """The commands of a task's blocks, as words."""
    for block in blocks(task):
        for line in block.replace("\\\n", " ").splitlines():
            yield shlex.split(line, comments=True)


def made_by_make(target, *variables):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.M)
    for name, _, value in (variable.partition("=") for variable in variables):
        assert name == "PROFILE" and (ROOT / f"config/{value}.yaml").is_file()


def accepted_by_bench(command, *words):
    args = build_parser([command]).parse_args([command, *words])
    if command == "data":
        assert set(args.names) <= set(CATALOGUE)
    if command == "train":
        assert args.dataset in CATALOGUE and args.model in Catalogue().names()
    for option in ("configfile", "workflow_profile"):
        assert not getattr(args, option, None) or (ROOT / getattr(args, option)).exists()
    if command == "resume":
        accepted_by_snakemake("--configfile", args.configfile, *args.options)


def accepted_by_snakemake(*words):
    from snakemake.cli import parse_args

    _, args = parse_args(words)
    assert all(Path(file).is_file() for file in args.configfile)


def installed_by_pip(install, package):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert install == "install" and extras["gpu"][0].startswith(package)


def sourced(script):
    assert script == ".venv/bin/activate"  # which `make setup` has made


PROGRAMS = {
    "bench": accepted_by_bench,
    "make": made_by_make,
    "pip": installed_by_pip,
    "snakemake": accepted_by_snakemake,
    "source": sourced,
}


@pytest.mark.parametrize("task", [6, 7])
def test_commands_for_clusters_and_gpus_are_accepted(task, monkeypatch):
    monkeypatch.chdir(ROOT)
    for program, *words in commands(task):
        PROGRAMS[program](*words)


def test_every_task_has_commands():
    assert list(TASKS) == [str(number) for number in range(1, 11)]
    assert all(blocks(task) for task in TASKS)
