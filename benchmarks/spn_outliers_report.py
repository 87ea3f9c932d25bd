"""Tables and figures of docs/spn-outliers.md from the runs of `benchmarks.spn_outliers`.

`report` writes DOCS/figures/spn-*.png and fills the tables of DOCS/spn-outliers.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from scipy.special import gammaln

from benchmarks.measure import markdown
from benchmarks.spn_outliers import DATASETS, MODELS, VARIANTS, Run, areas
from evaluation.atomic import atomic_path, write_text
from evaluation.datasets import load_dataset
from evaluation.published import published

matplotlib.use("Agg")
import matplotlib.pyplot as plt

TRIALS = 255
COLOURS = {"binomial-unit": "tab:blue", "binomial-counts": "tab:orange", "normal": "tab:green"}
LABELS = {
    "binomial-unit": "binomial, pixels in [0, 1] (paper)",
    "binomial-counts": "binomial, counts (clean)",
    "normal": "normal",
}


class Done(NamedTuple):
    """A run with what it left behind."""

    run: Run
    epochs: list[dict[str, float]]
    before: np.ndarray
    after: np.ndarray
    labels: np.ndarray
    directory: Path


def finished(out: Path, seeds: int = 20) -> list[Done]:
    """All runs with at least one epoch."""
    found = []
    for dataset in DATASETS:
        for model in MODELS:
            for variant in VARIANTS:
                for seed in range(seeds):
                    run = Run(dataset, model, variant, seed)
                    directory = out / run.name
                    if (directory / "scores.npz").exists():
                        with np.load(directory / "scores.npz") as z:
                            log = json.loads((directory / "epochs.json").read_text())
                            found.append(Done(run, log, z["before"], z["after"], z["labels"], directory))
    return found


def cells(done: list[Done]) -> Iterator[tuple[str, str, str, list[Done]]]:
    """(dataset, model, variant, its runs), in the order of the tables."""
    for dataset in DATASETS:
        for model in MODELS:
            for variant in VARIANTS:
                own = [d for d in done if d.run[:3] == (dataset, model, variant)]
                if own:
                    yield dataset, model, variant, own


def spread(values: list[float]) -> str:
    """Mean ± standard deviation (ddof 1), or the one value."""
    if len(values) == 1:
        return f"{values[0]:.1f}"
    return f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}"


def paper(dataset: str, model: str) -> tuple[float, float]:
    """Mean and standard deviation that the paper prints in Table II, percent."""
    table = published()
    name = f"{model.upper()}-SPN"
    (row,) = table[(table.table == "table_2") & (table.dataset == dataset) & (table.model == name)].itertuples()
    return row.mean, row.std


def main_table(done: list[Done], epoch: int) -> list[dict[str, Any]]:
    """Areas after `epoch` epochs, over all runs that got there."""
    rows = []
    for dataset, model, variant, own in cells(done):
        logs = [d.epochs[epoch - 1] for d in own if len(d.epochs) >= epoch]
        if logs:
            mean, deviation = paper(dataset, model)
            rows.append(
                {
                    "data": dataset,
                    "model": f"{model.upper()}-SPN",
                    "leaves": LABELS[variant],
                    "seeds": len(logs),
                    "exact area": spread([r["auroc"] for r in logs]),
                    "script's area": spread([r["auroc_100"] for r in logs]),
                    "paper": f"{mean} ± {deviation}",
                    "test log-likelihood, inliers": f"{np.mean([r['test'] for r in logs]):.1f}",
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
    """What each suspect would print, mean over seeds, from the same trained models."""
    images = {d: load_dataset(d).split("test")[0] for d in DATASETS}
    flat = {d: x.reshape(len(x), -1).astype(np.float64) for d, x in images.items()}
    rows = []
    for dataset, model, variant, own in cells(done):
        base = {"binomial-unit": flat[dataset], "binomial-counts": np.round(flat[dataset] * TRIALS)}.get(variant)
        without = [areas(d.after - log_h(base), d.labels)["auroc"] for d in own] if base is not None else []
        clipped = [np.maximum(d.after, np.quantile(d.after, 0.005)) for d in own]
        rows.append(
            {
                "data": dataset,
                "model": f"{model.upper()}-SPN",
                "leaves": LABELS[variant],
                "trained": spread([areas(d.after, d.labels)["auroc"] for d in own]),
                "sign flipped": spread([areas(-d.after, d.labels)["auroc"] for d in own]),
                "untrained": spread([areas(d.before, d.labels)["auroc"] for d in own]),
                "without log h": spread(without) if without else "–",
                "script's area": spread([areas(d.after, d.labels)["auroc_100"] for d in own]),
                "script's area, lowest 0.5 % of scores lifted": spread(
                    [areas(c, d.labels)["auroc_100"] for c, d in zip(clipped, own, strict=True)]
                ),
                "trained on the other data (seed 0)": cross(own[0], images),
            }
        )
    return rows


def other_directory(d: Done) -> Path:
    """The run of the same model on the other data set."""
    other = DATASETS[1 - DATASETS.index(d.run.dataset)]
    return d.directory.parent / d.run._replace(dataset=other).name


def cross(d: Done, images: dict[str, np.ndarray]) -> str:
    """Exact area on this data set of the model trained on the other one (a mixed-up model file)."""
    directory = other_directory(d) / "model"
    if not (directory / "model.json").exists():
        return "–"
    scores = MODELS[d.run.model][0].load(directory).score_samples(images[d.run.dataset])
    return f"{areas(scores, d.labels)['auroc']:.1f}"


def panels(title: str) -> tuple[Any, Any]:
    """Rows: data sets; columns: models."""
    figure, axes = plt.subplots(len(DATASETS), len(MODELS), figsize=(9, 5.6), squeeze=False)
    figure.suptitle(title, fontsize=10)
    for i, dataset in enumerate(DATASETS):
        for j, model in enumerate(MODELS):
            axes[i, j].set_title(f"{model.upper()}-SPN, {dataset}", fontsize=9)
            axes[i, j].tick_params(labelsize=7)
    return figure, axes


ROWS = [(model, dataset) for model in MODELS for dataset in DATASETS]


def four_by_three(title: str) -> tuple[Any, Any]:
    """Rows: models and data sets; columns: variants."""
    figure, axes = plt.subplots(len(ROWS), len(VARIANTS), figsize=(10, 9), squeeze=False)
    figure.suptitle(title, fontsize=10)
    for ax in axes.flat:
        ax.tick_params(labelsize=6)
    return figure, axes


def save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=80)
    plt.close(figure)


def area_figure(done: list[Done], path: Path) -> None:
    figure, axes = panels("Area under the outlier curve after every epoch: exact (solid), script's (dotted); all seeds")
    for dataset, model, variant, own in cells(done):
        ax = axes[DATASETS.index(dataset), list(MODELS).index(model)]
        for number, d in enumerate(own):
            x = [r["epoch"] for r in d.epochs]
            label = LABELS[variant] if number == 0 else None
            ax.plot(x, [r["auroc"] for r in d.epochs], color=COLOURS[variant], lw=1, label=label)
            ax.plot(x, [r["auroc_100"] for r in d.epochs], ":", color=COLOURS[variant], lw=1)
        ax.axhline(paper(dataset, model)[0], color="black", lw=0.8, ls="--")
        ax.set_ylim(-3, 100)
        ax.set_xlabel("epoch", fontsize=8)
    axes[0, 0].legend(fontsize=6)
    save(figure, path)


def loss_figure(done: list[Done], path: Path) -> None:
    figure, axes = four_by_three("Nats per image: inliers of the test set (solid), training (dotted, from epoch 2 on)")
    for dataset, model, variant, own in cells(done):
        ax = axes[ROWS.index((model, dataset)), list(VARIANTS).index(variant)]
        for d in own:
            x = [r["epoch"] for r in d.epochs]
            ax.plot(x, [r["test"] for r in d.epochs], color=COLOURS[variant], lw=1)
            ax.plot(x[1:], [r["train"] for r in d.epochs][1:], ":", color=COLOURS[variant], lw=1)
        ax.set_title(f"{model.upper()} {dataset}, {variant}", fontsize=7)
    save(figure, path)


def histogram_figure(done: list[Done], path: Path) -> None:
    figure, axes = four_by_three("Test scores of seed 0, nats: classes 1-9 (filled), class 0 (line); top 99 %")
    for dataset, model, variant, own in cells(done):
        ax = axes[ROWS.index((model, dataset)), list(VARIANTS).index(variant)]
        scores, labels = own[0].after, own[0].labels
        bins = np.linspace(*np.quantile(scores, [0.01, 1.0]), 60)
        ax.hist(scores[labels != 0], bins, density=True, color=COLOURS[variant], alpha=0.4)
        ax.hist(scores[labels == 0], bins, density=True, color="black", histtype="step")
        area = areas(scores, labels)
        ax.set_title(
            f"{model.upper()} {dataset}, {variant}\nexact {area['auroc']:.1f}, script's {area['auroc_100']:.1f}, "
            f"lowest {scores.min():,.0f}",
            fontsize=7,
        )
        ax.set_yticks([])
    save(figure, path)


def early_figure(done: list[Done], path: Path) -> None:
    """Area on MNIST against area on Fashion-MNIST while the first updates are made, one line per model and seed."""
    figure, axes = plt.subplots(1, len(MODELS), figsize=(9, 4.2), squeeze=False)
    figure.suptitle("Exact areas after 0 to 320 updates of online EM (dots), both data sets", fontsize=10)
    for model, ax in zip(MODELS, axes[0], strict=True):
        for variant in VARIANTS:
            for d in done:
                if d.run[:3] == (DATASETS[0], model, variant):
                    pair = [p / "early.json" for p in (d.directory, other_directory(d))]
                    if all(p.exists() for p in pair):
                        y, x = ([r["auroc"] for r in json.loads(p.read_text())] for p in pair)
                        ax.plot(x, y, ".-", color=COLOURS[variant], lw=0.8, ms=4, label=LABELS[variant])
        ax.plot(paper(DATASETS[1], model)[0], paper(DATASETS[0], model)[0], "kx", ms=9, label="paper")
        ax.set_title(f"{model.upper()}-SPN", fontsize=9)
        ax.set_xlabel("area on MNIST, %", fontsize=8)
        ax.set_ylabel("area on Fashion-MNIST, %", fontsize=8)
        handles = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
        ax.legend(handles.values(), handles.keys(), fontsize=6)
    save(figure, path)


def early_table(done: list[Done]) -> list[dict[str, Any]]:
    """Exact areas after some updates, mean ± standard deviation over seeds."""
    rows = []
    for dataset, model, variant, own in cells(done):
        logs = [
            json.loads((d.directory / "early.json").read_text()) for d in own if (d.directory / "early.json").exists()
        ]
        if logs:
            row = {"data": dataset, "model": f"{model.upper()}-SPN", "leaves": LABELS[variant], "seeds": len(logs)}
            for number, point in enumerate(logs[0]):
                row[f"{point['update']}"] = spread([log[number]["auroc"] for log in logs])
            rows.append(row)
    return rows


def report(out: Path, docs: Path) -> None:
    """Write the figures to DOCS/figures and the tables into DOCS/spn-outliers.md, between their markers."""
    done = finished(out)
    figures = docs / "figures"
    area_figure(done, figures / "spn-areas.png")
    loss_figure(done, figures / "spn-losses.png")
    histogram_figure(done, figures / "spn-scores.png")
    early_figure(done, figures / "spn-early.png")
    first = [d for d in done if d.run.seed == 0]
    tables = {
        "all seeds": main_table(done, min(len(d.epochs) for d in done)),
        "seed 0": main_table(first, min(len(d.epochs) for d in first)),
        "updates": early_table(done),
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
