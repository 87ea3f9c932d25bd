"""One look for all figures, and how they are saved."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import Any

from evaluation.base.files import atomic_path

COLUMN_WIDTH = 3.5  # inches, one column of the paper
PAGE_WIDTH = 7.16  # inches, both columns
LINE_HEIGHT, GAP = 0.13, 0.03  # inches, of a line of the mark below a figure, and above it
LETTERS_PER_INCH = 26  # of the mark, capitals among them


def width_of(panels: int) -> float:
    """Inches: one column of the paper for a single panel, the page for several."""
    return PAGE_WIDTH if panels > 1 else COLUMN_WIDTH


def plotting() -> tuple[Any, Any]:
    """matplotlib.pyplot and seaborn, in the figures' style, without a display.

    Neither a matplotlibrc nor a label's $, ^ or _ changes a figure: words mean themselves (no mathtext).
    """
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcdefaults()
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.set_theme(context="paper", style="whitegrid", palette="colorblind", font_scale=0.9)
    plt.rcParams.update({"figure.dpi": 150, "savefig.dpi": 300, "pdf.fonttype": 42, "axes.titlesize": "medium"})
    plt.rcParams["text.parse_math"] = False
    return plt, sns


def left_out_words(left_out: list[str]) -> str:
    """The sentence that names what a figure does not show."""
    return f"Left out, still annealing when training ended: {', '.join(left_out)}." if left_out else ""


def empty(words: str) -> Any:
    """A figure of words, where there is nothing to draw."""
    plt, _ = plotting()
    figure = plt.figure(figsize=(COLUMN_WIDTH, 0.6))
    figure.text(0.5, 0.5, fill(words, int(COLUMN_WIDTH * 14)), ha="center", va="center", fontsize="small")
    return figure


def save(figure: Any, path: Path, title: str, note: str = "") -> None:
    """Save as `path` (.png) and as .pdf beside it, exactly as wide as drawn, marked with `title` in small print.

    note: what is to be known about the figure; it stands below, and in the PNG's description, where pages find it.
    """
    import matplotlib.pyplot as plt
    from matplotlib.transforms import Bbox

    width, height = figure.get_size_inches()
    mark = fill(f"{note} {title}".strip(), int(width * LETTERS_PER_INCH))
    # Below everything else.
    figure.text(0.995, -GAP / height, mark, ha="right", va="top", fontsize=5, color="0.5")
    below = GAP + LINE_HEIGHT * (mark.count("\n") + 1) if "\n" in mark else LINE_HEIGHT
    whole = Bbox.from_extents(0, -below, width, height)
    for target in (path.with_suffix(".pdf"), path):
        # No dates in the files: equal results give equal files.
        stamp: dict[str, Any] = {"CreationDate": None} if target.suffix == ".pdf" else {"Software": None}
        if note and target.suffix != ".pdf":
            stamp["Description"] = note
        with atomic_path(target) as part:
            figure.savefig(part, metadata=stamp, bbox_inches=whole)
            if target.suffix != ".pdf":
                _pack(part)
    plt.close(figure)


def _pack(path: Path) -> None:
    """A PNG a third smaller, pixel for pixel the same: without transparency where there is none, without colour too."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    with Image.open(path) as image:
        pixels, texts, dpi = image.copy(), PngInfo(), image.info["dpi"]
        for key, words in getattr(image, "text", {}).items():
            texts.add_text(key, words)
    if pixels.mode == "RGBA" and pixels.getchannel("A").getextrema() == (255, 255):
        pixels = pixels.convert("RGB")
    if pixels.mode == "RGB" and len({channel.tobytes() for channel in pixels.split()}) == 1:
        pixels = pixels.getchannel("R")
    pixels.save(path, format="PNG", optimize=True, pnginfo=texts, dpi=dpi)


def note_of(path: Path) -> str:
    """The note of a figure that `save` wrote; empty without one, and of what is no picture."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return str(getattr(image, "text", {}).get("Description", ""))
    except UnidentifiedImageError:
        return ""
