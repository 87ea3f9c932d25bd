"""Tables of docs/spn-outliers.md: from a profile's run and from the courses of `spn_outliers`.

`report` writes DOCS/figures/spn-*.png and fills the tables of DOCS/spn-outliers.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import gammaln

from benchmarks.measure import markdown
from benchmarks.studies.spn_figures import area_figure, early_figure, histogram_figure, loss_figure
from benchmarks.studies.spn_found import LABELS, Done, cells, courses, early, finished, paper, spread
from benchmarks.studies.spn_runs import DATASETS, areas
from evaluation.base.files import write_text
from evaluation.datasets import load_dataset
from evaluation.models.registry import build, load_model

TRIALS = 255


def main_table(done: list[Done]) -> list[dict[str, Any]]:
    """Areas and log-likelihoods after training, over all seeds."""
    rows = []
    for dataset, model, variant, own in cells(done):
        mean, deviation = paper(dataset, model)
        found = [areas(d.scores, d.labels) for d in own]
        rows.append(
            {
                "data": dataset,
                "model": f"{model.upper()}-SPN",
                "leaves": LABELS[variant],
                "epochs": own[0].record["params"]["epochs"],
                "seeds": len(own),
                "exact area": spread([area["auroc"] for area in found]),
                "script's area": spread([area["auroc_100"] for area in found]),
                "paper": f"{mean} ± {deviation}",
                "test log-likelihood, inliers": spread([float(d.scores[d.labels != 0].mean()) for d in own]),
            }
        )
    return rows


def log_h(x: np.ndarray) -> np.ndarray:
    """Sum over pixels of log C(255, x): (n,)."""
    return (gammaln(TRIALS + 1) - gammaln(x + 1) - gammaln(TRIALS - x + 1)).sum(1)


def simple_scores(dataset: str) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(name, scores, labels) of scores that need no circuit."""
    data = load_dataset(dataset)
    x, y = data.split("train")
    x = x[y != 0].reshape(-1, x[0].size).astype(np.float64)
    test, labels = data.split("test")
    test = test.reshape(len(test), -1).astype(np.float64)
    counts = np.round(test * TRIALS)
    yield "brightness (sum of pixels)", test.sum(1), labels
    yield "log h, pixels in [0, 1]", log_h(test), labels
    yield "log h, counts", log_h(counts), labels
    for name, values, mean in (("[0, 1]", test, x.mean(0)), ("counts", counts, TRIALS * x.mean(0))):
        p = np.clip(mean / TRIALS, 1e-6, 1 - 1e-6)
        ratio = values @ np.log(p / (1 - p))
        yield f"one binomial per pixel, {name}", ratio + log_h(values), labels
        yield f"one binomial per pixel, {name}, without log h", ratio, labels
    variance = np.clip(x.var(0), 1e-6, 0.1)
    yield "one normal per pixel", -((test - x.mean(0)) ** 2 / variance).sum(1) / 2, labels


def simple_table() -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for dataset in DATASETS:
        for name, scores, labels in simple_scores(dataset):
            area = areas(scores, labels)
            row = rows.setdefault(name, {"score": name})
            row[f"{dataset}: exact"] = f"{area['auroc']:.1f}"
            row[f"{dataset}: script's"] = f"{area['auroc_100']:.1f}"
    return list(rows.values())


def hypothesis_table(done: list[Done]) -> list[dict[str, Any]]:
    """What each suspect would print, over all seeds, from the same trained models."""
    images = {d: load_dataset(d).split("test")[0] for d in DATASETS}
    flat = {d: x.reshape(len(x), -1).astype(np.float64) for d, x in images.items()}
    rows = []
    for dataset, model, variant, own in cells(done):
        base = {"binomial-unit": flat[dataset], "binomial-counts": np.round(flat[dataset] * TRIALS)}.get(variant)
        without = [areas(d.scores - log_h(base), d.labels)["auroc"] for d in own] if base is not None else []
        clipped = [np.maximum(d.scores, np.quantile(d.scores, 0.005)) for d in own]
        crossed = [area for d in own if (area := cross(d, images[dataset])) is not None]
        rows.append(
            {
                "data": dataset,
                "model": f"{model.upper()}-SPN",
                "leaves": LABELS[variant],
                "trained": spread([areas(d.scores, d.labels)["auroc"] for d in own]),
                "sign flipped": spread([areas(-d.scores, d.labels)["auroc"] for d in own]),
                "untrained": spread([untrained(d, images[dataset]) for d in own]),
                "without log h": spread(without) if without else "–",
                "script's area": spread([areas(d.scores, d.labels)["auroc_100"] for d in own]),
                "script's area, lowest 0.5 % of scores lifted": spread(
                    [areas(c, d.labels)["auroc_100"] for c, d in zip(clipped, own, strict=True)]
                ),
                "trained on the other data": spread(crossed) if crossed else "–",
            }
        )
    return rows


def untrained(d: Done, images: np.ndarray) -> float:
    """Exact area of the same model with its initial parameters."""
    model = build(d.record["factory"], d.record["params"], images.shape[1:], d.run.seed)
    return areas(model.score_samples(images), d.labels)["auroc"]


def cross(d: Done, images: np.ndarray) -> float | None:
    """Exact area on this data set of the model trained on the other one (a mixed-up model file)."""
    other = d.run._replace(dataset=DATASETS[1 - DATASETS.index(d.run.dataset)])
    directory = other.place(d.model.parents[3])
    return areas(load_model(directory).score_samples(images), d.labels)["auroc"] if directory.exists() else None


def course_table(out: Path, seeds: list[int]) -> list[dict[str, Any]]:
    """Exact areas after some updates, mean ± standard deviation over seeds."""
    rows = []
    for dataset, model, variant, logs in courses(out, seeds):
        row = {"data": dataset, "model": f"{model.upper()}-SPN", "leaves": LABELS[variant], "seeds": len(logs)}
        for number, point in enumerate(early(logs[0])):
            row[f"{point['update']}"] = spread([early(log)[number]["auroc"] for log in logs])
        rows.append(row)
    return rows


def report(results: Path, out: Path, docs: Path, seeds: list[int]) -> None:
    """Write the figures to DOCS/figures and the tables into DOCS/spn-outliers.md, between their markers."""
    done = finished(results, seeds)
    figures = docs / "figures"
    loss_figure(done, figures / "spn-losses.png")
    histogram_figure(done, figures / "spn-scores.png")
    if any(courses(out, seeds)):  # else the page keeps those that it has
        area_figure(out, seeds, figures / "spn-areas.png")
        early_figure(out, seeds, figures / "spn-early.png")
    tables = {
        "trained": main_table(done),
        "updates": course_table(out, seeds),
        "suspects": hypothesis_table(done),
        "simple": simple_table(),
    }
    path = docs / "spn-outliers.md"
    text = path.read_text(encoding="utf-8")
    for name, rows in tables.items():
        if rows:
            text = filled(text, name, markdown(rows))
    write_text(path, text)


def filled(text: str, name: str, table: str) -> str:
    """The text with what is between `<!-- name -->` and `<!-- end -->` replaced. Raises ValueError without markers."""
    start, end = f"<!-- {name} -->\n", "\n<!-- end -->"
    if start not in text:
        raise ValueError(f"the document has no marker {start.strip()!r}: put it where the table belongs")
    before, rest = text.split(start, 1)
    return before + start + table + rest[rest.index(end) :]
