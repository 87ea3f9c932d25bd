"""Tables and figures of docs/spn-outliers.md: from a profile's run, and from the courses of `benchmarks.spn_outliers`.

`report` writes DOCS/figures/spn-*.png and fills the tables of DOCS/spn-outliers.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from scipy.special import gammaln

from benchmarks.measure import markdown
from benchmarks.spn_outliers import DATASETS, EARLY, MODELS, PROFILE_NAMES, VARIANTS, Run, areas, read_course, runs
from evaluation.base.errors import UserError
from evaluation.base.files import atomic_path, write_text
from evaluation.datasets import load_dataset
from evaluation.jobs.score import read_scores
from evaluation.jobs.train import HISTORY_FILE
from evaluation.models.registry import build, load_model
from evaluation.results.published import published

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
    """A training of the profile with what it left behind."""

    run: Run
    model: Path  # its directory
    record: dict[str, Any]  # bench.json
    history: pd.DataFrame  # step, layer, split, log_likelihood
    scores: np.ndarray  # of the test images, nats
    labels: np.ndarray


def finished(results: Path, seeds: list[int]) -> list[Done]:
    """All trainings that have been scored.

    Raises:
        UserError: there are none.
    """
    found = []
    for run in runs(seeds):
        file = run.place(results / "scores").with_suffix(".parquet")
        if file.exists():
            frame, record = read_scores(file)
            test = frame[frame["split"] == "test"]
            model = run.place(results / "models")
            history = pd.read_parquet(model / HISTORY_FILE)
            found.append(Done(run, model, record, history, test["score"].to_numpy(), test["label"].to_numpy()))
    if not found:
        names = ", ".join(pattern.format(model) for model in MODELS for pattern in PROFILE_NAMES.values())
        raise UserError(f"{results} has no scores of {names}: run the outlier experiment of a profile first")
    return found


def cells(done: list[Done]) -> Iterator[tuple[str, str, str, list[Done]]]:
    """(dataset, model, variant, its trainings), in the order of the tables.

    Raises:
        UserError: trainings of one cell differ in more than their seed.
    """
    for dataset in DATASETS:
        for model in MODELS:
            for variant in VARIANTS:
                own = [d for d in done if d.run[:3] == (dataset, model, variant)]
                if len({str(sorted(d.record["params"].items())) for d in own}) > 1:
                    raise UserError(f"the seeds of {own[0].model.parent} were trained with different parameters")
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


def area_figure(out: Path, seeds: list[int], path: Path) -> None:
    figure, axes = panels("Area under the outlier curve while training goes on: exact (solid), script's (dotted)")
    for dataset, model, variant, logs in courses(out, seeds):
        ax = axes[DATASETS.index(dataset), list(MODELS).index(model)]
        for number, log in enumerate(logs):
            x = [1 + point["update"] for point in log]
            label = LABELS[variant] if number == 0 else None
            ax.plot(x, [point["auroc"] for point in log], color=COLOURS[variant], lw=1, label=label)
            ax.plot(x, [point["auroc_100"] for point in log], ":", color=COLOURS[variant], lw=1)
        ax.axhline(paper(dataset, model)[0], color="black", lw=0.8, ls="--")
        ax.set(ylim=(-3, 100), xscale="log")
        ax.set_xlabel("1 + updates", fontsize=8)
    axes[0, 0].legend(fontsize=6)
    save(figure, path)


def loss_figure(done: list[Done], path: Path) -> None:
    figure, axes = four_by_three("Nats per image: validation images (solid), training (dotted, from epoch 2 on)")
    for dataset, model, variant, own in cells(done):
        ax = axes[ROWS.index((model, dataset)), list(VARIANTS).index(variant)]
        for d in own:
            for split, style in (("validation", "-"), ("train", ":")):
                rows = d.history[d.history["split"] == split]
                epochs = rows["step"] / rows["step"].iloc[0]
                first = 1 if split == "train" else 0
                ax.plot(epochs[first:], rows["log_likelihood"][first:], style, color=COLOURS[variant], lw=0.8)
        ax.set_title(f"{model.upper()} {dataset}, {variant}", fontsize=7)
    save(figure, path)


def histogram_figure(done: list[Done], path: Path) -> None:
    figure, axes = four_by_three("Test scores, nats, a line a seed: classes 1-9 (colour), class 0 (black); top 99 %")
    for dataset, model, variant, own in cells(done):
        ax = axes[ROWS.index((model, dataset)), list(VARIANTS).index(variant)]
        every = np.concatenate([d.scores for d in own])
        bins = np.linspace(*np.quantile(every, [0.01, 1.0]), 60)
        for d in own:
            inside = d.labels != 0
            ax.hist(d.scores[inside], bins, density=True, color=COLOURS[variant], histtype="step", lw=0.8)
            ax.hist(d.scores[~inside], bins, density=True, color="black", histtype="step", lw=0.8)
        area = spread([areas(d.scores, d.labels)["auroc"] for d in own])
        title = f"{model.upper()} {dataset}, {variant}\nexact {area}, lowest {every.min():,.0f}"
        ax.set_title(title, fontsize=7)
        ax.set_yticks([])
    save(figure, path)


def courses(out: Path, seeds: list[int]) -> Iterator[tuple[str, str, str, list[list[dict[str, float]]]]]:
    """(dataset, model, variant, course of each seed that was followed)."""
    for dataset in DATASETS:
        for model in MODELS:
            for variant in VARIANTS:
                logs = [read_course(out, Run(dataset, model, variant, seed)) for seed in seeds]
                if any(logs):
                    yield dataset, model, variant, [log for log in logs if log]


def early_figure(out: Path, seeds: list[int], path: Path) -> None:
    """Area on MNIST against area on Fashion-MNIST while the first updates are made, one line per model and seed."""
    figure, axes = plt.subplots(1, len(MODELS), figsize=(9, 4.2), squeeze=False)
    figure.suptitle(f"Exact areas after 0 to {EARLY[-1]} updates of online EM (dots), both data sets", fontsize=10)
    for model, ax in zip(MODELS, axes[0], strict=True):
        for variant in VARIANTS:
            for seed in seeds:
                pair = [early(read_course(out, Run(dataset, model, variant, seed))) for dataset in DATASETS]
                if all(pair):
                    y, x = ([point["auroc"] for point in log] for log in pair)
                    ax.plot(x, y, ".-", color=COLOURS[variant], lw=0.8, ms=4, label=LABELS[variant])
        ax.plot(paper(DATASETS[1], model)[0], paper(DATASETS[0], model)[0], "kx", ms=9, label="paper")
        ax.set_title(f"{model.upper()}-SPN", fontsize=9)
        ax.set_xlabel("area on MNIST, %", fontsize=8)
        ax.set_ylabel("area on Fashion-MNIST, %", fontsize=8)
        handles = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
        ax.legend(handles.values(), handles.keys(), fontsize=6)
    save(figure, path)


def early(log: list[dict[str, float]]) -> list[dict[str, float]]:
    """The points of a course that every seed has."""
    return [point for point in log if point["update"] in EARLY]


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
