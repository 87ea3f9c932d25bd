# What all rules share: the plan of this run, and where its things lie.
import sys
from functools import partial
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

sys.path.insert(0, str(Path(workflow.basedir)))

from evaluation.base.errors import UserError
from evaluation.base.words import digest
from evaluation.jobs.lock import forget_logs
from evaluation.plan.experiments import MEASURED
from evaluation.results.failures import Failures, report_failures
from evaluation.results.outputs import items
from evaluation.results.running import Asked, begin, forget_partial, plan_of_this_run
from evaluation.results.terminal import TOLD

try:
    PLAN, NOTICES = plan_of_this_run(
        config, workflow.configfiles, main=workflow.is_main_process
    )
except UserError as error:
    raise WorkflowError(str(error)) from None

for notice in NOTICES:
    logger.warning(notice)

ROOT, PATHS, ASKED, FAILURES = PLAN.root, PLAN.paths(), Asked(PLAN), Failures()
BENCH = f"--profile {PATHS.profile}"  # where `bench` looks everything up
TABLES, FIGURES = items(PLAN, "table"), items(PLAN, "figure")
METRICS = [
    PATHS.metrics(name, dataset) for name in MEASURED for dataset in PLAN.datasets(name)
]
RESULTS = [PATHS.table(file, end) for file in TABLES for end in (".csv", ".md", ".tex")]
PICTURES = [PATHS.figure(file, end) for file in FIGURES for end in (".png", ".pdf")]


wildcard_constraints:
    dataset="[a-z0-9_-]+",
    experiment="[a-z]+",
    job="[^/]+/[^/]+/[^/]+/seed[0-9-]+",
    seed="[0-9]+",
    table="[^/]+",
    figure="[^/]+",


def needed_data():
    """The data sets that the jobs of this run fetch or check."""
    jobs = workflow.dag.needrun_jobs()
    return [job.wildcards.dataset for job in jobs if job.rule.name == "data"]


def needed_files():
    """What the jobs of this run make: everything, or what a few named targets need."""
    return {
        Path(file).absolute()
        for job in workflow.dag.needrun_jobs()
        for file in job.output
    }
