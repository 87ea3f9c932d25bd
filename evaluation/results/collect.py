"""What a run has made so far, put together in a folder of its own: also when it was stopped in the middle.

Metrics that Snakemake has not written yet are measured from what is there: scores of finished trainings, their
histories, completions of finished jobs, the judges' own accuracies. Judged samples and classifications are taken where
their metrics exist, since measuring them is a job of its own. Every page says how many of the trainings it rests on.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.base.errors import UserError
from evaluation.base.files import atomic_path, write_text
from evaluation.jobs.score import read_scores
from evaluation.jobs.train import Training, is_complete
from evaluation.measures.metrics import tidy_frame
from evaluation.measures.outliers import outlier_rows
from evaluation.models.registry import read_spec
from evaluation.results.contents import ARCHITECTURES, FILES, experiment_of, figures, gridded, make, tables
from evaluation.results.tables.judge import judged_rows
from evaluation.results.tables.writing import write

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.plan.config import Plan


def training(plan: Plan, dataset: str, subset: str, name: str, seed: int) -> Training:
    """The training of a plan, as `bench train` describes it."""
    variant = plan.variants[name]
    model = variant.model
    return Training(
        name=variant.name,
        model=model.name,
        factory=model.factory,
        params=variant.params_of(subset),
        dataset=dataset,
        subset=subset,
        seed=seed,
        protocol=variant.protocol,
        point=dict(variant.point),
        monitor=model.monitor,
        train_images=model.train_images or plan.config.get("train_images"),
    )


def trainings(plan: Plan) -> list[Training]:
    """Every training of a plan, once."""
    runs = dict.fromkeys(run for experiment in plan.experiments for run in plan.runs(experiment))
    return [training(plan, *run) for run in runs]


# --- metrics ---------------------------------------------------------------------------------------------------------


def metrics(plan: Plan, folder: Path) -> dict[str, pd.DataFrame]:
    """File name → tidy metrics of every experiment and data set of which something is there."""
    import pandas as pd

    gathered = {"outliers": _outliers, "dynamics": _dynamics, "inpainting": _inpainting, "judge": _judges}
    found = {}
    for experiment in plan.experiments:
        for dataset in plan.datasets(experiment):
            name = f"{experiment}_{dataset}.parquet"
            whole = folder / "metrics" / name
            if whole.is_file():
                frame = pd.read_parquet(whole)
            elif experiment in gathered:
                frame = gathered[experiment](plan, folder, dataset)
            else:
                continue
            if len(frame):
                found[name] = frame
    return found


def _outliers(plan: Plan, folder: Path, dataset: str) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for run in plan.runs("outliers"):
        path = folder / "scores" / run[0] / run[1] / run[2] / f"seed{run[3]}.parquet"
        if run[0] == dataset and path.is_file():
            frame, record = read_scores(path)
            if record["spec"] == training(plan, *run).spec:  # scores of older settings do not count
                rows.extend(outlier_rows(frame, record))
    return tidy_frame(rows)


def _dynamics(plan: Plan, folder: Path, dataset: str) -> pd.DataFrame:
    from evaluation.jobs.dynamics import dynamics_rows

    rows: list[dict[str, Any]] = []
    for run in plan.runs("dynamics"):
        wanted = training(plan, *run)
        directory = wanted.directory(folder / "models")
        if run[0] == dataset and is_complete(wanted, directory):
            rows.extend(dynamics_rows(directory, read_spec(directory)))
    return tidy_frame(rows)


def _inpainting(plan: Plan, folder: Path, dataset: str) -> pd.DataFrame:
    import pandas as pd

    parts = [
        folder / f"completions/{pack.path}.parquet"
        for pack in plan.packs("inpainting", dataset=dataset)
        if (folder / f"stamps/inpaint/{pack.path}.json").is_file()
    ]
    frames = [pd.read_parquet(path) for path in parts if path.is_file()]
    return pd.concat(frames, ignore_index=True) if frames else tidy_frame([])


def _judges(plan: Plan, folder: Path, dataset: str) -> pd.DataFrame:
    """The accuracies of the judges themselves; what they say of samples is a job of its own."""
    from evaluation.jobs.judge import finished, own_rows

    records = [finished(folder / f"judges/{dataset}/seed{seed}") for seed in plan.judge_seeds()]
    return tidy_frame(list(own_rows([record for record in records if record is not None], dataset)))


# --- the folder ------------------------------------------------------------------------------------------------------


def collect(plan: Plan, folder: Path, out: Path) -> str:
    """Write metrics, tables, figures, compare.md, report.html, provenance.json and profile.json to `out`.

    Returns the title that marks them: the plan's, and how many trainings there are if not all.

    Raises:
        UserError: the run has made nothing yet.
    """
    import pandas as pd

    from evaluation.jobs.provenance import write_provenance
    from evaluation.results.claims import claims
    from evaluation.results.compare import compare, compare_variants, page
    from evaluation.results.report import page as report

    found = metrics(plan, folder)
    if not found:
        raise UserError(f"there are no results of the {plan.title} in {folder} yet; start it, or see `bench status`")
    wanted = trainings(plan)
    there = sum(is_complete(one, one.directory(folder / "models")) for one in wanted)
    if there < len(wanted):
        plan.title = f"{plan.title}, unfinished: {there} of {len(wanted)} trainings"
    for name, frame in found.items():
        with atomic_path(out / "metrics" / name) as part:
            frame.to_parquet(part, index=False)
    every = pd.concat(found.values(), ignore_index=True)
    for entry in tables(plan):
        if entry.name in ARCHITECTURES or _measured(experiment_of(entry.name), every):
            write(make(entry, every), out / "tables" / f"{entry.file}.csv", plan.title)
    _figures(plan, folder, every, out / "figures")
    rows = compare(every, plan)
    with atomic_path(out / "compare.csv") as part:
        rows.drop(columns="source").to_csv(part, index=False)
    write_text(out / "compare.md", page(rows, compare_variants(every, plan), claims(every, plan), plan.title))
    write_text(out / "profile.json", plan.as_json() + "\n")
    facts = write_provenance(out / "provenance.json", plan.config, folder / "models", folder / "stamps")
    pictures = sorted((out / "figures").glob("*.png"))
    write_text(out / "report.html", report(every, plan, pictures, facts, found))
    return plan.title


def _measured(experiment: str, every: pd.DataFrame) -> bool:
    """Whether there is something for the experiment's table: of the judge, more than its own accuracy."""
    rows = judged_rows(every) if experiment == "judge" else every[every["experiment"] == experiment]
    return not rows.empty


