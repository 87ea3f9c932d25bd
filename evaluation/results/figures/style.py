"""One look for all figures, and how they are saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evaluation.base.files import atomic_path

COLUMN_WIDTH = 3.5  # inches, one column of the paper
PAGE_WIDTH = 7.16  # inches, both columns
TITLE_HEIGHT, TITLE_GAP = 0.13, 0.03  # inches, of the mark below a figure and above it


def width_of(panels: int) -> float:
    """Inches: one column of the paper for a single panel, the page for several."""
    return PAGE_WIDTH if panels > 1 else COLUMN_WIDTH


def plotting() -> tuple[Any, Any]:
    """matplotlib.pyplot and seaborn, in the figures' style, without a display."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.set_theme(context="paper", style="whitegrid", palette="colorblind", font_scale=0.9)
    plt.rcParams.update({"figure.dpi": 150, "savefig.dpi": 300, "pdf.fonttype": 42, "axes.titlesize": "medium"})
    return plt, sns


def save(figure: Any, path: Path, title: str) -> None:
    """Save as `path` (.png) and as .pdf beside it, exactly as wide as drawn, marked with `title` in small print."""
    import matplotlib.pyplot as plt
    from matplotlib.transforms import Bbox

    width, height = figure.get_size_inches()
    # Below everything else.
    figure.text(0.995, -TITLE_GAP / height, title, ha="right", va="top", fontsize=5, color="0.5")
    whole = Bbox.from_extents(0, -TITLE_HEIGHT, width, height)
    for target in (path.with_suffix(".pdf"), path):
        # No dates in the files: equal results give equal files.
        stamp = {"CreationDate": None} if target.suffix == ".pdf" else {"Software": None}
        with atomic_path(target) as part:
            figure.savefig(part, metadata=stamp, bbox_inches=whole)
    plt.close(figure)
