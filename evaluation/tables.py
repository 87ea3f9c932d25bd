"""The tables, as CSV (every number), Markdown and LaTeX (what is printed)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.atomic import atomic_path, write_text
from evaluation.published import published
from evaluation.selection import PROTOCOLS, grid_results, reported_values, selected_results

if TYPE_CHECKING:
    import pandas as pd

NOTHING = "–"
DATASET_LABELS = {
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "svhn": "SVHN",
    "digits": "Digits",
    "photos": "Photos",
}


@dataclass(frozen=True)
class Table:
    """caption: one sentence; columns and rows: the printed cells; data: the same and more, as numbers, for the CSV."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    data: pd.DataFrame


def read_metrics(paths: Iterable[Path]) -> pd.DataFrame:
    """Tidy metrics of several files, one below the other.

    Raises:
        FileNotFoundError: a file is missing.
    """
    import pandas as pd

    from evaluation.metrics import tidy_frame

    frames = [pd.read_parquet(path) for path in paths]
    return pd.concat(frames, ignore_index=True) if frames else tidy_frame([])


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as dictionaries."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def with_std(mean: float | None, std: float | None, digits: int = 1) -> str:
    """ "95.4 ± 0.2"; the mean alone for one seed; a dash for nothing."""
    if mean is None or math.isnan(mean):
        return NOTHING
    number = f"{mean:.{digits}f}"
    return number if std is None or math.isnan(std) else f"{number} ± {std:.{digits}f}"


# --- outlier detection: Tables I and II ------------------------------------------------------------------------------


def outlier_table_dcgmm(metrics: pd.DataFrame, rows: Mapping[str, str]) -> Table:
    """Table I: exact AUROC and the scripts' 100-threshold area beside the published value; `rows`: model → label."""
    return _outlier_table(
        metrics, [(model, label, "both") for model, label in rows.items()], "table_1", thresholds=True
    )


def outlier_table_models(metrics: pd.DataFrame, rows: Mapping[str, str]) -> Table:
    """Table II: models with two protocols, or with a grid, have a row for each protocol."""
    outliers = metrics[metrics["experiment"] == "outliers"]
    lines = []
    for model, label in rows.items():
        of_model = outliers[outliers["model"] == model]
        split = (of_model["protocol"] != "both").any() or of_model["params"].str.replace(
            _CLASS, "", regex=True
        ).nunique() > 1
        lines += [(model, label, protocol) for protocol in (PROTOCOLS if split else ("both",))]
    return _outlier_table(metrics, lines, "table_2", thresholds=False)


_CLASS = r'"outlier_class":\d+,?'


def _outlier_table(
    metrics: pd.DataFrame, lines: Sequence[tuple[str, str, str]], table: str, *, thresholds: bool
) -> Table:
    import pandas as pd

    chosen = {protocol: reported_values(metrics, protocol) for protocol in PROTOCOLS}
    printed = {(row["dataset"], row["model"]): row for row in records(published()) if row["table"] == table}
    datasets = [d for d in DATASET_LABELS if d in set(metrics["dataset"])]
    kinds = ("auroc", "auroc_100_thresholds") if thresholds else ("auroc",)
    heads = ("published", "AUROC", "100 thresholds") if thresholds else ("published", "AUROC")
    rows, data = [], []
    for model, label, protocol in lines:
        values = chosen["clean" if protocol == "clean" else "paper"]
        cells = [label if protocol == "both" else f"{label} ({protocol})"]
        for dataset in datasets:
            paper = printed.get((dataset, label))
            ours = [values.get((dataset, model, kind)) for kind in kinds]
            cells.append(NOTHING if paper is None else with_std(paper["mean"], paper["std"]))
            cells += [NOTHING if value is None else with_std(value["mean"], value["std"]) for value in ours]
            data += _data_rows((model, label, protocol, dataset), paper, zip(kinds, ours, strict=True))
        rows.append(cells)
    columns = ["model", *(f"{DATASET_LABELS[d]} {head}" for d in datasets for head in heads)]
    seeds = max((row["n"] for row in data), default=0)
    caption = (
        f"Outlier detection, class 0 left out: area under the ROC curve in percent, mean ± std over {seeds} seeds."
    )
    return Table(caption, columns, rows, pd.DataFrame(data, columns=_DATA_COLUMNS))


