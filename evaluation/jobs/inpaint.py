"""In-painting: parts of test images are erased, trained models complete them, and how well is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.base.errors import UserError
from evaluation.base.files import atomic_path
from evaluation.datasets.contents import refuse_other_images
from evaluation.datasets.own import set_name

if TYPE_CHECKING:
    import numpy as np

MASKS = ("right", "left", "random", "centre")
VARIANTS = ("paper", "conditional")  # of a DCGMM
KEPT = 100  # completions that are kept as images
MEASURES_FILE = "measures.parquet"  # beside them


@dataclass(frozen=True)
class Inpainting:
    """masks: what is erased; images: how many test images; dataset: None for the model's own; variants: of a DCGMM."""

    images: int = 1000
    seed: int = 0
    masks: Sequence[str] = MASKS
    variants: Sequence[str] = VARIANTS
    dataset: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


Keep = Callable[[str, "np.ndarray", "np.ndarray", "np.ndarray"], None]  # what (MASK_VARIANT), x, known, completed


def measure(directory: Path, how: Inpainting, keep: Keep | None = None) -> list[dict[str, Any]]:
    """Tidy rows of one model's completions: mse and ssim of each mask and variant.

    Raises:
        NotImplementedError: the model cannot complete images.
        UserError: no model, no data set, or an option that the model does not have or refuses.
    """
    from evaluation.datasets import load_dataset
    from evaluation.jobs.train import forget_frameworks
    from evaluation.measures.completions import completion_measures, known_pixels
    from evaluation.measures.tidy import tidy_row
    from evaluation.models.calling import check_options, completions
    from evaluation.models.interface import takes
    from evaluation.models.registry import load_model, read_record

    record = read_record(directory)
    dataset = how.dataset or record["dataset"]
    if dataset is None:
        raise UserError(f"{directory} does not say which data set its model is of; name one with --dataset")
    if how.dataset is None:
        refuse_other_images(record, directory)
    model = load_model(directory)
    check_options(model.inpaint, how.options, ("seed", "variant"))
    x = load_dataset(dataset).split("test")[0][: how.images]
    _refuse_seen(x, dataset, record["dataset"], directory)
    variants = how.variants if takes(model.inpaint, "variant") else [None]
    identity = {**{key: record[key] for key in ("protocol", "model", "seed")}, "dataset": set_name(dataset)}
    # A model of some classes is another result than the one of all classes.
    subset = {} if record["subset"] in (None, "all") else {"subset": record["subset"]}
    rows = []
    for mask in how.masks:
        known = known_pixels(mask, len(x), x.shape[1], x.shape[2], how.seed)
        for variant in variants:
            named = {} if variant is None else {"variant": variant}
            # Loaded anew: what it saw under one mask is erased by another.
            completed = completions(load_model(directory), x, known, how.seed, {**how.options, **named}, f"{directory}")
            params = {**record["point"], "mask": mask, **subset, **named}
            for metric, value in completion_measures(x, completed, known).items():
                rows.append(tidy_row(experiment="inpainting", metric=metric, value=value, params=params, **identity))
            if keep:
                keep(f"{mask}_{variant or 'own'}", x, known, completed)
    forget_frameworks()
    return rows


def _refuse_seen(x: np.ndarray, dataset: str, trained_on: str | None, directory: Path) -> None:
    """Refuse images of another data set that the model was trained on: those of mnist-5k are MNIST's."""
    from evaluation.datasets import load_dataset
    from evaluation.datasets.repeats import repeated

    if trained_on is None or set_name(trained_on) == set_name(dataset):
        return
    try:
        seen = load_dataset(trained_on).split("train")[0]
    except UserError:  # not on this machine
        return
    if found := repeated(x, seen):
        raise UserError(
            f"{found} of {len(x)} images of {dataset} are training images of {directory}, a model of {trained_on}; "
            "complete images that it has not seen"
        )


def keep_in(folder: Path) -> Keep:
    """Keeps the first completions as FOLDER/MASK_VARIANT.npz, with the arrays x, known, completed."""
    import numpy as np

    def keep(what: str, x: np.ndarray, known: np.ndarray, completed: np.ndarray) -> None:
        with atomic_path(folder / f"{what}.npz") as part:
            np.savez_compressed(part, x=x[:KEPT], known=known[:KEPT], completed=completed[:KEPT])

    return keep


def inpaint(directory: Path, folder: Path, how: Inpainting) -> None:
    """Complete with a trained model: measures and kept completions go to `folder`; of a model that cannot, a note."""
    from evaluation.jobs.unable import note_unable
    from evaluation.measures.tidy import write_metrics
    from evaluation.models.registry import read_record

    try:
        rows = measure(directory, how, keep_in(folder))
    except NotImplementedError as error:
        note_unable(folder / MEASURES_FILE, str(error))
        return
    made_from = {"spec": read_record(directory).get("spec"), "images": how.images, "options": dict(how.options)}
    write_metrics(folder / MEASURES_FILE, rows, made_from)
    print(f"{folder}: {len(rows)} measures", flush=True)
