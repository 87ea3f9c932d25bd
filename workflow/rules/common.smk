# What every stage needs: the expanded configuration, and the lists that the stages' outputs are added to.
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

sys.path.insert(0, str(Path(workflow.basedir)))

from evaluation.config import GROWTH, Pack, Plan
from evaluation.contents import FILES, SECTIONS, table_options
from evaluation.errors import UserError
from evaluation.planning import GPU_FAMILIES, Estimate, Prices
from evaluation.progress import follow
from evaluation.running import hold

try:
    PLAN = Plan(config, where=" ".join(map(str, workflow.configfiles)) or "config")
except UserError as error:
    raise WorkflowError(str(error)) from None

ESTIMATE = Estimate(PLAN, Prices())
ROOT = PLAN.root
METRICS, TABLES, FIGURES = [], [], []


wildcard_constraints:
    dataset="[a-z_]+",
    variant="[^/]+",
    subsets="[a-z0-9-]+",
    seeds="[0-9-]+",


def add_outputs(collection, stem, *suffixes):
    """Enter an output in METRICS, TABLES or FIGURES, and give its paths."""
    paths = [f"{ROOT}/{stem}{suffix}" for suffix in suffixes]
    collection.extend(paths)
    return paths


def section(name):
    """The paper's section of a table or figure: where it stands in Snakemake's report."""
    return SECTIONS[name]


def gpus(wildcards):
    """1 for a variant of a model that gains from a GPU; workflow/profiles/slurm asks for it where there are some."""
    return int(PLAN.variants[wildcards.variant].model.family in GPU_FAMILIES)


def minutes(stage, wildcards, attempt):
    """The catalogue's time for a training, an hour for what is made from one, or more where the estimate says so."""
    subsets, seeds = wildcards.subsets.split("-"), wildcards.seeds.split("-")
    pack = Pack(wildcards.dataset, wildcards.variant, tuple(subsets), tuple(seeds))
    trainings = len(subsets) * len(seeds)
    known = PLAN.runtime(wildcards.variant, trainings) if stage == "train" else 60
    return int(ESTIMATE.minutes(stage, pack, known) * GROWTH ** (attempt - 1))


def megabytes(wildcards, attempt):
    """The catalogue's memory for a variant, or more where the estimate says so."""
    known = PLAN.mem_mb(wildcards.variant)
    return int(ESTIMATE.megabytes(wildcards.variant, known) * GROWTH ** (attempt - 1))