_IDENTITY = ("model", "label", "protocol", "dataset")
_STATISTICS = ("n", "mean", "std", "low", "high")
_DATA_COLUMNS = [*_IDENTITY, "metric", "published", "published_std", *_STATISTICS, "point"]


def _data_rows(identity: tuple[str, ...], paper: Any, ours: Iterable[tuple[str, Any]]) -> list[dict[str, Any]]:
    printed = {} if paper is None else {"published": paper["mean"], "published_std": paper["std"]}
    return [
        {
            **dict(zip(_IDENTITY, identity, strict=True)),
            "metric": kind,
            **printed,
            **{key: value[key] for key in (*_STATISTICS, "point")},
        }
        for kind, value in ours
        if value is not None
    ]


def outlier_class_table(metrics: pd.DataFrame, rows: Mapping[str, str]) -> Table:
    """Models for which every class was the outlier once: AUROC of each ("comparable", says Sec. V-B)."""
    import pandas as pd

    by_class = {outlier: reported_values(metrics, "paper", outlier) for outlier in range(10)}
    lines, data = [], []
    for model, label in rows.items():
        for dataset in (d for d in DATASET_LABELS if d in set(metrics["dataset"])):
            found = {outlier: values.get((dataset, model, "auroc")) for outlier, values in by_class.items()}
            if sum(value is not None for value in found.values()) < 2:
                continue
            cells = [NOTHING if v is None else with_std(v["mean"], v["std"]) for v in found.values()]
            lines.append([label, DATASET_LABELS[dataset], *cells])
            identity = {"model": model, "label": label, "dataset": dataset}
            data += [
                {**identity, "outlier_class": outlier, **{key: value[key] for key in _STATISTICS}}
                for outlier, value in found.items()
                if value is not None
            ]
    columns = ["model", "data set", *(f"class {outlier}" for outlier in by_class)]
    caption = "Outlier detection with each class left out in turn: exact AUROC in percent, mean ± std over seeds."
    return Table(caption, columns, lines, pd.DataFrame(data, columns=[*_CLASS_COLUMNS, *_STATISTICS]))


_CLASS_COLUMNS = ("model", "label", "dataset", "outlier_class")


def grid_table(metrics: pd.DataFrame, rows: Mapping[str, str]) -> Table:
    """Every grid point of every model: AUROC on test and validation images, and which protocol chose it."""
    frame = _grid_frame(metrics[metrics["model"].isin(list(rows))])
    lines = [
        [
            rows[row["model"]],
            DATASET_LABELS[row["dataset"]],
            row["protocol"],
            row["point"],
            with_std(row["auroc"], row["auroc_std"]),
            with_std(row["auroc_validation"], row["auroc_validation_std"]),
            row["chosen_by"],
        ]
        for row in records(frame)
    ]
    caption = "All grid points, class 0 left out: exact AUROC in percent, mean ± std over seeds; who chose which."
    return Table(caption, ["model", "data set", "protocol", "point", "test", "validation", "chosen by"], lines, frame)


