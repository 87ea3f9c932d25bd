"""Files of ours, read and checked: a damaged one is named, with the cure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcgmm.storage import CHECKSUM, json_digest
from evaluation.base.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


def read_json(path: str | Path, cure: str, *keys: str) -> Any:
    """The content of a JSON file, without the checksum if it has one; with `keys`, a mapping that has them.

    Args:
        cure: what to do where the file is missing or damaged: the end of the message's sentence.

    Raises:
        UserError: no such file, not JSON or with another checksum (truncated or altered), or a key is missing.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"there is no {path}; {cure}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError
        raise UserError(f"{path} is damaged: it is not JSON ({error}); {cure}") from error
    written = content.pop(CHECKSUM, None) if isinstance(content, dict) else None
    if isinstance(written, str) and written != json_digest(content):
        raise UserError(f"{path} was altered after it was written, its checksum is another; {cure}")
    missing = [key for key in keys if not isinstance(content, dict) or key not in content]
    if missing:
        raise UserError(f"{path} is damaged: it has no {', '.join(missing)}; {cure}")
    return content


def read_parquet(path: str | Path, cure: str) -> pd.DataFrame:
    """The frame of a parquet file.

    Raises:
        UserError: no such file, or not parquet (truncated or altered).
    """
    import pandas as pd
    from pyarrow import ArrowException

    path = Path(path)
    if not path.is_file():
        raise UserError(f"there is no {path}; {cure}")
    try:
        return pd.read_parquet(path, page_checksum_verification=True)
    except (ArrowException, OSError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path} is damaged: it is not parquet ({first}); {cure}") from error
