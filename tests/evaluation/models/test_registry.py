"""Models by import path, and the catalogue against the classes that it describes."""

import inspect
from pathlib import Path

import pytest

from baselines.gmm import GaussianMixture
from evaluation.base.errors import UserError
from evaluation.models import registry
from evaluation.plan.config import Catalogue

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def beside_the_toy_models(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])


def test_the_shape_is_given_under_the_constructors_own_name():
    assert registry.build("toy_models:Brightness", {"offset": 2.0}, (4, 4, 1), 7).settings["offset"] == 2.0
    assert registry.build("toy_models:InputShape", {}, (4, 4, 1), 7).settings["seed"] == 7


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("toy_models.Brightness", "package.module:Class"),
        ("toy_model:Brightness", "no module 'toy_model'"),
        ("toy_models:Bright", "has no 'Bright'"),
    ],
)
def test_an_import_path_that_leads_nowhere_is_explained(factory, message):
    with pytest.raises(UserError, match=message):
        registry.import_factory(factory)


def test_a_directory_without_a_model_is_named(tmp_path):
    with pytest.raises(UserError, match="bench train"):
        registry.load_model(tmp_path)


def test_equal_specifications_have_equal_hashes():
    assert registry.spec_hash({"a": 1, "b": [1, 2]}) == registry.spec_hash({"b": [1, 2], "a": 1})
    assert registry.spec_hash({"a": 1}) != registry.spec_hash({"a": 2})


def test_every_model_of_the_catalogue_is_valid():
    catalogue = Catalogue({}, "models.yaml")
    for name in catalogue.names():
        assert catalogue.model(name).factory


def test_gmm_is_described_as_it_is():
    described = registry.families()["gmm"]["parameters"]
    taken = inspect.signature(GaussianMixture).parameters
    assert set(described) == set(taken) - {"image_shape", "seed"}
    assert {k: v["default"] for k, v in described.items()} == {k: taken[k].default for k in described}


def test_dcgmm_is_described_as_it_is():
    from dcgmm.options import TrainingOptions

    taken = {name: field.default for name, field in TrainingOptions.__dataclass_fields__.items()}
    described = registry.families()["dcgmm"]["parameters"]
    assert set(described) == set(taken) | {"config"}
    assert {k: described[k].get("default") for k in taken} == taken


def test_the_catalogue_has_the_papers_configurations():
    from dcgmm.instances import INSTANCES

    models = registry.known_models()
    for letter in "ABCDEFG":
        assert models[f"dcgmm-{letter.lower()}"]["params"]["config"] == INSTANCES[letter].config


def test_the_page_of_models_is_up_to_date():
    from evaluation.models.page import page

    assert (ROOT / "docs/models.md").read_text() == page(), "run: python -m evaluation.models.page > docs/models.md"
