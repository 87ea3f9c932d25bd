"""What the documentation says of models and of the keys of a profile, made from their descriptions.

`python -m evaluation.plan.pages` writes docs/models.md, and the tables of config/README.md between their marks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from evaluation.base.files import CHECKOUT, write_text
from evaluation.base.text import NOTHING, markdown_table
from evaluation.models.catalogue import Entry, Model, families
from evaluation.models.parameters import Parameter
from evaluation.plan import profile
from evaluation.plan.catalogue import Catalogue

MODELS_PAGE, PROFILES_PAGE = CHECKOUT / "docs/models.md", CHECKOUT / "config/README.md"
HEAD = """# Models

Which models are there, which parameters do they take, and which values did the paper use?

**Summary**

"""
TAIL = """
A profile names models in `experiments`; in `models` it changes their entries or adds new ones (config/README.md).
`bench train --model NAME` trains one without a profile.

Made from evaluation/models/models.yaml by `python -m evaluation.plan.pages`; do not edit."""
HIDDEN = {"stands_in", "experiments", "models"}  # keys of a profile that nobody writes, or that have a section
NESTED: dict[str, type[BaseModel]] = {
    "packing": profile.Packing,
    "grid_limits": profile.GridLimits,
    "judges": profile.Judges,
}
MARK = "<!-- made from evaluation/plan/profile.py: {} -->"


def models_page() -> str:
    """docs/models.md: each family with its parameters, then its models."""
    catalogue = Catalogue()
    models = [catalogue.model(name) for name in catalogue.names()]
    contents, parts = [], []
    for name, family in families().items():
        own = [model for model in models if model.family == name]
        listed = ", ".join(f"`{model.name}`" for model in own)
        contents.append(f"- [{family.title}](#{_anchor(f'{family.title} {name}')}): {listed}\n")
        parts += [f"## {family.title} (`{name}`)", family.description.strip(), f"`factory: {family.factory}`"]
        rows = [_parameter(key, described) for key, described in family.parameters.items()]
        parts += [_table(["parameter", "type", "allowed", "default", "paper", "meaning"], rows)]
        parts += [_table(["model", "label", "params", "grid"], [_model(model) for model in own])]
    return "\n\n".join([HEAD + "".join(contents) + TAIL, *parts]) + "\n"


def _anchor(heading: str) -> str:
    """What a link to this heading says."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _parameter(name: str, described: Parameter) -> list[str]:
    kind, allowed = described.words()
    default = "required" if described.required else str(described.default) if described.has_default else NOTHING
    paper = NOTHING if described.paper is None else str(described.paper)
    return [f"`{name}`", kind, allowed or NOTHING, default, paper, described.description]


def _model(model: Model) -> list[str]:
    params = ", ".join(f"{key}: {value}" for key, value in model.params.items())
    grid = ", ".join(f"{key}: {list(values)}" for key, values in model.grid.items())
    return [f"`{model.name}`", model.label, f"`{params}`", grid or NOTHING]


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return markdown_table(columns, rows, numbers=False)


# --- the keys of a profile -------------------------------------------------------------------------------------------


def keys_of(kind: type[BaseModel], prefix: str = "", hidden: Iterable[str] = ()) -> list[list[str]]:
    """Key, meaning and default of everything that a mapping of a profile may say."""
    rows = []
    for name, field in kind.model_fields.items():
        if name in hidden:
            continue
        if name in NESTED and not prefix:
            rows += keys_of(NESTED[name], f"{name}.")
        else:
            rows.append([f"`{prefix}{name}`", field.description or "", _default(field)])
    return rows


def _default(field: Any) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None or "(default:" in (field.description or ""):
        return NOTHING
    if isinstance(field.default, BaseModel) or field.default in ([], {}):
        return "none"
    value = field.default
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def tables() -> dict[str, str]:
    """Name → table of the keys of a profile, of an experiment, of an entry of `models`."""
    found = {"Profile": _table(["key", "meaning", "default"], keys_of(profile.Profile, hidden=HIDDEN))}
    for field in profile.Experiments.model_fields.values():
        kind = next(k for k in vars(profile).values() if isinstance(k, type) and k in _kinds(field.annotation))
        found[kind.__name__] = _table(["key", "meaning", "default"], keys_of(kind))
    rows = [row[:2] for row in keys_of(Entry, prefix=" ")]
    found["Entry"] = _table(["key", "meaning"], [[row[0].replace(" ", ""), row[1]] for row in rows])
    return found


def _kinds(annotation: Any) -> tuple[Any, ...]:
    return getattr(annotation, "__args__", (annotation,))


def profiles_page(text: str) -> str:
    """config/README.md with its tables made anew."""
    for name, table in tables().items():
        begin, end = MARK.format(name), MARK.format("end")
        before, _, rest = text.partition(f"{begin}\n")
        if rest:
            text = f"{before}{begin}\n{table}\n{rest[rest.index(end) :]}"
    return text


if __name__ == "__main__":
    write_text(MODELS_PAGE, models_page())
    write_text(PROFILES_PAGE, profiles_page(PROFILES_PAGE.read_text(encoding="utf-8")))
