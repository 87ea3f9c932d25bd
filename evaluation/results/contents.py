"""What a run makes: its tables and figures, in the order and under the headings of the paper."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from evaluation.base.schema import canonical
from evaluation.plan.grid_cost import LeftOut
from evaluation.results.panels import pictures

if TYPE_CHECKING:
    from evaluation.plan.config import Model, Plan
    from evaluation.results.tables.writing import Table

COMPARED = "The paper's numbers and ours"
OUTLIERS, COMPARISON = "V-B Outlier detection", "V-C Outlier detection: models compared"
SECTIONS = {
    "fig_4": "V-A Training dynamics",
    "table_1": OUTLIERS,
    "outlier_classes": OUTLIERS,
    "fig_10": OUTLIERS,
    "table_2": COMPARISON,
    "paired": COMPARISON,
    "grid": COMPARISON,
    "heat_map": COMPARISON,
    "fig_5": "V-D Sampling and sharpening",
    "fig_9": "V-D Sampling and sharpening",
    "fig_14": "V-D Sampling and sharpening",
    "fig_6": "V-E Samples of all models",
    "fig_11": "V-E Samples of all models",
    "fig_12": "V-E Samples of all models",
    "fig_13": "V-E Samples of all models",
    "table_3": "V-F Sample quality",
    "fig_7": "V-G Colour images",
    "fig_8": "V-H In-painting",
    "table_inpainting": "V-H In-painting",
    "table_4": "V-I Classification",
    "table_5": "App. A Architectures",
    "table_6": "App. A Architectures",
    "table_7": "App. A Architectures",
    "table_8": "App. A Architectures",
}
FILES = {
    "table_1": "table_1_outliers_dcgmm",
    "outlier_classes": "table_1_outlier_classes",
    "table_2": "table_2_outliers_models",
    "paired": "table_2_paired",
    "grid": "table_2_grid",
    "table_3": "table_3_judge",
    "table_4": "table_4_classification",
    "table_inpainting": "table_inpainting",
    "table_5": "table_5_architectures",
    "table_6": "table_6_layers",
    "table_7": "table_7_cnn",
    "table_8": "table_8_vae",
    "fig_4": "fig_4_dynamics",
    "fig_5": "fig_5_sharpening",
    "fig_6": "fig_6_comparison",
    "fig_7": "fig_7_svhn",
    "fig_8": "fig_8_inpainting",
    "fig_9": "fig_9_sharpening",
    "fig_10": "fig_10_outlier_curves",
    "fig_11": "fig_11_comparison",
    "fig_12": "fig_12_samples",
    "fig_13": "fig_13_samples",
    "fig_14": "fig_14_centroids",
}
ARCHITECTURES = ("table_5", "table_6", "table_7", "table_8")
DCGMM = "dcgmm"


@dataclass(frozen=True)
class Entry:
    """A table of a run: its name, and its rows, model → label; `rivals` of the paired comparison; `left_out`: points of
    grids that are too dear for the profile."""

    name: str
    rows: Mapping[str, str]
    rivals: Mapping[str, str]
    left_out: Sequence[LeftOut] = ()

    @property
    def file(self) -> str:
        return FILES[self.name]


def experiment_of(table: str) -> str:
    """The experiment whose metrics a table of results is made from, also one of published.yaml."""
    others = {"table_3": "judge", "appendix": "judge", "table_4": "classification", "table_inpainting": "inpainting"}
    return others.get(table, "outliers")


def outlier_tables(plan: Plan) -> list[str]:
    """Names of the tables of the outlier experiment."""
    models = plan.rows("outliers")
    if not models:
        return []
    families = {model.family == DCGMM for model in models}
    wanted = {
        "table_1": True in families,
        "outlier_classes": plan.several_classes(),
        "table_2": True,
        "paired": families == {True, False},
        "grid": True,
    }
    return [name for name, there in wanted.items() if there]


def gridded(plan: Plan) -> list[Model]:
    """The models whose grids are tried: each has a heat map."""
    settings = plan.experiments.get("outliers", {})
    return [model for model in plan.rows("outliers") if settings.get("grid", True) and model.grid]


def entry(plan: Plan, name: str) -> Entry:
    """A table of a run by its name."""
    models = [] if name in ARCHITECTURES else plan.rows(experiment_of(name))
    ours = [model for model in models if model.family == DCGMM]
    if name == "paired":
        return Entry(name, _labels(ours), _labels([model for model in models if model.family != DCGMM]))
    left_out = tuple(plan.left_out) if name == "grid" else ()
    return Entry(name, _labels(ours if name == "table_1" else models), {}, left_out)


def table_options(plan: Plan, name: str) -> str:
    """The part of a `bench table` command that names the rows of a table, quoted for the shell."""
    wanted = entry(plan, name)
    words = [("--row", f"{model}={label}") for model, label in wanted.rows.items()]
    words += [("--rival", f"{model}={label}") for model, label in wanted.rivals.items()]
    words += [("--left-out", canonical(asdict(point))) for point in wanted.left_out]
    return shlex.join(chain.from_iterable(words))


def tables(plan: Plan) -> list[Entry]:
    """Every table of a run."""
    names = [*outlier_tables(plan)]
    names += ["table_3"] if "judge" in plan.experiments else []
    names += ["table_4"] if "classification" in plan.experiments else []
    names += ["table_inpainting"] if "inpainting" in plan.experiments else []
    return [entry(plan, name) for name in (*names, *ARCHITECTURES)]


def figures(plan: Plan) -> dict[str, str]:
    """Every figure of a run: path without suffix, below the folder of figures, → name (a key of `SECTIONS`)."""
    found = {f"heat_map_{model.name}": "heat_map" for model in gridded(plan)}
    names = ["fig_4"] * ("dynamics" in plan.experiments) + ["fig_10"] * bool(plan.curves()) + [*pictures(plan)]
    return {**found, **{FILES[name]: name for name in names}}


def _labels(models: list[Model]) -> dict[str, str]:
    return {model.name: model.label for model in models}


@cache
def metric_tables() -> Mapping[str, Callable[..., Table]]:
    """Name → function of tidy metrics and rows (and rivals, or what is left out): tables that are made from results."""
    from evaluation.results.tables import outliers
    from evaluation.results.tables.classification import classification_table
    from evaluation.results.tables.inpainting import inpainting_table
    from evaluation.results.tables.judge import judge_table

    return {
        "table_1": outliers.outlier_table_dcgmm,
        "outlier_classes": outliers.outlier_class_table,
        "table_2": outliers.outlier_table_models,
        "paired": outliers.paired_table,
        "grid": outliers.grid_table,
        "table_3": judge_table,
        "table_4": classification_table,
        "table_inpainting": inpainting_table,
    }


def make(wanted: Entry, metrics: Any) -> Table:
    """The table itself. `metrics`: tidy, of the whole run or of the table's experiment."""
    if wanted.name in ARCHITECTURES:
        from evaluation.results.tables.architectures import ARCHITECTURE_TABLES

        return ARCHITECTURE_TABLES[wanted.name]()
    more: dict[str, Any] = {"paired": wanted.rivals, "grid": wanted.left_out}
    given = [more[wanted.name]] if wanted.name in more else []
    return metric_tables()[wanted.name](metrics, wanted.rows, *given)
