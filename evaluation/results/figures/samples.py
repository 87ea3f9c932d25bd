"""Figs. 5 to 9, 11 to 13: grids of samples and completions; Fig. 14: the lowest layer's centroids."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isqrt
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.base.errors import UserError
from evaluation.jobs.basis import completed
from evaluation.jobs.inpaint import MEASURES_FILE
from evaluation.jobs.sample import read_record_of
from evaluation.jobs.unable import why_not
from evaluation.measures.tidy import read_made_from
from evaluation.results.figures.grid import image_grid
from evaluation.results.figures.style import empty, left_out_words, plotting, width_of
from evaluation.results.labels import dataset_label
from evaluation.results.panels import FIG_8_MASK, FIG_8_VARIANT, pictures, real_classes
from evaluation.results.specs import check_models, check_record, finished

if TYPE_CHECKING:
    from evaluation.results.material import Material
    from evaluation.results.outputs import Item
    from evaluation.results.panels import Panel

Picture = tuple[str, np.ndarray]  # label, picture (H, W, C) in [0, 1]
LETTERS_PER_INCH = 15  # of a label
LABEL_LINE = 0.15  # inches
HEADING = 0.25  # inches
NOT_YET = "Not there yet: "


def draw_panels(panels: Sequence[Picture], columns: int | None = None, heading: str | None = None) -> Any:
    """Pictures beside and below each other, each with its label above; `heading`: above all of them."""
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
    return figure


def sample_panel(label: str, images: np.ndarray, side: int = 10) -> Picture:
    """The first side² images in a square grid."""
    return label, image_grid(images[: side * side], side)


def completion_panel(label: str, x: np.ndarray, known: np.ndarray, completed: np.ndarray, count: int = 10) -> Picture:
    """Three rows: originals, what the model sees (erased pixels grey), completions."""
    seen = np.where(known[..., None], x, 0.5)
    return label, image_grid(np.concatenate([x[:count], seen[:count], completed[:count]]), min(count, len(x)))


def centroid_panel(label: str, model: object) -> Picture:
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


def picture(material: Material, item: Item) -> tuple[Any, str]:
    """One of the paper's figures of images, in the paper's layout: the panels that the plan says.

    Returns:
        The figure, and the sentences that name the panels that are left out: of models that were still annealing, of
        those that cannot draw or complete images, and, of what is there so far, the others.

    Raises:
        UserError: a file does not exist, or is of another model than the plan's; none exists.
    """
    figure, plan = item.output.name, material.plan
    lacking = absent(material, item) if material.so_far else []
    panels = [panel for panel in pictures(plan)[figure] if panel not in lacking]
    if not panels:
        raise UserError(f"nothing that {item.title()} shows is there yet; see `bench status`")
    check_models(plan, material.folder, (key for panel in panels for key in panel.keys))
    sigmas = [material.annealing(panel) for panel in panels]
    left_out = [f"{panel.label} ({sigma})" for panel, sigma in zip(panels, sigmas, strict=True) if sigma]
    unable = [panel for panel in panels if _cannot(material, figure, panel)]
    shown = [panel for panel, sigma in zip(panels, sigmas, strict=True) if not sigma and panel not in unable]
    words = left_out_words(left_out)
    if unable:
        words = f"{words} Not shown, since they cannot: {', '.join(panel.label for panel in unable)}.".strip()
    if lacking:
        words = f"{words} {NOT_YET}{'; '.join(panel.label for panel in lacking)}.".strip()
    if not shown:
        return empty(words), words
    # The panels of Fig. 14 are data sets.
    dataset = None if figure == "fig_14" else panels[0].dataset
    real = [_real(dataset, real_classes(plan))] if figure == "fig_7" and dataset is not None else []
    columns = min(2, len(shown)) if figure in ("fig_12", "fig_13") else ceil(len(shown) / 2) if len(shown) > 4 else None
    drawn = [*real, *(_read(material, figure, panel) for panel in shown)]
    return draw_panels(drawn, columns, None if dataset is None else dataset_label(dataset)), words


def absent(material: Material, item: Item) -> list[Panel]:
    """The panels of a figure that the run has not made yet, or made of other models than the plan's."""
    figure = item.output.name
    return [panel for panel in pictures(material.plan)[figure] if not _is_there(material, figure, panel)]


def not_yet(note: str) -> list[str]:
    """The labels of the panels that a figure lacks, from its note."""
    _, _, rest = note.partition(NOT_YET)
    return rest.removesuffix(".").split("; ") if rest else []


def _real(dataset: str, classes: Sequence[int]) -> Picture:
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


def _is_there(material: Material, figure: str, panel: Panel) -> bool:
    """Whether the run has made what a panel shows, of the plan's models, or has found that its model cannot."""
    if figure == "fig_14":
        return all(finished(material.plan, material.folder, key) for key in panel.keys)
    try:
        if figure == "fig_8":
            _completions(material, panel)
        else:
            for key in panel.keys:
                file = material.plan.paths(material.folder).samples(key, panel.stage)
                check_record(material.plan, key, read_record_of(file), file)
    except UserError:
        return _cannot(material, figure, panel)
    return True


def _completions(material: Material, panel: Panel) -> Path:
    """The file of completions that Fig. 8 shows.

    Raises:
        UserError: it is not there, or it is of another model, or of other numbers or options, than the plan's.
    """
    (key,) = panel.keys
    folder = material.plan.paths(material.folder).completions(key)
    # A model that has one way to complete images has its own; what an earlier entry of this name had is older.
    files = [folder / f"{FIG_8_MASK}_{way}.npz" for way in (FIG_8_VARIANT, "own")]
    there = sorted((file for file in files if file.is_file()), key=lambda file: file.stat().st_mtime_ns)
    if not there:
        raise UserError(f"there are no completions in {files[-1]}; make them with `bench inpaint --completions DIR`")
    measures = folder / MEASURES_FILE
    if not measures.is_file() or read_made_from(measures) != completed(material.plan, key):
        raise UserError(
            f"{there[-1]} is of another model, or of other numbers or options of images, than the profile's; complete "
            f"again: `bench inpaint --profile {material.folder} {key.word}`"
        )
    return there[-1]


def _cannot(material: Material, figure: str, panel: Panel) -> bool:
    """Whether the model of a panel has said that it cannot make what the figure shows."""
    paths = material.plan.paths(material.folder)
    if figure == "fig_14":
        return False
    if figure == "fig_8":
        return why_not(paths.completions(panel.keys[0]) / MEASURES_FILE) is not None
    return any(why_not(paths.samples(key, panel.stage)) for key in panel.keys)


def _read(material: Material, figure: str, panel: Panel) -> Picture:
    paths = material.plan.paths(material.folder)
    first = panel.keys[0]
    if figure == "fig_14":
        from evaluation.models.registry import load_model

        return centroid_panel(panel.label, load_model(paths.model(first)))
    if figure == "fig_8":
        with np.load(_completions(material, panel), allow_pickle=False) as kept:
            return completion_panel(panel.label, kept["x"], kept["known"], kept["completed"])
    from evaluation.jobs.sample import read_samples

    files = [paths.samples(key, panel.stage) for key in panel.keys]
    parts = [read_samples(file) for file in files]
    for key, file, part in zip(panel.keys, files, parts, strict=True):
        check_record(material.plan, key, part.record, file)
    of_each = ceil(100 / len(parts))
    return sample_panel(panel.label, np.concatenate([part.images[:of_each] for part in parts]))
