"""What a run has made so far, collected in a separate folder, also if it was stopped.

Metrics that Snakemake has not written yet are measured from what is there: scores of finished trainings, their
histories, completions of finished jobs, the judges' own accuracies; so are those that were written for other trainings
than the plan's. Judged samples and classifications are taken where their metrics exist, since measuring them is a job
of its own. Every page says how many of the trainings it rests on.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.base.documents import read_yaml
from evaluation.base.errors import UserError
from evaluation.base.files import atomic_path, write_text
from evaluation.jobs.basis import basis
from evaluation.jobs.measure import measured_so_far
from evaluation.measures.tidy import read_made_from, read_metrics, write_metrics
from evaluation.plan.paths import Paths
from evaluation.plan.plan import load_plan
from evaluation.plan.resolve import PROFILE_FILE, Run
from evaluation.results.adding import Earlier, earlier, merged, part_of, with_models
from evaluation.results.comparison import compare, comparison_frame
from evaluation.results.comparison_page import comparison_page
from evaluation.results.coverage import by_rows, marked, of_run
from evaluation.results.make import draw_figure, make_table
from evaluation.results.material import Material
from evaluation.results.origins import Origins
from evaluation.results.outputs import FIGURE, PARTIAL, TABLE, Item, items, not_made
from evaluation.results.report import report_page
from evaluation.results.specs import RUN_FOLDERS, check_models, finished, keys_of, others, places
from evaluation.results.tables.writing import write

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.plan.key import TrainingKey
    from evaluation.plan.plan import Plan

OURS = {"metrics": (".parquet",), "tables": (".csv", ".md", ".tex"), "figures": (".png", ".pdf")}
SLOW = ("judge", "classification")  # whose measuring is a job of its own


# --- metrics ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """What a run has. metrics: file name → tidy rows; whole: the trainings behind files of the run itself."""

    metrics: Mapping[str, pd.DataFrame]
    whole: Sequence[TrainingKey]


def metrics(plan: Plan, paths: Paths) -> Found:
    """Tidy metrics of every experiment and data set of which something is there, of the plan's trainings alone.

    Raises:
        UserError: a file of an earlier version, which does not say what it was made from, and nothing to measure again.
    """
    found: dict[str, pd.DataFrame] = {}
    whole: list[TrainingKey] = []
    for experiment, dataset in places(plan).values():
        file = paths.metrics(experiment, dataset)
        said = read_made_from(file) if file.is_file() else None
        if said is not None and not others(plan, said, (experiment, dataset)):
            frame = read_metrics([file])
            whole += plan.keys(experiment, dataset=dataset)
        else:
            frame = measured_so_far(plan, paths, experiment, dataset)
            if experiment in SLOW and said is not None:
                part = part_of(plan, (experiment, dataset), read_metrics([file]), said)
                frame = merged({file.name: frame}, {file.name: part})[file.name]
            elif file.is_file() and said is None and (frame.empty or experiment in SLOW):
                raise UserError(
                    f"{file} was written by an earlier version, which did not note the trainings behind it; measure "
                    f"it again: `bench measure {experiment} {dataset} --profile {paths.root}`"
                )
        if len(frame):
            found[file.name] = frame
    return Found(found, whole)


def basis_of(plan: Plan, name: str, frame: pd.DataFrame) -> dict[str, Any]:
    """What the rows of a file of a collection were made from."""
    experiment, dataset = places(plan)[name]
    covered = by_rows(Origins(plan, {}), [frame])
    keys = [key for key in plan.keys(experiment, dataset=dataset) if key.path in covered]
    return basis(plan, experiment, dataset, keys)


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
    if there and (name is None or there & set(RUN_FOLDERS) or name != run.plan.name):
        what = "a run" if there & set(RUN_FOLDERS) else f"a collection of {name}" if name else "something else"
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
    own = metrics(plan, paths)
    keys = keys_of(plan)
    trained = [key for key in keys if finished(plan, folder, key)]
    covered = of_run(plan, paths, own.metrics.values(), trained)
    before = earlier(plan, out, covered) if add else Earlier()
    found = merged(own.metrics, before.metrics)
    if not found:
        raise UserError(f"there are no results of the {plan.title} in {folder} yet; start it, or see `bench status`")
    # What is measured here is of the plan's models alone; what the run has measured must be.
    check_models(plan, folder, own.whole)
    facts = with_models(provenance(plan.config, paths), covered, before.models)
    # Of a run that failed, what was trained: `failed` says what is missing. Of a collection, what has results.
    there = len(trained if failed else plan.with_all_results(facts["models"]))
    title = marked(plan, there)
    there_before = _plan_there(out)
    replaced = _files_of(plan, out) | (_files_of(there_before, out) if there_before else set())
    write_text(out / PROFILE_FILE, plan.as_json())
    for name, frame in found.items():
        write_metrics(out / "metrics" / name, frame, basis_of(plan, name, frame))
    made = Material(run, [out / "metrics" / name for name in found])
    made.experiments, made.so_far = (), True  # models are checked already; panels that are not there are named
    results = made.results
    tables: list[Path] = []
    for item in items(plan, TABLE).values():
        if item.output.experiment is None or results.has(item.output.experiment):
            table = out / "tables" / f"{item.file}.csv"
            write(make_table(item.output, results), table, title)
            tables += [table.with_suffix(end) for end in OURS["tables"]]
    pictures: list[Path] = []
    for item in items(plan, FIGURE).values():
        picture = out / "figures" / f"{item.file}.png"
        other = item.trainings(plan) & before.stale or _redrawn(item, plan, there_before)
        kept = add and item.output.shows_files and not other
        if _figure(item, made, picture, title, kept=kept):
            pictures.append(picture)
    for path in replaced - {*made.files, *tables, *pictures}:  # of trainings that are not here; other files stay
        if path.is_file():
            path.unlink()
    lacking = [*failed, *_dropped(before), *not_made(plan, out)]
    with atomic_path(out / "compare.csv") as part:
        comparison_frame(compare(results)).to_csv(part, index=False)
    write_text(out / "compare.md", comparison_page(results, title, lacking))
    write_text(out / "provenance.json", as_text(facts))
    write_text(out / "report.html", report_page(made, sorted(pictures), facts, title, lacking))
    return title


def _files_of(plan: Plan, out: Path) -> set[Path]:
    """Every file of metrics, tables and figures that a collection of this plan may have."""
    names = {"metrics": [Path(name).stem for name in places(plan)]}
    names |= {"tables": list(items(plan, TABLE)), "figures": list(items(plan, FIGURE))}
    return {out / folder / f"{name}{end}" for folder, ends in OURS.items() for name in names[folder] for end in ends}


def _plan_there(out: Path) -> Plan | None:
    """The plan of the collection that is there, whose profile may have had more; None if there is none yet, or its
    profile is none of this version."""
    try:
        return load_plan(out / PROFILE_FILE)
    except UserError:
        return None


def _redrawn(item: Item, plan: Plan, before: Plan | None) -> bool:
    """Whether a picture shows images that the plan draws with other options, or other numbers of them, than before."""
    ours, theirs = item.drawn(plan), item.drawn(before) if before else {}
    return any(ours[image] != theirs[image] for image in ours.keys() & theirs.keys())


def _dropped(before: Earlier) -> list[str]:
    if not before.left:
        return []
    return [f"dropped, since the profile has other settings now: {', '.join(before.left)}"]


def _figure(item: Item, made: Material, path: Path, title: str, *, kept: bool) -> bool:
    """A PNG, in a folder to look at and to commit (the run itself has figures to print): figures of metrics and scores
    are drawn again, marked with the title; pictures are copied where they show what is there (`_up_to_date`), or drawn
    of that. kept: what an earlier collection has stays, if it shows more. Whether there is one in the end."""
    if item.output.shows_files and item.output.name != "fig_10":
        from evaluation.results.figures.samples import absent, not_yet
        from evaluation.results.figures.style import note_of

        source, lacking = made.folder / "figures" / path.name, absent(made, item)
        if not lacking and _up_to_date(source, item, made):
            with atomic_path(path) as part:
                shutil.copyfile(source, part)
            return True
        if kept and path.is_file() and len(not_yet(note_of(path))) < len(lacking):
            return True
    try:
        draw_figure(item, made, path, title)
    except UserError:  # its jobs have not finished
        return kept and path.is_file()
    path.with_suffix(".pdf").unlink()
    return True


def _up_to_date(picture: Path, item: Item, made: Material) -> bool:
    """Whether a run's picture shows all its panels, and was drawn after the jobs that made them, and the profile."""
    from evaluation.results.figures.samples import not_yet
    from evaluation.results.figures.style import note_of

    before = [made.folder / name for name in (*item.stamps(made.plan), PROFILE_FILE)]
    if not all(path.is_file() for path in (picture, *before)) or not_yet(note_of(picture)):
        return False
    return all(path.stat().st_mtime_ns < picture.stat().st_mtime_ns for path in before)
