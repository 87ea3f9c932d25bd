"""A real Slurm for the tests, shared by all processes of one pytest run."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

from tests.cluster.runs import HERE, Folder

CONFIGURATION = Path("/etc/slurm/slurm.conf")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "srun")


def why_not():
    """Why no Slurm can be started here; None where it can."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"no Slurm: {', '.join(missing)} not found (Debian: munge slurmctld slurmd slurm-client)"
    if os.geteuid() != 0:
        return "no Slurm: not root"
    if CONFIGURATION.exists():
        return f"no Slurm: {CONFIGURATION} is there already (tests/cluster/stop.sh removes one of ours)"
    return None


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A running Slurm. Each process of the pytest run counts itself in and out; the last one ends it."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    users, lock = shared / "slurm-users", FileLock(shared / "slurm.lock")
    with lock:
        count = int(users.read_text()) if users.exists() else 0
        if count == 0:
            if reason := why_not():
                pytest.skip(reason)
            subprocess.run([HERE / "start.sh"], check=True, timeout=60)
        users.write_text(str(count + 1))
    yield
    with lock:
        count = int(users.read_text()) - 1
        users.write_text(str(count))
        if count == 0:
            subprocess.run([HERE / "stop.sh"], check=True, timeout=120)


@pytest.fixture
def folder(tmp_path):
    return lambda name, *what: Folder(tmp_path / name, *what)
