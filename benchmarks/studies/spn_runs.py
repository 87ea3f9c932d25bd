"""The trainings that docs/spn-outliers.md is about, where their results lie, and the two areas of a score."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from baselines.einsum import PdSpn, RatSpn
from evaluation.measures.roc import auroc, auroc_100_thresholds

MODELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "rat": (RatSpn, {"sums": 10, "depth": 4, "repetitions": 10}),
    "pd": (PdSpn, {"sums": 10, "delta": 7}),
}
VARIANTS: dict[str, dict[str, Any]] = {
    "binomial-unit": {"leaf": "binomial", "pixels": "unit"},
    "binomial-counts": {"leaf": "binomial", "pixels": "counts"},
    "normal": {"leaf": "normal"},
}
PROFILE_NAMES = {"binomial-unit": "{}-spn@paper", "binomial-counts": "{}-spn@clean", "normal": "{}-spn-normal"}
DATASETS = ("fashion_mnist", "mnist")
EARLY = (0, 5, 10, 20, 40, 80, 160, 320)  # updates after which the test set is scored, then at the end of epochs


class Run(NamedTuple):
    """One training: names of data set, model and variant, and the seed."""

    dataset: str
    model: str
    variant: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.dataset}-{self.model}-{self.variant}-seed{self.seed}"

    def place(self, root: Path) -> Path:
        """Below a profile's `models` or `scores`: where this training is kept, without a suffix."""
        variant = PROFILE_NAMES[self.variant].format(self.model)
        return root / self.dataset / "not0" / variant / f"seed{self.seed}"


def runs(seeds: list[int], pattern: str = "*") -> list[Run]:
    """All runs whose name fits the pattern, first all of the first seed, then all of the second, …"""
    found = [Run(d, m, v, s) for s, d, m, v in product(seeds, DATASETS, MODELS, VARIANTS)]
    return [run for run in found if fnmatchcase(run.name, pattern)]


def areas(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Exact area and the one of the authors' script, percent; class 0 is the outlier."""
    inliers, outliers = scores[labels != 0], scores[labels == 0]
    return {"auroc": auroc(inliers, outliers), "auroc_100": auroc_100_thresholds(inliers, outliers)}


def read_course(out: Path, run: Run) -> list[dict[str, float]]:
    """What `course` found, nothing where it was not run."""
    path = out / run.name / "course.json"
    return json.loads(path.read_text()) if path.exists() else []
