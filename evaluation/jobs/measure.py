"""Tidy metrics of one experiment on one data set, from what its jobs have made.

Scores, histories and completions are read; judged samples and classifications are measured here, which takes minutes.
Whatever is read was made from the plan's own trainings: something else is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from evaluation.base.errors import UserError
from evaluation.base.words import canonical
from evaluation.datasets.contents import other_images
from evaluation.jobs.basis import completed, judges, of_judge
from evaluation.jobs.judges import finished
from evaluation.jobs.score import read_scores
from evaluation.jobs.store import read_course, read_history
from evaluation.jobs.unable import why_not
from evaluation.measures.outliers import course_row, outlier_rows
from evaluation.measures.tidy import read_made_from, tidy_frame, tidy_row
from evaluation.models.registry import read_spec
from evaluation.plan.key import TrainingKey
from evaluation.plan.paths import Paths
from evaluation.plan.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.jobs.sample import Samples

Row = dict[str, Any]
Record = TypeVar("Record", bound=Mapping[str, Any])


class OtherTraining(UserError):
    """A result that was made from something else than what the profile says."""


def measured(
    plan: Plan, paths: Paths, experiment: str, dataset: str, keys: Sequence[TrainingKey] | None = None
) -> pd.DataFrame:
    """The metrics of an experiment on a data set; of all its trainings, or of `keys`.

    Raises:
        UserError: a result is missing, or was made from something else than what the plan says.
    """
    of = plan.keys(experiment, dataset=dataset) if keys is None else keys
    return tidy_frame(_MEASURES[experiment](plan, paths, dataset, of))


def finished_keys(plan: Plan, paths: Paths, experiment: str, dataset: str) -> list[TrainingKey]:
    """The trainings of an experiment on a data set that `measured` can take now; of those that are judged together,
    all or none."""
    from evaluation.jobs.inpaint import MEASURES_FILE

    places: dict[str, Callable[[TrainingKey], Path]] = {
        "outliers": paths.scores,
        "judge": paths.samples,
        "inpainting": lambda key: paths.completions(key) / MEASURES_FILE,
    }
    place = places.get(experiment, paths.model)
    keys = plan.keys(experiment, dataset=dataset)
    together = _models(keys) if experiment == "judge" else [[key] for key in keys]
    whole = [some for some in together if all(place(key).exists() or why_not(place(key)) for key in some)]
    made = {key for some in whole for key in some}
    return [key for key in keys if key in made]


def measured_so_far(plan: Plan, paths: Paths, experiment: str, dataset: str) -> pd.DataFrame:
    """The same of a run that has not finished, from what is there and the plan's. Of `judge` only the judges' own
    accuracies, of `classification` nothing: measuring those is a job of its own."""
    rows: list[Row] = []
    if experiment == "judge":
        rows = list(_judges_rows(plan, paths, dataset))
    for key in plan.keys(experiment, dataset=dataset) if experiment in _OF_ONE else ():
        try:
            rows += _OF_ONE[experiment](plan, paths, key)
        except UserError:
            continue
    return tidy_frame(rows)


def record_of(plan: Plan, paths: Paths, key: TrainingKey) -> dict[str, Any]:
    """bench.json of a training's model.

    Raises:
        OtherTraining: the model there is not the plan's.
    """
    return _the_plans(plan, key, read_spec(paths.model(key)), paths.model(key))


def _the_plans(plan: Plan, key: TrainingKey, record: Record, place: Path) -> Record:
    if record.get("spec") != plan.spec(key):
        raise OtherTraining(
            f"{place} is of a training with other settings than the profile's ({key.word}); start the run again "
            "to replace it"
        )
    return record


# --- of one training -------------------------------------------------------------------------------------------------


def _outliers(plan: Plan, paths: Paths, key: TrainingKey) -> list[Row]:
    frame, record = read_scores(paths.scores(key))
    rows = list(outlier_rows(frame, _the_plans(plan, key, record, paths.scores(key))))
    for step, layer, area in read_course(paths.model(key)):
        rows.append(course_row(record, step, layer, area))
    return rows


def _dynamics(plan: Plan, paths: Paths, key: TrainingKey) -> list[Row]:
    """Log-likelihood of every layer over training time, in nats; step and split are among the params."""
    record = record_of(plan, paths, key)
    common = {name: record[name] for name in ("protocol", "dataset", "model", "seed")}
    rows = annealing_rows([record], "dynamics")
    for step, layer, split, value in read_history(paths.model(key)).itertuples(index=False):
        params = {"step": int(step), "split": split, **record["point"]}
        metric = f"log_likelihood_layer_{layer}"
        rows.append(tidy_row(experiment="dynamics", params=params, metric=metric, value=value, **common))
    return rows


def _inpainting(plan: Plan, paths: Paths, key: TrainingKey) -> list[Row]:
    from evaluation.base.reading import read_parquet
    from evaluation.jobs.inpaint import MEASURES_FILE

    record = record_of(plan, paths, key)
    file = paths.completions(key) / MEASURES_FILE
    if why_not(file):
        return []
    said, wanted = read_made_from(file), completed(plan, key)
    if said != wanted:
        what = (
            "was written by an earlier version" if said is None else "is of another model, or other numbers or options"
        )
        again = f"`bench inpaint --profile {paths.root} {key.word}`"
        raise OtherTraining(
            f"{file} {what}, not of {wanted['images']} images of the profile's; complete again: {again}"
        )
    rows: list[Row] = read_parquet(file, "delete it and start the run again").to_dict("records")  # type: ignore[assignment]
    return [*rows, *annealing_rows([record], "inpainting")]


def _classification(plan: Plan, paths: Paths, key: TrainingKey) -> list[Row]:
    from evaluation.jobs.classify import classification_rows

    record = record_of(plan, paths, key)
    return [*classification_rows(paths.model(key)), *annealing_rows([record], "classification")]


def annealing_rows(records: Sequence[Mapping[str, Any]], experiment: str) -> list[Row]:
    """sigma_layer_0 …: where the annealing of each layer was when training ended; of several models (of one class each)
    the widest. `records`: bench.json of the models."""
    widths = [record["sigmas"] for record in records if record.get("sigmas")]
    if not widths:
        return []
    first = records[0]
    common = {name: first[name] for name in ("protocol", "dataset", "model", "seed")}
    return [
        tidy_row(experiment=experiment, params=first["point"], metric=f"sigma_layer_{layer}", value=max(some), **common)
        for layer, some in enumerate(zip(*widths, strict=True))
    ]


_OF_ONE: dict[str, Callable[[Plan, Paths, TrainingKey], list[Row]]] = {
    "outliers": _outliers,
    "dynamics": _dynamics,
    "inpainting": _inpainting,
}


def _each(of_one: Callable[[Plan, Paths, TrainingKey], list[Row]]) -> Callable[..., Iterable[Row]]:
    def rows(plan: Plan, paths: Paths, dataset: str, keys: Sequence[TrainingKey]) -> Iterator[Row]:
        for key in keys:
            yield from of_one(plan, paths, key)

    return rows


# --- the judge -------------------------------------------------------------------------------------------------------


def _judges_rows(plan: Plan, paths: Paths, dataset: str) -> Iterator[Row]:
    from evaluation.jobs.judge import own_rows

    records = (finished(paths.judge(dataset, seed)) for seed in plan.judge_seeds())
    there = (record for record in records if record is not None and of_judge(record) == judges(plan))
    ours = (record for record in there if not other_images({**record, "dataset": dataset}))
    yield from own_rows(ours, dataset)


def _judge(plan: Plan, paths: Paths, dataset: str, keys: Sequence[TrainingKey]) -> Iterator[Row]:
    """What the judges say of every model's samples, all classes together, and of real images."""
    from evaluation.jobs.judge import Judge, judged

    sources, more = [], []
    for some in _models(keys):
        if any(why_not(paths.samples(key)) for key in some):
            continue
        records = [record_of(plan, paths, key) for key in some]
        sources.append(_source([_samples(plan, paths, key) for key in some], some[0].variant))
        more += annealing_rows(records, "judge")
    trained = [Judge.load(_judge_of(plan, paths, dataset, seed), dataset) for seed in plan.judge_seeds()]
    yield from judged(dataset, trained, sources)
    yield from more


