"""Leftover jobs of a killed run: found in Snakemake's logs, ended, waited for. On a real queue: tests/cluster."""

import pytest

from evaluation.base.errors import UserError
from evaluation.cli import main
from evaluation.jobs import resume as resuming
from evaluation.jobs.lock import held, hold
from evaluation.jobs.resume import GenericQueue, SlurmQueue, end_leftovers, queue_of, read_profile, submitted_jobs
from evaluation.plan.paths import Paths

LOG = """Job 1bd7120d-9605-5e1b-9293-f12a1a718d11 has been submitted with SLURM jobid 41 (log: /x/41.log).
Finished jobid: 7 (Rule: train)
Submitted group job 1bd7120d-9605-5e1b-9293-f12a1a718d11 with external jobid '42.cluster'.
Submitted job 3 with external jobid '43'.
"""


class FakeQueue:
    """Jobs that go away some questions after they were cancelled."""

    def __init__(self, jobs, questions=2):
        self.jobs, self.left, self.cancelled = set(jobs), questions, []

    def unfinished(self, jobs):
        if self.cancelled:
            self.left -= 1
        return [job for job in jobs if job in self.jobs and self.left > 0]

    def cancel(self, jobs):
        self.cancelled += jobs


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(resuming, "POLL_SECONDS", 0.0)
    (tmp_path / "first.log").write_text(LOG)
    (tmp_path / "second.log").write_text("Job 9 has been submitted with SLURM jobid 44 (log: /x/44.log).\n")
    Paths(tmp_path).log_list.write_text(f"{tmp_path}/first.log\n{tmp_path}/gone.log\n{tmp_path}/second.log\n")
    return tmp_path


def test_jobs_of_all_logs_are_found(results, tmp_path):
    assert submitted_jobs(results) == ["41", "42.cluster", "43", "44"]
    assert submitted_jobs(tmp_path / "elsewhere") == []


def test_only_what_is_left_is_ended_and_waited_for(results):
    queue = FakeQueue({"43", "44", "99"}, questions=3)
    assert end_leftovers(results, queue, timeout=30) == ["43", "44"]
    assert queue.cancelled == ["43", "44"]
    assert queue.left <= 0
    assert submitted_jobs(results) == []


def test_nothing_left_is_no_error(results):
    queue = FakeQueue(())
    assert end_leftovers(results, queue, timeout=30) == []
    assert queue.cancelled == []


def test_jobs_that_stay_are_named(results):
    with pytest.raises(UserError, match="jobs 43 are still there"):
        end_leftovers(results, FakeQueue({"43"}, questions=1000), timeout=-1)
    assert submitted_jobs(results), "they must be found again"


def test_a_run_notes_its_log(tmp_path):
    with held(tmp_path), pytest.raises(UserError, match="another run is working"):
        hold(tmp_path, [tmp_path / "snakemake.log"])
    assert not Paths(tmp_path).log_list.exists()


def test_the_queue_is_that_of_the_profile(tmp_path):
    assert queue_of({}, None) is None
    assert isinstance(queue_of({"executor": "slurm"}, tmp_path), SlurmQueue)
    commands = {"cluster-generic-status-cmd": "status -j", "cluster-generic-cancel-cmd": "cancel"}
    assert queue_of({"executor": "cluster-generic", **commands}, tmp_path) == GenericQueue("status -j", "cancel")
    with pytest.raises(UserError, match="cancel-cmd"):
        queue_of({"executor": "cluster-generic"}, tmp_path)
    with pytest.raises(UserError, match="executor 'aws'"):
        queue_of({"executor": "aws"}, tmp_path)


def test_commands_of_a_generic_queue(tmp_path):
    for name, text in {
        "status": '[ "$1" = 2 ] && echo running || echo success',
        "cancel": f'echo "$@" > {tmp_path}/said',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    queue = GenericQueue(str(tmp_path / "status"), f"{tmp_path / 'cancel'} -f")
    assert queue.unfinished(["1", "2", "3"]) == ["2"]
    queue.cancel(["2"])
    assert (tmp_path / "said").read_text() == "-f 2\n"
    with pytest.raises(UserError, match="no program"):
        GenericQueue("/nowhere/status", "true").unfinished(["1"])
    with pytest.raises(UserError, match="false 1 failed"):
        GenericQueue("false", "true").unfinished(["1"])


def test_no_such_profile(tmp_path, capsys):
    with pytest.raises(UserError, match=r"config\.yaml is expected"):
        read_profile(tmp_path)
    words = [
        "resume",
        "--configfile",
        "config/smoke.yaml",
        "--results",
        str(tmp_path),
        "--workflow-profile",
        str(tmp_path),
    ]
    assert main(words) == 2
    assert "is no profile of Snakemake" in capsys.readouterr().err


@pytest.mark.parametrize("profile", ["default", "slurm", "generic"])
def test_every_profile_here_can_be_resumed(profile):
    queue_of(read_profile(resuming.Path("workflow/profiles", profile)), None)
