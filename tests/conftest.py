"""The fast lane: `make test-fast` leaves out what is marked `slow`, and what trains, compiles or starts Snakemake."""

import signal
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("no deadline", deadline=None)  # a machine that stands still for a moment fails no example
settings.load_profile("no deadline")

HERE = Path(__file__).parent
# Folders and files whose tests train or compile models, or start Snakemake or a scheduler.
SLOW = (
    "workflow",
    "cluster",
    "envs",
    "benchmarks",
    "baselines",
    "contract",
    "dcgmm/test_classification.py",
    "dcgmm/test_fit_many.py",
    "dcgmm/test_fitting.py",
    "dcgmm/test_given.py",
    "dcgmm/test_inpainting.py",
    "dcgmm/test_jax_manners.py",
    "dcgmm/test_oracle.py",
    "dcgmm/test_resuming.py",
    "dcgmm/test_runtime.py",
    "dcgmm/test_sampling.py",
    "dcgmm/test_sharpening.py",
    "dcgmm/test_training.py",
    "evaluation/base/test_process.py",
    "evaluation/datasets/test_finding.py",
    "evaluation/datasets/test_sources.py",
    "evaluation/jobs/test_generating.py",
    "evaluation/jobs/test_judge.py",
    "evaluation/jobs/test_judges_of_the_checkout.py",
    "evaluation/results/test_latex.py",
    "evaluation/results/test_reference.py",
    "evaluation/results/test_report.py",
    "evaluation/results/test_status.py",
    "evaluation/results/test_terminal.py",
)
QUICK = ("baselines/einsum/test_region_graph.py", "baselines/einsum/test_cost.py")  # among them


def pytest_configure(config):
    """Ctrl-C interrupts, also where the tests run in the background of a script, whose children ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    for item in items:
        place = Path(item.fspath)
        if not place.is_relative_to(HERE):
            continue
        name = place.relative_to(HERE).as_posix()
        if name not in QUICK and any(name == slow or name.startswith(f"{slow}/") for slow in SLOW):
            item.add_marker(pytest.mark.slow)