def _judge_of(plan: Plan, paths: Paths, dataset: str, seed: int) -> Path:
    """The directory of a judge.

    Raises:
        OtherTraining: it was not trained as the plan says.
    """
    directory, wanted = paths.judge(dataset, seed), judges(plan)
    record = finished(directory)
    made = wanted if record is None else of_judge(record)
    if differ := [name for name in wanted if made.get(name) != wanted[name]]:
        words = "; ".join(f"{name} {made.get(name)}, the profile says {wanted[name]}" for name in differ)
        raise OtherTraining(f"{directory} holds a judge of other settings ({words}); start the run again to replace it")
    return directory


def _models(keys: Sequence[TrainingKey]) -> list[list[TrainingKey]]:
    """The trainings of a variant with one seed, which are judged together: one for each class."""
    together: dict[tuple[str, int], list[TrainingKey]] = {}
    for key in keys:
        together.setdefault((key.variant, key.seed), []).append(key)
    return list(together.values())


def _samples(plan: Plan, paths: Paths, key: TrainingKey) -> Samples:
    """The samples of a training.

    Raises:
        OtherTraining: they are of another model, number or options than the plan's.
    """
    from evaluation.jobs.sample import read_samples

    file, wanted = paths.samples(key), plan.sampled("sample", key.variant)
    there = read_samples(file)
    _the_plans(plan, key, there.record, file)
    options = {name: value for name, value in there.record.get("sampling", {}).items() if name != "seed"}
    if len(there.images) != wanted["images"] or canonical(options) != canonical(wanted["options"]):
        again = f"`bench sample --profile {paths.root} {key.word}`"
        raise OtherTraining(
            f"{file} holds {len(there.images)} images with the options {options}, but the profile says "
            f"{wanted['images']} with {wanted['options']}; sample again: {again}"
        )
    return there


def _source(parts: Sequence[Samples], variant: str) -> Any:
    """What is judged together: the samples of a variant's models of single classes."""
    import numpy as np

    from evaluation.jobs.judge import Source

    labels = [part.labels for part in parts if part.labels is not None]
    joined = np.concatenate(labels) if len(labels) == len(parts) else None
    return Source.of(np.concatenate([part.images for part in parts]), joined, parts[0].record, variant)


_MEASURES: dict[str, Callable[[Plan, Paths, str, Sequence[TrainingKey]], Iterable[Row]]] = {
    **{experiment: _each(of_one) for experiment, of_one in _OF_ONE.items()},
    "classification": _each(_classification),
    "judge": _judge,
}
