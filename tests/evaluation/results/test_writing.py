"""CSV, Markdown and LaTeX: the same cells, and labels that mean themselves."""

import csv

import pandas as pd
import pytest

from evaluation.base.text import markdown, markdown_table, tex
from evaluation.results.formatting import as_printed, interval, with_interval, with_std
from evaluation.results.tables.outliers import outlier_table_dcgmm
from evaluation.results.tables.table import Column, Printed, Table
from evaluation.results.tables.writing import as_markdown, latex, write
from tests.evaluation.made_up import results, two_models

HOSTILE = r"a=b|c_d*e$f^g~h<i>{3,1}\%&#`[x](y)"


def table_of(label):
    frame = pd.DataFrame({"model": ["m"], "label": [label], "mean": [1.5]})
    area = Column("area", lambda row: str(row["mean"]))
    return Table("c", frame, ["model"], {"model": lambda row: row["label"]}, [area])


def plain(columns, rows):
    return Printed("", [("", column) for column in columns], rows, 1)


def test_a_table_in_three_formats(tmp_path):
    write(outlier_table_dcgmm(results(two_models()), {"dcgmm-a": "DCGMM-A"}), tmp_path / "t.csv", "50 % & more_")
    (first, *_) = csv.DictReader((tmp_path / "t.csv").open())
    assert (float(first["mean"]), float(first["published"]), first["n"]) == (95.5, 95.4, "2")
    assert float(first["low"]) <= 95.5 <= float(first["high"])
    (line,) = [line for line in (tmp_path / "t.md").read_text().splitlines() if line.startswith("| DCGMM-A")]
    cells = [cell.strip() for cell in line.split("|")[1:-1]]
    assert cells == ["DCGMM-A", "95.4 ± 0.2", "95.5 ± 0.7 [95.0, 96.0]", "94.5 ± 0.7 [94.0, 95.0]"]
    text = (tmp_path / "t.tex").read_text()
    assert r"DCGMM-A & 95.4 $\pm$ 0.2 & 95.5 $\pm$ 0.7 {[}95.0, 96.0{]} &" in text
    assert r"50 \% \& more\_" in text
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")


def test_numbers():
    assert with_std(95.44, 0.21) == "95.4 ± 0.2"
    assert with_std(95.44, float("nan")) == "95.4"
    assert with_std(float("nan"), None) == "–"
    assert as_printed(98.7, 0.05) == "98.7 ± 0.05"
    assert [as_printed(value, float("nan")) for value in (98.19, 98.0)] == ["98.19", "98.0"]
    assert interval(-1.25, 2.0, sign="+") == "[-1.2, +2.0]"
    assert with_interval(1.0, float("nan"), float("nan"), float("nan")) == "1.0"


def rendered(text):
    """What a reader sees of inline Markdown: escapes undone, and nothing else in it left to mean something."""
    found, escaped = "", False
    for character in text:
        if escaped:
            found, escaped = found + character, False
        elif character == "\\":
            escaped = True
        else:
            assert character not in "`*<>|~$", text
            found += character
    return found


def test_a_label_means_itself_in_markdown():
    assert rendered(markdown(HOSTILE)) == HOSTILE
    lines = as_markdown(Printed("", [("", "model"), ("", "area")], [[HOSTILE, "1.5 [1, 2]"]], 1)).splitlines()
    assert len(lines) == 3 and "[x](" not in lines[2] and "1.5 [1, 2]" in lines[2]
    bars = lines[2].replace(r"\|", "")
    assert bars.count("|") == 3  # two cells


def test_underscores_within_words_stay_as_they_are():
    assert [markdown(text) for text in ("a_b_1", "_a_", "more_)")] == ["a_b_1", r"\_a\_", r"more\_)"]
    assert markdown("__x__") == r"\_\_x\_\_"


def test_a_label_means_itself_in_latex(tmp_path):
    write(table_of(HOSTILE), tmp_path / "t.csv", "{title} 100 %")
    text = (tmp_path / "t.tex").read_text()
    (line,) = [line for line in text.splitlines() if "1.5" in line]
    assert line.startswith(r"a=b|c\_d*e\$f\textasciicircum{}g\textasciitilde{}h$<$i$>$\{3,1\}\textbackslash{}\%\&\#")
    assert r"\{title\} 100 \%" in text
    assert tex("[x") == "{[}x"  # \\[ would start an option


def test_cells_of_a_markdown_table_keep_their_bars():
    lines = [line.split() for line in markdown_table(["a", "b"], [["x|y", "1"]]).splitlines()]
    assert lines[2] == ["|", r"x\|y", "|", "1", "|"]


def test_the_label_of_a_data_set_stands_once_above_its_columns():
    heads = [("", "model"), ("MNIST", "published"), ("MNIST", "AUROC"), ("Fashion-MNIST", "published")]
    text = latex(Printed("", heads, [["a", "1", "2", "3"]], 1), "c")
    head = text[text.index(r"\toprule") : text.index(r"\midrule")].splitlines()[1:]
    assert [line.strip() for line in head] == [
        r"& \multicolumn{2}{c}{MNIST} & Fashion-MNIST \\",
        r"\cmidrule(lr){2-3} \cmidrule(lr){4-4}",
        r"model & published & AUROC & published \\",
    ]


def test_what_is_too_wide_or_too_long_for_a_page_is_split():
    wide = latex(plain(["model", *(f"column {i}" for i in range(20))], [["a", *("1" * 15 for _ in range(20))]]), "c")
    assert wide.count(r"\toprule") > 1
    assert wide.count("model & ") == wide.count(r"\toprule")
    assert "(part 2 of " in wide
    long = latex(plain(["model"], [[f"row {i}"] for i in range(100)]), "c")
    assert long.count(r"\begin{table}") == 3
    assert all(f"row {i} " in long for i in range(100))


@pytest.mark.parametrize("label", ["--row", "=x", "$", "~"])
def test_labels_that_look_like_something_else(label, tmp_path):
    write(table_of(label), tmp_path / "t.csv", "")
    assert rendered((tmp_path / "t.md").read_text().splitlines()[-1].split(" |")[0].removeprefix("| ")).strip() == label


def test_a_label_means_itself_on_every_page(tmp_path):
    """compare.md and report.html of a run with a variant of a hostile label."""
    from evaluation.measures.tidy import write_metrics
    from evaluation.plan.resolve import Run
    from evaluation.results.comparison_page import comparison_page
    from evaluation.results.material import Material
    from evaluation.results.report import report_page
    from tests.evaluation.made_up import plan, rows, validated

    label = "<i>a|b$c=-d{3,1}[x](y)"
    of = plan({"x": {"extends": "dcgmm-a", "label": label}}, models=["x", "gmm"])
    write_metrics(tmp_path / "metrics/outliers_mnist.parquet", validated([*rows("x", [95, 96]), *rows("gmm", [1, 2])]))
    material = Material(Run(of, tmp_path))
    text = report_page(material, [], {})
    assert "<i>a" not in text and "&lt;i&gt;a|b$c=-d{3,1}[x](y)" in text
    page = comparison_page(material.results)
    (line,) = [line for line in page.splitlines() if r"a\|b" in line and line.startswith("|")]
    assert r"\<i\>a\|b\$c=-d{3,1}[x\](y)" in line and line.replace(r"\|", "").count("|") == 7
