"""The catalogue of models (models.yaml): families with their parameters, and the known models."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from evaluation.base.checked import Checked, check
from evaluation.base.documents import read_yaml
from evaluation.base.errors import ConfigError
from evaluation.base.words import canonical, nearest
from evaluation.models.importing import import_object
from evaluation.models.parameters import Parameter, params_model

FILE = Path(__file__).with_name("models.yaml")
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"  # of a model: a word of paths

Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=100)]
Label = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=120)]  # one line that can be printed
Count = Annotated[int, Field(ge=1)]


class Packing(Checked):
    """How many seeds, and subsets of classes, one job trains; the results do not depend on it."""

    seeds_per_job: Count | None = Field(None, description="how many seeds of a model one job trains (default: 1)")
    subsets_per_job: Count | None = Field(
        None, description="how many subsets of classes of a model one job trains (default: 1)"
    )


class Resources(Checked):
    """What a job asks for in place of the estimate."""

    mem_mb: Count | None = Field(None, description="megabytes of a job")
    minutes: Annotated[float, Field(gt=0)] | None = Field(None, description="of one training")


class Protocols(Checked):
    """Parameters of one protocol only; the model is then trained in both."""

    paper: dict[str, Any] | None = None
    clean: dict[str, Any] | None = None


class Entry(Checked):
    """What models.yaml, or a profile's `models`, says about one model."""

    extends: Name | None = Field(None, description="name of the model whose entry this one starts from")
    as_published: bool | Name = Field(
        False,
        description="`true`: where this one is run, the `paper` protocol's verdicts on Tables I to III are on it and "
        "not on the model that it extends; a name: not on that model",
    )
    family: str | None = Field(None, description="family of the catalogue that describes (and checks) the parameters")
    factory: str | None = Field(
        None,
        description="import path `package.module:Class`; a module beside your working directory is found too",
    )
    label: Label | None = Field(None, description="name in tables and figures")
    params: dict[str, Any] = Field(
        {},
        description="parameters of the constructor; merged key by key with those of the entry that is changed or "
        "extended",
    )
    one_class: dict[str, Any] = Field(
        {},
        description="parameters of models of one class (`judge`, `svhn`), over `params`: an epoch of one class is a "
        "tenth of the steps. Replaced as a whole; `{}`: as for any other subset",
    )
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(
        {}, description="lists of values to try in `outliers`, every combination"
    )
    protocols: Protocols = Field(
        Protocols(), description="`paper:` and `clean:`, parameters of one protocol only; then trained in both"
    )
    packing: Packing = Field(Packing(), description="as above, for this model")
    threads: Count | None = Field(None, description="as above, for this model")
    train_images: Count | None = Field(None, description="as above, for this model")
    seeds: Count | None = Field(
        None,
        description="train it with at most the first so many seeds of an experiment: for expensive models",
    )
    monitor: Literal["validation", "test", "none"] = Field(
        "validation",
        description="images whose log-likelihood is followed in training: `validation`, `test`, `none`",
    )
    sampling: dict[str, Any] = Field(
        {}, description="options of the model's `sample` and `inpaint` (`top_s`, `divisor`, …), wherever it is sampled"
    )
    sharpening: dict[str, Any] = Field(
        {}, description="options that are added where samples are sharpened (Figs. 5 and 9)"
    )
    resources: Resources = Field(
        Resources(),
        description="`mem_mb` of a job, `minutes` of one training: what jobs ask for, in place of the estimate",
    )


class Model(Entry):
    """One entry after everything it extends, and after the profile's changes."""

    name: Name
    label: Label
    factory: str

    def protocol_params(self, protocol: str) -> dict[str, Any]:
        return getattr(self.protocols, protocol, None) or {}

    @property
    def in_protocols(self) -> bool:
        """Whether the protocols differ."""
        return bool(self.protocols.model_fields_set)


class Family(Checked):
    """A kind of models: what class they are, and which parameters it has."""

    title: str
    factory: str
    description: str
    cost: str | None = Field(None, description="import path of cost(image_shape, **params)")
    size: list[str] = Field([], description="the parameters that its size, and the price of an image, depend on")
    gpu: bool = Field(False, description="gains from a GPU")
    resources: Resources = Resources()
    parameters: dict[str, Parameter]


class Content(Checked):
    """The content of models.yaml; `shared` holds parameters that several families have, for YAML's anchors."""

    shared: dict[str, dict[str, Parameter]] = {}
    families: dict[str, Family]
    models: dict[str, Entry]


@cache
def _raw() -> dict[str, Any]:
    return read_yaml(FILE)


@cache
def content() -> Content:
    """models.yaml, checked."""
    return check(Content, _raw(), "evaluation/models/models.yaml")


def families() -> Mapping[str, Family]:
    return content().families


def known_entries() -> Mapping[str, Mapping[str, Any]]:
    """The models of models.yaml, as they stand there."""
    return _raw()["models"]


def family_of(name: str | None) -> Family | None:
    return families().get(name or "")


@cache
def _params_model(family: str, names: tuple[str, ...] | None = None) -> type[Checked]:
    return params_model(family, families()[family].parameters)


def check_params(family: str | None, params: Mapping[str, Any], where: str) -> None:
    """Refuse parameters that the family does not describe (a model without a family checks its own).

    Raises:
        ConfigError: names `where`, the key and the nearest one that exists.
    """
    if family is not None:
        check(_params_model(family), dict(params), where)


def check_complete(family: str | None, params: Mapping[str, Any], where: str) -> None:
    """Refuse parameters of which one is missing that the family's models cannot do without, or two do not go together.

    Raises:
        ConfigError: names them.
    """
    described = family_of(family)
    of_family = described.parameters if described else {}
    for name, parameter in of_family.items():
        if parameter.required and name not in params:
            raise ConfigError(f"{where}: {name!r} is missing ({parameter.description})")
        if parameter.above is not None:
            low, high = (params.get(key, of_family[key].default) for key in (parameter.above, name))
            if not high > low:
                wrong = f"{parameter.above} {low:g} is not below {name} {high:g}; change one of them"
                raise ConfigError(f"{where}: {wrong}")


@cache
def _cost(path: str, image_shape: tuple[int, ...], params: str) -> Any:
    import json

    return import_object(path)(image_shape, **json.loads(params))


def cost(family: str | None, image_shape: Sequence[int], params: Mapping[str, Any]) -> Any:
    """What the cost model of a family says of these parameters; None for a family without one.

    It has `step_flops` (of one training step, per image), `peak_bytes` (of a training's arrays) and `parameters`.
    """
    described = family_of(family)
    if described is None or described.cost is None:
        return None
    return _cost(described.cost, tuple(image_shape), canonical(params))


def grid_points(grid: Mapping[str, Sequence[Any]]) -> list[tuple[tuple[str, Any], ...]]:
    """Every combination of a grid's values, keys in alphabetical order; one empty point for an empty grid."""
    keys = sorted(grid)
    return [tuple(zip(keys, values, strict=True)) for values in itertools.product(*(grid[key] for key in keys))]


def no_family(name: str, where: str) -> ConfigError:
    return ConfigError(f"{where} is {name!r}; {nearest(name, families())}")
