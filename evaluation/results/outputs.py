"""Every table and figure, each once: its file, section, title, caption, experiment, and the function that makes it.

Rules, `bench table` and `bench figure`, report, status and Snakemake's captions are made from this. Importing it
imports no pandas and no matplotlib.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.base.errors import UserError
from evaluation.base.words import nearest
from evaluation.datasets.subsets import subset_class
from evaluation.plan.jobs import Jobs
from evaluation.results.labels import dataset_label
from evaluation.results.panels import pictures, shown_datasets
from evaluation.results.reported_class import reported_class

if TYPE_CHECKING:
    from evaluation.models.catalogue import Model
    from evaluation.plan.key import TrainingKey
    from evaluation.plan.plan import Plan

TABLE, FIGURE = "table", "figure"
PARTIAL = "partial"  # folder, below the results, of what there is of a run in which jobs failed
DCGMM = "dcgmm"
COMPARED = "The paper's numbers and ours"
OUTLIERS, COMPARISON = "V-B Outlier detection", "V-C Outlier detection: models compared"
SHARPENING, SAMPLES = "V-D Sampling and sharpening", "V-E Samples of all models"
ARCHITECTURES = "App. A Architectures"
STATISTICS = "In percent, mean ± standard deviation over seeds, with the 95 % bootstrap interval of the mean."


@dataclass(frozen=True)
class Output:
    """A table or a figure.

    name: what `bench table` and `bench figure` call it; kind: "table" or "figure"; file: its path without suffix, below
    tables/ or figures/ ("{model}": there is one for each model); section: of the paper; title: "Table I"; caption: a
    paragraph for Snakemake's report, "{data}" for the data sets shown, "{outlier}" for the class left out; experiment:
    whose metrics it is made from, None where it needs none; function: import path, of a table called with the results
    and its rows (model → label), of a figure with what the run has made and the item; wanted: whether a plan makes it;
    shows_files: a figure that shows files of jobs (scores, samples, models), and is made from no metrics.
    """

    name: str
    kind: str
    file: str
    section: str
    title: str
    caption: str
    experiment: str | None
    function: str
    wanted: Callable[[Plan], bool]
    shows_files: bool = False

    def load(self) -> Callable[..., Any]:
        """The function."""
        module, _, name = self.function.partition(":")
        return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Item:
    """An output as a run has it: its file, and the model that it is about where there is one for each."""

    output: Output
    file: str
    model: Model | None = None

    @property
    def section(self) -> str:
        return self.output.section

    def title(self) -> str:
        return self.output.title.format(model="" if self.model is None else self.model.label)

    def caption(self, plan: Plan) -> str:
        """The paragraph below it in Snakemake's report."""
        names = shown_datasets(plan, self.output.name) if self.output.name in pictures(plan) else []
        shown = ", ".join(map(dataset_label, names))
        caption = self.output.caption.format(data=shown, outlier=reported_class(plan))
        if self.output.name in ("fig_12", "fig_13"):
            one_class = any(
                subset_class(key.subset) is not None for p in pictures(plan)[self.output.name] for key in p.keys
            )
            caption += " Trained on one class each, all classes together." if one_class else OF_ALL_CLASSES
        if self.output.name == "fig_7" and names and names[0] != "svhn":
            caption += f" In place of the paper's SVHN: {dataset_label(names[0])}."
        return f"{self.title()}. {caption} {plan.title}."

    def metrics(self, plan: Plan) -> list[str]:
        """The files of metrics that it is made from, below the folder of results."""
        if self.output.experiment is None or self.output.shows_files:
            return []
        name = self.output.experiment
        return [plan.paths("").metrics(name, dataset).as_posix() for dataset in plan.datasets(name)]

    def stamps(self, plan: Plan) -> list[str]:
        """The stamps of the jobs whose files it shows, below the folder of results."""
        jobs = Jobs(plan)
        found = [stamp for stage, keys in self._shown(plan) for stamp in jobs.stamps(stage, keys)]
        return list(dict.fromkeys(found))

    def trainings(self, plan: Plan) -> set[str]:
        """The paths of the trainings whose files it shows."""
        return {key.path for _, keys in self._shown(plan) for key in keys}

    def drawn(self, plan: Plan) -> dict[tuple[str, str], dict[str, Any]]:
        """Stage and path of a training whose images it shows → how many there are, and with which options."""
        made = [(stage, keys) for stage, keys in self._shown(plan) if stage not in ("score", "train")]
        return {(stage, key.path): plan.sampled(stage, key.variant) for stage, keys in made for key in keys}

    def _shown(self, plan: Plan) -> list[tuple[str, Sequence[TrainingKey]]]:
        """A stage and trainings, panel by panel."""
        if self.output.name == "fig_10":
            return [("score", plan.curves())]
        return [(panel.stage, panel.keys) for panel in pictures(plan).get(self.output.name, [])]


