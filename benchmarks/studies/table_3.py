"""Which settings give the best judged samples of a DCGMM? Chosen by judges of their own, reported by others.

    python -m benchmarks.studies.table_3 choose --models dcgmm-e-independent --results results/paper
    python -m benchmarks.studies.table_3 report

`choose` draws samples of one model for each class with every setting (S, divisor, sharpening) and lets two judges see
them that no table reports. Then the best setting of each model, and the catalogue's, are drawn anew with another seed
and judged by the five judges of Table III. The models are those of a run of profile `paper`, or are trained and kept
in results/studies/table_3 (`--iterations 40000`: longer ones). A row that is in the table is not made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.studies.rows import Rows, panels, parser_of, published_band, show
from dcgmm import DCGMM
from evaluation.datasets import load_dataset
from evaluation.datasets.catalogue import CATALOGUE as DATASETS
from evaluation.jobs.judge import Judge
from evaluation.jobs.judges import OURS, finished, train_judge
from evaluation.jobs.train import Place, train_all
from evaluation.models.registry import read_record
from evaluation.plan.catalogue import Catalogue
from evaluation.plan.key import TrainingKey
from evaluation.plan.paths import Paths
from evaluation.plan.training import Training
from evaluation.results.figures.style import plotting, save
from evaluation.results.published import published_number

OWN = Path("results/studies/table_3")
SETTINGS = [
    {"top_s": top_s, "divisor": divisor, "sharpen": sharpen}
    for top_s, divisor, sharpen in product((1, 2, 3), (5.0, 10.0, 20.0), (False, True))
]
JUDGES = {"choosing": (50, 51), "reporting": (0, 1, 2, 3, 4)}  # seeds
SAMPLING_SEED = {"choosing": 1, "reporting": 0}
MEASURES = ("judge_accuracy", "frechet_distance", "precision", "recall")


def class_models(name: str, dataset: str, seed: int, iterations: int, results: Path) -> list[DCGMM]:
    """A model for each class, bottom class first: of the run if it has one of this length, else trained and kept."""
    data, entry = load_dataset(dataset), Catalogue().model(name)
    params = {**entry.params, **entry.one_class, "iterations": iterations}
    folders, missing = [], []
    for label in range(len(data.classes)):
        key = TrainingKey(dataset, f"only{label}", name, seed)
        run, own = Paths(results).model(key), OWN / str(iterations) / key.path
        of_run = run.is_dir() and read_record(run)["params"].get("iterations") == iterations
        folders.append(run if of_run else own)
        if not of_run:
            training = Training(name, name, entry.factory, params, dataset, key.subset, seed, monitor="none")
            missing.append(Place(training, own))
    train_all(missing, data)
    return [DCGMM.load(folder) for folder in folders]


def judges(dataset: str, seeds: Sequence[int], results: Path) -> Iterator[Judge]:
    """The judges with these seeds, trained where the run has none."""
    for seed in seeds:
        folder = Paths(results).judge(dataset, seed)
        if finished(folder) is None:
            train_judge(dataset, folder, seed=seed, params=OURS, progress=False)
        yield Judge.load(folder, dataset)


def judged(models: Sequence[DCGMM], setting: dict[str, Any], each: int, of: Sequence[Judge], seed: int) -> dict:
    """Mean over the judges of every measure, of `each` samples of each model; and the deviation of the accuracy."""
    images = np.concatenate([model.sample(each, seed=seed, **setting) for model in models])
    found = pd.DataFrame([judge.measure(images, np.repeat(np.arange(len(models)), each)) for judge in of])
    by_class = {name: value for name, value in found.mean().items() if str(name).startswith("judge_accuracy_class")}
    measured = {name: float(found[name].mean()) for name in MEASURES}
    return {**measured, "deviation": float(found["judge_accuracy"].std()), **by_class}


def best(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The setting that the choosing judges prefer; the first of equals."""
    row = max(rows, key=lambda row: row["judge_accuracy"])
    return {name: row[name] for name in SETTINGS[0]}


