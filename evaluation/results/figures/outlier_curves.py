"""Fig. 10: inliers kept against outliers rejected."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evaluation.jobs.score import read_scores
from evaluation.measures.metrics import auroc, kept_and_rejected
from evaluation.measures.outliers import inliers_and_outliers
from evaluation.results.figures.style import plotting, save, width_of
from evaluation.results.tables.writing import DATASET_LABELS


def draw_outlier_curves(panels: Sequence[tuple[str, Path]], path: Path, title: str) -> None:
    """One panel per file of scores; `panels`: (label, scores). All thresholds, so that the area is the exact AUROC."""
    import numpy as np

    plt, _ = plotting()
    figure, axes = plt.subplots(
        1, len(panels), figsize=(width_of(len(panels)), 2.6), squeeze=False, sharey=True, layout="constrained"
    )
    for axis, (label, scores) in zip(axes[0], panels, strict=True):
        frame, record = read_scores(scores)
        inliers, outliers = inliers_and_outliers(frame, "test", record["subset"])
        every = np.unique(np.concatenate([[-np.inf], inliers, outliers, [np.inf]]))
        kept, rejected = kept_and_rejected(inliers, outliers, every)
        axis.plot(100 * kept, 100 * rejected)
        axis.fill_between(100 * kept, 100 * rejected, alpha=0.15)
        area = f"area {auroc(inliers, outliers):.1f} %"
        axis.text(0.05, 0.08, area, transform=axis.transAxes, fontsize="small")
        axis.set(
            title=f"{label} ({DATASET_LABELS.get(record['dataset'], record['dataset'])})",
            xlabel="inliers kept (%)",
            xlim=(0, 100),
            ylim=(0, 101),
            aspect="equal",
        )
    axes[0][0].set_ylabel("outliers rejected (%)")
    save(figure, path, title)
