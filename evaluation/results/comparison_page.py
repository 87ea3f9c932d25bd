"""compare.md: verdicts at a glance, what the paper says in words, and every cell; remarks folded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from evaluation.base.text import NOTHING, markdown, markdown_table
from evaluation.measures.statistics import with_coverage
from evaluation.results.claims import Claim, claims
from evaluation.results.comparison import (
    KINDS,
    Row,
    by_cell,
    compare,
    compare_variants,
    data_words,
    remarks,
    totals,
)
from evaluation.results.formatting import Number, as_printed, with_interval
from evaluation.results.labels import dataset_label
from evaluation.results.published import ANY_DATASET
from evaluation.results.results import Results
from evaluation.results.selection import protocols_of
from evaluation.results.verdicts import CLOSE, NOT_REPRODUCED, NOT_RUN, REPRODUCED, RULE, UNDECIDED, VERDICTS

MARKS = {REPRODUCED: "✔", CLOSE: "≈", NOT_REPRODUCED: "✘", UNDECIDED: "?", NOT_RUN: NOTHING}
LEGEND = ", ".join(f"{mark} {verdict}" for verdict, mark in MARKS.items())
ROMAN = {f"table_{n}": f"Table {roman}" for n, roman in enumerate(("I", "II", "III", "IV", "V"), 1)}
WORDS = {
    "auroc": "AUROC in percent",
    "judge_accuracy": "accuracy of the judge on samples, percent",
    "accuracy": "test accuracy in percent",
    "cnn_test_accuracy": "test accuracy of the judge itself, percent",
    "parameters": "number of parameters",
}
QUESTION = "How close are our numbers to the paper's, and which of them reproduce?"
SAME = (
    "A model that is the same in both protocols counts in both. If a DCGMM was also run with independent lower layers, "
    "as in the authors' scripts, this is its number in the paper protocol."
)
Cell = Mapping[str, Row]


def heading(table: str, metric: str) -> str:
    """ "Table I: AUROC in percent"."""
    return f"{ROMAN.get(table, table.capitalize())}: {WORDS.get(metric, metric)}"


def comparison_page(results: Results, title: str | None = None, lacking: Sequence[str] = ()) -> str:
    """The page as Markdown. `title` marks the profile (default: the plan's); `lacking`: what failed or was not made."""
    rows, said = compare(results), claims(results)
    parts = [f"# The paper's numbers and ours: {markdown(title or results.plan.title)}", "", QUESTION, ""]
    parts += ["**Summary**", ""]
    parts += ["What is missing:", "", *(f"- {markdown(line)}" for line in lacking), ""] if lacking else []
    protocols = protocols_of(results.plan)
    parts += [_totals(rows, protocols), "", markdown(data_words(results))]
    parts += _folded("How a verdict is made", [RULE, "", SAME, "", interval_words(rows)])
    first, *others = protocols
    parts += ["", f"## At a glance: protocol {first}", "", f"{LEGEND}; beside it the difference.", ""]
    parts += [_glance(rows, first)]
    for protocol in others:
        parts += _folded(f"At a glance: protocol {protocol}", [_glance(rows, protocol)])
    parts += ["", "## Claims of the paper in words", "", *_spoken(said)]
    for place, cells in by_cell(rows).items():
        parts += ["", f"## {heading(*place)}", "", *_cells(cells)]
    variants = compare_variants(results)
    if variants:
        parts += ["", "## Variants of the models beside the same published values", "", *_cells(by_cells(variants))]
    return "\n".join(parts) + "\n"


def by_cells(rows: Sequence[Row]) -> list[dict[str, Row]]:
    """Rows of one protocol, each as a cell."""
    return [{row.protocol: row} for row in rows]


def interval_words(rows: Sequence[Row]) -> str:
    """What the brackets are, and how far they can be trusted."""
    counts = [row.ours.value.n for row in rows if row.ours.value and not math.isnan(row.ours.value.low)]
    words = "In brackets: 95 % intervals, of our numbers by bootstrap over seeds, of differences by Welch's method."
    return with_coverage(words, counts)


def _totals(rows: Sequence[Row], protocols: Sequence[str]) -> str:
    """How many numbers have which verdict: a line for each protocol and kind of number."""
    body = []
    for protocol in protocols:
        for kind, unit in KINDS.items():
            count = totals([row for row in rows if row.printed.unit == unit], protocol)
            body.append([protocol, kind, *(str(count[verdict]) for verdict in VERDICTS), str(count.total())])
    return markdown_table(["protocol", "numbers", *VERDICTS, "of"], body)


# --- at a glance ------------------------------------------------------------------------------------------------------


def glance(rows: Sequence[Row], protocol: str) -> tuple[list[tuple[str, str]], dict[str, dict[tuple[str, str], Row]]]:
    """The measured values of a protocol: the columns (table, data set), and model → column → row."""
    chosen = [row for row in rows if row.protocol == protocol and row.printed.unit != "count"]
    columns = list(dict.fromkeys((row.printed.table, row.printed.dataset) for row in chosen))
    lines: dict[str, dict[tuple[str, str], Row]] = {}
    for row in chosen:
        lines.setdefault(row.model, {})[row.printed.table, row.printed.dataset] = row
    return columns, lines


def _glance(rows: Sequence[Row], protocol: str) -> str:
    columns, lines = glance(rows, protocol)
    heads = [f"{ROMAN.get(table, 'Judge')}, {dataset_label(dataset)}" for table, dataset in columns]
    body = [
        [model, *("" if place not in cells else glance_words(cells[place]) for place in columns)]
        for model, cells in lines.items()
    ]
    return markdown_table(["model", *heads], body)


def glance_words(row: Row) -> str:
    """ "✔ +0.2"; the mark alone where we have no number."""
    difference = row.judged.difference
    return MARKS[row.verdict] if math.isnan(difference) else f"{MARKS[row.verdict]} {difference:+z.1f}"


# --- claims -----------------------------------------------------------------------------------------------------------


def _spoken(said: Sequence[Claim]) -> list[str]:
    body = [[claim.section, claim.words, claim.verdict, markdown(claim.evidence)] for claim in said]
    table = markdown_table(["section", "claim", "verdict", "evidence"], body, numbers=False)
    cases = [f"- {claim.words}: {markdown('; '.join(claim.cases))}" for claim in said if claim.cases]
    return [table, *_folded("The cases", cases)]


# --- cells ------------------------------------------------------------------------------------------------------------


def published_words(row: Row) -> str:
    """The published number, as printed."""
    if row.printed.unit == "count":
        return _count(row.printed.mean)
    return as_printed(row.printed.mean, row.printed.std)


def our_words(row: Row) -> str:
    """Our number with its interval and where it comes from."""
    value = row.ours.value
    sources = [value.source] if value else []
    if row.printed.unit == "count":
        return Number(_count(row.ours.mean), *sources)
    if value is None:
        return NOTHING
    return Number(with_interval(value.mean, value.std, value.low, value.high), *sources)


def difference_words(row: Row) -> str:
    """The difference with its sign and its 95 % interval, a dash for none."""
    difference, bounds = row.judged.difference, row.judged.interval
    if math.isnan(difference):
        return NOTHING
    if row.printed.unit == "count":
        return f"{difference:+,.0f}"
    return f"{difference:+z.1f}" + (f" [{bounds.low:+z.1f}, {bounds.high:+z.1f}]" if bounds else "")


def _count(value: float) -> str:
    return NOTHING if math.isnan(value) else f"{value:,.0f}"


def place_words(row: Row) -> str:
    """The data set of a cell."""
    return NOTHING if row.printed.dataset == ANY_DATASET else dataset_label(row.printed.dataset)


def was_run(cell: Cell) -> bool:
    return any(row.verdict != NOT_RUN for row in cell.values())


def missing_words(cells: Iterable[Cell]) -> list[str]:
    """What was not run, by reason: "MNIST is not in this profile: DCGMM-A, DCGMM-B"."""
    reasons: dict[str, list[str]] = {}
    for cell in cells:
        if not was_run(cell):
            first = next(iter(cell.values()))
            where = "" if first.printed.dataset == ANY_DATASET else f" on {dataset_label(first.printed.dataset)}"
            reasons.setdefault("; ".join(remarks(cell)), []).append(f"{first.model}{where}")
    return [f"{reason}: {', '.join(models)}" for reason, models in reasons.items()]


def _cells(cells: Sequence[Cell]) -> list[str]:
    """The table of what was run, its remarks folded, and what was not run."""
    run = [cell for cell in cells if was_run(cell)]
    missing = [f"- {markdown(words)}" for words in missing_words(cells)]
    parts = []
    if run:
        protocols = list(run[0])
        sides = [f"{what} ({p})" if len(protocols) > 1 else what for p in protocols for what in SIDES]
        body = [_line(cell) for cell in run]
        parts.append(markdown_table(["model", "data set", "published", *sides], body))
        notes = [f"- {_name(cell)}: {markdown('; '.join(remarks(cell)))}" for cell in run if list(remarks(cell))]
        parts += _folded("Remarks", notes)
    return [*parts, *_folded(f"Not run: {len(cells) - len(run)} of {len(cells)}", missing)]


SIDES = ("ours", "difference", "verdict")


def _name(cell: Cell) -> str:
    first = next(iter(cell.values()))
    return markdown(first.model if place_words(first) == NOTHING else f"{first.model}, {place_words(first)}")


def _line(cell: Cell) -> list[str]:
    first = next(iter(cell.values()))
    line = [markdown(first.model), place_words(first), published_words(first)]
    for row in cell.values():
        line += [our_words(row), difference_words(row), row.verdict]
    return line


def _folded(summary: str, lines: Sequence[str]) -> list[str]:
    """Lines that a reader unfolds; nothing for none."""
    return ["", "<details><summary>" + summary + "</summary>", "", *lines, "", "</details>"] if lines else []
