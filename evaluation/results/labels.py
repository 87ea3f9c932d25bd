"""Data sets as they are printed, in the order of their catalogue."""

from __future__ import annotations

from collections.abc import Collection

from evaluation.datasets.catalogue import CATALOGUE
from evaluation.results.published import ANY_DATASET


def dataset_label(name: str) -> str:
    """The label of a data set; its name where it has none."""
    return CATALOGUE[name].label if name in CATALOGUE else name


def dataset_labels(names: Collection[str]) -> dict[str, str]:
    """Name → label of some data sets: those of the catalogue in its order, then the others."""
    known = [name for name in CATALOGUE if name in names]
    return {name: dataset_label(name) for name in [*known, *sorted(set(names) - {*known, ANY_DATASET})]}
