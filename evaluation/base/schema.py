"""JSON schema checks whose messages name the key, the nearest known key, and what to do."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from evaluation.base.errors import UserError


class ConfigError(UserError):
    """The configuration asks for something that does not exist."""


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=list)


def nearest(name: str, known: Iterable[str]) -> str:
    """ "; did you mean 'x'?" for the closest known name, or the list of the known names."""
    names = sorted(map(str, known))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known are: {', '.join(names)}" if names else "none are allowed here"


def check(value: Any, schema: Mapping[str, Any], where: str) -> None:
    """Refuse `value` if it does not fit the JSON schema; `where` names it in the message.

    Raises:
        ConfigError: one sentence for each misfit, misspelt keys first.
    """
    from jsonschema import Draft202012Validator

    errors = sorted(Draft202012Validator(schema).iter_errors(value), key=lambda e: (e.validator != _EXTRA, str(e.path)))
    if errors:
        raise ConfigError("; ".join(_sentence(error, where) for error in errors))


_EXTRA = "additionalProperties"


def _sentence(error: Any, where: str) -> str:
    place = ": ".join([where, ".".join(map(str, error.absolute_path))]) if error.absolute_path else where
    if error.validator == _EXTRA and isinstance(error.instance, dict):
        known = error.schema.get("properties", {})
        extra = [key for key in error.instance if key not in known]
        return "; ".join(f"{place} has no key {key!r}; {nearest(str(key), known)}" for key in extra)
    if error.validator == "required":
        return f"{place}: {error.message.replace('is a required property', 'is missing')}"
    hint = error.schema.get("description", "")
    return f"{place}: {error.message}" + (f" ({hint})" if hint else "")
