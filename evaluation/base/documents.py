"""YAML with strict rules: errors name the file, and duplicate keys are refused. JSON of a command line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from evaluation.base.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """YAML without silent replacement: a duplicate key in a mapping is refused; a merged one (<<) may be replaced."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)  # here no merge has been resolved yet
        seen: dict[tuple[str, str], yaml.Node] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.composer.ComposerError(
                    None, None, "a list or a mapping stands where a key is expected; put text that begins with { or [ "
                    "into quotes", key.start_mark,
                )  # fmt: skip
            first = seen.setdefault((key.tag, key.value), key)
            if first is not key:
                raise yaml.composer.ComposerError(
                    None, None, f"duplicate key {key.value!r}, first in line {first.start_mark.line + 1}; merge "
                    "both", key.start_mark,
                )  # fmt: skip
        return node


def parse_yaml(text: str, where: str) -> Any:
    """The content of a YAML text.

    Raises:
        ConfigError: no YAML, or a mapping with one key twice; `where` names the text.
    """
    try:
        return yaml.load(text, _Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where}, line {mark.line + 1}" if mark else where
        raise ConfigError(f"{place}: {getattr(error, 'problem', None) or error}") from error


def read_yaml(path: str | Path) -> Any:
    """The content of a YAML file; of one whose name ends in .json, read as JSON, whose 1e-06 is text in YAML.

    Raises:
        ConfigError: no such file, no YAML, or a mapping with one key twice.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"there is no file {path}")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no text in UTF-8: {error}") from error
    return parse_json(text, str(path)) if path.suffix == ".json" else parse_yaml(text, str(path))


def with_numbers(content: Any) -> Any:
    """A mapping with its keys that are whole numbers as numbers: JSON writes them as text. All else as it is."""
    if not isinstance(content, dict):
        return content
    return {int(k) if isinstance(k, str) and re.fullmatch(r"-?\d+", k) else k: v for k, v in content.items()}


def parse_json(text: str, where: str) -> Any:
    """The content of a JSON text, for example of a command line option.

    Raises:
        ConfigError: not JSON, or an object with one key twice; `where` names the text.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ConfigError(f"{where}: duplicate key {key!r}; merge both")
            found[key] = value
        return found

    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        short = text if len(text) <= 100 else f"{text[:97]}..."
        raise ConfigError(f"{where} {short!r} is not JSON ({error.msg} at character {error.pos})") from error
