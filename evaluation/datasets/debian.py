"""A Debian package's files, without installing it and without root."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from evaluation.datasets.download import SourceError

TIME_LIMIT = 600  # seconds for one apt-get command
SILENCE = 6.0  # seconds without a byte from the package archive
FINDING_LIMIT = 60.0  # seconds for its lists


def find_package(package: str, directory: Path) -> None:
    """Make sure that the machine's package archive offers `package`, without fetching it: raises SourceError if not.

    Private lists in `directory`, as in `unpack_package`. An archive that sends nothing in `SILENCE` seconds is taken
    as out of reach.
    """
    if shutil.which("apt-get") is None:
        raise SourceError("this machine has no apt-get")
    options = [*_private_options(directory), "-o", "Acquire::Retries=0"]
    lists = directory / "state/lists"
    begun = time.monotonic()
    command = ["apt-get", *options, "update"]
    with subprocess.Popen(
        command,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_english(),
    ) as update:
        while update.poll() is None:
            waited = time.monotonic() - begun
            heard = any(file.stat().st_size for file in lists.rglob("*") if file.is_file())
            if waited > (FINDING_LIMIT if heard else SILENCE):
                update.kill()
                raise SourceError(f"the package archive did not answer in {waited:.0f} seconds")
            time.sleep(0.1)
    _run(["apt-get", *options, "download", "--print-uris", package], directory)


def unpack_package(package: str, directory: Path) -> Path:
    """Download `package` with apt-get into `directory` and unpack it there; the root of the unpacked tree.

    The machine's package lists may be empty, outdated or unreadable: lists, state and cache are private, in
    `directory`; only the machine's choice of sources and its keys are used. Raises SourceError.
    """
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise SourceError(f"this machine has no {tool}")
    options = _private_options(directory)
    _run(["apt-get", *options, "update"], directory)
    _run(["apt-get", *options, "download", package], directory)
    archive = next(directory.glob(f"{package}_*.deb"), None)
    if archive is None:
        raise SourceError(f"apt-get download left no {package}_*.deb")
    tree = directory / "tree"
    _run(["dpkg-deb", "-x", str(archive), str(tree)], directory)
    return tree


def _private_options(directory: Path) -> list[str]:
    for name in ("state/lists/partial", "cache/archives/partial"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    status = directory / "status"
    status.touch()
    settings = {
        "Dir::State": directory / "state",
        "Dir::State::status": status,
        "Dir::Cache": directory / "cache",
        "APT::Sandbox::User": "",  # its user may not enter our directory
        "Debug::NoLocking": "1",
        "Acquire::Languages": "none",
        "Acquire::PDiffs": "false",
        "Acquire::Retries": "1",
        "Acquire::http::Timeout": "20",
        "Acquire::https::Timeout": "20",
    }
    return ["-q", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))]


def _english() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C"}


def _run(command: list[str], directory: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            env=_english(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SourceError(str(error)) from error
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise SourceError(f"{command[0]} failed: {lines[-1] if lines else f'exit code {done.returncode}'}")