OF_ALL_CLASSES = " Trained on all classes (the paper: on one class each)."


def _models(plan: Plan) -> set[bool]:
    """Whether the outlier experiment has DCGMMs, and whether it has others."""
    return {model.family == DCGMM for model in plan.rows("outliers")}


def _course(plan: Plan) -> bool:
    settings = plan.profile.experiments.outliers
    return bool(settings and settings.course)


def _asks(experiment: str) -> Callable[[Plan], bool]:
    return lambda plan: experiment in plan.experiments


def _always(plan: Plan) -> bool:
    return True


def gridded(plan: Plan) -> list[Model]:
    """The models whose grids are tried: each has a heat map."""
    settings = plan.profile.experiments.outliers
    return [model for model in plan.rows("outliers") if settings and settings.grid and model.grid]


def _table(name: str, file: str, section: str, title: str, caption: str, experiment: str | None, function: str,
           wanted: Callable[[Plan], bool] = _always) -> Output:  # fmt: skip
    return Output(
        name, TABLE, file, section, title, caption, experiment, f"evaluation.results.tables.{function}", wanted
    )


def _picture(name: str, file: str, section: str, caption: str, experiment: str) -> Output:
    title = f"Fig. {name.removeprefix('fig_')}"
    function = "evaluation.results.figures.samples:picture"
    return Output(
        name, FIGURE, file, section, title, f"{{data}}. {caption}", experiment, function,
        lambda p: name in pictures(p), True,
    )  # fmt: skip


_SHARPENED = (
    "Samples of DCGMMs with pooling, without and with sharpening (gradient ascent toward the next higher mixture "
    "layer)."
)
_JUDGED = (
    "Samples of models trained on one class each, all classes together: what the judge of Table III sees. Models "
    "with two protocols have a panel for each."
)
_INSTANCES = "Samples of DCGMM instances."
_GENERATED = "Generated, without a run."

