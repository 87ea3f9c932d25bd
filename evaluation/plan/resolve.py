"""Which run a command is about: its plan, and its folder of results. One way for every subcommand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evaluation.base.errors import ConfigError
from evaluation.base.files import CHECKOUT
from evaluation.base.reading import read_json
from evaluation.plan.plan import Plan, load_plan

PROFILE_FILE = "profile.json"  # in a folder of results: the configuration that the run was started with
RESULTS, REFERENCE = "results", "docs/reference"
KINDS = "a run's name, its folder of results, the profile.json there, or a configuration (YAML)"


@dataclass(frozen=True)
class Run:
    """A run: its plan, and where its results are (absolute; not what the plan says, where the folder was moved).

    source: the file that the plan was read from, if it was.
    """

    plan: Plan
    folder: Path
    source: Path | None = None

    def metrics_files(self) -> list[Path]:
        return sorted(self.folder.glob("metrics/*.parquet"))


def resolve(word: str, configfile: str | None = None, *, reference: bool = False) -> Run:
    """The run that `word` names.

    Args:
        word: a name (looked up in results/ here and in the checkout, then in the checkout's config/), a folder of
            results, its profile.json, or a configuration. The folder is where it was found: it may have been moved.
        configfile: a configuration in place of the run's own.
        reference: whether to look for a name among the committed results, docs/reference/, too; a folder must then have
            metrics.

    Raises:
        ConfigError: there is no such run, or no such file, or the configuration is wrong.
    """
    path = Path(word)
    # A folder that happens to be called like a run is not one.
    if path.is_dir() and (configfile or len(path.parts) > 1 or (path / PROFILE_FILE).is_file()):
        return _in_folder(path, configfile)
    if path.is_file():
        if path.name == PROFILE_FILE:
            return _in_folder(path.parent, configfile or str(path))
        return _at_its_root(Path(configfile or path))
    if path.is_dir() and not _known(word):
        return _in_folder(path, configfile)  # which says what is missing there
    if path.suffix or len(path.parts) != 1:
        raise ConfigError(f"there is no {path.absolute()}; give {KINDS}")
    return _by_name(word, configfile, reference)


def _known(name: str) -> bool:
    """Whether there is a run or a configuration of this name."""
    bases = [base / place / name for base in (Path(), CHECKOUT) for place in (RESULTS, REFERENCE)]
    return any(base.is_dir() for base in bases) or (CHECKOUT / "config" / f"{name}.yaml").is_file()


def _by_name(name: str, configfile: str | None, reference: bool) -> Run:
    places = (RESULTS, REFERENCE) if reference else (RESULTS,)
    folders = list(dict.fromkeys((base / place / name).resolve() for base in (Path(), CHECKOUT) for place in places))
    for folder in folders:
        if (folder / "metrics").is_dir() if reference else (folder / PROFILE_FILE).is_file():
            return _in_folder(folder, configfile, name)
    own = Path(configfile) if configfile else CHECKOUT / "config" / f"{name}.yaml"
    if not own.is_file() or reference:
        what = " with metrics" if reference else ""
        tried = [*map(str, folders), *([] if reference else [str(own.absolute())])]
        raise ConfigError(f"there is no run {name!r}{what}: none of {', '.join(tried)} exists; give {KINDS}")
    return _at_its_root(own)


def _at_its_root(source: Path) -> Run:
    """The run of a configuration, in the folder that this names."""
    plan = load_plan(source)
    return Run(plan, Path(plan.root).resolve(), source)


def _in_folder(folder: Path, configfile: str | None, name: str = "") -> Run:
    folder = folder.resolve()
    own = Path(configfile) if configfile else folder / PROFILE_FILE
    if not own.is_file() and name and not configfile:
        own = CHECKOUT / "config" / f"{name}.yaml"
    if not own.is_file():
        raise ConfigError(f"there is no {own.absolute()}, which says what the run is; give --configfile FILE")
    if own.suffix == ".json":
        read_json(own, "copy the profile there again, or give --configfile FILE", "profile", "experiments")
    return Run(load_plan(own), folder, own)
