"""The scripts of the generic cluster profile: beside their profile, and asking for what the job says."""

import subprocess
from pathlib import Path

import pytest
import yaml

from evaluation.jobs.resume import GenericQueue, queue_of, read_profile

PROFILE = Path(__file__).resolve().parents[2] / "workflow/profiles/generic"
SCRIPT = (
    '#!/bin/sh\n# properties = {"type": "group", "groupid": "pack", "output": ["a"], "threads": 2, '
    '"resources": {"gpu": 0, "mem_mb": 1234, "runtime": 56, "tmpdir": "/tmp"}, "jobid": "x"}\ntrue\n'
)


def test_a_job_is_submitted_with_what_its_script_asks_for(tmp_path):
    (tmp_path / "sbatch").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "sbatch").chmod(0o755)
    (tmp_path / "job.sh").write_text(SCRIPT)
    done = subprocess.run(
        [PROFILE / "submit.sh", tmp_path / "job.sh"], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [
        "--parsable", "--cpus-per-task=2", "--mem=1234", "--time=56", "--output=/dev/null", str(tmp_path / "job.sh"),
    ]  # fmt: skip


def test_a_copy_of_the_profile_calls_its_own_scripts(tmp_path):
    """A copied profile still called the scripts of the original."""
    copy = tmp_path / "mine"
    copy.mkdir()
    for file in PROFILE.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    options = yaml.safe_load((copy / "config.yaml").read_text())
    for what in ("submit", "status", "cancel"):  # Snakemake takes the name of a file beside the profile for that file
        assert options[f"cluster-generic-{what}-cmd"] == f"{what}.sh"
        assert (copy / f"{what}.sh").is_file()
    assert queue_of(read_profile(copy), copy) == GenericQueue(str(copy / "status.sh"), str(copy / "cancel.sh"))


@pytest.mark.parametrize(
    ("squeue", "said"),
    [
        ("echo COMPLETED", "success"),
        *((f"echo {state}", "running") for state in ("PENDING", "COMPLETING", "REQUEUED", "SIGNALING", "STAGE_OUT")),
        *((f"echo {state}", "failed") for state in ("FAILED", "CANCELLED", "OUT_OF_MEMORY", "NODE_FAIL", "TIMEOUT")),
        ("true", "failed"),
        ("echo slurm_load_jobs error: Invalid job id specified >&2; exit 1", "failed"),
        # It was taken for failed, and started a second time beside itself.
        ("echo slurm_load_jobs error: Unable to contact slurm controller >&2; exit 1", "running"),
        ("exit 1", "running"),
    ],
)
def test_a_job_has_failed_only_where_slurm_says_so(squeue, said, tmp_path):
    (tmp_path / "squeue").write_text(f"#!/bin/sh\n{squeue}\n")
    (tmp_path / "squeue").chmod(0o755)
    done = subprocess.run(
        [PROFILE / "status.sh", "41"], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout == f"{said}\n"
