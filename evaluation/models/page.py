"""docs/models.md, made from the catalogue: `python -m evaluation.models.page > docs/models.md`."""

from __future__ import annotations

from typing import Any

from evaluation.base.text import NOTHING, markdown_table
from evaluation.models.registry import families
from evaluation.plan.config import Catalogue

HEAD = """# Models

Made from evaluation/models/models.yaml by `python -m evaluation.models.page > docs/models.md`; do not edit.

A profile names models in `experiments`, and changes their entries or adds new ones in `models` (config/README.md).
`bench train --model NAME` trains one by hand."""


def page() -> str:
    """The page as Markdown: each family with its parameters, then its models."""
    catalogue = Catalogue({}, "evaluation/models/models.yaml")
    models = [catalogue.model(name) for name in catalogue.names()]
    parts = [HEAD]
    for name, family in families().items():
        parts += [f"## {family['title']} (`{name}`)", family["description"].strip(), f"`factory: {family['factory']}`"]
        rows = [_parameter(key, described) for key, described in family["parameters"].items()]
        parts += [markdown_table(["parameter", "type", "allowed", "default", "paper", "meaning"], rows, numbers=False)]
        own = [model for model in models if model.family == name]
        parts += [markdown_table(["model", "label", "params", "grid"], [_model(model) for model in own], numbers=False)]
    return "\n\n".join(parts) + "\n"


def _parameter(name: str, described: dict[str, Any]) -> list[str]:
    kind = described.get("type", "choice")
    shown = [described.get(key, NOTHING) for key in ("default", "paper")]
    kinds = " or ".join(kind) if isinstance(kind, list) else kind
    return [f"`{name}`", kinds, _allowed(described), *map(str, shown), described["description"]]


def _allowed(described: dict[str, Any]) -> str:
    if "enum" in described:
        return ", ".join(map(str, described["enum"]))
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return ", ".join(f"{sign} {described[key]}" for key, sign in signs.items() if key in described) or NOTHING


def _model(model: Any) -> list[str]:
    params = ", ".join(f"{key}: {value}" for key, value in model.params.items())
    grid = ", ".join(f"{key}: {list(values)}" for key, values in model.grid.items())
    return [f"`{model.name}`", model.label, f"`{params}`", grid or NOTHING]


if __name__ == "__main__":
    print(page(), end="")
