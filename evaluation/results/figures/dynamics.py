"""Fig. 4: log-likelihood of every layer on test images, during training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.base.errors import UserError
from evaluation.results.figures.style import plotting, save, width_of
from evaluation.results.tables.writing import DATASET_LABELS

if TYPE_CHECKING:
    import pandas as pd

PREFIX = "log_likelihood_layer_"


def draw_dynamics(metrics: pd.DataFrame, path: Path, title: str) -> None:
    """One panel per data set: the layers' losses, which are log-likelihoods to be maximised, against training steps.

    Layers differ by orders of magnitude, so each curve is scaled to run from 0 (its lowest value) to 1 (its highest);
    the legend gives the value at the end, in nats (mean over positions), and all is the mean over seeds.

    Raises:
        UserError: no test measurements in the metrics.
    """
    rows = metrics[metrics["experiment"] == "dynamics"]
    params = rows["params"].map(json.loads)
    rows = rows.assign(step=[p["step"] for p in params], split=[p["split"] for p in params])
    rows = rows[rows["split"] == "test"]
    if rows.empty:
        raise UserError(
            "no log-likelihoods of test images over time; train with --monitor test, and run `bench dynamics`"
        )
    rows = rows.assign(layer=rows["metric"].str.removeprefix(PREFIX).astype(int))
    plt, _ = plotting()
    datasets = list(dict.fromkeys(rows["dataset"]))
    figure, axes = plt.subplots(
        1, len(datasets), figsize=(width_of(len(datasets)), 2.6), squeeze=False, sharey=True, layout="constrained"
    )
    for axis, dataset in zip(axes[0], datasets, strict=True):
        for (layer,), curve in rows[rows["dataset"] == dataset].groupby(["layer"]):
            mean = curve.groupby("step")["value"].mean()
            scaled = (mean - mean.min()) / max(mean.max() - mean.min(), 1e-12)
            axis.plot(scaled.index, scaled, marker=".", markersize=3, label=f"layer {layer}: {mean.iloc[-1]:.1f} nats")
        axis.set(title=DATASET_LABELS.get(dataset, dataset), xlabel="training step")
        axis.legend(title="at the end", fontsize="x-small", title_fontsize="x-small")
    axes[0][0].set_ylabel("test log-likelihood, scaled per layer")
    save(figure, path, title)
