"""A profile, checked and expanded to the trainings that its experiments need, and to what is made from them.

Nothing here imports a framework or pandas: Snakemake reads the plan each time it starts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from evaluation.base.checked import check
from evaluation.base.errors import ConfigError
from evaluation.base.words import nearest
from evaluation.datasets.contents import specification
from evaluation.models.catalogue import cost
from evaluation.plan.catalogue import Catalogue, Model, Variant
from evaluation.plan.experiments import EXPERIMENTS, STAGES, check_classes, check_shown
from evaluation.plan.key import TrainingKey
from evaluation.plan.limits import LeftOut, left_out
from evaluation.plan.paths import Paths
from evaluation.plan.profile import Judges, Profile, Settings
from evaluation.plan.reading import read_profile
from evaluation.plan.training import Training

FIGURE_IMAGES = 100  # samples of a model, of a figure whose experiment does not say


class Plan:
    """A checked profile, expanded.

    Args:
        config: the profile, with what it extends merged in (evaluation.plan.reading).
        where: names the profile in messages.

    Raises:
        ConfigError: a key, model, parameter, class or value that does not exist, by name.
    """

    def __init__(self, config: Mapping[str, Any], where: str = "config") -> None:
        self.profile = check(Profile, dict(config), where)
        self.config: dict[str, Any] = dict(config)
        self.name: str = self.profile.profile
        self.title: str = self.profile.title or f"{self.name} profile"
        self.root: str = self.profile.results or f"results/{self.name}"
        self.catalogue = Catalogue(config.get("models"), self.profile.protocols, where)
        given: Mapping[str, Any] = config["experiments"]
        self.experiments: dict[str, Settings] = {
            name: getattr(self.profile.experiments, name) for name in given if given[name] is not None
        }  # in the order of the profile, which the packing of jobs follows
        if not self.experiments:
            raise ConfigError(f"{where}: experiments is empty; name at least one of {', '.join(EXPERIMENTS)}")
        self._where = where
        self.variants: dict[str, Variant] = {}
        self.left_out: dict[LeftOut, None] = {}  # grid points above `grid_limits`
        self._check_names()
        self._needs = {name: self._expand(name) for name in self.experiments}
        self.curves()

    def _check_names(self) -> None:
        for name in self.profile.models:
            self.catalogue.model(name)
        for experiment, settings in self.experiments.items():
            for name in settings.named():
                if name not in self.catalogue.names():
                    place = f"{self._where}: experiments.{experiment}"
                    raise ConfigError(f"{place}: there is no model {name!r}; {nearest(name, self.catalogue.names())}")
            check_classes(experiment, settings, self._where)
            check_shown(experiment, settings, self.catalogue, self._where)

    def _expand(self, experiment: str) -> list[tuple[str, str, str]]:
        needs: list[tuple[str, str, str]] = []
        asked: dict[tuple[str, str], None] = {}
        for dataset, subset, variant in EXPERIMENTS[experiment](self.experiments[experiment], self.catalogue):
            asked[dataset, variant.model.name] = None
            self._check_fit(variant, dataset, experiment)
            if point := left_out(variant, dataset, self.profile.grid_limits):
                self.left_out[point] = None
                continue
            other = self.variants.setdefault(variant.name, variant)
            if other != variant:
                raise ConfigError(
                    f"{self._where}: {dict(other.point)} and {dict(variant.point)} of {variant.model.name} would have "
                    f"one place, {variant.name}; write the values apart"
                )
            needs.append((dataset, subset, variant.name))
        there = {(dataset, self.variants[name].model.name) for dataset, _, name in needs}
        for dataset, model in (one for one in asked if one not in there):
            limits = self.profile.grid_limits.model_dump(exclude_none=True)
            raise ConfigError(
                f"grid_limits {limits} leaves no grid point of {model} on {dataset}; raise the limits, or "
                f"take the model out of experiments.{experiment}"
            )
        return list(dict.fromkeys(needs))

    def _check_fit(self, variant: Variant, dataset: str, experiment: str) -> None:
        """Refuse a model that cannot take a data set's images or classes, as far as its family's cost model tells."""
        of, place = specification(dataset), f"{self._where}: models.{variant.model.name} on {dataset}"
        try:
            found = cost(variant.model.family, of.image_shape, variant.params)
        except ValueError as error:
            raise ConfigError(f"{place}: {error}") from error
        classes = getattr(found, "classes", None)
        if experiment == "classification" and variant.model.family and classes is None:
            raise ConfigError(f"{place}: it has no classifier; name models that have one, such as dcgmm-b-classifier")
        if classes is not None and classes < len(of.class_names):
            raise ConfigError(f"{place}: its classifier has {classes} classes, the data set {len(of.class_names)}")

    # --- trainings

    def seeds(self, experiment: str) -> list[int]:
        """The seeds of an experiment: its own, or those of the profile."""
        own = self.experiments[experiment].seeds
        return list(self.profile.seeds if own is None else own)

    def keys(
        self,
        experiment: str,
        *,
        dataset: str | None = None,
        model: str | None = None,
        seed: int | None = None,
        subset: str | None = None,
    ) -> list[TrainingKey]:
        """The trainings of an experiment; of one data set, model (catalogue name), seed or subset where it is given."""
        if experiment not in self.experiments:
            return []
        seeds, found = self.seeds(experiment), []
        for data, part, variant in self._needs[experiment]:
            of = self.variants[variant].model
            if dataset in (None, data) and model in (None, of.name) and subset in (None, part):
                found += [TrainingKey(data, part, variant, s) for s in seeds[: of.seeds] if seed in (None, s)]
        return found

    def all_keys(self) -> list[TrainingKey]:
        """Every training, once."""
        return list(dict.fromkeys(key for experiment in self.experiments for key in self.keys(experiment)))

    def trained_as_planned(self, models: Mapping[str, Mapping[str, Any]]) -> set[str]:
        """Which trainings (path of the key → what its provenance says, with `spec`) have the plan's settings."""
        keys = {key.path: key for key in self.all_keys()}
        return {path for path, made in models.items() if path in keys and made.get("spec") == self.spec(keys[path])}

    @cached_property
    def needed_by(self) -> Mapping[str, list[str]]:
        """Path of a training → the experiments that need it."""
        found: dict[str, list[str]] = {}
        for experiment in self.experiments:
            for key in self.keys(experiment):
                found.setdefault(key.path, []).append(experiment)
        return found

    def with_all_results(self, models: Mapping[str, Mapping[str, Any]]) -> set[str]:
        """Which trainings of `trained_as_planned` have results of every experiment that needs them, as their
        provenance says (`results`); of an earlier version, which did not say it, all."""
        ours = self.trained_as_planned(models)
        return {
            path for path in ours if set(self.needed_by[path]) <= set(models[path].get("results", self.experiments))
        }

    def variant(self, key: TrainingKey) -> Variant:
        """The variant that a training is of.

        Raises:
            ConfigError: the plan has none of this name.
        """
        if key.variant not in self.variants:
            raise ConfigError(
                f"{key.word}: the {self.title} trains no {key.variant!r}; {nearest(key.variant, self.variants)}"
            )
        return self.variants[key.variant]

    def training(self, key: TrainingKey) -> Training:
        """Everything that the training depends on."""
        variant = self.variant(key)
        model = variant.model
        return Training(
            name=variant.name,
            model=model.name,
            factory=model.factory,
            params=variant.params_of(key.subset),
            dataset=key.dataset,
            subset=key.subset,
            seed=key.seed,
            protocol=variant.protocol,
            point=dict(variant.point),
            monitor=model.monitor,
            train_images=model.train_images or self.profile.train_images,
            course=key in self._followed,
        )

    @cached_property
    def _followed(self) -> set[TrainingKey]:
        outliers = self.profile.experiments.outliers
        return set(self.keys("outliers")) if outliers and outliers.course else set()

    def spec(self, key: TrainingKey) -> str:
        """The hash in bench.json of a model that is the plan's."""
        return self.training(key).spec

    # --- what is made from them

    def first_keys(self, experiment: str, dataset: str, model: str) -> list[TrainingKey]:
        """The trainings of a model with the first seed: one, or one for each class. Figures show these."""
        found = self.keys(experiment, dataset=dataset, model=model)
        return [key for key in found if key.seed == found[0].seed]

    @cached_property
    def _made(self) -> Mapping[str, Mapping[TrainingKey, None]]:
        made: dict[str, list[TrainingKey]] = {
            "score": self.keys("outliers"),
            "sample": self.keys("judge"),
            "inpaint": self.keys("inpainting"),
        }
        plain: list[TrainingKey] = []
        pooled: list[TrainingKey] = []
        if shown := self.profile.experiments.sampling:
            for dataset in shown.datasets:
                for name in shown.pooled:
                    pooled += self.first_keys("sampling", dataset, name)
                for name in shown.models:
                    plain += self.first_keys("sampling", dataset, name)
        if colour := self.profile.experiments.svhn:
            for name in colour.models:
                plain += self.first_keys("svhn", colour.datasets[0], name)
        made |= {"grid_plain": [*pooled, *plain], "grid_sharpened": pooled}
        return {stage: dict.fromkeys(made[stage]) for stage in STAGES}

    def made(self, stage: str) -> Mapping[TrainingKey, None]:
        """The trainings that a stage ("score", "sample", "grid_plain", …) makes something from, in order."""
        return self._made[stage]

    def sampled(self, stage: str, variant: str) -> dict[str, Any]:
        """How a variant is sampled, or completes images, in a stage: the number of images, and the model's options."""
        run = self.profile.experiments
        images = {
            "sample": run.judge.samples if run.judge else 0,
            "inpaint": run.inpainting.images if run.inpainting else 0,
        }
        figures = run.sampling.images if run.sampling else FIGURE_IMAGES
        options = self.variants[variant].sampling(sharpened=stage == "grid_sharpened")
        return {"images": images.get(stage, figures), "options": options}

    # --- the run as a whole

    def datasets(self, *experiments: str) -> list[str]:
        """The data sets of the named experiments (of all without a name), in the order of the profile."""
        wanted = [self.experiments[name] for name in experiments or self.experiments if name in self.experiments]
        return list(dict.fromkeys(dataset for settings in wanted for dataset in settings.datasets))

    def rows(self, experiment: str) -> list[Model]:
        """The models of an experiment, in the order of the profile."""
        settings = self.experiments.get(experiment)
        return [self.catalogue.model(name) for name in settings.models] if settings else []

    def several_classes(self) -> bool:
        """Whether a model is trained without one class and without another."""
        subsets: dict[str, set[str]] = {}
        for _, subset, variant in self._needs.get("outliers", []):
            subsets.setdefault(variant, set()).add(subset)
        return any(len(some) > 1 for some in subsets.values())

    @property
    def judges(self) -> Judges:
        """How the classifiers are trained that judge samples."""
        judge = self.profile.experiments.judge
        return judge.judges if judge else Judges()

    def judge_seeds(self) -> list[int]:
        """The seeds of the classifiers that judge samples."""
        return list(self.judges.seeds)

    def curves(self) -> list[TrainingKey]:
        """The trainings whose curves Fig. 10 shows, the first seed of each panel; without class 0, where it is left out
        in turn."""
        settings = self.profile.experiments.outliers
        panels = []
        for name, dataset in settings.curves if settings else ():
            chosen = self.keys("outliers", dataset=dataset, model=name)
            if not chosen:
                raise ConfigError(
                    f"{self._where}: experiments.outliers.curves: [{name}, {dataset}] is not run; name a model and a "
                    "data set of this experiment"
                )
            panels.append(next((key for key in chosen if key.subset == "not0"), chosen[0]))
        return panels

    def paths(self, folder: str | Path | None = None) -> Paths:
        """Where everything lies: in the folder of results, or where that was moved."""
        return Paths(Path(self.root if folder is None else folder))

    def as_json(self) -> str:
        """The profile as JSON, in its own order."""
        return json.dumps(self.config, indent=1) + "\n"


def load_plan(path: str | Path) -> Plan:
    """The checked and expanded profile in a file."""
    return Plan(read_profile(path), where=str(path))


def labels(models: Iterable[Model]) -> dict[str, str]:
    """Name → label."""
    return {model.name: model.label for model in models}
