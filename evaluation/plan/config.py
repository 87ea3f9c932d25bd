"""A profile (config/*.yaml): loaded, checked key by key, and expanded to the list of trainings and jobs.

    profile ──check──▶ Catalogue (models, their protocols and grid points: variants)
            ──expand─▶ Plan (trainings: dataset, subset, variant, seed; packs of them: one job each)

Nothing here imports a framework or pandas: Snakemake reads the plan each time it starts.
"""

from __future__ import annotations

import itertools
import json
import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from evaluation.base.schema import ConfigError, canonical, check, nearest
from evaluation.jobs.sample import subset_class
from evaluation.models import registry
from evaluation.plan import grid_cost
from evaluation.plan.experiments import ASKING, EXPERIMENTS, MODEL_KEYS
from evaluation.plan.runs import write_runs

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
MERGED_KEYS = (
    "params",
    "resources",
    "packing",
    "sampling",
    "sharpening",
)  # merged key by key with the entry they change; others are replaced
OWN_KEYS = ("label", "extends", "as_published")  # not inherited by an entry that extends another
REQUIRED = {"dcgmm": ("config",)}  # parameters that a family's models cannot do without


@dataclass(frozen=True)
class Model:
    """One entry of the catalogue after the profile's changes."""

    name: str
    label: str
    factory: str
    family: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    one_class: Mapping[str, Any] = field(default_factory=dict)  # params of a model of one class, over `params`
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    protocols: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    packing: Mapping[str, int] = field(default_factory=dict)
    resources: Mapping[str, float] = field(default_factory=dict)
    sampling: Mapping[str, Any] = field(default_factory=dict)
    sharpening: Mapping[str, Any] = field(default_factory=dict)
    threads: int | None = None
    train_images: int | None = None
    seeds: int | None = None  # only the first so many of an experiment's
    monitor: str = "validation"
    extends: str | None = None
    as_published: bool = False  # what the `paper` protocol compares in place of the model that it extends


@dataclass(frozen=True)
class Variant:
    """A model as it is trained: in one protocol ("both" where the protocols do not differ), at one grid point."""

    model: Model
    protocol: str
    point: tuple[tuple[str, Any], ...]

    @cached_property
    def name(self) -> str:
        """Name of the variant in paths, for example rat-spn@paper+depth=1+sums=20."""
        protocol = "" if self.protocol == "both" else f"@{self.protocol}"
        return self.model.name + protocol + "".join(f"+{key}={path_word(value)}" for key, value in self.point)

    @property
    def params(self) -> dict[str, Any]:
        return {**self.model.params, **self.model.protocols.get(self.protocol, {}), **dict(self.point)}

    def params_of(self, subset: str) -> dict[str, Any]:
        """The parameters of a training on a subset of classes."""
        return params_of(subset, self.params, self.model.one_class)


@dataclass(frozen=True)
class Pack:
    """One job: a variant of a model, trained on a data set for some subsets of classes and some seeds."""

    dataset: str
    variant: str
    subsets: tuple[str, ...]
    seeds: tuple[int, ...]

    @property
    def trainings(self) -> int:
        return len(self.subsets) * len(self.seeds)

    @property
    def path(self) -> str:
        """The job's place under stamps/<stage>/: dataset/variant/subsets/seeds.

        No commas: where Snakemake hands a job to a cluster, they separate its wildcards.
        """
        return f"{self.dataset}/{self.variant}/{'-'.join(self.subsets)}/{'-'.join(map(str, self.seeds))}"


def params_of(subset: str, params: Mapping[str, Any], one_class: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a training: `params`, and `one_class` over them where the subset is a single class."""
    return {**params, **(one_class if subset_class(subset) is not None else {})}


def path_word(value: Any) -> str:
    """`value` as a word for a path: letters, digits, dots, dashes."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", value if isinstance(value, str) else canonical(value)).strip("-")


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**under, **over}
    for key in MERGED_KEYS:
        if key in under and key in over:
            merged[key] = {**under[key], **over[key]}
    return merged


