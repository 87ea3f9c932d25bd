"""Write envs/environment.yaml from requirements.lock, so that conda users get the same versions."""

from __future__ import annotations

from pathlib import Path

ENVS = Path(__file__).resolve().parent
LOCK = ENVS.parent / "requirements.lock"
CONDA = ENVS / "environment.yaml"
HEADER = """\
# The environment of requirements.lock for conda. Made by envs/make_conda.py, do not edit.
#   conda env create --file envs/environment.yaml && conda activate dcgmm-benchmark
#   pip install --no-deps --no-build-isolation --editable .
name: dcgmm-benchmark
channels: [conda-forge]
dependencies:
  - python=3.11
  - pip
  - make
  - pip:
"""


def conda_text(lock: str) -> str:
    """The conda file for the text of a lock: the same pins, installed by pip (conda has not all of them)."""
    pins = [line for line in lock.splitlines() if line and not line.startswith("#")]
    return HEADER + "".join(f'      - "{pin}"\n' for pin in pins)


def main() -> None:
    CONDA.write_text(conda_text(LOCK.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
