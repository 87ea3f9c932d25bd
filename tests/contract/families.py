"""Every model of the catalogue at tiny sizes, for its contract (docs/architecture.md, the model interface).

libspn-keras needs TensorFlow's Keras 2 in its process, so its part runs in a process of its own.
"""

import importlib
import inspect
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).parents[2]
FAMILIES = yaml.safe_load((ROOT / "evaluation/models/models.yaml").read_text())["families"]
SPN = {"epochs": 3, "batch_size": 20}
TINY = {  # family: side of the images, parameters
    "dcgmm": (8, {"config": "F(4,2)-G(4)-F(3,1)-G(4)", "iterations": 40, "batch_size": 10}),
    "gmm": (8, {"components": 3, "max_iter": 5}),
    "rat-spn": (8, {"sums": 3, "depth": 2, "repetitions": 2, **SPN}),
    "pd-spn": (8, {"sums": 3, "delta": 4, "leaf": "normal", **SPN}),
    "dgc-spn": (8, {"sums": 3, "products": 4, "leaves": 2, **SPN}),
    "dgc-spn-libspn": (
        8,
        {"sums": 3, "products": 4, "leaves": 2, "dropout": 0.0, **SPN},
    ),  # the package's noise is free
    "vae": (28, {"latent": 3, "width": 0.03, "draws": 2, "learning_rate": 1e-3, "epochs": 2, "batch_size": 20}),
    "cnn": (8, {"classes": 4, "learning_rate": 1e-3, "epochs": 2, "batch_size": 20}),
}
OTHERS = {"cnn": {"factory": "baselines.cnn:Cnn", "parameters": {}}}  # not in the catalogue, but the judge
ALONE = "CONTRACT_OF"  # environment variable: the family whose process this is
NAMES = [os.environ[ALONE]] if ALONE in os.environ else [n for n in (*FAMILIES, *OTHERS) if n != "dgc-spn-libspn"]
SLOW = ("vae", "cnn")  # networks that are compiled for each of some thirty trainings
MARKS = {name: pytest.mark.slow for name in SLOW}
every = pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, ())) for name in NAMES])


def family_of(name):
    return FAMILIES.get(name) or OTHERS[name]


def make(name, **changed):
    module, _, class_name = family_of(name)["factory"].partition(":")
    model = getattr(importlib.import_module(module), class_name)
    side, params = TINY[name]
    shape = "input_shape" if name == "dcgmm" else "image_shape"
    return model(**{shape: (side, side, 1), "seed": 3, **params, **changed})


@cache
def images(side):
    """Noisy bars at one of four places, (60, side, side, 1) float32, and which."""
    rng = np.random.default_rng(0)
    x, labels = rng.uniform(0.0, 0.2, (60, side, side, 1)).astype(np.float32), np.arange(60) % 4
    for image, label in zip(x, labels, strict=True):
        image[side // 4 * label : side // 4 * label + max(2, side // 5)] += 0.7
    return x, labels


def data(name):
    return images(TINY[name][0])


def fit(name, model, x=None, labels=None, **options):
    own_x, own_labels = data(name)
    x, labels = own_x if x is None else x, own_labels if labels is None else labels
    if "labels" in inspect.signature(model.fit).parameters and name == "cnn":
        options["labels"] = labels
    return model.fit(x, progress=False, **options)


def says(name, model, x):
    """What a trained model says of images: log-likelihoods, or class probabilities."""
    return model.predict_proba(x) if name == "cnn" else model.score_samples(x)


@cache
def trained(name):
    model = make(name)
    return model, fit(name, model)


def same(name, found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4, err_msg=name)
