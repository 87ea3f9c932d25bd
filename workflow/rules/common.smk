# What every stage needs: the expanded configuration, and the lists that the stages' outputs are added to.
import shutil
import sys
from functools import partial
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

sys.path.insert(0, str(Path(workflow.basedir)))

from evaluation.plan.config import Pack, Plan
from evaluation.results.outputs import COMPARED, FIGURE, TABLE, items
from evaluation.base.errors import UserError
from evaluation.datasets.finding import require
from evaluation.datasets.settle import record, settle
from evaluation.cost.planning import GPU_FAMILIES, Estimate, Prices
from evaluation.results.failures import PARTIAL, Failures, report_failures
from evaluation.results.progress import follow
from evaluation.results.terminal import TOLD
from evaluation.jobs.lock import hold

WHERE = " ".join(map(str, workflow.configfiles)) or "config"

try:
    PLAN = Plan(config, where=WHERE)
    SETTLED = settle(config, PLAN.root, decide=workflow.is_main_process)
    if SETTLED.profile != config:
        PLAN = Plan(SETTLED.profile, where=WHERE)
except UserError as error:
    raise WorkflowError(str(error)) from None

for notice in SETTLED.notices:
    logger.warning(notice)

ESTIMATE = Estimate(PLAN, Prices())
ROOT = PLAN.root
FAILURES = Failures()
METRICS, TABLES, FIGURES = [], [], []
ITEMS = items(PLAN)


wildcard_constraints:
    dataset="[a-z0-9_-]+",
    variant="[^/]+",
    subsets="[a-z0-9-]+",
    seeds="[0-9-]+",


def add_outputs(collection, stem, *suffixes):
    """Enter an output in METRICS, TABLES or FIGURES, and give its paths."""
    paths = [f"{ROOT}/{stem}{suffix}" for suffix in suffixes]
    collection.extend(paths)
    return paths


def needed_data(dag):
    """The data sets that the jobs of this run fetch or check."""
    return [
        job.wildcards.dataset for job in dag.needrun_jobs() if job.rule.name == "data"
    ]


def made_from(file):
    """The metrics, and the stamps of the jobs whose files it shows."""
    item = ITEMS[file]
    return [f"{ROOT}/{path}" for path in (*item.metrics(PLAN), *item.stamps(PLAN))]


def gpus(wildcards):
    """1 for a variant of a model that gains from a GPU; workflow/profiles/slurm asks for it where there are some."""
    return int(PLAN.variants[wildcards.variant].model.family in GPU_FAMILIES)


def pack_of(wildcards):
    """The trainings that a job is about."""
    subsets, seeds = wildcards.subsets.split("-"), map(int, wildcards.seeds.split("-"))
    return Pack(wildcards.dataset, wildcards.variant, tuple(subsets), tuple(seeds))


def minutes(stage, wildcards, attempt):
    """The time that a job of this stage asks for."""
    return ESTIMATE.minutes(stage, pack_of(wildcards), attempt)


def megabytes(wildcards, attempt):
    """The memory that a job asks for."""
    return ESTIMATE.megabytes(pack_of(wildcards), attempt)