def _grid_frame(metrics: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    data: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in records(grid_results(metrics)):
        if row["metric"] in ("auroc", "auroc_validation"):
            key = tuple(row[name] for name in _GRID_KEYS)
            entry = data.setdefault(key, {**dict(zip(_GRID_KEYS, key, strict=True)), "n": row["n"], "chosen_by": ""})
            entry |= {row["metric"]: row["mean"], f"{row['metric']}_std": row["std"]}
    for protocol in PROTOCOLS:
        chosen = selected_results(metrics, protocol)
        for key in {tuple(row[name] for name in _GRID_KEYS) for row in records(chosen)}:
            data[key]["chosen_by"] = f"{data[key]['chosen_by']} {protocol}".strip()
    return pd.DataFrame(list(data.values()), columns=_GRID_COLUMNS)


_GRID_KEYS = ("model", "dataset", "protocol", "point")
_GRID_COLUMNS = [*_GRID_KEYS, "n", "auroc", "auroc_std", "auroc_validation", "auroc_validation_std", "chosen_by"]
OUTLIER_TABLES = {
    "table_1": outlier_table_dcgmm,
    "table_2": outlier_table_models,
    "outlier_classes": outlier_class_table,
    "grid": grid_table,
}


# --- architectures: Tables V and VI ----------------------------------------------------------------------------------


def architectures() -> Table:
    """Table V from the notation: configuration and centroid parameters, beside the paper's."""
    import pandas as pd

    from dcgmm.notation import place

    printed = published().query("table == 'table_5'").set_index("model")["mean"]
    data = []
    for label, config in _instances().items():
        layout = place(config, (28, 28, 1))
        data.append(
            {
                "model": label,
                "configuration": config,
                "layers": len(layout.layers),
                "published": int(printed[label]),
                "parameters": layout.centroid_parameters,
            }
        )
    frame = pd.DataFrame(data)
    rows = [[str(value) for value in row] for row in frame.itertuples(index=False)]
    caption = (
        "Configurations of DCGMM and the number of their centroid parameters, shared over positions, for 28×28 images."
    )
    return Table(caption, list(frame.columns), rows, frame)


def layers() -> Table:
    """Table VI, applied: what goes in and out of every layer of every instance, for 28×28 images."""
    import pandas as pd

    from dcgmm.notation import place

    data = [
        {
            "model": label,
            "layer": layer.index,
            "notation": str(layer.spec),
            "input (H, W, C)": "×".join(map(str, layer.input_shape)),
            "output (H, W, C)": "×".join(map(str, layer.output_shape)),
            "centroid parameters": layer.centroid_parameters,
        }
        for label, config in _instances().items()
        for layer in place(config, (28, 28, 1)).layers
    ]
    frame = pd.DataFrame(data)
    rows = [[str(value) for value in row] for row in frame.itertuples(index=False)]
    return Table("Shapes of all layers, by the rules of Table VI, for 28×28 images.", list(frame.columns), rows, frame)


def _instances() -> dict[str, str]:
    from dcgmm.instances import INSTANCES

    return {f"DCGMM-{name}": instance.config for name, instance in INSTANCES.items() if len(name) == 1}


ARCHITECTURE_TABLES = {"table_5": architectures, "table_6": layers}


# --- writing ---------------------------------------------------------------------------------------------------------


def write(table: Table, path: Path, title: str) -> None:
    """Write `path` (.csv) and the same name with .md and .tex, each atomically. `title` marks the profile."""
    with atomic_path(path) as part:
        table.data.to_csv(part, index=False)
    caption = f"{table.caption} {title}".strip()
    write_text(path.with_suffix(".md"), f"{caption}\n\n{markdown(table.columns, table.rows)}\n")
    write_text(path.with_suffix(".tex"), latex(table.columns, table.rows, caption))


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = True) -> str:
    """A Markdown table: first column left, the others right where they hold numbers."""
    line = "| {} |".format
    body = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    rule = " | ".join(["---", *["---:" if numbers else "---"] * (len(columns) - 1)])
    return "\n".join(map(line, [" | ".join(columns), rule, *body]))


def latex(columns: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> str:
    """A LaTeX table for booktabs."""
    body = [" & ".join(map(_tex, row)) + r" \\" for row in rows]
    head = " & ".join(map(_tex, columns)) + r" \\"
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_tex(caption)}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}",
            r"\toprule",
            head,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


_TEX = {"\\": r"\textbackslash{}", "±": r"$\pm$", "×": r"$\times$", "–": "--", "≤": r"$\leq$"}
_TEX |= {character: f"\\{character}" for character in "&%$#_{}"}


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)
