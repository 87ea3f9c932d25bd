"""A profile's file, read: no key twice, and what it extends merged under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.base.documents import read_yaml
from evaluation.base.errors import ConfigError
from evaluation.base.files import CHECKOUT
from evaluation.plan.merging import profile_over

EXTENDS = "extends"


def read_profile(path: str | Path) -> dict[str, Any]:
    """The profile in a YAML (or JSON) file with everything that it extends, unchecked.

    Raises:
        ConfigError: no such file, no mapping, a key twice, or a profile that extends itself.
    """
    return resolved(_read(Path(path)), Path(path))


def resolved(config: Mapping[str, Any], path: Path, seen: Sequence[Path] = ()) -> dict[str, Any]:
    """A profile merged over the one that it names as `extends`, if it does; `path`: where it was read."""
    own = dict(config)
    if EXTENDS not in own:
        return own
    if not seen and "profile" not in own:
        raise ConfigError(
            f"{path}: 'profile' is missing; a profile that extends another has a name of its own, for its results"
        )
    place = path.parent / str(own.pop(EXTENDS))
    here = (*seen, path.resolve())
    if place.resolve() in here:
        raise ConfigError(f"{path}: {EXTENDS} leads back to {place}; a profile cannot extend itself")
    if not place.is_file():
        raise ConfigError(f"{path}: {EXTENDS} names {place}, which is no file; give a path relative to {path.parent}")
    return profile_over(resolved(_read(place), place, here), own)


def given_to_snakemake(config: Mapping[str, Any], files: Sequence[str | Path]) -> dict[str, Any]:
    """The profile of a Snakemake run: its `config`, already merged, and the files that it was read from.

    Raises:
        ConfigError: as `read_profile`.
    """
    extending = Path("config")
    for file in map(Path, files):
        if EXTENDS in _read(file):  # reading it again finds keys that stand twice
            extending = file
    return resolved(config, extending)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        known = sorted(p.name for p in (CHECKOUT / "config").glob("*.yaml"))
        raise ConfigError(f"there is no config file {path}; in config/ there are {', '.join(known)}")
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path} is not a profile: a mapping with the keys profile, seeds and experiments is expected"
        )
    return content
