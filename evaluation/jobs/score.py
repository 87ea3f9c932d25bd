"""Log-likelihoods of a trained model's images, and the files that hold them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.base.errors import UserError
from evaluation.base.files import atomic_path
from evaluation.datasets.contents import refuse_other_images

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("validation", "test")
METADATA = b"bench"  # key of the parquet metadata: bench.json of the model
CURE = "delete it and score the model again"


def score(directory: Path, path: Path) -> None:
    """Score the validation and test images of a model's data set into `path`; what is there already stays.

    Raises:
        UserError: no model, scores that are NaN, or too few of them.
    """
    from evaluation.datasets import load_dataset
    from evaluation.jobs.train import forget_frameworks
    from evaluation.models.registry import load_model, read_spec

    record = read_spec(directory)
    refuse_other_images(record, directory)
    if scored_model(path) == record:  # the very training, to the second it was finished
        print(f"{path}: exists already", flush=True)
        return
    name = f"{directory} ({record['factory']})"
    write_scores(path, score_frame(load_model(directory), load_dataset(record["dataset"]), name), record)
    print(f"{path}: scored", flush=True)
    forget_frameworks()


def score_frame(model: Any, dataset: Any, name: str) -> pd.DataFrame:
    """Columns split, label, score (the top layer's), layer_0 … of the validation and test images of all classes.

    Raises:
        ModelError: a score is NaN, there are too few, or they depend on the other images.
    """
    import numpy as np
    import pandas as pd

    from evaluation.models.calling import independent_scores

    frames = []
    for split in SPLITS:
        x, y = dataset.split(split)
        scores = independent_scores(model, x, name)
        if lowest := int(np.isneginf(scores[:, -1]).sum()):
            print(f"{name}: {lowest} of {len(x)} {split} scores are -inf, which ties them", flush=True)
        columns = {f"layer_{i}": scores[:, i] for i in range(scores.shape[1])}
        frames.append(pd.DataFrame({"split": split, "label": y, "score": scores[:, -1], **columns}))
    return pd.concat(frames, ignore_index=True)


def write_scores(path: Path, frame: pd.DataFrame, record: dict[str, Any]) -> None:
    """Write scores atomically, with the model's bench.json in the file's metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), METADATA: json.dumps(record).encode()})
    with atomic_path(path) as part:
        pq.write_table(table, part, write_page_checksum=True)


def read_scores(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The scores and the bench.json of the model that gave them.

    Raises:
        UserError: no such file, not one of ours, or a damaged one.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise UserError(f"there are no scores in {path}; make them with `bench score`")
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        frame = table.to_pandas()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{path} is damaged: it is not parquet ({str(error).splitlines()[0]}); {CURE}") from error
    record = (table.schema.metadata or {}).get(METADATA)
    if record is None:
        raise UserError(f"{path} was not written by `bench score` (it does not say which model gave the scores)")
    try:
        return frame, json.loads(record)
    except ValueError as error:
        raise UserError(f"{path} is damaged: what it says of its model is not JSON ({error}); {CURE}") from error


def scored_model(path: Path) -> dict[str, Any] | None:
    """bench.json of the model whose scores `path` holds; None without such a file, or with a damaged one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        return None
    try:
        record = (pq.read_schema(path).metadata or {}).get(METADATA)
        return None if record is None else json.loads(record)
    except (pa.ArrowException, OSError, ValueError):
        return None
