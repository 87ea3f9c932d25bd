"""Which repetition gives the small ± of Table I? Trainings that differ in one thing only: docs/findings.md.

    python -m benchmarks.studies.printed_spread train --instance A --dataset mnist --seeds 5
    python -m benchmarks.studies.printed_spread train --instance G --results results/paper
    python -m benchmarks.studies.printed_spread report

The paper prints 0.1 to 0.5 points for five runs. Kinds of repetition:

    both            another initialisation and another order of the images (what a seed changes here)
    order           the same initial parameters, another order of the images
    initialisation  the same order, other initial parameters
    evaluation      one model, scored on five random halves of the test images

Classes 1 to 9 train, class 0 of the test images is the outlier. A training that is in the table is not repeated.
`--results` takes "both" and "evaluation" from the scores of a run of profile `paper`, where it has them: a seed of a
profile changes both, and gives the same bits.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.speed.cases import EPOCHS
from benchmarks.studies.rows import Rows, panels, parser_of, published_band, show
from dcgmm import DCGMM
from evaluation.base.errors import UserError
from evaluation.datasets import load_dataset, select
from evaluation.datasets.catalogue import CATALOGUE
from evaluation.jobs.score import read_scores
from evaluation.measures.roc import auroc, auroc_100_thresholds
from evaluation.plan.catalogue import Catalogue
from evaluation.plan.key import TrainingKey
from evaluation.plan.paths import Paths
from evaluation.results.figures.style import plotting, save
from evaluation.results.published import published_number

KINDS = {"both": ("order", "initial"), "order": ("order",), "initialisation": ("initial",)}
HALVES = 5  # of the test images
ORDER = [*KINDS, "evaluation"]
Scores = tuple[np.ndarray, np.ndarray]  # of the test images (n,), nats, and their labels (n,)


def areas(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Both areas in percent of the scores (n,) of test images, class 0 being the outlier."""
    inliers, outliers = scores[labels != 0], scores[labels == 0]
    return {"auroc": auroc(inliers, outliers), "auroc_100_thresholds": auroc_100_thresholds(inliers, outliers)}


def trained(instance: str, sharing: str, dataset: str, order: int, initial: int) -> Scores:
    """What a model gives that starts from the parameters of seed `initial` and sees the order of seed `order`."""
    ds = load_dataset(dataset)
    model = DCGMM.instance(instance, sharing=sharing, seed=order, epochs=EPOCHS[instance], measurements=0)
    model.set_parameters(DCGMM.instance(instance, sharing=sharing, seed=initial).get_parameters())
    model.fit(select(*ds.split("train"), "not0")[0], warm_start=True, progress=False)
    x, labels = ds.split("test")
    return model.score_samples(x), labels


def of_run(results: Path | None, instance: str, sharing: str, dataset: str, seed: int) -> Scores | None:
    """What a run has scored already; None where it has not.

    Raises:
        UserError: it was trained with other settings than the catalogue's.
    """
    variant = f"dcgmm-{instance.lower()}" + ("-independent" if sharing == "independent" else "")
    path = Paths(results or Path()).scores(TrainingKey(dataset, "not0", variant, seed))
    if results is None or not path.is_file():
        return None
    frame, record = read_scores(path)
    expected = Catalogue().model(variant).params
    if other := [name for name, value in expected.items() if record["params"].get(name) != value]:
        raise UserError(f"{path} was trained with another {other[0]} than the catalogue's {expected[other[0]]!r}")
    test = frame[frame["split"] == "test"]
    return test["score"].to_numpy(), test["label"].to_numpy()


