"""Data sets: where they come from, that they are what they should be, and their splits.

`load_dataset` reads what is on disk; `evaluation.datasets.sources.ensure` (the command `bench data`) puts it there.
"""

from evaluation.datasets.catalogue import CATALOGUE
from evaluation.datasets.contents import data_root, specification
from evaluation.datasets.dataset import SPLITS, Dataset, load_dataset, select

__all__ = ["CATALOGUE", "SPLITS", "Dataset", "data_root", "load_dataset", "select", "specification"]