def choose(about: dict[str, Any], results: Path, each: dict[str, int], table: Rows) -> None:
    """Add the rows of one model that are missing: every setting by the choosing judges, then the best by the others."""
    name, dataset = about["model"], about["dataset"]
    models = class_models(name, dataset, about["seed"], about["iterations"], results)

    def add(who: str, settings: Sequence[dict[str, Any]]) -> None:
        missing = [s for s in settings if not table.find(**about, judges=who, samples=each[who], **s)]
        of = list(judges(dataset, JUDGES[who], results)) if missing else []
        for setting in missing:
            measured = judged(models, setting, each[who], of, SAMPLING_SEED[who])
            table.add(**about, judges=who, samples=each[who], **setting, **measured)

    add("choosing", SETTINGS)
    own = {key: value for key, value in Catalogue().model(name).sampling.items() if key in SETTINGS[0]}
    usual = {"sharpen": False} | own
    preferred = best(table.find(**about, judges="choosing", samples=each["choosing"]))
    add("reporting", [usual] + [preferred] * (preferred != usual))


def report(table: Rows) -> str:
    """The rows of the reporting judges as a Markdown table."""
    rows = pd.DataFrame(table.rows)
    rows = rows[rows.judges == "reporting"]
    columns = ["dataset", "model", "iterations", "seed", *SETTINGS[0], "judge_accuracy", "deviation", *MEASURES[1:]]
    return rows[columns].round(1).to_markdown(index=False)


def picture(table: Rows, path: Path) -> None:
    """Accuracies of every setting by the choosing judges: a panel for each instance, the paper's as a band."""
    _, sns = plotting()
    rows = pd.DataFrame(table.rows)
    rows = rows[rows.judges == "choosing"]
    instance = rows.model.str.removeprefix("dcgmm-")
    rows["what"] = instance.str[0].str.upper() + instance.str[1:].str.replace("-", ", ") + "\n"
    rows["what"] += rows.iterations.map("{:,} steps".format)
    rows["S"] = rows.top_s.astype(str) + rows.sharpen.map({True: ", sharpened", False: ""})
    datasets = sorted(set(rows.dataset), reverse=True)
    figure, axes = panels([[DATASETS[dataset].label for dataset in datasets]], 4 + 5 * rows.what.nunique())
    for dataset, axis in zip(datasets, axes.flat, strict=True):
        own = rows[rows.dataset == dataset]
        for instance in sorted(set(own.model.str.split("-").str[1].str.upper())):
            published_band(axis, published_number("table_3", "judge_accuracy", dataset, f"DCGMM-{instance}"))
        sns.stripplot(own, x="judge_accuracy", y="what", hue="S", dodge=True, ax=axis, size=3.5, jitter=False)
        axis.set(xlabel="accuracy of the choosing judges (%)", ylabel="")
        axis.get_legend().remove()
    axes.flat[-1].legend(title="S", loc="center left", bbox_to_anchor=(1.01, 0.5))
    save(figure, path, "A dot is a divisor (5, 10, 20). Line and band: the paper, mean ± standard deviation.")


def main() -> None:
    parser = parser_of(__doc__, "choose", "table_3.csv")
    parser.add_argument("--models", nargs="+", default=["dcgmm-e-independent", "dcgmm-f-independent"])
    parser.add_argument("--dataset", default="fashion_mnist")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each model (1)")
    parser.add_argument("--first-seed", type=int, default=0, help="seed of the first of them (0)")
    parser.add_argument("--iterations", type=int, nargs="+", default=[10_000], help="steps of each training (10000)")
    parser.add_argument("--samples", type=int, nargs=2, default=[200, 1000], help="of each class: to choose, to report")
    parser.add_argument("--results", type=Path, default=Path("results/paper"), help="a run that has models and judges")
    options = parser.parse_args()
    table = Rows(options.table)
    if options.what == "report":
        show(table, report, picture)
        return
    each = dict(zip(JUDGES, options.samples, strict=True))
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    for seed, iterations, model in product(seeds, options.iterations, options.models):
        about = {"dataset": options.dataset, "model": model, "iterations": iterations, "seed": seed}
        choose(about, options.results, each, table)


if __name__ == "__main__":
    main()
