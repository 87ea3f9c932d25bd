"""A real Slurm for the tests, shared by all processes of one pytest run."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

from tests.cluster.runs import HERE, Folder

CONFIGURATION = Path("/etc/slurm/slurm.conf")
OURS = "# made by tests/cluster/start.sh"
USED = Path("/tmp/bench-slurm.used")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "srun")


def why_not():
    """Why no Slurm can be started here; None where it can."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"no Slurm: {', '.join(missing)} not found (Debian: munge slurmctld slurmd slurm-client)"
    if os.geteuid() != 0:
        return "no Slurm: not root"
    if CONFIGURATION.exists() and not CONFIGURATION.read_text().startswith(OURS):
        return f"no Slurm: {CONFIGURATION} is there already, and not of these tests"
    return None


def start(held):
    """Start Slurm for this pytest run; what a killed run has left of one of ours is removed first.

    held: a file of all pytest runs, locked while one of their processes lives.
    """
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pytest.skip("no Slurm: another run of tests has one")
    try:
        subprocess.run([HERE / "start.sh"], check=True, timeout=120)
    except BaseException:
        subprocess.run([HERE / "stop.sh"], check=True, timeout=120)
        raise


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A running Slurm. Each process of the pytest run counts itself in and out; the last one ends it."""
    held = USED.open("a")
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    users, lock = shared / "slurm-users", FileLock(shared / "slurm.lock")
    with lock:
        count = int(users.read_text()) if users.exists() else 0
        if count == 0:
            if reason := why_not():
                pytest.skip(reason)
            start(held)
        fcntl.flock(held, fcntl.LOCK_SH)
        users.write_text(str(count + 1))
    yield
    with lock:
        count = int(users.read_text()) - 1
        users.write_text(str(count))
        if count == 0:
            subprocess.run([HERE / "stop.sh"], check=True, timeout=120)
    held.close()


@pytest.fixture
def folder(tmp_path):
    return lambda name, *what: Folder(tmp_path / name, *what)