def train(instance: str, sharing: str, dataset: str, seeds: int, table: Rows, results: Path | None = None) -> None:
    """Train what is missing and append a row for each training."""
    about = {"instance": instance, "sharing": sharing, "dataset": dataset}
    train_first(instance, sharing, dataset, table, results)
    for kind, changes in KINDS.items():
        for repetition in range(seeds):
            if table.find(**about, kind=kind, repetition=repetition):
                continue
            if repetition == 0:  # seeds 0 and 0, whatever the kind
                (first,) = table.find(**about, kind="both", repetition=0)
                measured = {name: first[name] for name in ("auroc", "auroc_100_thresholds")}
                table.add(**about, kind=kind, repetition=0, **measured)
                continue
            seed = {name: repetition if name in changes else 0 for name in ("order", "initial")}
            known = of_run(results, instance, sharing, dataset, repetition) if kind == "both" else None
            scores, labels = known or trained(instance, sharing, dataset, **seed)
            table.add(**about, kind=kind, repetition=repetition, **areas(scores, labels))


def train_first(instance: str, sharing: str, dataset: str, table: Rows, results: Path | None) -> None:
    """Append what is missing of the training with seed 0: its row, and one for each random half of its test images."""
    about = {"instance": instance, "sharing": sharing, "dataset": dataset}
    there = [half for half in range(HALVES) if table.find(**about, kind="evaluation", repetition=half)]
    alone = not table.find(**about, kind="both", repetition=0)
    if not alone and len(there) == HALVES:
        return
    known = of_run(results, instance, sharing, dataset, 0)
    scores, labels = known or trained(instance, sharing, dataset, order=0, initial=0)
    if alone:
        table.add(**about, kind="both", repetition=0, **areas(scores, labels))
    rng = np.random.default_rng(0)
    for half in range(HALVES):
        some = rng.permutation(len(scores))[: len(scores) // 2]  # drawn for all: each is the same in every call
        if half not in there:
            table.add(**about, kind="evaluation", repetition=half, **areas(scores[some], labels[some]))


def report(table: Rows) -> str:
    """Mean ± standard deviation over repetitions, and the standard error, as a Markdown table."""
    groups = pd.DataFrame(table.rows).groupby(["dataset", "instance", "sharing", "kind"]).auroc
    found = groups.agg(["count", "mean", "std"]).reset_index()
    found["standard_error"] = found["std"] / np.sqrt(found["count"])
    return found.round(2).to_markdown(index=False)


def picture(table: Rows, path: Path) -> None:
    """A dot for each repetition, a line for each kind, the paper's ± as a band; data sets by instances."""
    _, sns = plotting()
    rows = pd.DataFrame(table.rows)
    datasets, instances = sorted(set(rows.dataset), reverse=True), sorted(set(rows.instance))
    titles = [[f"DCGMM-{instance}, {CATALOGUE[dataset].label}" for instance in instances] for dataset in datasets]
    figure, axes = panels(titles, len(ORDER))
    for (dataset, instance), axis in zip(product(datasets, instances), axes.flat, strict=True):
        own = rows[(rows.dataset == dataset) & (rows.instance == instance)]
        if own.empty:
            axis.set_axis_off()
            axis.text(0.5, 0.5, "not run", transform=axis.transAxes, ha="center")
            continue
        published_band(axis, published_number("table_1", "auroc", dataset, f"DCGMM-{instance}"))
        sns.stripplot(own, x="auroc", y="kind", order=ORDER, ax=axis, size=3.5, jitter=False, alpha=0.7)
        axis.set(xlabel="AUROC (%)", ylabel="")
    save(figure, path, "Five repetitions of each kind. Band: the paper's five runs, mean ± standard deviation.")


def main() -> None:
    parser = parser_of(__doc__, "train", "printed_spread.csv")
    parser.add_argument("--instance", choices=sorted(EPOCHS), nargs="+", default=["A"])
    parser.add_argument("--sharing", choices=["shared", "independent"], default="shared")
    parser.add_argument("--dataset", nargs="+", default=["mnist", "fashion_mnist"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--results", type=Path, help="a run of profile paper that has scored some of them")
    options = parser.parse_args()
    table = Rows(options.table)
    if options.what == "report":
        show(table, report, picture)
        return
    for instance in options.instance:
        for dataset in options.dataset:
            train(instance, options.sharing, dataset, options.seeds, table, options.results)


if __name__ == "__main__":
    main()
