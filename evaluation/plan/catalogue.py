"""The models of one run: the catalogue with the profile's changes and additions, and their variants.

A *variant* is a model as it is trained: in one protocol ("both" where the protocols do not differ), at one grid point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from evaluation.base.checked import check, check_plain
from evaluation.base.documents import with_numbers
from evaluation.base.errors import ConfigError, UserError
from evaluation.base.words import nearest, path_word, shortened
from evaluation.datasets.subsets import subset_class
from evaluation.models.catalogue import (
    Entry,
    Model,
    check_complete,
    check_params,
    families,
    family_of,
    grid_points,
    known_entries,
)
from evaluation.models.importing import check_object
from evaluation.plan.merging import entry_over, family_named, parameters_over

OWN_KEYS = ("label", "extends", "as_published")  # not inherited by an entry that extends another
BOTH = "both"  # the protocol of models that are the same in both
FORBIDDEN = {"seed", "image_shape", "input_shape"}  # which `build` gives

Point = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Variant:
    """A model in one protocol at one grid point."""

    model: Model
    protocol: str
    point: Point

    @cached_property
    def name(self) -> str:
        """Name of the variant in paths, for example rat-spn@paper+depth=1+sums=20."""
        protocol = "" if self.protocol == BOTH else f"@{self.protocol}"
        point = "".join(f"+{key}={path_word(value)}" for key, value in self.point)
        return shortened(self.model.name + protocol + point)

    @property
    def params(self) -> dict[str, Any]:
        own = parameters_over(self.model.params, self.model.protocol_params(self.protocol), self.model.family)
        return parameters_over(own, dict(self.point), self.model.family)

    def params_of(self, subset: str) -> dict[str, Any]:
        """The parameters of a training: `params`, and `one_class` over them where the subset is a single class."""
        own = self.model.one_class if subset_class(subset) is not None else {}
        return parameters_over(self.params, own, self.model.family)

    def sampling(self, *, sharpened: bool = False) -> dict[str, Any]:
        """The options of `sample` and `inpaint`."""
        options = {**self.model.sampling, **({"sharpen": True, **self.model.sharpening} if sharpened else {})}
        return {name: with_numbers(value) for name, value in options.items()}

    @property
    def gpu(self) -> bool:
        """Whether its model gains from a GPU."""
        family = family_of(self.model.family)
        return family is not None and family.gpu


class Catalogue:
    """The models of one run.

    Args:
        changes: `models` of the profile, as it stands there.
        protocols: of the run.
        where: names the profile in messages.
    """

    def __init__(
        self,
        changes: Mapping[str, Any] | None = None,
        protocols: Sequence[str] = ("paper", "clean"),
        where: str = "config",
    ) -> None:
        self._where, self._protocols = where, tuple(protocols)
        self._changes: Mapping[str, Any] = changes or {}
        self._known = known_entries()
        self._models: dict[str, Model] = {}

    def names(self) -> list[str]:
        return [*self._known, *(name for name in self._changes if name not in self._known)]

    def model(self, name: str) -> Model:
        """One model, checked.

        Raises:
            ConfigError: unknown name, missing factory, or parameters that the family does not have.
        """
        if name not in self._models:
            entry = self._entry(name, ())
            place = f"{self._where}: models.{name}"
            if "factory" not in entry:
                raise ConfigError(f"{place}: 'factory' is missing; say which class it is, or which model it extends")
            model = check(Model, {"label": name, **entry, "name": name}, place)
            self._check_params(model, place)
            self._models[name] = model
        return self._models[name]

    def _check_params(self, model: Model, place: str) -> None:
        for key in ("sampling", "sharpening"):
            check_plain(getattr(model, key), f"{place}.{key}", keys=False)
        given: list[tuple[str, Mapping[str, Any]]] = [("params", model.params), ("one_class", model.one_class)]
        given += [(f"protocols.{name}", model.protocol_params(name)) for name in ("paper", "clean")]
        given += [("grid", dict(point)) for point in grid_points(model.grid)]
        for name, values in model.grid.items():
            for number, value in enumerate(values):
                twice = any(type(value) is type(other) and value == other for other in values[:number])
                if twice or value != value:
                    what = "is listed twice" if value == value else "is no number"
                    raise ConfigError(f"{place}.grid.{name}: {value!r} {what}; list values that differ")
        for key, params in given:
            check_plain(params, f"{place}.{key}")
            if odd := [name for name in params if not (str(name).isascii() and str(name).isidentifier())]:
                raise ConfigError(
                    f"{place}.{key}: {odd[0]!r} cannot be a parameter; letters, digits and _ are expected"
                )
            if taken := FORBIDDEN & params.keys():
                raise ConfigError(f"{place}.{key}: {min(taken)!r} is not a parameter; the run sets it")
            check_params(model.family, params, f"{place}.{key}")

    def _entry(self, name: str, seen: tuple[str, ...]) -> dict[str, Any]:
        if name not in self._known and name not in self._changes:
            raise ConfigError(f"{self._where}: there is no model {name!r}; {nearest(name, self.names())}")
        if name in seen:
            raise ConfigError(f"{self._where}: models.{name} extends itself, by way of {', '.join(seen)}")
        of = family_named(name, self._changes, self._known)
        own = entry_over(self._known.get(name, {}), self._changes.get(name) or {}, of)
        if "extends" in own:
            inherited = self._entry(own["extends"], (*seen, name))
            return entry_over({k: v for k, v in inherited.items() if k not in OWN_KEYS}, own, of)
        family = own.get("family")
        described = family_of(family)
        if family is not None and described is None:
            raise ConfigError(f"{self._where}: models.{name}.family is {family!r}; {nearest(family, families())}")
        if described is None:
            return own
        resources = described.resources.model_dump(exclude_none=True)
        return entry_over({"factory": described.factory, "resources": resources}, own, of)

    def variants(self, name: str, *, grid: bool = False) -> list[Variant]:
        """The variants of a model in the protocols of the run; with `grid`, one for each grid point.

        Raises:
            ConfigError: a parameter without a default is missing, or the class does not exist.
        """
        model, place = self.model(name), f"{self._where}: models.{name}"
        try:
            check_object(model.factory)
        except UserError as error:
            raise ConfigError(f"{place}: {error}") from error
        protocols = self._protocols if model.in_protocols else (BOTH,)
        points = grid_points(model.grid) if grid else [()]
        found = [Variant(model, protocol, point) for protocol in protocols for point in points]
        for variant in found:
            check_complete(model.family, variant.params, f"{place}.params")
        return found

    def stated_resources(self, name: str) -> dict[str, float]:
        """What the profile itself says about a model's jobs (`resources`), also by way of models that it extends."""
        stated: dict[str, float] = {}
        following: str | None = name
        while following:
            entry = self._changes.get(following) or {}
            stated = {**entry.get("resources", {}), **stated}
            following = self.model(following).extends
        return stated


__all__ = ["BOTH", "Catalogue", "Entry", "Model", "Point", "Variant"]
