"""The file that stands for a finished job of several outputs: the list of what it made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from dcgmm.storage import write_json
from evaluation.base.errors import UserError
from evaluation.base.reading import read_json


def write_stamp(path: Path, made: Sequence[Path]) -> None:
    """Write the outputs' paths, relative to the stamp, so that a folder of results can be moved; and the machine."""
    from evaluation.jobs.provenance import machine_name

    relative = [Path(os.path.relpath(item, path.parent)).as_posix() for item in made]
    write_json(path, {"made": relative, "machine": machine_name()})


def read_stamp(path: Path) -> list[Path]:
    """The outputs of a finished job.

    Raises:
        UserError: no such job, or an output has disappeared.
    """
    if not path.is_file():
        raise UserError(f"there is no {path}: the job that writes it has not finished")
    content = read_json(path, "delete it and run the job again", "made")
    made = [Path(os.path.normpath(path.parent / item)) for item in content["made"]]
    for item in made:
        if not item.exists():
            raise UserError(f"{item} is missing, although {path} lists it; delete {path} and run the job again")
    return made
