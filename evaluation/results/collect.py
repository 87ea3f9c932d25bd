"""What a run has made so far, collected in a separate folder, also if it was stopped.

Metrics that Snakemake has not written yet are measured from what is there: scores of finished trainings, their
histories, completions of finished jobs, the judges' own accuracies. Judged samples and classifications are taken where
their metrics exist, since measuring them is a job of its own. Every page says how many of the trainings it rests on.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.base.documents import read_yaml
from evaluation.base.errors import UserError
from evaluation.base.files import atomic_path, write_text
from evaluation.jobs.measure import measured_so_far
from evaluation.measures.tidy import read_metrics, write_metrics
from evaluation.plan.experiments import MEASURED
from evaluation.plan.paths import Paths
from evaluation.plan.resolve import PROFILE_FILE, Run
from evaluation.results.adding import Earlier, earlier, merged, with_models
from evaluation.results.comparison import compare, comparison_frame
from evaluation.results.comparison_page import comparison_page
from evaluation.results.coverage import of_run
from evaluation.results.make import draw_figure, make_table
from evaluation.results.material import Material
from evaluation.results.outputs import FIGURE, PARTIAL, TABLE, Item, items
from evaluation.results.report import report_page
from evaluation.results.specs import check_models, finished, keys_of
from evaluation.results.tables.writing import write

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.plan.plan import Plan

OF_A_RUN = ("models", "stamps", "scores", "logs")  # folders that a run has and a collection has not


# --- metrics ---------------------------------------------------------------------------------------------------------


def metrics(plan: Plan, paths: Paths) -> dict[str, pd.DataFrame]:
    """File name → tidy metrics of every experiment and data set of which something is there."""
    found = {}
    for experiment in (name for name in plan.experiments if name in MEASURED):
        for dataset in plan.datasets(experiment):
            whole = paths.metrics(experiment, dataset)
            frame = (
                read_metrics([whole]) if whole.is_file() else measured_so_far(plan, paths, experiment, dataset)
            )  # fmt: skip
            if len(frame):
                found[whole.name] = frame
    return found


# --- the folder ------------------------------------------------------------------------------------------------------


def check_place(run: Run, out: Path) -> None:
    """Refuse to write a collection over something else.

    Raises:
        UserError: `out` is the run's own folder or one of those in it, or holds something that is no collection.
    """
    out = out.resolve()
    inside = out.relative_to(run.folder).parts[:1] if out.is_relative_to(run.folder) else None
    if inside is not None and inside != (PARTIAL,):
        raise UserError(f"--out {out} is the run's own folder; give a folder of its own")
    if out.is_file():
        raise UserError(f"--out {out} is a file; give a folder")
    there = {path.name for path in out.iterdir()} if out.is_dir() else set()
    name = _name_of(out / PROFILE_FILE)
    if there and (name is None or there & set(OF_A_RUN) or name != run.plan.name):
        what = "a run" if there & set(OF_A_RUN) else f"a collection of {name}" if name else "something else"
        raise UserError(
            f"--out {out} holds {what}; give a new folder, or one that `bench collect` has written of {run.plan.name}"
        )


def _name_of(profile: Path) -> str | None:
    """The name of the profile in a file; None for something else, or none."""
    try:
        content = read_yaml(profile)
    except UserError:
        return None
    return content.get("profile") if isinstance(content, dict) and "experiments" in content else None


def collect(run: Run, out: Path, failed: Sequence[str] = (), *, add: bool = False) -> str:
    """Write metrics, tables, figures, compare.md, report.html, provenance.json and profile.json to `out`.

    add: keep what an earlier collection in `out` has of trainings that this run has not, if the plan still has them.
    failed: lines about jobs that failed; the pages start with them, and with the tables and figures that are not there.
    Returns the title that marks them: the plan's, and how many trainings there are if not all.

    Raises:
        UserError: the run has made nothing yet, or `out` is no place for it (`check_place`).
    """
    from evaluation.jobs.provenance import as_text, provenance

    check_place(run, out)
    plan, folder = run.plan, run.folder
    paths = plan.paths(folder)
    found = metrics(plan, paths)
    keys = keys_of(plan)
    trained = [key for key in keys if finished(plan, folder, key)]
    covered = of_run(plan, paths, found.values(), trained)
    before = earlier(plan, out, covered) if add else Earlier()
    found = merged(found, before.metrics)
    if not found:
        raise UserError(f"there are no results of the {plan.title} in {folder} yet; start it, or see `bench status`")
    # What is measured here is of the plan's models alone; what the run has measured must be.
    whole = tuple(e for e in plan.experiments if any((folder / "metrics").glob(f"{e}_*.parquet")))
    check_models(plan, folder, keys_of(plan, whole))
    facts = with_models(provenance(plan.config, paths), covered, before.models)
    # Of a run that failed, what was trained: `failed` says what is missing. Of a collection, what has results.
    there = len(trained if failed else plan.with_all_results(facts["models"]))
    title = plan.title + (f", unfinished: {there} of {len(keys)} trainings" if there < len(keys) else "")
    write_text(out / PROFILE_FILE, plan.as_json())
    for name, frame in found.items():
        write_metrics(out / "metrics" / name, frame)
    made = Material(run, [out / "metrics" / name for name in found])
    made.experiments = whole
    results = made.results
    lacking: list[str] = []
    for item in items(plan, TABLE).values():
        if item.output.experiment is None or results.has(item.output.experiment):
            write(make_table(item.output, results), out / "tables" / f"{item.file}.csv", title)
        else:
            lacking.append(item.title())
    pictures: list[Path] = []  # of this collection: an earlier one may have left others
    for item in items(plan, FIGURE).values():
        picture = out / "figures" / f"{item.file}.png"
        if _figure(item, made, picture, title) or (add and picture.is_file()):
            pictures.append(picture)
        else:
            lacking.append(item.title())
    lacking = [*failed, *_dropped(before), *([f"not made: {', '.join(lacking)}"] if lacking else [])]
    with atomic_path(out / "compare.csv") as part:
        comparison_frame(compare(results)).to_csv(part, index=False)
    write_text(out / "compare.md", comparison_page(results, title, lacking))
    write_text(out / "provenance.json", as_text(facts))
    write_text(out / "report.html", report_page(made, sorted(pictures), facts, title, lacking))
    return title


def _dropped(before: Earlier) -> list[str]:
    if not before.left:
        return []
    return [f"dropped, since the profile has other settings now: {', '.join(before.left)}"]


def _figure(item: Item, made: Material, path: Path, title: str) -> bool:
    """A PNG, in a folder to look at and to commit (the run itself has figures to print): figures of metrics and scores
    are drawn again, marked with the title; pictures are copied. Whether there was something to make it from."""
    pictures = item.output.shows_files and item.output.name != "fig_10"
    source = made.folder / "figures" / path.name
    if pictures:
        if source.is_file():
            with atomic_path(path) as part:
                shutil.copyfile(source, part)
        return source.is_file()
    try:
        draw_figure(item, made, path, title)
    except UserError:  # its jobs have not finished
        return False
    path.with_suffix(".pdf").unlink()
    return True
