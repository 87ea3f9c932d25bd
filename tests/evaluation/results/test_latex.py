"""The LaTeX tables compile, and none is wider than the paper."""

import re
import shutil
import subprocess

import pytest

from evaluation.results.figures.style import COLUMN_WIDTH, PAGE_WIDTH
from evaluation.results.make import make_table
from evaluation.results.outputs import TABLE, items
from evaluation.results.results import Results
from evaluation.results.tables.writing import write
from tests.evaluation.made_up import made_up_metrics, made_up_plan

DOCUMENT = r"""
\documentclass[twocolumn,10pt]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{booktabs}
\usepackage{geometry}
\geometry{letterpaper,textwidth=%gin,textheight=9.4in}
\setlength{\columnsep}{%gin}
\extrafloats{100}
\begin{document}
%s
\end{document}
"""


@pytest.fixture(scope="module")
def compiler():
    options = {"pdflatex": ["-interaction=nonstopmode", "-halt-on-error"], "tectonic": ["--keep-logs"]}
    for program in options:
        if shutil.which(program):
            return [program, *options[program]]
    pytest.skip("neither pdflatex nor tectonic is installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Every table of a run of real size."""
    folder = tmp_path_factory.mktemp("tables")
    plan = made_up_plan()
    made = Results(made_up_metrics(), plan)
    for item in items(plan, TABLE).values():
        write(make_table(item.output, made), folder / f"{item.file}.csv", plan.title)
    return folder


def test_every_table_compiles_and_fits(compiler, folder):
    names = sorted(path.stem for path in folder.glob("*.tex"))
    assert len(names) == 11
    inputs = "\n".join(rf"\input{{{name}}} \clearpage" for name in names)
    gap = PAGE_WIDTH - 2 * COLUMN_WIDTH
    (folder / "all.tex").write_text(DOCUMENT % (PAGE_WIDTH, gap, inputs))
    done = subprocess.run([*compiler, "all.tex"], cwd=folder, capture_output=True, text=True, check=False)
    log = (folder / "all.log").read_text(errors="replace")
    assert done.returncode == 0, log[-3000:]
    assert (folder / "all.pdf").read_bytes()[:4] == b"%PDF"
    assert re.findall(r"Overfull \\hbox.*", log) == []
