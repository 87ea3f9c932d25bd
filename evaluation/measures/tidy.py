"""Tidy rows: one measured value each, in the columns of `METRIC_COLUMNS`; how they are made, written and read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.base.errors import UserError
from evaluation.base.files import atomic_path

if TYPE_CHECKING:
    import pandas as pd

METRIC_COLUMNS = ("protocol", "experiment", "dataset", "model", "params", "seed", "metric", "value")
METADATA = b"bench"  # key of the parquet metadata: what the rows were made from
CURE = "measure again: delete it and start the run again"
IDENTITY = list(METRIC_COLUMNS[:-1])  # no two rows of a run agree in all of these


def tidy_row(
    *,
    protocol: str,
    experiment: str,
    dataset: str,
    model: str,
    seed: int,
    metric: str,
    value: float,
    params: Mapping[str, Any] | str | None = None,
) -> dict[str, Any]:
    """One result. `params` is what the row varies (a grid point, an option), stored as canonical JSON.

    Percent for areas and accuracies, nats for log-likelihoods, bits/dim where the metric's name says so.
    """
    text = params if isinstance(params, str) else canonical_params(params or {})
    values = (protocol, experiment, dataset, model, text, int(seed), metric, float(value))
    return dict(zip(METRIC_COLUMNS, values, strict=True))


def canonical_params(params: Mapping[str, Any]) -> str:
    """JSON with sorted keys and no spaces, so that equal parameters give equal text."""
    return json.dumps(params, sort_keys=True, separators=(",", ":"))


def tidy_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of `tidy_row` as a frame with the columns of `METRIC_COLUMNS` and their types, also when there is no row."""
    import pandas as pd

    frame = pd.DataFrame(list(rows), columns=list(METRIC_COLUMNS))
    texts = {name: "str" for name in METRIC_COLUMNS if name not in ("seed", "value")}
    return frame.astype({**texts, "seed": "int64", "value": "float64"})


def write_metrics(
    path: str | Path, rows: pd.DataFrame | Iterable[Mapping[str, Any]], made_from: Mapping[str, Any] | None = None
) -> None:
    """Write tidy rows as parquet, atomically. made_from: what `read_made_from` gives back."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    frame = rows if isinstance(rows, pd.DataFrame) else tidy_frame(rows)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    if made_from is not None:
        note = json.dumps(made_from).encode()
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), METADATA: note})
    with atomic_path(path) as part:
        pq.write_table(table, part, write_page_checksum=True)


def read_made_from(path: str | Path) -> dict[str, Any] | None:
    """What a file of tidy rows says that it was made from; None for one of an earlier version, which says nothing.

    Raises:
        UserError: no such file, or a damaged one.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not Path(path).is_file():
        raise UserError(f"there is no {path}; {CURE}")
    try:
        note = (pq.read_schema(path).metadata or {}).get(METADATA)
        found = None if note is None else json.loads(note)
    except (pa.ArrowException, OSError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path} is damaged: it cannot be read what it was made from ({first}); {CURE}") from error
    if found is not None and not isinstance(found, dict):
        raise UserError(f"{path} is damaged: it was made from {found!r}, expected a mapping; {CURE}")
    return found


def read_metrics(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Tidy rows of several files, one below the other.

    Raises:
        UserError: a missing or damaged file, one of other columns, or a row that stands there twice; by name.
    """
    import pandas as pd

    files = [str(path) for path in paths]
    frames = {path: _read(Path(path)) for path in files}
    if len(frames) < len(files):
        twice = next(path for path in files if files.count(path) > 1)
        raise UserError(f"{twice} is given twice, and its rows would count twice; give each file of metrics once")
    if not frames:
        return tidy_frame([])
    whole = pd.concat([frame.assign(file=path) for path, frame in frames.items()], ignore_index=True)
    refuse_duplicates(whole)
    return whole.drop(columns="file")


def refuse_duplicates(frame: pd.DataFrame) -> None:
    """Refuse tidy rows of which two are about the same result: means and spreads would count it twice.

    `frame`: the columns of `METRIC_COLUMNS`, and perhaps `file`, which the message names. Raises UserError.
    """
    twice = frame[frame.duplicated(IDENTITY, keep=False)]
    if twice.empty:
        return
    same = twice[(twice[IDENTITY] == twice.iloc[0][IDENTITY]).all(axis=1)]
    row = same.iloc[0]
    what = ", ".join(f"{name} {row[name]}" for name in IDENTITY)
    files = " and ".join(dict.fromkeys(map(str, same["file"]))) if "file" in same else "the metrics"
    raise UserError(f"{files}: {len(same)} rows are about the same result ({what}); remove one, or the file of one")


def _read(path: Path) -> pd.DataFrame:
    from evaluation.base.reading import read_parquet

    frame = read_parquet(path, CURE)
    missing = [name for name in METRIC_COLUMNS if name not in frame]
    if missing:
        raise UserError(f"{path} holds no tidy metrics (no column {', '.join(missing)}); give files of metrics/")
    return frame[list(METRIC_COLUMNS)]
