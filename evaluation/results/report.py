"""report.html: one self-contained page with verdicts, tables, figures, provenance, and the rows behind each number."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.results.claims import claims
from evaluation.results.compare import (
    NOT_RUN,
    RULE,
    VERDICTS,
    compare,
    difference_words,
    interval_words,
    our_words,
    published_words,
    remarks,
    totals,
)
from evaluation.results.contents import FILES, SECTIONS, experiment_of, figures, make, tables
from evaluation.results.numbers import NOTHING, Number, Source
from evaluation.results.published import ANY_DATASET
from evaluation.results.selection import PROTOCOLS
from evaluation.results.tables.writing import DATASET_LABELS, records

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.plan.config import Plan

TEMPLATE = Path(__file__).with_name("templates") / "report.html.j2"
PICTURE_WIDTH = 900  # CSS pixels, of a figure as wide as the page
NAMES = {
    "outlier_classes": "Every class left out in turn",
    "paired": "Pairs: every DCGMM against every rival",
    "grid": "All grid points",
    "heat_map": "Grid",
    "table_inpainting": "Completions in numbers",
    **{f"table_{n}": f"Table {roman}" for n, roman in enumerate(("I", "II", "III", "IV", "V", "VI", "VII", "VIII"), 1)},
    **{f"fig_{n}": f"Fig. {n}" for n in range(4, 15)},
}


def page(
    metrics: pd.DataFrame, plan: Plan, pictures: Iterable[Path], provenance: Mapping[str, Any], files: Iterable[str]
) -> str:
    """The page as HTML.

    Args:
        metrics: tidy, of the whole run.
        pictures: PNG files of the run's figures; others are left out.
        provenance: what `bench provenance` wrote.
        files: names of the files of the metrics.
    """
    import yaml
    from jinja2 import Environment, StrictUndefined

    compared = compare(metrics, plan)
    links = _Links()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals["linked"] = links
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    context = {
        "title": plan.title,
        "rule": f"{RULE} {interval_words(compared)}",
        "totals": {p: {v: totals(compared, p)[v] for v in VERDICTS} for p in PROTOCOLS},
        "compared": _groups(compared),
        "claims": claims(metrics, plan),
        "sections": _sections(metrics, plan, list(pictures)),
        "provenance": _facts(provenance),
        "versions": sorted([str(key), str(value)] for key, value in provenance.get("versions", {}).items()),
        "config": yaml.safe_dump(dict(plan.config), sort_keys=False, allow_unicode=True),
        "files": sorted(files),
        "picture_width": PICTURE_WIDTH,
        # Read at the end of the page, when every number has been printed and has asked for its link.
        "appendix": _Appendix(links, metrics),
    }
    return template.render(context)


class _Links:
    """The anchors of a cell's sources; remembers which were asked for."""

    def __init__(self) -> None:
        self.sources: dict[str, Source] = {}

    def __call__(self, cell: str) -> list[str]:
        sources = cell.sources if isinstance(cell, Number) else ()
        self.sources |= {source.anchor: source for source in sources}
        return [source.anchor for source in sources]


class _Appendix:
    """The rows behind every number that was linked before."""

    def __init__(self, links: _Links, metrics: pd.DataFrame) -> None:
        self.links, self.metrics = links, metrics

    def __iter__(self) -> Any:
        # One pass over the metrics, not one for each number: a grid has hundreds.
        keys = [*Source._fields]
        groups = {key: rows for key, rows in self.metrics.groupby(keys, sort=False)[["seed", "value"]]}
        for anchor, source in sorted(self.links.sources.items(), key=lambda item: item[1]):
            found = [(params, groups[(*source[:-1], params)]) for params in source.params]
            several = len(found) > 1
            values = [
                f"{f'{params} ' if several else ''}{seed}: {value:.6g}"
                for params, rows in found
                for seed, value in zip(rows["seed"], rows["value"], strict=True)
            ]
            facts = source._asdict() | {"anchor": anchor, "by_seed": ", ".join(values)}
            yield facts | {"params": "several" if several else source.params[0]}


def _groups(compared: pd.DataFrame) -> list[dict[str, Any]]:
    """Every printed number with both protocols side by side, by table."""
    groups = []
    for (table, metric), cells in compared.groupby(["table", "metric"], sort=False):
        lines = []
        for (dataset, model), pair in cells.groupby(["dataset", "model"], sort=False):
            rows = records(pair)
            sides = [
                {
                    "ours": our_words(row),
                    "difference": difference_words(row["difference"], row["unit"]),
                    "verdict": row["verdict"],
                }
                for row in rows
            ]
            place = NOTHING if dataset == ANY_DATASET else DATASET_LABELS[str(dataset)]
            lines.append(
                {"model": model, "dataset": place, "published": published_words(rows[0]), "sides": sides}
                | {"remark": remarks(rows), "run": any(row["verdict"] != NOT_RUN for row in rows)}
            )
        name = NAMES.get(str(table), str(table).capitalize())
        title = f"{name}: {str(metric).replace('_', ' ')} ({len(lines)} numbers)"
        groups.append({"title": title, "lines": lines, "run": bool(cells["ours"].notna().any())})
    return groups


def _sections(metrics: pd.DataFrame, plan: Plan, pictures: Sequence[Path]) -> list[dict[str, Any]]:
    """The paper's sections in its order, each with its tables and figures; empty ones are left out."""
    sections: dict[str, dict[str, Any]] = {
        title: {"title": title, "anchor": f"section-{number}", "tables": [], "figures": []}
        for number, title in enumerate(dict.fromkeys(SECTIONS.values()))
    }
    run = set(metrics["experiment"])
    for entry in tables(plan):
        if entry.rows and experiment_of(entry.name) not in run:
            continue  # its jobs have not finished
        table = make(entry, metrics)
        facts = {"name": NAMES[entry.name], "caption": table.caption, "columns": table.columns, "rows": table.rows}
        sections[SECTIONS[entry.name]]["tables"].append(facts)
    wanted = figures(plan)
    order = list(FILES.values())
    for path in sorted(pictures, key=lambda path: (order.index(path.stem) if path.stem in order else -1, path.stem)):
        if path.stem in wanted:
            name = NAMES[wanted[path.stem]]
            if wanted[path.stem] == "heat_map":
                name = f"Grid of {plan.catalogue.model(path.stem.removeprefix('heat_map_')).label}"
            data = base64.b64encode(path.read_bytes()).decode()
            picture = {"name": name, "data": f"data:image/png;base64,{data}"}
            sections[SECTIONS[wanted[path.stem]]]["figures"].append(picture)
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
        "commit": f"{git.get('commit') or 'no git checkout'}{changed}",
        "machine of this page": machine.get("name", "unknown"),
        "processor": f"{machine.get('processor', 'unknown')}, {machine.get('cores', '?')} cores, {memory}",
        "system": machine.get("system", "unknown"),
        "trained models": ", ".join(f"{count} on {name}" for name, count in made.items()) or "none recorded",
    }