def _figures(plan: Plan, folder: Path, every: pd.DataFrame, out: Path) -> None:
    """PNG: figures that rest on metrics and scores are drawn again, marked with the title; pictures are copied."""
    from evaluation.results.figures.dynamics import draw_dynamics
    from evaluation.results.figures.heat_map import draw_heat_map
    from evaluation.results.figures.outlier_curves import draw_outlier_curves

    run = set(every["experiment"])
    drawn = set()
    if "dynamics" in run:
        drawn.add(FILES["fig_4"])
        draw_dynamics(every, out / f"{FILES['fig_4']}.png", plan.title)
    panels = list(_panels(plan, folder))
    if panels:
        drawn.add(FILES["fig_10"])
        draw_outlier_curves(panels, out / f"{FILES['fig_10']}.png", plan.title)
    for model in gridded(plan) if "outliers" in run else ():
        of_model = every[(every["experiment"] == "outliers") & (every["model"] == model.name)]
        if of_model["params"].nunique() > 1:
            drawn.add(f"heat_map_{model.name}")
            draw_heat_map(every, model.name, model.label, out / f"heat_map_{model.name}.png", plan.title)
    for stem in drawn:
        (out / f"{stem}.pdf").unlink()  # a folder to look at, and to commit: the run itself has figures to print
    for stem in figures(plan):
        source = folder / "figures" / f"{stem}.png"
        if stem not in drawn and source.is_file():
            with atomic_path(out / source.name) as part:
                shutil.copyfile(source, part)


def _panels(plan: Plan, folder: Path) -> Iterator[tuple[str, Path]]:
    for dataset, subset, name, seed in plan.curves():
        path = folder / "scores" / dataset / subset / name / f"seed{seed}.parquet"
        if path.is_file():
            yield plan.variants[name].model.label, path
