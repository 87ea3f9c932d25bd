"""Tidy rows: their columns, their files, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from evaluation.base.errors import UserError
from evaluation.measures.statistics import over_seeds
from evaluation.measures.tidy import METRIC_COLUMNS, read_metrics, tidy_frame, tidy_row, write_metrics


def row(**changes):
    default = dict(
        protocol="paper", experiment="outliers", dataset="mnist", model="A", seed=0, metric="auroc", value=95
    )
    return tidy_row(**{**default, **changes})


def test_rows_have_the_schema():
    frame = tidy_frame([row(params={"b": 1, "a": [2]}), row(seed=np.int64(1), value=np.float32(0.5))])
    assert tuple(frame.columns) == METRIC_COLUMNS
    assert frame["params"].tolist() == ['{"a":[2],"b":1}', "{}"]
    assert frame["seed"].dtype == np.int64 and frame["value"].dtype == np.float64


def test_empty_frame_has_the_schema_and_survives_a_file(tmp_path):
    frame = tidy_frame([])
    frame.to_parquet(tmp_path / "empty.parquet")
    back = pd.read_parquet(tmp_path / "empty.parquet")
    assert back.dtypes.equals(tidy_frame([row()]).dtypes)
    assert over_seeds(frame).empty


# --- files


def test_files_stand_one_below_the_other(tmp_path):
    write_metrics(tmp_path / "a.parquet", [row()])
    write_metrics(tmp_path / "b.parquet", [row(seed=1)])
    assert list(read_metrics([tmp_path / "a.parquet", tmp_path / "b.parquet"])["seed"]) == [0, 1]
    assert read_metrics([]).empty


def test_a_file_given_twice_is_refused(tmp_path):
    path = tmp_path / "a.parquet"
    write_metrics(path, [row()])
    with pytest.raises(UserError, match=r"a\.parquet is given twice"):
        read_metrics([path, path])


def test_a_row_that_stands_there_twice_is_refused(tmp_path):
    """A copy of a file under another name doubles the seeds, and narrows every spread."""
    for name in ("a", "copy"):
        write_metrics(tmp_path / f"{name}.parquet", [row(), row(seed=1)])
    with pytest.raises(UserError, match=r"a\.parquet and .*copy\.parquet: 2 rows are about the same result") as error:
        read_metrics(sorted(tmp_path.iterdir()))
    assert "model A" in str(error.value) and "seed 0" in str(error.value)


@pytest.mark.parametrize("damage", ["truncated", "text", "empty"])
def test_a_damaged_file_is_named_with_the_cure(damage, tmp_path):
    path = tmp_path / "a.parquet"
    write_metrics(path, [row()])
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[: len(whole) // 2], "text": b"not parquet", "empty": b""}[damage])
    with pytest.raises(UserError, match=r"a\.parquet is damaged: .*start the run again"):
        read_metrics([path])


def test_a_file_of_something_else_is_named(tmp_path):
    pd.DataFrame({"step": [1]}).to_parquet(tmp_path / "history.parquet")
    with pytest.raises(UserError, match=r"history\.parquet holds no tidy metrics \(no column protocol"):
        read_metrics([tmp_path / "history.parquet"])
    with pytest.raises(UserError, match=r"there is no .*nothing\.parquet"):
        read_metrics([tmp_path / "nothing.parquet"])
