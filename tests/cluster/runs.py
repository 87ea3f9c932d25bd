"""Folders to run the workflow in, and questions to Slurm."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "OMP_NUM_THREADS": "1",
}
# Jobs of seconds are asked for after seconds; everything else is as in the profiles.
HURRY = {
    "slurm": ("--latency-wait", "5", "--slurm-init-seconds-before-status-checks", "1"),
    "generic": ("--latency-wait", "5", "--seconds-between-status-checks", "2"),
}


class Folder:
    """A directory with a configuration and the models it names, and Snakemake started in it.

    targets: what a run makes, below the folder of results (everything without them); far: what one through a profile
    makes, where that is less.
    """

    def __init__(self, path, config, targets=(), far=None):
        path.mkdir(parents=True)
        self.path, self.results = path, path / "results" / config["profile"]
        self.targets = {True: targets if far is None else far, False: targets}
        for file in (ROOT / "tests/evaluation/toy_models.py", HERE / "faulty_models.py"):
            shutil.copy(file, path)
        (path / "workflow").symlink_to(ROOT / "workflow")  # for the commands of the generic profile
        (path / "run.yaml").write_text(yaml.safe_dump(config))

    def start(self, profile):
        """Snakemake through a profile, or on this machine (None): a process group of its own, output in `output`."""
        where = ["--workflow-profile", str(ROOT / "workflow/profiles" / profile)] if profile else ["--cores", "2"]
        return self._start("-m", "snakemake", "--configfile", "run.yaml", *where, *self._further(profile))

    def resume(self, profile):
        """The same by `bench resume`."""
        where = ["--workflow-profile", str(ROOT / "workflow/profiles" / profile)]
        return self._start(
            "-m", "evaluation", "resume", "--configfile", "run.yaml", *where, "--", *self._further(profile)
        )

    def _further(self, profile):
        targets = (str(self.results.relative_to(self.path) / target) for target in self.targets[profile is not None])
        return ["--snakefile", str(ROOT / "Snakefile"), *HURRY.get(profile, ()), *targets]

    def _start(self, *words):
        with (self.path / "output").open("a") as out:
            return subprocess.Popen(
                [sys.executable, *words],
                cwd=self.path, env=ENVIRONMENT, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
                # A shell that starts tests in the background has SIGINT ignored, and children inherit that.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )  # fmt: skip

    def run(self, profile):
        """Snakemake from beginning to end."""
        self.finish(self.start(profile))

    def finish(self, running):
        """Wait for a process that has to end well; end it where the test fails."""
        try:
            assert running.wait(timeout=600) == 0, self.output()
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)

    def output(self):
        return (self.path / "output").read_text()

    def tables(self):
        """Every table, and the comparison with the paper, by name: bytes."""
        files = [*(self.results / "tables").iterdir(), self.results / "compare.csv"]
        return {file.name: file.read_bytes() for file in sorted(files)}


def wait_for(condition, seconds=300):
    """The first true value of `condition()`."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)
    return value


def queue(directory, *, everything=False):
    """Slurm's jobs of a working directory, as (number, state, memory in MB); the unfinished, or everything."""
    states = ["--states=all"] if everything else []
    command = ["squeue", "--noheader", "--format=%A|%T|%m|%Z", *states]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [line.split("|") for line in lines]
    return [(job, state, int(memory.rstrip("M"))) for job, state, memory, place in rows if place == str(directory)]
