"""Checked content: pydantic models that refuse what they do not know, and their errors as sentences."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from evaluation.base.errors import ConfigError
from evaluation.base.words import nearest


class Checked(BaseModel):
    """Content of a file: unknown keys are refused, 2.0 is no integer, and nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


Content = TypeVar("Content", bound=BaseModel)


def check(kind: type[Content], value: Any, where: str) -> Content:
    """`value` as a `kind`.

    Raises:
        ConfigError: one sentence for each misfit, misspelt keys first; `where` names the value in it.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        errors = sorted(error.errors(), key=lambda e: (e["type"] != "extra_forbidden", str(e["loc"])))
        sentences = dict.fromkeys(_sentence(kind, e, where) for e in errors)
        raise ConfigError("; ".join(sentences)) from None


def _sentence(kind: type[BaseModel], error: Mapping[str, Any], where: str) -> str:
    loc = [part for part in error["loc"] if part != "[key]"]
    parents, last = loc[:-1], loc[-1] if loc else ""
    if error["type"] == "extra_forbidden":
        place = ": ".join([where, ".".join(map(str, parents))]) if parents else where
        owner = _owner(kind, parents)
        return f"{place} has no key {last!r}; {nearest(str(last), owner.model_fields if owner else ())}"
    if error["type"] == "missing":
        place = ": ".join([where, ".".join(map(str, parents))]) if parents else where
        return f"{place}: {last!r} is missing{_hint(kind, loc)}"
    place = ": ".join([where, ".".join(map(str, loc))]) if loc else where
    if error["type"] == "value_error":
        return f"{place}: {error['ctx']['error']}"
    said = error["msg"][0].lower() + error["msg"][1:]
    said = said.replace("input should", "it should") + _as_number(error["input"])
    return f"{place}: {_short(error['input'])} given; {said}{_hint(kind, loc)}"


def _as_number(value: Any) -> str:
    """How 1e-3, to YAML a text, becomes a number."""
    looks = isinstance(value, str) and re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", value)
    return f"; YAML takes {value} for text: write {float(value)}" if looks else ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _hint(kind: type[BaseModel], loc: list[Any]) -> str:
    """What the field at a place is described as, in brackets."""
    for end in range(len(loc), 0, -1):
        owner = _owner(kind, loc[: end - 1])
        field = owner.model_fields.get(str(loc[end - 1])) if owner else None
        if field is not None:
            return f" ({field.description})" if field.description else ""
    return ""


def _owner(kind: Any, loc: list[Any]) -> type[BaseModel] | None:
    """The model whose content stands at a place of another one's."""
    for part in loc:
        inner = _model_in(kind)
        if inner is not None and str(part) in inner.model_fields:
            kind = inner.model_fields[str(part)].annotation
        elif inner is None:
            kind = get_args(kind)[-1] if get_args(kind) else None
        else:
            return inner
    return _model_in(kind)


def _model_in(kind: Any) -> type[BaseModel] | None:
    """The model that an annotation is, or is optionally."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    if get_origin(kind) in (Union, types.UnionType, Annotated):
        return next((found for found in map(_model_in, get_args(kind)) if found), None)
    return None


def check_plain(value: Any, place: str, *, keys: bool = True) -> None:
    """Refuse what a JSON file cannot hold as it stands, such as a date: the run's copy of the profile would differ.

    keys: also keys that are no text.

    Raises:
        ConfigError: names place and value.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if keys and not isinstance(key, str):
                raise ConfigError(f"{place}: the key {key!r} is no text; put it into quotes")
            check_plain(inner, f"{place}.{key}", keys=keys)
    elif isinstance(value, list | tuple):
        for inner in value:
            check_plain(inner, place, keys=keys)
    elif value is not None and not isinstance(value, str | bool | int | float):
        raise ConfigError(
            f"{place}: {value} is a {type(value).__name__}; text, numbers, true, false, null, lists and mappings are "
            "expected: put it into quotes"
        )
