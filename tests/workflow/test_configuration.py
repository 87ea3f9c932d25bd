"""Which configuration a run works on: `quick` without any, and to its end the one that it was started with."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "OMP_NUM_THREADS": "1",
}
TINY = {
    "profile": "tiny",
    "seeds": 1,
    "models": {"toy": {"factory": "toy_models:Brightness", "label": "Toy"}},
    "experiments": {"outliers": {"datasets": ["digits"], "models": ["toy"], "outlier_classes": [0]}},
}


def place(folder, config):
    shutil.copy(ROOT / "tests/evaluation/toy_models.py", folder)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config))
    return folder


def snakemake(folder, *words):
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), *map(str, words)]
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_configuration_without_a_name_is_not_run_as_quick(tmp_path):
    """It was merged into config/quick.yaml, and trained all of its models, in results/quick."""
    folder = place(tmp_path, {key: value for key, value in TINY.items() if key != "profile"})
    code, text = snakemake(folder, "-n", "--configfile", "tiny.yaml")
    assert code != 0
    assert "tiny.yaml: 'profile' is missing" in text and "Traceback" not in text
    code, text = snakemake(folder, "-n", "--configfile", "tiny.yaml", "--config", "profile=named")
    assert code == 0 and "results/named/" in text and "results/quick" not in text, text


def test_single_values_change_quick_where_no_configuration_is_given(tmp_path):
    code, text = snakemake(tmp_path, "-n", "here/compare.md", "--config", "results=here")
    assert code == 0 and "here/metrics/outliers_" in text, text


def test_jobs_on_other_machines_do_not_see_that_the_configuration_is_edited(tmp_path):
    """A scheduler whose jobs start in the midst of an edit: each read the file again, and failed."""
    folder = place(tmp_path, TINY)
    cluster = tmp_path / "cluster"
    shutil.copytree(ROOT / "workflow/profiles/generic", cluster)
    (cluster / "submit.sh").write_text(
        f'#!/bin/sh\necho "experiments: {{outliers: [" > {folder}/tiny.yaml\n'
        f'sh "$1" >> {folder}/jobs.log 2>&1\necho $? > {folder}/$$.rc\necho $$\n'
    )
    (cluster / "status.sh").write_text(f'#!/bin/sh\n[ "$(cat {folder}/$1.rc)" = 0 ] && echo success || echo failed\n')
    words = ["--workflow-profile", cluster, "--latency-wait", 5, "--seconds-between-status-checks", 1, "--retries", 0]
    target = "results/other/metrics/outliers_digits.parquet"
    code, text = snakemake(folder, target, "--configfile", "tiny.yaml", "--config", "results=results/other", *words)
    assert "experiments: {outliers: [" in (folder / "tiny.yaml").read_text(), text
    assert code == 0 and (folder / target).is_file(), text + (folder / "jobs.log").read_text()
    assert "with external jobid" in text and not (folder / "results/other/.running.logs").exists()  # none is left


def test_every_job_asks_for_memory_and_time_whatever_the_defaults_are(tmp_path):
    """`--default-resources slurm_account=…` replaces those of the profile: tables asked for no time."""
    folder = place(tmp_path, TINY)
    code, text = snakemake(folder, "-n", "--configfile", "tiny.yaml", "--default-resources", "slurm_account=mine")
    assert code == 0, text
    jobs = [job for job in text.split("\n\n") if "resources:" in job]
    lacking = [job for job in jobs if "rule all:" not in job and not ("mem_mb=" in job and "runtime=" in job)]
    assert len(jobs) > 6 and not lacking, lacking