class Catalogue:
    """The models of one run: the catalogue with the profile's changes and additions."""

    def __init__(self, config: Mapping[str, Any], where: str) -> None:
        self._config = config
        self._where = where
        self._changes: Mapping[str, Any] = config.get("models", {})
        self._known = registry.known_models()
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
            self._models[name] = model = Model(**{"label": name, **entry, "name": name})
            registry.check_params(model.family, model.params, f"{place}.params")
            for protocol, params in model.protocols.items():
                registry.check_params(model.family, params, f"{place}.protocols.{protocol}")
            registry.check_params(model.family, model.one_class, f"{place}.one_class")
            for point in grid_points(model.grid):
                registry.check_params(model.family, dict(point), f"{place}.grid")
        return self._models[name]

    def _entry(self, name: str, seen: tuple[str, ...]) -> dict[str, Any]:
        if name not in self._known and name not in self._changes:
            raise ConfigError(f"{self._where}: there is no model {name!r}; {nearest(name, self.names())}")
        if name in seen:
            raise ConfigError(f"{self._where}: models.{name} extends itself, by way of {', '.join(seen)}")
        own = _merge(self._known.get(name, {}), self._changes.get(name, {}))
        if "extends" in own:
            inherited = self._entry(own["extends"], (*seen, name))
            return _merge({k: v for k, v in inherited.items() if k not in OWN_KEYS}, own)
        family = own.get("family")
        if family is not None and family not in registry.families():
            place = f"{self._where}: models.{name}.family"
            raise ConfigError(f"{place} is {family!r}; {nearest(family, registry.families())}")
        described = registry.families()[family] if family else {}
        return _merge({k: described[k] for k in ("factory", "resources", "monitor") if k in described}, own)

    def variants(self, name: str, *, grid: bool = False) -> list[Variant]:
        """The variants of a model in the protocols of the run; with `grid`, one for each grid point.

        Raises:
            ConfigError: a parameter without a default is missing.
        """
        model = self.model(name)
        protocols = self._config.get("protocols", ["paper", "clean"]) if model.protocols else ["both"]
        points = grid_points(model.grid) if grid else [()]
        found = [Variant(model, protocol, point) for protocol in protocols for point in points]
        family = model.family or ""
        for variant, key in itertools.product(found, REQUIRED.get(family, ())):
            if key not in variant.params:
                described = registry.families()[family]["parameters"][key]["description"]
                raise ConfigError(f"{self._where}: models.{name}.params: {key!r} is missing ({described})")
        return found


def grid_points(grid: Mapping[str, Sequence[Any]]) -> list[tuple[tuple[str, Any], ...]]:
    """Every combination of a grid's values, keys in alphabetical order; one empty point for an empty grid."""
    keys = sorted(grid)
    return [tuple(zip(keys, values, strict=True)) for values in itertools.product(*(grid[key] for key in keys))]


def chunks(items: Sequence[Any], size: int) -> list[tuple[Any, ...]]:
    """`items` in order, in tuples of at most `size`."""
    return [tuple(items[start : start + size]) for start in range(0, len(items), size)]


def _run_options(runs: Iterable[tuple[str, str, int]]) -> str:
    """The part of a command that names trainings (variant, subset, seed), quoted for the shell."""
    return shlex.join(itertools.chain.from_iterable(("--run", word) for word in write_runs(runs)))


