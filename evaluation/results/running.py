"""What the Snakefile does beside its rules: the plan of a run, what is done before its first job, what jobs ask for."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.base.errors import UserError
from evaluation.base.files import write_text
from evaluation.base.words import digest
from evaluation.cost.estimate import Estimate
from evaluation.cost.prices import Prices
from evaluation.datasets.contents import images_of
from evaluation.datasets.finding import require
from evaluation.datasets.settle import settle
from evaluation.jobs.lock import hold
from evaluation.plan.plan import Plan
from evaluation.plan.reading import given_to_snakemake, read_profile
from evaluation.plan.resolve import PROFILE_FILE
from evaluation.results.outputs import PARTIAL, Item
from evaluation.results.progress import follow

MADE_BY = {"outliers": "score", "judge": "sample", "inpainting": "inpaint"}  # experiment → stage; others: train
OF_A_RUN = {"models", "judges", "scores", "samples", "grids", "completions", "metrics", "tables", "figures", PARTIAL}
OF_A_RUN |= {"stamps", "logs", "benchmarks", "compare.md", "compare.csv", "provenance.json", "report.html"}
SUBMITTING = {"slurm": "sbatch"}  # executor → the program that it calls


def plan_of_this_run(config: Mapping[str, Any], files: Sequence[str | Path], *, main: bool) -> tuple[Plan, list[str]]:
    """The plan, and notices of data that stand in for others.

    Args:
        config: as Snakemake has merged it.
        files: that it was read from.
        main: whether this process has started the run. A process of a single job, on another machine perhaps, takes
            what the run was started with: it is given the run's profile.json in place of the configuration, which
            somebody may be editing.

    Raises:
        UserError: the profile asks for what does not exist.
    """
    for file in map(Path, () if main else files):
        if file.name == PROFILE_FILE:
            return Plan(read_profile(file), str(file)), []
    where = " ".join(map(str, files)) or "config"
    given = given_to_snakemake(config, files)
    plan = Plan(given, where)
    kept = plan.paths().profile
    if not main and kept.is_file():
        return Plan(read_profile(kept), str(kept)), []
    settled = settle(given)
    return (plan if settled.profile == given else Plan(settled.profile, where)), settled.notices


def begin(
    plan: Plan,
    executor: str,
    logs: Iterable[str],
    datasets: Iterable[str],
    files: Container[Path],
    logger: logging.Logger,
) -> None:
    """What is done once, before the first job: the folder is held, the profile kept, data looked for.

    Args:
        files: absolute paths of what this run makes: it tells the time left for them.

    Raises:
        UserError: another run has the folder, it is no folder of a run, there is no program to submit jobs with, or
            data are not available.
    """
    program = SUBMITTING.get(executor)
    if program and shutil.which(program) is None:
        raise UserError(f"executor {executor}: there is no program {program} here; start where jobs are submitted")
    refuse_other_folder(Path(plan.root))
    hold(plan.root, logs)
    kept = plan.paths().profile
    if not kept.is_file() or kept.read_text(encoding="utf-8") != plan.as_json():
        write_text(kept, plan.as_json())
    require(datasets)
    follow(plan, logger, files)


def refuse_other_folder(folder: Path) -> None:
    """Refuse a folder of results that holds something else than a run: its files may have the names of outputs.

    Raises:
        UserError: names one of them.
    """
    if folder.is_dir() and not (folder / PROFILE_FILE).is_file():
        others = [path.name for path in folder.glob("[!.]*") if path.name not in OF_A_RUN]
        if others:
            raise UserError(
                f"results: {folder.resolve()} holds something else than a run ({min(others)}); give a folder of its own"
            )


def forget_partial(folder: str | Path) -> None:
    """Remove the report of an earlier run, in which jobs had failed; nothing else of that name."""
    partial = Path(folder) / PARTIAL
    if (partial / PROFILE_FILE).is_file():
        shutil.rmtree(partial, ignore_errors=True)


class Asked:
    """What the rules of jobs with models ask the plan: functions of Snakemake's wildcards `job` and `stage`."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.estimate = Estimate(plan, Prices())
        self.jobs = self.estimate.jobs

    def data(self, wildcards: Any) -> Path:
        """The stamp of the job's data set."""
        return self.plan.paths().stamp("data", self.jobs.whole(wildcards.job).dataset)

    def trained(self, wildcards: Any) -> Path:
        """The stamp of the job's trainings."""
        return self.plan.paths().stamp("train", wildcards.job)

    def command(self, wildcards: Any) -> str:
        """The subcommand of `bench`."""
        stage: str = wildcards.stage
        return stage if stage in ("train", "score", "inpaint") else f"sample --stage {stage}"

    def threads(self, wildcards: Any) -> int:
        return self.jobs.threads(self.jobs.whole(wildcards.job))

    def gpu(self, wildcards: Any) -> int:
        """1 for a model that gains from a GPU; workflow/profiles/slurm asks for it where there are some."""
        return int(self.jobs.variant(self.jobs.whole(wildcards.job)).gpu)

    def megabytes(self, wildcards: Any, attempt: int) -> int:
        return self.estimate.megabytes(self.jobs.whole(wildcards.job), attempt)

    def minutes(self, wildcards: Any, attempt: int) -> int:
        return self.estimate.minutes(wildcards.stage, self.jobs.whole(wildcards.job), attempt)

    def variant(self, wildcards: Any) -> str:
        """Kept with a job's benchmark, for `bench resources --by-variant`."""
        return self.jobs.whole(wildcards.job).variant

    def settings(self, wildcards: Any) -> str:
        """Hash of what the job's results depend on beside its inputs: another one, and Snakemake runs it again."""
        job = self.jobs.whole(wildcards.job)
        if wildcards.stage == "train":
            return digest([*map(self.plan.spec, job.keys)])
        how = [] if wildcards.stage == "score" else self.plan.sampled(wildcards.stage, job.variant)
        keys = self.jobs.keys(wildcards.stage, job)  # a stage may be for some of the job's trainings only
        return digest(how if len(keys) == len(job.keys) else [how, [key.path for key in keys]])

    def trainings(self, wildcards: Any) -> str:
        """Hash of the trainings that an experiment's metrics are made from: other ones, and it is measured again."""
        keys = self.plan.keys(wildcards.experiment, dataset=wildcards.dataset)
        return digest([key.path for key in keys])

    def judging(self, wildcards: Any) -> dict[str, Any]:
        """How a judge is trained, and the hash of a user's own images: others, and Snakemake trains it again."""
        return {**self.plan.judges.model_dump(exclude={"seeds"}), **images_of(wildcards.dataset)}

    def measured_from(self, wildcards: Any) -> list[Path]:
        """The stamps of what an experiment's metrics are made from."""
        experiment, dataset, paths = wildcards.experiment, wildcards.dataset, self.plan.paths()
        stamps = self.jobs.stamps(MADE_BY.get(experiment, "train"), self.plan.keys(experiment, dataset=dataset))
        judges = self.plan.judge_seeds() if experiment == "judge" else []
        made = [paths.root / stamp for stamp in stamps]
        return made + [paths.stamp("judges", f"{dataset}/{seed}") for seed in judges]

    def made_from(self, item: Item) -> list[Path]:
        """The metrics, and the stamps of jobs, that a table or figure is made from."""
        return [self.plan.paths().root / file for file in (*item.metrics(self.plan), *item.stamps(self.plan))]
