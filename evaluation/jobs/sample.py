"""Sample files: images that a model has drawn, with the class they should show and where they come from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.base.errors import UserError
from evaluation.base.files import atomic_path
from evaluation.datasets.own import set_name
from evaluation.datasets.subsets import subset_class

if TYPE_CHECKING:
    import numpy as np

IMAGE_KEYS = ("samples", "images", "x")
LABEL_KEYS = ("labels", "y")


@dataclass(frozen=True)
class Samples:
    """images (n, H, W, C) float32 in [0, 1]; labels (n,) int64, the class each should show, or None; record: bench.json
    of the model, empty for somebody else's samples."""

    images: np.ndarray
    labels: np.ndarray | None
    record: Mapping[str, Any]


def place(record: Mapping[str, Any]) -> Path:
    """Where what is made with the model of `record` stands below a folder: dataset/subset/name/seedN, without what is
    not known."""
    dataset = None if record["dataset"] is None else set_name(record["dataset"])
    return Path(*filter(None, (dataset, record["subset"], record["name"])), f"seed{record['seed']}")


def sample(directory: Path, path: Path, n: int, *, seed: int = 0, options: Mapping[str, Any]) -> np.ndarray:
    """Draw n images from a trained model into `path`.

    Raises:
        NotImplementedError: the model cannot draw.
        MemoryError: so many images need more than there is.
        UserError: no model, or an option that it does not have or refuses.
    """
    from evaluation.jobs.train import forget_frameworks
    from evaluation.models.calling import check_options, samples
    from evaluation.models.registry import load_model, read_record

    record, model = read_record(directory), load_model(directory)
    check_options(model.sample, options, ("n", "seed"))
    _refuse_too_many(n, model)
    images = samples(model, n, seed, options, f"{directory} ({record['factory']})")
    write_samples(path, images, record, {"seed": seed, **options})
    print(f"{path}: {len(images)} samples", flush=True)
    forget_frameworks()
    return images


def _refuse_too_many(n: int, model: Any) -> None:
    """Refuse more images than the memory can hold: most models draw part by part, and would find out after hours."""
    import numpy as np

    shape = getattr(model, "image_shape", getattr(model, "input_shape", ()))  # of a DCGMM; another's need not say it
    known = isinstance(shape, tuple | list) and all(isinstance(side, int) for side in shape)
    try:
        np.empty((n, *(shape if known else ())), np.float32)  # reserved, not filled
    except (ValueError, OverflowError) as error:  # of a number beyond any memory
        raise MemoryError(str(error)) from error


def write_samples(path: Path, images: np.ndarray, record: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Write images drawn by the model of `record` (bench.json), labelled with the classes that were asked for (the
    option `labels`), or with the class that the model was trained on if it was one."""
    import numpy as np

    arrays: dict[str, Any] = {"samples": np.asarray(images, np.float32)}
    label = options.get("labels")
    if label is None:
        label = subset_class(record["subset"])
    if label is not None:
        arrays["labels"] = np.broadcast_to(np.asarray(label, np.int64), (len(images),))
    note = json.dumps({**record, "sampling": dict(options)})
    with atomic_path(path) as part:
        np.savez_compressed(part, **arrays, record=np.array(note))


def read_samples(path: str | Path) -> Samples:
    """Samples of `bench sample`, or anybody's: an .npz with `samples` (n, H, W[, C]), float in [0, 1] or uint8, and, if
    the images should show certain classes, `labels` (n,).

    Raises:
        UserError: no such file, not an .npz, or arrays of another kind.
    """
    path = Path(path)
    content = _arrays(path)
    images = next((content[key] for key in IMAGE_KEYS if key in content), None)
    if images is None:
        raise UserError(f"{path} holds {', '.join(content) or 'nothing'}; expected an array `samples` (n, H, W, C)")
    labels = next((content[key] for key in LABEL_KEYS if key in content), None)
    return Samples(_images(images, path), _labels(labels, len(images), path), _record(content, path))


def read_record_of(path: Path) -> Mapping[str, Any]:
    """`Samples.record` of a file of samples, whose images are not read. Raises UserError as `read_samples`."""
    return _record(_arrays(path, only="record"), path)


def _arrays(path: Path, only: str = "") -> dict[str, np.ndarray]:
    """What a file of samples holds, by name, or `only` this.

    Raises:
        UserError: no such file, or not an .npz of plain arrays.
    """
    import zipfile
    import zlib

    import numpy as np

    if not path.is_file():
        raise UserError(f"there are no samples in {path}; make them with `bench sample`")
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is not an .npz file; write it with numpy.savez(path, samples=..., labels=...)")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files if only in ("", key)}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} is not an .npz of plain arrays ({error}); write it with numpy.savez") from error


def _record(content: Mapping[str, np.ndarray], path: Path) -> Mapping[str, Any]:
    """What the arrays of a sample file say of the model that drew it; nothing in somebody else's."""
    if "record" not in content:
        return {}
    text = str(content["record"])
    kinds = {"model": str, "seed": int, "protocol": str, "point": dict}
    try:
        record = json.loads(text)
    except ValueError:
        record = None
    if not isinstance(record, dict) or any(name in record and type(record[name]) is not k for name, k in kinds.items()):
        raise UserError(f"{path} is damaged: what it says of its model ({text[:40]!r}) cannot be read; sample again")
    return record


def _images(images: np.ndarray, path: Path) -> np.ndarray:
    import numpy as np

    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or not len(images):
        raise UserError(f"{path}: samples of shape {images.shape} given; expected (n, H, W, C)")
    if images.dtype == np.uint8:
        return (images / 255.0).astype(np.float32)
    if images.dtype.kind not in "fiub":
        raise UserError(f"{path}: samples of type {images.dtype} given; expected floats from 0 to 1, or uint8 counts")
    images = images.astype(np.float32)
    if np.isnan(images).any():
        raise UserError(f"{path}: the samples hold NaN; expected pixels from 0 to 1 (or uint8 counts)")
    if not np.isfinite(images).all() or images.min() < 0 or images.max() > 1:
        low, high = np.nanmin(images), np.nanmax(images)
        raise UserError(f"{path}: pixels from {low:.3g} to {high:.3g} given; expected 0 to 1 (or uint8 counts)")
    return images


def _labels(labels: np.ndarray | None, n: int, path: Path) -> np.ndarray | None:
    import numpy as np

    if labels is None:
        return None
    if labels.shape != (n,) or not np.issubdtype(labels.dtype, np.integer):
        raise UserError(f"{path}: labels {labels.dtype} {labels.shape} for {n} samples; expected one integer for each")
    return labels.astype(np.int64)