class Plan:
    """A checked profile, expanded. `where` names the profile in messages.

    Raises:
        ConfigError: a key, model, parameter or value that does not exist, by name.
    """

    def __init__(self, config: Mapping[str, Any], where: str = "config") -> None:
        check(dict(config), yaml.safe_load(SCHEMA.read_text(encoding="utf-8")), where)
        self.config = config
        self.profile: str = config["profile"]
        self.title: str = config.get("title", f"{self.profile} profile")
        self.root: str = config.get("results", f"results/{self.profile}")
        self.catalogue = Catalogue(config, where)
        self.experiments: Mapping[str, Any] = config["experiments"]
        self.variants: dict[str, Variant] = {}
        self.left_out: dict[grid_cost.LeftOut, None] = {}  # grid points above `grid_limits`
        self._check_names(where)
        self._needs = {name: self._expand(name) for name in self.experiments}
        self._packs = self._pack()
        self.curves()

    def _check_names(self, where: str) -> None:
        for name in self.config.get("models", {}):
            self.catalogue.model(name)
        for experiment, settings in self.experiments.items():
            named = itertools.chain.from_iterable(settings.get(key, []) for key in MODEL_KEYS)
            for name in (*named, *filter(None, [settings.get("alphabet")])):
                if name not in self.catalogue.names():
                    place = f"{where}: experiments.{experiment}"
                    raise ConfigError(f"{place}: there is no model {name!r}; {nearest(name, self.catalogue.names())}")

    def _expand(self, experiment: str) -> list[tuple[str, str, str]]:
        needs, asked, limits = [], set(), self.config.get("grid_limits", {})
        for dataset, subset, variant in EXPERIMENTS[experiment](self.experiments[experiment], self.catalogue):
            asked.add((dataset, variant.model.name))
            if point := grid_cost.left_out(variant, dataset, limits):
                self.left_out[point] = None
            else:
                self.variants[variant.name] = variant
                needs.append((dataset, subset, variant.name))
        for dataset, model in asked - {(d, self.variants[v].model.name) for d, _, v in needs}:
            raise ConfigError(
                f"grid_limits {dict(limits)} leaves no grid point of {model} on {dataset}; raise the limits, or "
                f"take the model out of experiments.{experiment}"
            )
        return list(dict.fromkeys(needs))

    def seeds(self, experiment: str) -> tuple[int, ...]:
        """The seeds of an experiment: its own, or those of the profile."""
        seeds = self.experiments[experiment].get("seeds", self.config["seeds"])
        return tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)

    def runs(self, experiment: str) -> Iterator[tuple[str, str, str, int]]:
        """Every training of an experiment: (dataset, subset, variant, seed)."""
        for dataset, subset, variant in self._needs[experiment]:
            for seed in self.seeds(experiment)[: self.variants[variant].model.seeds]:
                yield dataset, subset, variant, seed

    def packing(self, model: Model, key: str) -> int:
        return int(model.packing.get(key, self.config.get("packing", {}).get(key, 1)))

    def _pack(self) -> dict[tuple[str, str, str, int], Pack]:
        """The job of every training. What several experiments ask for is trained once."""
        seeds: dict[tuple[str, str], dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        for experiment in self.experiments:
            for dataset, subset, variant, seed in self.runs(experiment):
                seeds[dataset, variant][subset].add(seed)
        packs = {}
        for (dataset, variant), by_subset in seeds.items():
            for pack in self._packs_of(dataset, variant, by_subset):
                for subset, seed in itertools.product(pack.subsets, pack.seeds):
                    packs[dataset, subset, variant, seed] = pack
        return packs

    def _packs_of(self, dataset: str, variant: str, by_subset: Mapping[str, set[int]]) -> Iterator[Pack]:
        model = self.variants[variant].model
        same_seeds: dict[tuple[int, ...], list[str]] = defaultdict(list)
        for subset, wanted in by_subset.items():
            same_seeds[tuple(sorted(wanted))].append(subset)
        for seeds, subsets in same_seeds.items():
            for some_subsets in chunks(subsets, self.packing(model, "subsets_per_job")):
                for some_seeds in chunks(seeds, self.packing(model, "seeds_per_job")):
                    yield Pack(dataset, variant, some_subsets, some_seeds)

    def packs(self, experiment: str, **only: Any) -> list[Pack]:
        """The jobs of an experiment, optionally of one `dataset`, `model` (catalogue name) or `seed`."""
        if experiment not in self.experiments:
            return []
        chosen: dict[Pack, None] = {}
        for run in self.runs(experiment):
            facts = {"dataset": run[0], "model": self.variants[run[2]].model.name, "seed": run[3]}
            if all(facts[key] == value for key, value in only.items()):
                chosen[self._packs[run]] = None
        return list(chosen)

    def stamps(self, stage: str, experiment: str, **only: Any) -> list[str]:
        """The files that stand for finished jobs of `stage` ("train", "score", …) of an experiment."""
        return [f"{self.root}/stamps/{stage}/{pack.path}.json" for pack in self.packs(experiment, **only)]

    def all_packs(self) -> list[Pack]:
        return list(dict.fromkeys(self._packs.values()))

    def datasets(self, *experiments: str) -> list[str]:
        """The data sets of the named experiments (of all without a name), in the order of the config."""
        wanted = experiments or tuple(self.experiments)
        settings = [self.experiments[name] for name in wanted if name in self.experiments]
        return list(dict.fromkeys(itertools.chain.from_iterable(s["datasets"] for s in settings)))

    def run_options(self, experiment: str, dataset: str) -> str:
        """The part of a command that names the trainings of an experiment on a data set, quoted for the shell."""
        runs = [(variant, subset, seed) for d, subset, variant, seed in self.runs(experiment) if d == dataset]
        return _run_options(runs)

    def own_runs(self, stage: str, pack: Pack) -> list[tuple[str, str, int]]:
        """A job's trainings (variant, subset, seed) that a stage is for: those of its experiments, see `ASKING`. What
        another experiment has trained in the same job is none of its business."""
        return list(dict.fromkeys(run for experiment in ASKING[stage] for run in self._asked[experiment, pack]))

    def own_options(self, stage: str, pack: Pack) -> str:
        """The part of a command that names these, quoted for the shell.

        Raises:
            ConfigError: there is none, and a command without any would take all.
        """
        runs = self.own_runs(stage, pack)
        if not runs:
            raise ConfigError(f"no training of {pack.path} is of the experiments {', '.join(ASKING[stage])}")
        return _run_options(runs)

    @cached_property
    def _asked(self) -> Mapping[tuple[str, Pack], list[tuple[str, str, int]]]:
        """(experiment, job) → its trainings that the experiment asks for."""
        asked = defaultdict(list)
        for experiment in self.experiments:
            for dataset, subset, variant, seed in self.runs(experiment):
                asked[experiment, self._packs[dataset, subset, variant, seed]].append((variant, subset, seed))
        return asked

    def rows(self, experiment: str) -> list[Model]:
        """The models of an experiment, in the order of the config."""
        return [self.catalogue.model(name) for name in self.experiments.get(experiment, {}).get("models", [])]

    def several_classes(self) -> bool:
        """Whether a model is trained without one class and without another."""
        subsets: dict[str, set[str]] = defaultdict(set)
        for _, subset, variant in self._needs.get("outliers", []):
            subsets[variant].add(subset)
        return any(len(some) > 1 for some in subsets.values())

    def judge_seeds(self) -> tuple[int, ...]:
        """The seeds of the classifiers that judge samples."""
        seeds = self.experiments.get("judge", {}).get("judges", {}).get("seeds", 1)
        return tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)

    def judge_options(self) -> str:
        """The part of `bench judge --train` that says how judges are trained."""
        settings = self.experiments.get("judge", {}).get("judges", {})
        keys = [key for key in ("epochs", "learning_rate", "train_images") if key in settings]
        return shlex.join(
            itertools.chain.from_iterable((f"--{key.replace('_', '-')}", str(settings[key])) for key in keys)
        )

    def curves(self) -> list[tuple[str, str, str, int]]:
        """The trainings whose curves Fig. 10 shows: (dataset, subset, variant, seed), the first seed of each panel."""
        settings = self.experiments.get("outliers", {})
        wanted = settings.get("curves", [])
        runs = list(self.runs("outliers")) if wanted else []
        panels = []
        for name, dataset in wanted:
            chosen = [run for run in runs if run[0] == dataset and self.variants[run[2]].model.name == name]
            if not chosen:
                raise ConfigError(
                    f"experiments.outliers.curves: [{name}, {dataset}] is not run; name a model and a data set of "
                    "this experiment"
                )
            panels.append(chosen[0])
        return panels

    def curve_stamps(self) -> list[str]:
        return list(dict.fromkeys(f"{self.root}/stamps/score/{self._packs[run].path}.json" for run in self.curves()))

    def curve_options(self) -> str:
        """The panels of Fig. 10 for `bench figure`, quoted for the shell: LABEL=dataset/subset/variant/seedN."""
        words = []
        for dataset, subset, variant, seed in self.curves():
            words += ["--panel", f"{self.variants[variant].model.label}={dataset}/{subset}/{variant}/seed{seed}"]
        return shlex.join(words)

    def as_json(self) -> str:
        """The configuration as one line of JSON, in its own order, which the packing of jobs follows."""
        return json.dumps(self.config, separators=(",", ":"))

    def train_options(self, variant: str) -> str:
        """The part of a `bench train` command that says what is trained, quoted for the shell."""
        v = self.variants[variant]
        words = ["--name", v.name, "--model", v.model.name, "--protocol", v.protocol]
        words += ["--point", canonical(dict(v.point)), "--factory", v.model.factory, "--params", canonical(v.params)]
        if v.model.one_class:
            words += ["--one-class", canonical(dict(v.model.one_class))]
        words += ["--monitor", v.model.monitor]
        if images := v.model.train_images or self.config.get("train_images"):
            words += ["--train-images", str(images)]
        return shlex.join(words)

    def threads(self, variant: str) -> int:
        return int(self.variants[variant].model.threads or self.config.get("threads", 1))

    def stated_resources(self, model: Model) -> dict[str, float]:
        """What the profile itself says about a model's jobs (`resources`), also by way of models that it extends."""
        name: str | None = model.name
        stated: dict[str, float] = {}
        while name:
            stated = {**self.config.get("models", {}).get(name, {}).get("resources", {}), **stated}
            name = self.catalogue.model(name).extends
        return stated


def load(path: str | Path) -> dict[str, Any]:
    """The profile in a YAML file, unchecked.

    Raises:
        ConfigError: no such file, or not a mapping.
    """
    path = Path(path)
    if not path.is_file():
        known = sorted(p.name for p in (ROOT / "config").glob("*.yaml"))
        raise ConfigError(f"there is no config file {path}; in config/ there are {', '.join(known)}")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path} is not a profile: a mapping with the keys profile, seeds and experiments is expected"
        )
    return content


def load_plan(path: str | Path) -> Plan:
    """The checked and expanded profile in a YAML file."""
    return Plan(load(path), where=str(path))


def load_text(text: str) -> Any:
    """JSON from a command line option.

    Raises:
        ConfigError: not JSON.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{text!r} is not JSON ({error.msg} at character {error.pos})") from error
