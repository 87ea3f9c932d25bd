"""What a profile changes in the models, relative to the catalogue, which has the paper's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evaluation.jobs.basis import judges
from evaluation.jobs.judges import printed
from evaluation.models.catalogue import family_of
from evaluation.plan.catalogue import Catalogue
from evaluation.plan.merging import parameters_over
from evaluation.plan.plan import Plan
from evaluation.results.published import NOT_PRINTED, PublishedNumber, published_number
from evaluation.results.selection import protocols_of

if TYPE_CHECKING:
    from evaluation.models.catalogue import Model

JUDGE = "CNN"  # the judge itself, as the paper and our metrics call it
# Parameters that change what is written down, or where it is computed, and not the model.
SAME_MODEL = {"measurements", "measured_images", "device", "memory_limit"}


def changes(
    plan: Plan,
    model: str,
    *,
    sizes: bool = False,
    one_class: bool = False,
    protocol: str = "both",
    grid: bool = True,
) -> str:
    """What the profile changes in a model of the catalogue, as in "epochs 3 instead of 25".

    sizes: only what changes the number of its parameters; one_class: in its models of one class; protocol: in this
    protocol, "both" for every protocol of the run; grid: whether it is trained at the points of its grid, where the
    outlier experiment of the run does that.
    """
    if model == JUDGE:
        return _changes_of_judges(plan)
    catalogue = Catalogue()
    if model not in catalogue.names():
        return ""
    ours, papers = plan.catalogue.model(model), catalogue.model(model)
    outliers = plan.profile.experiments.outliers
    grid = grid and not one_class and outliers is not None and outliers.grid and model in outliers.named()
    protocols = (protocol,) if protocol in protocols_of(plan) else protocols_of(plan)
    found = {
        name: _words(_settings(ours, name, one_class, grid), _settings(papers, name, one_class, grid), ours, sizes)
        for name in protocols
    }
    words = [f"factory {ours.factory} instead of {papers.factory}"] if ours.factory != papers.factory else []
    for name, some in found.items():
        words += [word if all(word in others for others in found.values()) else f"{word} ({name})" for word in some]
    images = ours.train_images or plan.profile.train_images
    if images and not sizes:
        words.append(f"trained on {images:,} images")
    return ", ".join(dict.fromkeys(words))


def is_known(model: str) -> bool:
    """Whether a model is the catalogue's, or the judge, and not a profile's own."""
    return model == JUDGE or model in Catalogue().names()


def printed_beside(plan: Plan, model: str, label: str, table: str, metric: str, dataset: str) -> PublishedNumber:
    """The paper's number beside a model's own; none beside a profile's own model, whatever its label."""
    own = model in plan.catalogue.names() and not is_known(model)
    return NOT_PRINTED if own else published_number(table, metric, dataset, label)


def _settings(model: Model, protocol: str, one_class: bool, grid: bool) -> dict[str, Sequence[Any]]:
    """Parameter → its values: one, or those of the grid."""
    family = family_of(model.family)
    described = family.parameters if family else {}
    defaults = {key: entry.default for key, entry in described.items() if entry.has_default}
    own = parameters_over(model.params, model.protocol_params(protocol), model.family)
    own = parameters_over(own, model.one_class if one_class else {}, model.family)
    given: dict[str, Sequence[Any]] = {key: [value] for key, value in {**own, **defaults, **own}.items()}
    return {**given, **(model.grid if grid else {})}


def _words(
    now: Mapping[str, Sequence[Any]], before: Mapping[str, Sequence[Any]], model: Model, sizes: bool
) -> list[str]:
    """What differs: those that we have in our order, then those that only the catalogue has."""
    family = family_of(model.family)
    ignored = {*SAME_MODEL, *(["epochs"] if "iterations" in now else [])}
    found = []
    for key in dict.fromkeys([*now, *before]):
        if key in ignored or _same(now.get(key), before.get(key)) or (sizes and family and key not in family.size):
            continue
        word = f"{key} {_values(now[key])}" if key in now else f"no {key}"
        found.append(f"{word} instead of {_values(before[key])}" if key in before else word)
    return found


def _same(some: Sequence[Any] | None, others: Sequence[Any] | None) -> bool:
    """The same values, in any order: a grid lists each once."""
    if some is None or others is None:
        return some is others
    return len(some) == len(others) and all(value in others for value in some)


def _values(values: Sequence[Any]) -> str:
    """ "25"; of a grid "5, 20 or 40"."""
    *others, last = map(str, values)
    return f"{', '.join(others)} or {last}" if others else last


def shortened_judges(plan: Plan) -> str:
    """What the profile shortens in the trainings of the judges. Another rate is no shortening: how well a judge learned
    with it, its accuracy says (evaluation/results/judge_accuracy.py)."""
    return _changes_of_judges(plan, ("epochs",))


def _changes_of_judges(plan: Plan, parameters: Sequence[str] = ("epochs", "learning_rate")) -> str:
    """The same for the trainings of the judges."""
    papers, ours = printed(), judges(plan)
    keys = [key for key in parameters if ours[key] != papers[key]]
    words = [f"{key} {ours[key]} instead of {papers[key]}" for key in keys]
    words += [f"trained on {ours['train_images']:,} images"] if ours["train_images"] else []
    return ", ".join(words)
