"""Figures of docs/spn-outliers.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from benchmarks.studies.spn_runs import DATASETS, EARLY, MODELS, VARIANTS, Run, areas, read_course
from evaluation.base.files import atomic_path

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from benchmarks.studies.spn_found import LABELS, Done, cells, courses, early, paper, spread

COLOURS = {"binomial-unit": "tab:blue", "binomial-counts": "tab:orange", "normal": "tab:green"}


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
