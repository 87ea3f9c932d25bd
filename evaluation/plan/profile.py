"""A profile (config/*.yaml): every key with its type, default and meaning. config/README.md is made from it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from evaluation.base.checked import Checked, check
from evaluation.datasets.catalogue import CATALOGUE
from evaluation.datasets.contents import specification
from evaluation.datasets.own import set_name
from evaluation.models.catalogue import Count, Entry, Label, Name, Packing

Positive = Annotated[float, Field(gt=0)]
LAST_SEED, MOST_SEEDS = 2**63 - 1, 10_000
RESULTS_PATTERN = r"^[A-Za-z0-9_./@+=,-]+$"  # what every shell, scheduler and Snakemake take as it is


def _seeds(value: Any) -> Any:
    """5 → 0 to 4; a list as it is."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_SEEDS:
        return list(range(value))
    if isinstance(value, list) and value and all(type(seed) is int and 0 <= seed <= LAST_SEED for seed in value):
        if len(set(value)) == len(value):
            return value
        raise ValueError(f"{value} given; the seeds of a list differ")
    raise ValueError(f"{value!r} given; a number of seeds (5 means 0 to 4), or the list of them, is expected")


def _distinct(values: list[Any]) -> list[Any]:
    twice = [value for position, value in enumerate(values) if value in values[:position]]
    if twice:
        raise ValueError(f"{twice[0]!r} is listed twice; list it once")
    return values


def _folder(name: str) -> str:
    """A folder of its own: not the working directory, nor one above it, and nothing that looks like an option."""
    parts = PurePosixPath(os.path.normpath(name)).parts
    if name.startswith("-") or not parts or set(parts) <= {".", "..", "/"} or max(map(len, parts)) > 200:
        raise ValueError(f"{name!r} given; a folder of its own is expected, such as results/NAME")
    return str(PurePosixPath(name))  # without "//" and a slash at the end, which Snakemake takes for other files


def _dataset(name: str) -> str:
    if set_name(name) != name:
        raise ValueError(
            f"{name!r} is a file; put it into the data directory (docs/data.md) and give its name, {set_name(name)!r}"
        )
    specification(name)  # raises a ValueError
    return name


Seeds = Annotated[list[int], BeforeValidator(_seeds)]
Names = Annotated[list[Name], AfterValidator(_distinct)]
SomeNames = Annotated[list[Name], Field(min_length=1), AfterValidator(_distinct)]
Datasets = Annotated[list[Annotated[str, AfterValidator(_dataset)]], Field(min_length=1), AfterValidator(_distinct)]
Classes = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1), AfterValidator(_distinct)]
Panel = Annotated[list[str], Field(min_length=2, max_length=2)]


class Settings(Checked):
    """What every experiment says."""

    datasets: Datasets = Field(description=f"any of {', '.join(f'`{name}`' for name in CATALOGUE)}")
    models: SomeNames = Field(description="names from docs/models.md or from `models`")
    seeds: Seeds | None = Field(None, description="as above, for this experiment (default: the profile's)")

    def named(self) -> list[str]:
        """Every model that is named anywhere here."""
        return list(self.models)


class Outliers(Settings):
    """Tables I and II, Fig. 10: train without one class, which then is the outlier."""

    outlier_classes: Classes = Field([0], description="classes that are left out, one at a time")
    all_classes: Names = Field([], description="models for which each class is left out once")
    grid: bool = Field(True, description="`false`: only the models' own parameters, not their grids")
    course: bool = Field(
        False, description="`true`: record the area of every layer during training, where a model can; test images"
    )
    curves: list[Panel] = Field([], description="panels of Fig. 10, each `[model, dataset]`; none: no figure")

    def named(self) -> list[str]:
        return [*self.models, *self.all_classes]


class Dynamics(Settings):
    """Fig. 4: train on all classes and follow the test log-likelihood of every layer. The models must have
    `monitor: test`, as `dcgmm-f-dynamics` has."""


class Judges(Checked):
    """The classifiers of Table VII that judge."""

    seeds: Seeds = Field([0], description="trainings of the classifier: a number of seeds, or the list of them")
    epochs: Count | None = Field(None, description="of the classifier (default: the paper's 15)")
    learning_rate: Positive | None = Field(None, description="of the classifier (default: 0.001; printed: 0.01)")
    train_images: Count | None = Field(None, description="train classifiers on the first so many images (default: all)")


class Judge(Settings):
    """Table III, Figs. 6, 11, 12, 13: train one model for each class and let classifiers judge its samples."""

    instances: Names = Field([], description="the models of Figs. 12 (MNIST) and 13 (Fashion-MNIST), among `models`")
    shown: Names = Field(
        [], description="the models of Figs. 6 (MNIST) and 11 (Fashion-MNIST, without DCGMMs), among `models`"
    )
    samples: Annotated[int, Field(ge=4)] = Field(1000, description="images per class and model")
    judges: Judges = Field(Judges(), description="how the classifiers are trained")

    def named(self) -> list[str]:
        return [*self.models, *self.instances, *self.shown]


