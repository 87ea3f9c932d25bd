"""The DAG itself: what it refuses, what it lists, and that killing it loses nothing."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from evaluation.cost.estimate import FOLLOWING_MINUTES, LEAST_MB, LEAST_MINUTES, RUNNER_MB, START_UP_MINUTES

ROOT = Path(__file__).resolve().parents[2]
TOY_MODELS = ROOT / "tests/evaluation/toy_models.py"
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "OMP_NUM_THREADS": "1",
}
TINY = {
    "profile": "tiny",
    "seeds": 2,
    "packing": {"seeds_per_job": 2},
    "models": {"slow": {"factory": "toy_models:Brightness", "params": {"pause": 0.0}, "label": "Slow"}},
    "experiments": {
        "outliers": {"datasets": ["digits"], "models": ["slow"], "curves": [["slow", "digits"]]},
    },
}
WANTED = ["tables/table_2_outliers_models.csv", "tables/table_2_outliers_models.md", "compare.md"]
TARGETS = [f"results/tiny/{name}" for name in WANTED]


def command(*words):
    return [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), *map(str, words)]


def snakemake(*words, cwd=ROOT):
    return subprocess.run(command(*words), cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def place(folder, config=None):
    """A folder to run in: a configuration and the model that it names."""
    folder.mkdir()
    shutil.copy(TOY_MODELS, folder)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config or TINY))
    return folder


def tables(folder):
    return {name: (folder / "results/tiny" / name).read_text() for name in WANTED}


def run_tiny(folder):
    done = snakemake(*TARGETS, "--cores", 2, "--configfile", "tiny.yaml", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = place(tmp_path_factory.mktemp("runs") / "undisturbed")
    run_tiny(folder)
    return folder


def test_a_misspelt_key_is_refused_before_any_job_starts(tmp_path):
    folder = place(tmp_path / "run", {**TINY, "sedes": 3})
    done = snakemake("--cores", 1, "--configfile", "tiny.yaml", cwd=folder)
    assert done.returncode != 0
    assert "'sedes'; did you mean 'seeds'?" in done.stdout + done.stderr
    assert not (folder / "results").exists()


@pytest.mark.parametrize("profile", ["smoke", "quick", "cpu", "paper"])
def test_the_whole_dag_is_listed(profile):
    done = snakemake("--dry-run", "--configfile", f"config/{profile}.yaml", "--config", "results=nowhere")
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    for rule in ("train", "score", "sample", "inpaint", "measure", "table", "figure", "compare"):
        assert f"rule {rule}:" in text
    assert not Path("nowhere").exists()


def without_network(data, *words, cwd):
    """Snakemake on a machine with the data in one folder alone: every proxy refuses, also apt's."""
    proxies = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https")}
    environment = {key: value for key, value in ENVIRONMENT.items() if key.lower() != "no_proxy"}
    environment |= {**proxies, "BENCH_DATA": str(data)}
    return subprocess.run(command(*words), cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_quick_without_data_or_network_says_what_stands_in(tmp_path):
    config = ROOT / "config/quick.yaml"
    done = without_network(tmp_path / "none", "--dry-run", "--configfile", config, cwd=tmp_path)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    notices = [line.partition(" For ")[0] for line in text.splitlines() if "not available" in line]
    assert notices == [
        "MNIST is not available here; MNIST (5,000 digits) is used instead.",
        "Fashion-MNIST is not available here; Digits is used instead.",
    ]
    assert "dataset=mnist-5k" in text and "dataset=digits" in text
    assert "dataset=mnist," not in text and "dataset=fashion_mnist" not in text


def test_other_profiles_stop_before_the_first_job_and_say_what_to_put_where(tmp_path):
    outliers = {**TINY["experiments"]["outliers"], "datasets": ["mnist", "digits"]}
    folder = place(tmp_path / "run", {**TINY, "experiments": {"outliers": outliers}})
    done = without_network(tmp_path / "none", "--cores", 1, "--configfile", "tiny.yaml", cwd=folder)
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert "not available, but needed by this profile: MNIST" in text
    assert f"into {tmp_path / 'none' / 'mnist'}" in text and "t10k-labels-idx1-ubyte.gz" in text
    assert "Traceback" not in text
    assert not (folder / "results/tiny/logs").exists(), "a job has started"


def test_data_that_no_job_needs_may_be_missing(tmp_path):
    """Such as SVHN for a table of another experiment."""
    svhn = {"datasets": ["svhn"], "models": ["dcgmm-a-svhn"]}
    folder = place(tmp_path / "run", {**TINY, "experiments": {**TINY["experiments"], "svhn": svhn}})
    words = ["--cores", 2, "--configfile", "tiny.yaml"]
    done = without_network(tmp_path / "none", TARGETS[0], *words, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    done = without_network(tmp_path / "none", *words, cwd=folder)
    assert done.returncode != 0 and "needed by this profile: SVHN" in done.stdout + done.stderr


def test_jobs_ask_for_the_estimate_or_for_what_an_entry_says(tmp_path):
    """A measured family whose entry states one parameter, and a model that nothing is known of."""
    models = {"x": {"family": "rat-spn", "label": "x", "params": {"depth": 2}}, **TINY["models"]}
    models["slow"] = {**models["slow"], "resources": {"mem_mb": 1234, "minutes": 7}}
    outliers = {"datasets": ["digits"], "models": ["x", "slow"]}
    folder = place(tmp_path / "run", {**TINY, "models": models, "experiments": {"outliers": outliers}})
    done = snakemake("--dry-run", "--configfile", "tiny.yaml", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    asked = {}
    for job in (done.stdout + done.stderr).split("\n\n"):
        if rule := re.search(r"^rule (train|score):$", job, flags=re.MULTILINE):
            variant = re.search(r"wildcards: .*job=(\w+)/", job)[1]
            megabytes, minutes = (re.search(rf"\b{key}=(\w+)", job)[1] for key in ("mem_mb", "runtime"))
            asked[rule[1], variant] = (int(megabytes), int(minutes))
    assert asked == {
        ("train", "x"): (LEAST_MB + RUNNER_MB, LEAST_MINUTES),
        ("score", "x"): (LEAST_MB + RUNNER_MB, LEAST_MINUTES),
        ("train", "slow"): (1234, START_UP_MINUTES + 2 * 7),  # two seeds in one job
        ("score", "slow"): (1234, FOLLOWING_MINUTES),
    }


def test_a_dcgmm_without_layers_is_refused_in_one_sentence(tmp_path):
    models = {"x": {"family": "dcgmm", "label": "x"}}
    outliers = {"datasets": ["digits"], "models": ["x"]}
    folder = place(tmp_path / "run", {**TINY, "models": models, "experiments": {"outliers": outliers}})
    done = snakemake("--dry-run", "--configfile", "tiny.yaml", cwd=folder)
    assert done.returncode != 0
    assert "models.x.params: 'config' is missing" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_jobs_make_nothing_of_what_other_experiments_have_trained_beside_theirs():
    words = ["--dry-run", "--printshellcmds", "--configfile", "config/smoke.yaml", "--config", "results=nowhere"]
    done = snakemake(*words)
    commands = (done.stdout + done.stderr).splitlines()
    made = [line for line in commands if "bench sample --stage" in line]
    assert any("grid_plain" in line and " dcgmm-a-svhn/photos/only0-only1/seed0 " in line for line in made)
    assert all(len(line) < 400 for line in commands if "command: bench" in line)  # one line that a person can read


def test_without_a_profile_it_is_quick():
    done = snakemake("results/quick/compare.md", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_second_run_does_nothing(undisturbed):
    assert "Nothing to be done" in run_tiny(undisturbed)


def test_a_changed_model_is_the_only_one_trained_again(undisturbed, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(undisturbed, folder)
    two = {**TINY, "models": {**TINY["models"], "other": {"extends": "slow", "params": {"offset": 0.5}}}}
    two["experiments"] = {"outliers": {"datasets": ["digits"], "models": ["slow", "other"]}}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(two))
    assert "bench train --profile results/tiny/profile.json other/" in run_tiny(folder)
    two["models"]["other"]["params"] = {"offset": 0.7}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(two))
    second = run_tiny(folder)
    assert "bench train --profile results/tiny/profile.json other/" in second
    assert "profile.json slow/" not in second


def test_packing_changes_jobs_and_not_tables(undisturbed, tmp_path):
    folder = place(tmp_path / "run", {**TINY, "packing": {"seeds_per_job": 1}})
    text = run_tiny(folder)
    assert "slow/digits/not0/seed1 " in text
    assert tables(folder) == tables(undisturbed)


def test_a_failing_job_shows_its_own_message_and_names_its_log(tmp_path):
    failing = {**TINY["models"]["slow"], "params": {"fail": True}}
    folder = place(tmp_path / "run", {**TINY, "models": {"slow": failing}})
    done = snakemake("--cores", 1, "--configfile", "tiny.yaml", "--retries", 0, cwd=folder)
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert "seed 1 is told to fail" in text
    assert "results/tiny/logs/train/slow/digits/not0/seed0-1.log" in text


def test_the_rest_of_a_run_with_a_failing_model_ends_in_a_report(tmp_path):
    failing = {**TINY["models"]["slow"], "params": {"fail": True}, "label": "Failing"}
    models = {**TINY["models"], "failing": failing}
    outliers = {"datasets": ["digits"], "models": ["slow", "failing"]}
    config = {**TINY, "models": models, "experiments": {"outliers": outliers}}
    folder = place(tmp_path / "run", config)
    words = ["--cores", 1, "--configfile", "tiny.yaml", "--retries", 1]
    done = snakemake(*words, cwd=folder)
    text = done.stdout + done.stderr
    assert done.returncode != 0
    (line,) = [line for line in text.splitlines() if line.startswith("train failing digits not0 seed0-1 failed: ")]
    assert "seed 1 is told to fail" in line and "results/tiny/logs/train/failing/digits/not0/seed0-1.log" in line
    partial = folder / "results/tiny/partial"
    assert "results/tiny/partial/report.html (tiny profile, unfinished: 3 of 4 trainings)" in text
    assert "Slow" in (partial / "tables/table_2_outliers_models.md").read_text()
    for page in ("report.html", "compare.md"):
        assert "seed 1 is told to fail" in (partial / page).read_text()
    assert (partial / "report.html").is_file() and not (folder / "results/tiny/report.html").exists()
    # Mended: the run goes on, and the report of the part is gone.
    mended = {**models, "failing": {**failing, "params": {}}}
    (folder / "tiny.yaml").write_text(yaml.safe_dump({**config, "models": mended}))
    done = snakemake(*words, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "results/tiny/report.html").is_file() and not partial.exists()


def wait_for(condition, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.mark.parametrize("victim", ["snakemake alone", "snakemake and its jobs"])
def test_sigkill_in_mid_training_loses_nothing(victim, tmp_path):
    """Paused training steps leave time to kill in the middle; the model's numbers do not depend on the pauses."""
    paused = {"models": {"slow": {**TINY["models"]["slow"], "params": {"pause": 0.15}}}}
    unpaused = {"models": {"slow": {**TINY["models"]["slow"], "params": {"pause": 1e-4}}}}
    whole = place(tmp_path / "whole", {**TINY, **unpaused})
    run_tiny(whole)

    folder = place(tmp_path / "killed", {**TINY, **paused})
    words = [*TARGETS, "--cores", 2, "--configfile", "tiny.yaml"]
    with subprocess.Popen(
        command(*words), cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as running:  # fmt: skip
        models = folder / "results/tiny/models/digits/not0/slow"
        wait_for(lambda: list(models.glob(".seed0.*.checkpoint/state.json")))
        if victim == "snakemake alone":
            os.kill(running.pid, signal.SIGKILL)
            os.killpg(running.pid, signal.SIGSTOP)  # its training stays in the middle until the next run waits for it
        else:
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    assert not (models / "seed0").exists()
    path = folder / "results/tiny/logs/train/slow/digits/not0/seed0-1.log"
    if victim == "snakemake alone":
        with ThreadPoolExecutor(1) as threads:
            try:
                again = threads.submit(run_tiny, folder)
                wait_for(lambda: again.done() or (path.exists() and "waiting for it" in path.read_text()))
            finally:
                os.killpg(running.pid, signal.SIGCONT)
            again.result()
    else:
        run_tiny(folder)
    log = path.read_text()
    assert ("waiting for it" if victim == "snakemake alone" else "resumed after step") in log
    assert tables(folder) == tables(whole)
    assert not [path for path in models.iterdir() if path.is_dir() and path.name.startswith(".")]
    assert "Nothing to be done" in run_tiny(folder)


def test_two_runs_in_one_folder_keep_apart(undisturbed):
    from filelock import FileLock

    with FileLock(undisturbed / "results/tiny/.running.lock"):
        done = snakemake(TARGETS[0], "--cores", 1, "--configfile", "tiny.yaml", "--force", cwd=undisturbed)
    assert done.returncode != 0
    assert "another run is working" in done.stdout + done.stderr


def test_the_workflow_is_clean():
    done = snakemake("--lint", "--configfile", "config/smoke.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_logger_plugin_shows_the_run_in_lines(undisturbed, tmp_path):
    """As `make quick` asks for it; there is no terminal here."""
    folder = place(tmp_path / "run")
    environment = {
        **ENVIRONMENT,
        "PYTHONPATH": f"{ROOT / 'workflow/logger'}{os.pathsep}{ENVIRONMENT.get('PYTHONPATH', '')}",
    }
    words = command("--logger", "bench", "--cores", 2, "--configfile", "tiny.yaml")
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    assert done.returncode == 0, lines
    assert lines[1].startswith("jobs: data 1, train 1, score 1, measure 1, tables ")
    assert lines[-1] == "report: results/tiny/report.html"
    assert len(lines) < 30 and not any("bench train" in line for line in lines)
    (log,) = (folder / ".snakemake/log").glob("*.log")
    assert "bench train" in log.read_text()
