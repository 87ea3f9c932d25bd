"""report.html: one self-contained page with verdicts, tables, figures, provenance, and the rows behind each number."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.results.claims import claims
from evaluation.results.comparison import Row, by_cell, compare, data_words, remarks, totals
from evaluation.results.comparison_page import (
    LEGEND,
    MARKS,
    ROMAN,
    difference_words,
    glance,
    glance_words,
    heading,
    interval_words,
    missing_words,
    our_words,
    place_words,
    published_words,
    was_run,
)
from evaluation.results.formatting import Number
from evaluation.results.labels import dataset_label
from evaluation.results.make import make_table
from evaluation.results.material import Material
from evaluation.results.origins import Origins
from evaluation.results.outputs import FIGURE, OUTPUTS, TABLE, items
from evaluation.results.results import Results, TidySource
from evaluation.results.selection import protocols_of
from evaluation.results.tables.table import LEFT_OUT, printed
from evaluation.results.verdicts import RULE, VERDICTS

TEMPLATE = Path(__file__).with_name("templates") / "report.html.j2"
PICTURE_WIDTH = 900  # CSS pixels, of a figure as wide as the page


def report_page(
    material: Material,
    pictures: Iterable[Path],
    provenance: Mapping[str, Any],
    title: str | None = None,
    lacking: Sequence[str] = (),
) -> str:
    """The page as HTML.

    Args:
        material: what the run has made.
        pictures: PNG files of the run's figures; others are left out.
        provenance: what `bench provenance` wrote.
        title: marks the page (default: the plan's).
        lacking: what failed or was not made, a line each.
    """
    import yaml
    from jinja2 import Environment, StrictUndefined

    results, plan = material.results, material.plan
    rows, origins, links = compare(results), Origins(plan, provenance), _Links()
    protocols = protocols_of(plan)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals["linked"] = links
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    context = {
        "title": plan.title if title is None else title,
        "lacking": list(lacking),
        "rule": RULE,
        "data": data_words(results),
        "intervals": interval_words(rows),
        "legend": LEGEND,
        "totals": {p: {v: totals(rows, p)[v] for v in VERDICTS} for p in protocols},
        "glances": [_glance(rows, protocol) for protocol in protocols],
        "compared": [_group(place, cells) for place, cells in by_cell(rows).items()],
        "claims": claims(results),
        "sections": _sections(results, list(pictures)),
        "provenance": {**_facts(provenance), **origins.words()},
        "mixtures": origins.mixtures(),
        "versions": sorted([str(key), str(value)] for key, value in provenance.get("versions", {}).items()),
        "config": yaml.safe_dump(dict(plan.config), sort_keys=False, allow_unicode=True),
        "files": sorted(path.name for path in material.files),
        "picture_width": PICTURE_WIDTH,
        # Read at the end of the page, when every number has been printed and has asked for its link.
        "appendix": _Appendix(links, results, origins),
    }
    return template.render(context)


class _Links:
    """The anchors of a cell's sources; remembers which were asked for."""

    def __init__(self) -> None:
        self.sources: dict[str, TidySource] = {}

    def __call__(self, cell: str) -> list[str]:
        sources = cell.sources if isinstance(cell, Number) else ()
        self.sources |= {source.anchor: source for source in sources}
        return [source.anchor for source in sources]


class _Appendix:
    """The rows behind every number that was linked before."""

    def __init__(self, links: _Links, results: Results, origins: Origins) -> None:
        self.links, self.results, self.origins = links, results, origins

    def __iter__(self) -> Iterator[dict[str, Any]]:
        # One pass over the metrics, not one for each number: a grid has hundreds.
        keys = [*TidySource._fields]
        groups = {key: rows for key, rows in self.results.metrics.groupby(keys, sort=False)[["seed", "value"]]}
        for anchor, source in sorted(self.links.sources.items(), key=lambda item: item[1]):
            found = [(params, groups[(*source[:-1], params)]) for params in source.params]
            several = len(found) > 1
            values = [
                f"{f'{params} ' if several else ''}{seed}: {value:.6g}"
                for params, rows in found
                for seed, value in zip(rows["seed"], rows["value"], strict=True)
            ]
            seeds = dict.fromkeys(int(seed) for _, rows in found for seed in rows["seed"])
            facts = source._asdict() | {"anchor": anchor, "by_seed": ", ".join(values)}
            facts |= {"params": "several" if several else source.params[0], "origin": self.origins.of(source, seeds)}
            yield facts


def _glance(rows: Sequence[Row], protocol: str) -> dict[str, Any]:
    """The verdicts of a protocol as a table: a line for each model, a column for each table and data set."""
    columns, lines = glance(rows, protocol)
    heads = [f"{ROMAN.get(table, 'Judge')}, {dataset_label(dataset)}" for table, dataset in columns]
    body = [
        (model, [(glance_words(cells[p]), cells[p].verdict) if p in cells else ("", "") for p in columns])
        for model, cells in lines.items()
    ]
    return {"protocol": protocol, "heads": heads, "lines": body, "marks": MARKS}


def _group(place: tuple[str, str], cells: Sequence[Mapping[str, Row]]) -> dict[str, Any]:
    """A table of the paper: its numbers with both protocols side by side, remarks, and what was not run."""
    lines = [_line(cell) for cell in cells if was_run(cell)]
    title = f"{heading(*place)} ({len(lines)} of {len(cells)} numbers run)"
    return {"title": title, "lines": lines, "missing": missing_words(cells)}


def _line(cell: Mapping[str, Row]) -> dict[str, Any]:
    first = next(iter(cell.values()))
    sides = [
        {"ours": our_words(row), "difference": difference_words(row), "verdict": row.verdict} for row in cell.values()
    ]
    line = {"model": first.model, "dataset": place_words(first), "published": published_words(first)}
    return {**line, "sides": sides, "remarks": list(remarks(cell))}


def _sections(results: Results, pictures: Sequence[Path]) -> list[dict[str, Any]]:
    """The paper's sections in its order, each with its tables and figures; empty ones are left out."""
    from evaluation.results.figures.style import note_of

    sections: dict[str, dict[str, Any]] = {
        title: {"title": title, "anchor": f"section-{number}", "tables": [], "figures": []}
        for number, title in enumerate(dict.fromkeys(output.section for output in OUTPUTS.values()))
    }
    plan = results.plan
    for item in items(plan, TABLE).values():
        if item.output.experiment is not None and not results.has(item.output.experiment):
            continue  # its jobs have not finished
        cells = printed(make_table(item.output, results))
        if not cells.rows and LEFT_OUT not in cells.caption:
            continue  # nothing of it has finished
        facts = {"name": item.title(), "caption": cells.caption, "columns": cells.columns, "rows": cells.rows}
        sections[item.section]["tables"].append(facts)
    there = {path.stem: path for path in pictures}
    for item in items(plan, FIGURE).values():
        if item.file in there:
            path = there[item.file]
            data = base64.b64encode(path.read_bytes()).decode()
            facts = {"name": item.title(), "data": f"data:image/png;base64,{data}", "note": note_of(path)}
            sections[item.section]["figures"].append(facts)
    return [section for section in sections.values() if section["tables"] or section["figures"]]


def _facts(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Commit, machine and who computed how many of the models, in words."""
    git, machine = provenance.get("git", {}), provenance.get("machine", {})
    made: dict[str, int] = {}
    for name in provenance.get("machine_of_result", {}).values():
        made[name] = made.get(name, 0) + 1
    changed = {True: ", with changes", False: ""}.get(git.get("modified"), "")
    memory = f"{machine['memory_gib']} GiB" if machine.get("memory_gib") else "unknown memory"
    return {
        "commit of this page": f"{git.get('commit') or 'no git checkout'}{changed}",
        "machine of this page": machine.get("name", "unknown"),
        "processor": f"{machine.get('processor', 'unknown')}, {machine.get('cores', '?')} cores, {memory}",
        "system": machine.get("system", "unknown"),
        "trained models": ", ".join(f"{count} on {name}" for name, count in made.items()) or "none recorded",
    }
