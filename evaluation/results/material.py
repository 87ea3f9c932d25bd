"""What a run has made, as the input of tables, figures and pages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.base.errors import UserError
from evaluation.base.reading import read_json
from evaluation.measures.tidy import read_metrics
from evaluation.results.coverage import by_rows, marked
from evaluation.results.origins import Origins
from evaluation.results.outputs import not_made
from evaluation.results.results import Results, annealing_words
from evaluation.results.specs import check_metrics, check_models, is_run, keys_of, record_of

if TYPE_CHECKING:
    from evaluation.plan.resolve import Run
    from evaluation.results.outputs import Item
    from evaluation.results.panels import Panel


class Material:
    """A run's plan, its folder, and its results.

    Args:
        run: plan and folder.
        metrics: files of tidy metrics in place of those in the folder.
    """

    def __init__(self, run: Run, metrics: Sequence[str | Path] | None = None) -> None:
        self.run, self.plan, self.folder = run, run.plan, run.folder
        self.given = metrics is not None
        self.files = run.metrics_files() if metrics is None else [Path(path) for path in metrics]
        self.experiments = tuple(run.plan.experiments)  # whose models must be the plan's
        self.so_far = False  # whether figures of images show the panels that are there, without the others

    @cached_property
    def results(self) -> Results:
        """The results.

        Raises:
            UserError: there are no metrics; or they, or the models there, are of other settings than the plan's.
        """
        if not self.files:
            raise no_metrics(self.folder)
        check_models(self.plan, self.folder, keys_of(self.plan, self.experiments))
        metrics = read_metrics(self.files)
        if not self.given:
            check_metrics(self.plan, self.folder, self.files)
        return Results(metrics, self.plan)

    @cached_property
    def title(self) -> str:
        """What marks pages, tables and figures: the run's title; of a collection of a part of it also how many of its
        trainings have results.

        Raises:
            UserError: the collection's provenance.json is damaged.
        """
        place = self.folder / "provenance.json"
        if self.given or is_run(self.folder) or not place.is_file():
            return self.plan.title
        models = read_json(place, "collect again").get("models")
        if models is None:  # of an earlier version, which did not name them: those that have rows
            return marked(self.plan, len(by_rows(Origins(self.plan, {}), [read_metrics(self.files)])))
        return marked(self.plan, len(self.plan.with_all_results(models)))

    @property
    def lacking(self) -> list[str]:
        """A line that names the tables and figures that a collection has not; nothing for a run, or for nothing."""
        return [] if self.given or is_run(self.folder) else not_made(self.plan, self.folder)

    def only(self, item: Item) -> Material:
        """The same with those metrics that a table or figure is made from, of which some may not be there yet."""
        wanted = {Path(name).name for name in item.metrics(self.plan)}
        part = Material(self.run, [path for path in self.files if self.given or path.name in wanted])
        part.given = self.given
        part.experiments = tuple(filter(None, [item.output.experiment]))
        return part

    def annealing(self, panel: Panel) -> str:
        """That a DCGMM of a panel was still annealing when its training ended, "σ 0.40"; else nothing."""
        records = (record_of(self.plan, self.folder, key) for key in panel.keys)
        found = (annealing_words(r.get("sigmas", ()), r.get("params", {})) for r in records if r is not None)
        return max(filter(None, found), default="")


def no_metrics(folder: Path) -> UserError:
    """What is said of a run that has made nothing yet."""
    return UserError(f"there are no metrics in {folder / 'metrics'}; start the run, or see `bench status`")
