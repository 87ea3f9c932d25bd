"""Figs. 5 to 9, 11 to 13: grids of samples and completions; Fig. 14: the lowest layer's centroids."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isqrt
from pathlib import Path
from textwrap import fill

import numpy as np

from evaluation.base.errors import UserError
from evaluation.results.figures.grid import image_grid
from evaluation.results.figures.style import plotting, save, width_of

Panel = tuple[str, np.ndarray]  # label, picture (H, W, C) in [0, 1]
LETTERS_PER_INCH = 15  # of a label
LABEL_LINE = 0.15  # inches
HEADING = 0.25  # inches


def draw_panels(
    panels: Sequence[Panel], path: Path, title: str, columns: int | None = None, heading: str | None = None
) -> None:
    """Pictures beside and below each other, each with its label above; `heading`: above all of them."""
    if not panels:
        raise UserError("there is nothing to draw; give at least one --panel LABEL=PATH")
    plt, _ = plotting()
    columns = columns or len(panels)
    rows = ceil(len(panels) / columns)
    width = width_of(len(panels)) / columns
    labels = [fill(label, int(width * LETTERS_PER_INCH)) for label, _ in panels]
    lines = 1 + max(label.count("\n") for label in labels)
    height = max(picture.shape[0] / picture.shape[1] for _, picture in panels) * width + 0.1 + lines * LABEL_LINE
    above = HEADING if heading else 0.0
    figure, axes = plt.subplots(
        rows, columns, figsize=(columns * width, rows * height + above), squeeze=False, layout="constrained"
    )
    if heading:
        figure.suptitle(heading, fontsize="medium")
    figure.get_layout_engine().set(rect=(0, 0.03, 1, 0.97))  # room for the title line of `save`
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, label, (_, picture) in zip(axes.flat, labels, panels, strict=False):
        grey = picture.shape[-1] == 1
        axis.imshow(picture[..., 0] if grey else picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axis.set_title(label)
    save(figure, path, title)


def sample_panel(label: str, images: np.ndarray, side: int = 10) -> Panel:
    """The first side² images in a square grid."""
    return label, image_grid(images[: side * side], side)


def completion_panel(label: str, x: np.ndarray, known: np.ndarray, completed: np.ndarray, count: int = 10) -> Panel:
    """Three rows: originals, what the model sees (erased pixels grey), completions."""
    seen = np.where(known[..., None], x, 0.5)
    return label, image_grid(np.concatenate([x[:count], seen[:count], completed[:count]]), min(count, len(x)))


def centroid_panel(label: str, model: object) -> Panel:
    """Centroids of a DCGMM's lowest cGMM layer as patches, each scaled to its own range, in the layer's grid.

    Every patch runs from black, its lowest value, to white, its highest: what is seen is its form, not its contrast.

    Raises:
        UserError: the model is no DCGMM, or its lowest layer has parameters of its own at every position.
    """
    if not hasattr(model, "architecture"):
        raise UserError(f"{label} is no DCGMM; Fig. 14 shows centroids of DCGMM's lowest layer")
    mu = model.get_parameters()[0]["mu"]  # type: ignore[attr-defined]
    channels = model.architecture.input_shape[2]
    if len(mu) > 1:
        raise UserError(f"{label} has {len(mu)} sets of centroids in its lowest layer; Fig. 14 needs a shared one")
    side = isqrt(mu.shape[2] // channels)
    patches = mu[0].reshape(-1, side, side, channels)
    lowest, highest = (extreme(patches, axis=(1, 2, 3), keepdims=True) for extreme in (np.min, np.max))
    scaled = (patches - lowest) / np.maximum(highest - lowest, 1e-6)
    return label, image_grid(scaled, ceil(len(patches) ** 0.5))


def draw_picture(
    figure: str,
    sources: Sequence[tuple[str, Sequence[str]]],
    path: Path,
    title: str,
    *,
    dataset: str | None = None,
    classes: Sequence[int] | None = None,
) -> None:
    """One of the paper's figures of images, in the paper's layout.

    Args:
        figure: "fig_5" to "fig_9", "fig_11" to "fig_14".
        sources: label and files of each panel: sample files (where there are several, of each class, they are mixed);
            completions (fig_8); a trained model (fig_14).
        dataset: stands above the panels; its real images are the first panel of fig_7.
        classes: of these real images, None for all.

    Raises:
        UserError: no panels, or a file that does not exist.
    """
    from evaluation.results.tables.writing import DATASET_LABELS

    real = [_real(dataset, classes)] if figure == "fig_7" and dataset is not None else []
    columns = 2 if figure in ("fig_12", "fig_13") else ceil(len(sources) / 2) if len(sources) > 4 else None
    heading = None if dataset is None else DATASET_LABELS.get(dataset, dataset)
    draw_panels([*real, *(_read(figure, *source) for source in sources)], path, title, columns, heading)


def _real(dataset: str, classes: Sequence[int] | None) -> Panel:
    """Test images of some classes of a data set."""
    from evaluation.datasets import load_dataset

    x, y = load_dataset(dataset).split("test")
    if not classes:
        return sample_panel("real images", x)
    chosen = x[np.isin(y, classes)]
    if not len(chosen):
        there = ", ".join(map(str, sorted(set(y.tolist()))))
        raise UserError(f"{dataset} has no test images of the classes {_words(classes)}; choose from {there}")
    return sample_panel(f"real images of class{'es' if len(classes) > 1 else ''} {_words(classes)}", chosen)


def _words(classes: Sequence[int]) -> str:
    *others, last = map(str, classes)
    return f"{', '.join(others)} and {last}" if others else last


def _read(figure: str, label: str, files: Sequence[str]) -> Panel:
    if figure == "fig_14":
        from evaluation.models.registry import load_model

        return centroid_panel(label, load_model(files[0]))
    if figure == "fig_8":
        if not Path(files[0]).is_file():
            raise UserError(f"there are no completions in {files[0]}; make them with `bench inpaint --completions DIR`")
        with np.load(files[0], allow_pickle=False) as kept:
            return completion_panel(label, kept["x"], kept["known"], kept["completed"])
    from evaluation.jobs.sample import read_samples

    parts = [read_samples(file).images for file in files]
    return sample_panel(label, np.concatenate([part[: ceil(100 / len(parts))] for part in parts]))
