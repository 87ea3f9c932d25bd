"""Write requirements.lock from the packages of the running environment.

    .venv/bin/pip install -e ".[suite,dev]" && .venv/bin/python envs/make_lock.py && .venv/bin/python envs/make_conda.py

Local versions (torch 2.13.0+cpu) are written without their suffix: the lock then fits every build of that version.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
HEADER = """\
# Every package of the environment, pinned; Python 3.11. Made by envs/make_lock.py, do not edit.
# torch: without a suffix this is any build of that version; see envs/README.md for machines without a GPU.
"""


def lock_lines(freeze: str) -> list[str]:
    """The pins among the lines of `pip freeze`: no editable or local packages, no pip, no local version suffix."""
    pins = (line.split("+")[0] for line in freeze.splitlines() if "==" in line and not line.startswith(("-", "#")))
    return sorted((pin for pin in pins if not pin.startswith("pip==")), key=str.lower)


def main() -> None:
    freeze = subprocess.run(
        [sys.executable, "-m", "pip", "freeze", "--all", "--exclude-editable"],
        check=True,
        capture_output=True,
        text=True,
    )
    LOCK.write_text(HEADER + "\n".join(lock_lines(freeze.stdout)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
