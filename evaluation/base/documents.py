"""YAML with strict rules: errors name the file, and duplicate keys are refused. JSON of a command line."""

from __future__ import annotations

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from evaluation.base.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """YAML without silent replacement: a duplicate key in a mapping is refused."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        seen: dict[Hashable, yaml.Node] = {}
        for key_node, _ in node.value:
            key = key_node.value
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"duplicate key {key!r}, first in line {seen[key].start_mark.line + 1}; merge "
                    "both", key_node.start_mark,
                )  # fmt: skip
            seen[key] = key_node
        super().flatten_mapping(node)


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
    """The content of a YAML file.

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
    return parse_yaml(text, str(path))


def parse_json(text: str, where: str) -> Any:
    """The content of a JSON text, for example of a command line option.

    Raises:
        ConfigError: not JSON.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{where} {text!r} is not JSON ({error.msg} at character {error.pos})") from error
