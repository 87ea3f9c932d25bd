"""What a profile says stands above what it extends and above the catalogue, parameters of one class above others."""

import pytest

from evaluation.base.errors import ConfigError
from evaluation.base.files import CHECKOUT
from evaluation.plan.catalogue import Catalogue, Variant
from evaluation.plan.merging import parameters_over, profile_over
from evaluation.plan.plan import Plan, load_plan

QUICK = f"extends: {CHECKOUT}/config/quick.yaml\nprofile: own\n"


@pytest.mark.parametrize(
    ("under", "over", "both"),
    [
        ({"iterations": 600, "window": 8}, {"epochs": 20}, {"window": 8, "epochs": 20}),
        ({"epochs": 20}, {"iterations": 600}, {"epochs": 20, "iterations": 600}),  # iterations win
        ({"iterations": 600, "window": 8}, {}, {"iterations": 600, "window": 8}),
        ({"iterations": 600}, {"epochs": 2, "iterations": 5}, {"epochs": 2, "iterations": 5}),
        ({"iterations": 600}, {"window": 9}, {"iterations": 600, "window": 9}),
    ],
)
def test_epochs_take_the_place_of_iterations_below(under, over, both):
    assert parameters_over(under, over, "dcgmm") == both


@pytest.mark.parametrize("entry", [{}, {"extends": "other"}], ids=["its own", "by way of another"])
def test_iterations_of_a_class_of_somebody_s_own_stay(entry):
    """Where the two are no alternatives: passes, and steps of EM in each."""
    factory = {"factory": "toy:M", "params": {"epochs": 10, "iterations": 5}}
    models = {"mine": factory} if not entry else {"other": factory, "mine": {**entry, "params": factory["params"]}}
    under, over = {"models": models}, {"models": {"mine": {"params": {"epochs": 20}}}}
    found = profile_over(under, over)["models"]
    assert found["mine"]["params"] == Catalogue(found).model("mine").params == {"epochs": 20, "iterations": 5}
    grid = {"mine": {**found["mine"], "one_class": {"epochs": 3}}}
    variant = Variant(Catalogue({**found, **grid}).model("mine"), "both", ())
    assert variant.params_of("only0") == {"epochs": 3, "iterations": 5}


def test_epochs_count_in_a_variant_of_a_dcgmm_of_the_profile_below():
    under = {"models": {"dcgmm-e-independent": {"params": {"iterations": 600}}, "y": {"extends": "dcgmm-e"}}}
    under["models"]["x"] = {"extends": "y", "params": {"iterations": 600}}
    for name in ("dcgmm-e-independent", "x"):
        found = profile_over(under, {"models": {name: {"params": {"epochs": 2}}}})["models"]
        assert found[name]["params"] == {"epochs": 2}


@pytest.mark.parametrize(
    ("entry", "subset"),
    [("params: {epochs: 20}", "not0"), ("one_class: {epochs: 20}", "only0")],
    ids=["of all", "of one class"],
)
def test_epochs_count_in_a_profile_that_extends_one_with_iterations(entry, subset, tmp_path):
    (tmp_path / "own.yaml").write_text(QUICK + f"models: {{dcgmm-b: {{{entry}}}}}\n")
    plan = load_plan(tmp_path / "own.yaml")
    params = plan.catalogue.variants("dcgmm-b")[0].params_of(subset)
    assert params["epochs"] == 20
    assert "iterations" not in params


def test_epochs_of_a_protocol_and_of_a_grid_point_count():
    own = {"dcgmm-a": {"params": {"iterations": 9}, "protocols": {"clean": {"epochs": 2}}, "grid": {"epochs": [3]}}}
    outliers = {"datasets": ["digits"], "models": ["dcgmm-a"]}
    plan = Plan({"profile": "p", "seeds": 1, "models": own, "experiments": {"outliers": outliers}})
    found = [v.params for grid in (False, True) for v in plan.catalogue.variants("dcgmm-a", grid=grid)]
    assert [(p.get("iterations"), p["epochs"]) for p in found] == [(9, 80), (None, 2), (None, 3), (None, 3)]


def test_a_grid_and_parameters_of_one_class_are_replaced_as_a_whole(tmp_path):
    (tmp_path / "own.yaml").write_text(QUICK + "models: {rat-spn: {one_class: {}, grid: {}}}\n")
    entry = load_plan(tmp_path / "own.yaml").catalogue.model("rat-spn")
    assert (entry.one_class, entry.grid) == ({}, {})


def test_settings_of_a_profile_are_merged_key_by_key():
    under = {"experiments": {"judge": {"samples": 10, "models": ["a", "b"]}}, "models": {"x": {"label": "X"}}}
    over = {"experiments": {"judge": {"models": ["c"]}}, "models": {"y": {"label": "Y"}}}
    found = profile_over(under, over)
    assert found["experiments"] == {"judge": {"samples": 10, "models": ["c"]}}
    assert found["models"] == {"x": {"label": "X"}, "y": {"label": "Y"}}


def test_a_profile_that_extends_another_needs_a_name(tmp_path):
    """It had the other's, so its models replaced those of the other run."""
    (tmp_path / "own.yaml").write_text(QUICK.replace("profile: own\n", ""))
    with pytest.raises(ConfigError, match="'profile' is missing; a profile that extends another has a name of its own"):
        load_plan(tmp_path / "own.yaml")


def test_layers_are_numbers_whatever_the_profile_was_read_from():
    """profile.json has text as keys; a DCGMM's layer '0' is none."""
    entry = {"sampling": {"layer_options": {"0": {"top_s": 1}}}}
    judge = {"datasets": ["digits"], "models": ["dcgmm-b"]}
    plan = Plan({"profile": "p", "seeds": 1, "models": {"dcgmm-b": entry}, "experiments": {"judge": judge}})
    assert plan.sampled("sample", "dcgmm-b")["options"]["layer_options"] == {0: {"top_s": 1}}