# In the order of the paper.
_ALL = (
    Output(
        "fig_4", FIGURE, "fig_4_dynamics", "V-A Training dynamics", "Fig. 4",
        "Test log-likelihood of every mixture layer during training, in nats.", "dynamics",
        "evaluation.results.figures.dynamics:dynamics", _asks("dynamics"),
    ),
    _table(
        "table_1", "table_1_outliers_dcgmm", OUTLIERS, "Table I",
        "Outlier detection with DCGMM instances: trained without class {outlier}, which is the outlier. Exact area "
        "under the ROC curve of the top layer's log-likelihood, and the area over 100 thresholds as in the authors' "
        f"scripts, beside the published value. {STATISTICS}",
        "outliers", "outliers:outlier_table_dcgmm", lambda plan: True in _models(plan),
    ),
    _table(
        "outlier_classes", "table_1_outlier_classes", OUTLIERS, "Every class left out in turn",
        f"\"Results with different outlier classes are comparable\" (Sec. V-B). {STATISTICS}",
        "outliers", "outliers:outlier_class_table", lambda plan: plan.several_classes(),
    ),
    Output(
        "fig_10", FIGURE, "fig_10_outlier_curves", OUTLIERS, "Fig. 10",
        "Inliers kept against outliers rejected, over all thresholds on the log-likelihood (a ROC curve), of one "
        "training each.", "outliers",
        "evaluation.results.figures.outlier_curves:outlier_curves", lambda plan: bool(plan.curves()), True,
    ),
    Output(
        "course", FIGURE, "outlier_course", OUTLIERS, "The areas during training",
        "AUROC of the top layer against the part of the training that is done, mean over seeds; bands from the lowest "
        "to the highest seed.", "outliers",
        "evaluation.results.figures.course:course", _course,
    ),
    _table(
        "table_2", "table_2_outliers_models", COMPARISON, "Table II",
        "Outlier detection, all models, in both protocols; models with a grid at their best point (\"paper\": chosen "
        f"on the test images, \"clean\": on the validation images). {STATISTICS}",
        "outliers", "outliers:outlier_table_models", lambda plan: bool(_models(plan)),
    ),
    _table(
        "paired", "table_2_paired", COMPARISON, "Pairs: every DCGMM against every rival",
        "Between runs of equal seeds: DCGMM minus rival, in points of exact AUROC; mean, interval, number of pairs "
        "n, and the p-value of a sign-flip test, exact up to 20 pairs (with n pairs never below 2/2ⁿ), of more pairs "
        "over 100,000 drawn sign patterns.",
        "outliers", "paired:paired_table", lambda plan: _models(plan) == {True, False},
    ),
    _table(
        "grid", "table_2_grid", COMPARISON, "Grid points",
        f"Every grid point that was run, and which protocol chose which. {STATISTICS}", "outliers", "grid:grid_table",
        lambda plan: bool(_models(plan)),
    ),
    Output(
        "heat_map", FIGURE, "heat_map_{model}", COMPARISON, "Grid of {model}",
        "The grid of Table II: AUROC at every point, mean over seeds; frames mark each protocol's choice (\"paper\": "
        "on the test images, \"clean\": on the validation images).",
        "outliers", "evaluation.results.figures.heat_map:heat_map", lambda plan: bool(gridded(plan)),
    ),
    _picture("fig_5", "fig_5_sharpening", SHARPENING, _SHARPENED, "sampling"),
    _picture("fig_9", "fig_9_sharpening", SHARPENING, _SHARPENED, "sampling"),
    _picture(
        "fig_14", "fig_14_centroids", SHARPENING,
        "Centroids of the lowest mixture layer: the visual alphabet of each data set, every patch scaled to its own "
        "range.",
        "sampling",
    ),
    _picture("fig_6", "fig_6_comparison", SAMPLES, _JUDGED, "judge"),
    _picture("fig_11", "fig_11_comparison", SAMPLES, _JUDGED, "judge"),
    _picture("fig_12", "fig_12_samples", SAMPLES, _INSTANCES, "sampling"),
    _picture("fig_13", "fig_13_samples", SAMPLES, _INSTANCES, "sampling"),
    _table(
        "table_3", "table_3_judge", "V-F Sample quality", "Table III",
        "Samples of one model for each class, judged by the CNN of Table VII: its accuracy, and in the space of its "
        "penultimate features the squared Fréchet distance to the test images, precision and recall, and the mean "
        "distance of a sample to its nearest other one (accuracy alone misleads: repeating one good image has 100 %). "
        "The last rows are real images. Mean over judges and trainings of the models, ± standard deviation over "
        "trainings; with one training, over judges.",
        "judge", "judge:judge_table", _asks("judge"),
    ),
    _picture(
        "fig_7", "fig_7_svhn", "V-G Colour images",
        "Colour images: real ones of the classes that models were trained on, and samples of models of each class "
        "(DCGMM) or of all classes (VAE).",
        "svhn",
    ),
    _picture(
        "fig_8", "fig_8_inpainting", "V-H In-painting",
        "Completions of test images whose right half was erased: originals, erased images, completions (the paper's "
        "variant).",
        "inpainting",
    ),
    _table(
        "table_inpainting", "table_inpainting", "V-H In-painting", "Completions in numbers",
        "In-painting of test images of which a part was erased: mean squared error of the unknown pixels, and "
        "structural similarity (SSIM) of whole images, mean ± standard deviation over seeds. \"paper\": unknown "
        "pixels are black; \"conditional\": they are left out of the densities. The paper shows completions (Fig. 8) "
        "and measures none.",
        "inpainting", "inpainting:inpainting_table", _asks("inpainting"),
    ),
    _table(
        "table_4", "table_4_classification", "V-I Classification", "Table IV",
        "Classification accuracy on test images of DCGMM-B with a classifier on its two highest mixture layers, in "
        "percent, mean ± standard deviation over seeds, beside the published value. Rows marked \"literature\" are "
        "quoted, by the paper from its reference [21], and not run.",
        "classification", "classification:classification_table", _asks("classification"),
    ),
    _table("table_5", "table_5_architectures", ARCHITECTURES, "Table V",
           f"The DCGMM instances, from their notation. {_GENERATED}", None, "architectures:architectures"),
    _table("table_6", "table_6_layers", ARCHITECTURES, "Table VI",
           f"Shapes of all layers of the DCGMM instances. {_GENERATED}", None, "architectures:layers"),
    _table("table_7", "table_7_cnn", ARCHITECTURES, "Table VII",
           f"The CNN that judges samples. {_GENERATED}", None, "architectures:judge_network"),
    _table("table_8", "table_8_vae", ARCHITECTURES, "Table VIII",
           f"The variational autoencoder. {_GENERATED}", None, "architectures:vae_network"),
)  # fmt: skip
OUTPUTS: Mapping[str, Output] = {output.name: output for output in _ALL}