class Sampling(Settings):
    """Figs. 5, 9, 12, 13, 14: train on all classes and show samples. Figs. 5 and 12 of MNIST, 9 and 13 of
    Fashion-MNIST; another data set takes the first that is free. Fig. 14 has a panel for each data set."""

    models: Names = Field(
        [], description="models of all classes shown in Figs. 12 and 13, after those of each class in `judge`"
    )
    pooled: Names = Field([], description="models of Figs. 5 and 9, sampled without and with sharpening")
    alphabet: Name | None = Field(None, description="the DCGMM whose lowest centroids Fig. 14 shows; none: no figure")
    images: Count = Field(100, description="samples of each model")

    def named(self) -> list[str]:
        return list(dict.fromkeys([*self.models, *self.pooled, *([self.alphabet] if self.alphabet else [])]))


class Inpainting(Settings):
    """Fig. 8: erase the right half, the left half, half of the pixels at random, and a centre square of test images,
    and let models of all classes complete them, in the paper's and the conditional variant."""

    shown: Names = Field([], description="models of Fig. 8, on MNIST or else the first data set (default: all)")
    images: Count = Field(1000, description="test images that are completed, the first ones")

    def named(self) -> list[str]:
        return [*self.models, *self.shown]


class Classification(Settings):
    """Table IV: models with a classifier layer, trained on all classes."""


class Svhn(Settings):
    """Fig. 7: a DCGMM for each class, other models on all classes."""

    classes: Classes | None = Field(None, description="the classes of the DCGMMs (default: all)")


class Experiments(Checked):
    """What is run; an experiment that is not named is not run."""

    outliers: Outliers | None = None
    dynamics: Dynamics | None = None
    judge: Judge | None = None
    sampling: Sampling | None = None
    inpainting: Inpainting | None = None
    classification: Classification | None = None
    svhn: Svhn | None = None


class GridLimits(Checked):
    """Grid points that are estimated to cost more are left out, and the table of the grid says so."""

    gflop_per_image: Positive | None = Field(
        None, description="leave out points whose training step is estimated to need more 10^9 operations per image"
    )
    memory_mb: Positive | None = Field(
        None, description="leave out points that are estimated to need more memory (10^6 bytes, without Python itself)"
    )


class Profile(Checked):
    """What is run."""

    profile: Name = Field(description="name of the run and of its folder in `results/`")
    extends: str | None = Field(
        None, description="another profile (a path relative to this file) that this one changes key by key"
    )
    title: Label | None = Field(None, description="what marks every table and figure (default: `NAME profile`)")
    results: Annotated[str, Field(pattern=RESULTS_PATTERN), AfterValidator(_folder)] | None = Field(
        None, description="folder of the results (default: `results/NAME`)"
    )
    seeds: Seeds = Field(description="a number of seeds (5 means 0 to 4), or the list of them")
    threads: Count = Field(1, description="cores of one training job")
    packing: Packing = Field(Packing(), description="how many seeds, and subsets of classes, one job trains")
    protocols: Annotated[
        list[Literal["paper", "clean"]], Field(min_length=1), AfterValidator(_distinct)
    ] = Field(
        ["paper", "clean"],
        description="`paper` (as published, slips included, grid points chosen on the test images), `clean` (chosen on "
        "the validation images), or both",
    )  # fmt: skip
    grid_limits: GridLimits = Field(GridLimits(), description="grid points that cost more are left out")
    train_images: Count | None = Field(None, description="train on the first so many images only (default: all)")
    substitutes: bool = Field(
        False, description="embedded data replace data sets that are not available (docs/data.md)"
    )
    stands_in: dict[str, str] = Field(
        {}, description="in the profile.json of a run only: data set → the one that was used in its place"
    )
    models: dict[Name, Entry] = Field({}, description="changes to the catalogue, and models of your own; see below")
    experiments: Experiments = Field(description="what is run; an experiment that is not named is not run")


def check_models(config: Mapping[str, Any], where: str) -> None:
    """Refuse what a file says wrongly of models, and keys that no profile has. A training by hand takes no more of it:
    the rest is not looked at, and may be missing.

    Raises:
        ConfigError: names it.
    """
    rest = Profile.model_fields.keys() - {"models", "train_images"}
    needed = {"profile": "by-hand", "seeds": 1, "experiments": {}}
    check(Profile, needed | {key: value for key, value in config.items() if key not in rest}, where)
