"""Models by import path, and the catalogue against the classes that it describes."""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest

from baselines.gmm import GaussianMixture
from evaluation.base.errors import UserError
from evaluation.base.words import digest
from evaluation.models import registry
from evaluation.models.catalogue import check_params, families, known_entries
from evaluation.models.importing import check_object, import_object
from evaluation.plan.catalogue import Catalogue

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
        import_object(factory)
    with pytest.raises(UserError, match=message):
        check_object(factory)  # without running the module


def test_a_directory_without_a_model_is_named(tmp_path):
    with pytest.raises(UserError, match="bench train"):
        registry.load_model(tmp_path)


def test_equal_specifications_have_equal_hashes():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


def test_every_model_of_the_catalogue_is_valid():
    catalogue = Catalogue()
    for name in catalogue.names():
        assert catalogue.model(name).factory


def test_gmm_is_described_as_it_is():
    described = families()["gmm"].parameters
    taken = inspect.signature(GaussianMixture).parameters
    assert set(described) == set(taken) - {"image_shape", "seed"}
    assert {k: v.default for k, v in described.items()} == {k: taken[k].default for k in described}


def test_dcgmm_is_described_as_it_is():
    from dcgmm.options import TrainingOptions

    taken = {name: field.default for name, field in TrainingOptions.__dataclass_fields__.items()}
    described = families()["dcgmm"].parameters
    assert set(described) == set(taken) | {"config"}
    assert {k: described[k].default if described[k].has_default else None for k in taken} == taken


def test_what_the_catalogue_takes_a_dcgmm_takes_too():
    from dcgmm.options import TrainingOptions

    nearly = {"integer": 1, "number": 1e-300}
    for name, parameter in families()["dcgmm"].parameters.items():
        least, above = parameter.minimum, parameter.exclusiveMinimum
        if least is None and above is None:
            continue
        whole = int if parameter.type == "integer" else float
        value = whole(least if above is None else above + nearly[parameter.type])
        check_params("dcgmm", {name: value}, "models.mine.params")
        assert getattr(TrainingOptions.of({name: value}), name) == value
    with pytest.raises(UserError, match="learning_rate_end: 0 given; it should be greater than 0"):
        check_params("dcgmm", {"learning_rate_end": 0}, "models.mine.params")


def test_the_catalogue_has_the_papers_configurations():
    from dcgmm.instances import INSTANCES

    models = known_entries()
    for letter in "ABCDEFG":
        assert models[f"dcgmm-{letter.lower()}"]["params"]["config"] == INSTANCES[letter].config


def test_einsum_networks_share_their_parameters():
    rat, pd = (families()[name].parameters for name in ("rat-spn", "pd-spn"))
    assert set(rat) - set(pd) == {"depth", "repetitions"}
    assert set(pd) - set(rat) == {"delta", "axes"}
    assert all(rat[name] == pd[name] for name in set(rat) & set(pd))


@pytest.mark.parametrize("value", [True, 0, 2.5, "7", [], [7, True], [0]])
def test_a_parameter_of_several_kinds_is_refused_in_one_sentence(value):
    with pytest.raises(UserError) as raised:
        check_params("pd-spn", {"delta": value}, "models.mine.params")
    assert str(raised.value) == (
        f"models.mine.params: delta: {value!r} given; it should be integer or array, ≥ 1 "
        f"({families()['pd-spn'].parameters['delta'].description})"
    )
    said = r"^models.mine.params: memory_limit: 0 given; it should be integer or null, ≥ 1 \(bytes above which"
    with pytest.raises(UserError, match=said):
        check_params("rat-spn", {"memory_limit": 0}, "models.mine.params")
    check_params("rat-spn", {"memory_limit": None}, "models.mine.params")
    for right in (7, [7], [7, 2]):
        check_params("pd-spn", {"delta": right}, "models.mine.params")


@pytest.mark.parametrize(
    ("family", "params", "said"),
    [
        ("dgc-spn", {"products": 31}, "products: 31 given.*30"),
        ("dgc-spn", {"sums": 10**30}, "sums: 10+ given.*1000000"),
        ("rat-spn", {"sums": 10**30}, "sums: 10+ given.*1000000"),
        ("rat-spn", {"optimizer": "Newton"}, "optimizer is 'Newton': expected the name of a class in torch.optim"),
        ("pd-spn", {"delta": [1, 2]}, "several step sizes must descend"),
    ],
)
def test_values_that_only_a_job_would_refuse(family, params, said):
    with pytest.raises(UserError, match=said):
        check_params(family, params, "models.mine.params")


def test_a_parameter_that_does_not_exist_is_named_with_the_nearest():
    with pytest.raises(UserError, match="did you mean 'offset'"):
        registry.build("toy_models:Brightness", {"ofset": 1.0}, (4, 4, 1), 0)


def test_a_damaged_bench_json_is_named_with_the_cure(tmp_path):
    (tmp_path / "bench.json").write_text('{"factory": "toy_mo')
    with pytest.raises(UserError, match=r"bench\.json is damaged.*train the model again"):
        registry.load_model(tmp_path)


def test_an_einsum_network_of_ones_own_structure_is_known_again(tmp_path):
    from baselines.einsum import EinsumSpn, poon_domingos

    EinsumSpn((4, 4, 1), poon_domingos(4, 4, 2), sums=2, seed=5).save(tmp_path)
    record = registry.read_record(tmp_path)
    assert record["seed"] == 5
    assert import_object(record["factory"]) is EinsumSpn
    assert registry.load_model(tmp_path).params["seed"] == 5


def test_a_saved_model_of_what_is_no_class_is_named(tmp_path):
    (tmp_path / "model.json").write_text(json.dumps({"class": "json:loads", "seed": 1}))
    with pytest.raises(UserError, match="json:loads' has no method load"):
        registry.load_model(tmp_path)


def test_models_of_earlier_versions_named_their_class_alone(tmp_path):
    from baselines.einsum import PdSpn, RatSpn
    from dcgmm.storage import read_json, write_json

    RatSpn((4, 4, 1), sums=2, depth=2, repetitions=1, seed=5).save(tmp_path)
    write_json(tmp_path / "model.json", {**read_json(tmp_path / "model.json"), "class": "RatSpn"})
    assert registry.read_record(tmp_path)["seed"] == 5
    assert isinstance(registry.load_model(tmp_path), RatSpn)
    with pytest.raises(ValueError, match="holds a RatSpn, not a PdSpn"):
        PdSpn.load(tmp_path)


@pytest.mark.parametrize("described", [{}, {"seed": None}, {"seed": True}, {"params": {"seed": "7"}}, {"params": [7]}])
def test_a_seed_that_nobody_noted_is_not_made_up(described, tmp_path):
    content = {"class": "toy_models:Brightness", **described}
    (tmp_path / "model.json").write_text(json.dumps(content))
    (tmp_path / "settings.json").write_text(json.dumps({"image_shape": [4, 4, 1], "seed": 7}))
    np.save(tmp_path / "mean.npy", np.zeros((4, 4, 1)))
    with pytest.raises(UserError, match=r"model\.json does not say with which seed the model was made.*\"seed\""):
        registry.read_record(tmp_path)
    assert registry.load_model(tmp_path).settings["seed"] == 7  # no seed is needed for that
