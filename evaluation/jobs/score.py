"""Log-likelihoods of a trained model's images, and the files that hold them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.base.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

SPLITS = ("validation", "test")
METADATA = b"bench"  # key of the parquet metadata: bench.json of the model


def layer_scores(model: Any, x: np.ndarray) -> np.ndarray:
    """(n, layers) float64 log-likelihoods in nats, the top layer last; one column for a model with one density."""
    import numpy as np

    score = getattr(model, "score_layers", None) or model.score_samples
    scores = np.asarray(score(x), np.float64)
    return scores[:, None] if scores.ndim == 1 else scores


def score_frame(model: Any, dataset: Any) -> pd.DataFrame:
    """Columns split, label, score (the top layer's), layer_0 … of the validation and test images of all classes.

    Raises:
        UserError: a score is NaN.
    """
    import numpy as np
    import pandas as pd

    frames = []
    for split in SPLITS:
        x, y = dataset.split(split)
        scores = layer_scores(model, x)
        if np.isnan(scores).any():
            raise UserError(f"{np.isnan(scores).any(1).sum()} of {len(x)} {split} scores are NaN; the model diverged")
        columns = {f"layer_{i}": scores[:, i] for i in range(scores.shape[1])}
        frames.append(pd.DataFrame({"split": split, "label": y, "score": scores[:, -1], **columns}))
    return pd.concat(frames, ignore_index=True)


def write_scores(path: Path, frame: pd.DataFrame, record: dict[str, Any]) -> None:
    """Write scores atomically, with the model's bench.json in the file's metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from evaluation.base.files import atomic_path

    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), METADATA: json.dumps(record).encode()})
    with atomic_path(path) as part:
        pq.write_table(table, part)


def read_scores(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The scores and the bench.json of the model that gave them.

    Raises:
        UserError: no such file, or not one of ours.
    """
    import pyarrow.parquet as pq

    if not path.is_file():
        raise UserError(f"there are no scores in {path}; make them with `bench score`")
    table = pq.read_table(path)
    record = (table.schema.metadata or {}).get(METADATA)
    if record is None:
        raise UserError(f"{path} was not written by `bench score` (it does not say which model gave the scores)")
    return table.to_pandas(), json.loads(record)


def scored_model(path: Path) -> dict[str, Any] | None:
    """bench.json of the model whose scores `path` holds, None without such a file."""
    import pyarrow.parquet as pq

    if not path.is_file():
        return None
    record = (pq.read_schema(path).metadata or {}).get(METADATA)
    return None if record is None else json.loads(record)