def items(plan: Plan, kind: str | None = None) -> dict[str, Item]:
    """File (without suffix) → item: everything that a run makes, or its tables ("table") or figures ("figure")."""
    wanted = (output for output in OUTPUTS.values() if kind in (None, output.kind) and output.wanted(plan))
    return {item.file: item for output in wanted for item in _items(plan, output)}


def _items(plan: Plan, output: Output) -> Iterator[Item]:
    if "{model}" not in output.file:
        yield Item(output, output.file)
        return
    for model in gridded(plan):
        yield Item(output, output.file.format(model=model.name), model)


def not_made(plan: Plan, collection: Path) -> list[str]:
    """A line that names the tables and figures that are not in a collection; nothing if all are."""
    files = {TABLE: "tables/{}.csv", FIGURE: "figures/{}.png"}
    titles = [
        item.title()
        for kind, file in files.items()
        for item in items(plan, kind).values()
        if not (collection / file.format(item.file)).is_file()
    ]
    return [f"not made: {', '.join(titles)}"] if titles else []


def find(plan: Plan, kind: str, word: str) -> Item:
    """The item of this kind that `word` names: its file, or its output's name where that is one file.

    Raises:
        UserError: there is none in this run, or several.
    """
    there = items(plan, kind)
    if word in there:
        return there[word]
    named = [item for item in there.values() if item.output.name == word]
    if len(named) == 1:
        return named[0]
    files = ", ".join(item.file for item in named)
    if named:
        raise UserError(f"{word} is {len(named)} {kind}s here; name one of {files}")
    if word in OUTPUTS and OUTPUTS[word].kind == kind:
        raise UserError(f"{plan.title} makes no {word}: what it is made from is not among its experiments")
    raise UserError(f"there is no {kind} {word!r}; {nearest(word, [*there, *(i.output.name for i in there.values())])}")


def rows_of(plan: Plan, output: Output) -> dict[str, str]:
    """The rows of a table: model → label, in the order of the plan."""
    models = plan.rows(output.experiment) if output.experiment else []
    return {m.name: m.label for m in models if output.name != "table_1" or m.family == DCGMM}
