"""Profiles: what is refused and how it is said, and what a profile expands to."""

import copy
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.base.errors import ConfigError, UserError
from evaluation.plan.catalogue import Catalogue
from evaluation.plan.key import TrainingKey
from evaluation.plan.plan import Plan, load_plan
from evaluation.plan.reading import read_profile

ROOT = Path(__file__).resolve().parents[3]
BASE = {
    "profile": "test",
    "seeds": 3,
    "experiments": {"outliers": {"datasets": ["digits"], "models": ["gmm"]}},
}


def changed(**changes):
    config = copy.deepcopy(BASE)
    for path, value in changes.items():
        *parents, key = path.split("__")
        node = config
        for parent in parents:
            node = node.setdefault(parent, {})
        node[key] = value
    return config


@pytest.mark.parametrize(
    ("changes", "names", "suggestion"),
    [
        ({"sedes": 3}, "'sedes'", "'seeds'"),
        ({"packing__seeds_per_jobs": 3}, "'seeds_per_jobs'", "'seeds_per_job'"),
        ({"experiments__outlier": {}}, "'outlier'", "'outliers'"),
        ({"experiments__outliers__outlier_class": [1]}, "'outlier_class'", "'outlier_classes'"),
        ({"experiments__outliers__models": ["gmn"]}, "'gmn'", "'gmm'"),
        ({"experiments__outliers__all_classes": ["gmn"]}, "'gmn'", "'gmm'"),
        ({"models__gmm": {"parms": {}}}, "'parms'", "'params'"),
        ({"models__gmm": {"params": {"componets": 3}}}, "'componets'", "'components'"),
        ({"models__gmm": {"grid": {"componets": [3]}}}, "'componets'", "'components'"),
        ({"models__gmm": {"protocols": {"paper": {"componets": 3}}}}, "'componets'", "'components'"),
        ({"models__new": {"extends": "gm"}}, "'gm'", "'gmm'"),
        ({"models__new": {"family": "gm"}}, "'gm'", "'gmm'"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_nearest_one(changes, names, suggestion):
    with pytest.raises(ConfigError) as error:
        Plan(changed(**changes), where="my.yaml")
    assert "my.yaml" in str(error.value)
    assert names in str(error.value)
    assert f"did you mean {suggestion}?" in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 0}, "seeds"),
        ({"seeds": "five"}, "seeds"),
        ({"experiments__outliers__datasets": ["imagenet"]}, "imagenet"),
        ({"experiments__outliers__outlier_classes": [10]}, "10"),
        ({"models__gmm": {"params": {"components": 0}}}, "components"),
        ({"models__gmm": {"params": {"init": "lucky"}}}, "lucky"),
        ({"models__mine": {"params": {}}}, "'factory' is missing"),
        ({"models__a": {"extends": "b"}, "models__b": {"extends": "a"}}, "extends itself"),
        ({"models__dcgmm-a": {"params": {"config": "F(28,1)-H(49)"}}}, "H(49)"),
        ({"experiments__outliers__curves": [["gmm", "mnist"]]}, "not run"),
        ({"protocols": ["published"]}, "published"),
    ],
)
def test_values_that_do_not_fit_are_named(changes, message):
    with pytest.raises(UserError) as error:
        Plan(changed(**changes))
    assert message in str(error.value)


def test_a_missing_key_is_named():
    config = changed()
    del config["seeds"]
    with pytest.raises(ConfigError, match="'seeds' is missing"):
        Plan(config)


def test_a_dcgmm_without_its_layers_is_refused_by_name():
    models = {"x": {"family": "dcgmm", "label": "x"}}
    with pytest.raises(ConfigError, match=r"^my\.yaml: models\.x\.params: 'config' is missing \(the layers: [^\n]*\)$"):
        Plan(changed(models=models, experiments__outliers__models=["x"]), where="my.yaml")
    models["x"]["grid"] = {"config": ["F(8,1)-G(9)"]}
    assert Plan(changed(models=models, experiments__outliers__models=["x"])).all_keys()


def test_a_missing_file_lists_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match=r"quick\.yaml"):
        read_profile(tmp_path / "quikc.yaml")


@pytest.mark.parametrize("name", ["smoke", "quick", "cpu", "gpu", "paper"])
def test_the_profiles_of_this_repository_are_valid(name):
    plan = load_plan(ROOT / "config" / f"{name}.yaml")
    assert plan.name == name
    assert plan.root == f"results/{name}"
    assert plan.all_keys()


# --- expansion -------------------------------------------------------------------------------------------------------


def runs(plan, experiment):
    return set(plan.keys(experiment))


def test_one_training_for_each_dataset_class_model_and_seed():
    plan = Plan(
        changed(
            experiments__outliers__datasets=["mnist", "digits"],
            experiments__outliers__models=["gmm", "gmm-random"],
            experiments__outliers__outlier_classes=[0, 4],
        )
    )
    expected = {
        TrainingKey(dataset, subset, model, seed)
        for dataset in ("mnist", "digits")
        for subset in ("not0", "not4")
        for model in ("gmm", "gmm-random")
        for seed in range(3)
    }
    assert runs(plan, "outliers") == expected


def test_all_classes_for_the_named_models_only():
    plan = Plan(
        changed(experiments__outliers__models=["gmm", "gmm-random"], experiments__outliers__all_classes=["gmm"])
    )
    subsets = {
        model: {k.subset for k in runs(plan, "outliers") if k.variant == model} for model in ("gmm", "gmm-random")
    }
    assert subsets == {"gmm": {f"not{c}" for c in range(10)}, "gmm-random": {"not0"}}


def test_a_model_may_have_fewer_seeds_than_its_experiment():
    plan = Plan(changed(models__gmm={"seeds": 1}, experiments__outliers__models=["gmm", "dcgmm-a"]))
    seeds = [(key.variant, key.seed) for key in plan.keys("outliers")]
    assert seeds == [("gmm", 0), ("dcgmm-a", 0), ("dcgmm-a", 1), ("dcgmm-a", 2)]


def test_seeds_by_number_or_by_list_and_per_experiment():
    assert Plan(changed(seeds=[4, 7])).seeds("outliers") == [4, 7]
    assert Plan(changed(experiments__outliers__seeds=2)).seeds("outliers") == [0, 1]


GRID = {"components": [5, 9], "max_iter": [1, 2, 3]}


def test_a_grid_gives_every_combination_with_its_parameters():
    plan = Plan(changed(models__gmm={"grid": GRID}))
    names = {key.variant for key in plan.keys("outliers")}
    assert names == {f"gmm+components={c}+max_iter={i}" for c in (5, 9) for i in (1, 2, 3)}
    variant = plan.variants["gmm+components=9+max_iter=2"]
    assert variant.params == {"components": 9, "init": "kmeans", "max_iter": 2}
    ungridded = Plan(changed(models__gmm={"grid": GRID}, experiments__outliers__grid=False))
    assert {key.variant for key in ungridded.keys("outliers")} == {"gmm"}


def rat_grid(**limits):
    """Four grid points of RAT-SPN, of which the largest has 1.3e9 parameters and 8.0 GFLOP per image, within limits."""
    sizes = {"grid": {"sums": [5, 40], "depth": [1, 9], "repetitions": [40]}}
    settings = {"datasets": ["mnist"], "models": ["rat-spn-normal"]}
    config = {"models": {"rat-spn-normal": sizes}, "experiments": {"outliers": settings}}
    return Plan({**BASE, **config, **({"grid_limits": limits} if limits else {})})


def test_points_that_cost_too_much_are_left_out_and_named():
    assert len({key.variant for key in rat_grid().keys("outliers")}) == 4
    plan = rat_grid(gflop_per_image=1)
    assert len({key.variant for key in plan.keys("outliers")}) == 3
    (point,) = plan.left_out
    assert (point.model, point.dataset) == ("rat-spn-normal", "mnist")
    assert point.point == '{"depth":9,"repetitions":40,"sums":40}'
    assert point.reason.endswith("GFLOP per image (limit 1)")


def test_limits_on_memory_count_too_and_may_not_leave_nothing():
    (point,) = rat_grid(memory_mb=1000).left_out
    assert point.reason.endswith("MB (limit 1000)")
    with pytest.raises(ConfigError, match="leaves no grid point of rat-spn-normal"):
        rat_grid(memory_mb=1)


def test_planning_imports_no_framework():
    code = "import sys; from evaluation.plan.plan import load_plan; load_plan('config/paper.yaml'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert not {"torch", "tensorflow", "keras", "pandas"} & set(loaded.split())


def test_protocols_that_differ_are_trained_apart():
    entry = {"protocols": {"paper": {"components": 5}, "clean": {"components": 6}}}
    plan = Plan(changed(models__gmm=entry, models__other={"extends": "gmm-random", "label": "O", "protocols": {}}))
    assert {key.variant for key in plan.keys("outliers")} == {"gmm@paper", "gmm@clean"}
    assert plan.variants["gmm@paper"].params["components"] == 5
    assert plan.variants["gmm@clean"].params["components"] == 6
    only = Plan(changed(models__gmm=entry, protocols=["clean"]))
    assert {key.variant for key in only.keys("outliers")} == {"gmm@clean"}


def test_a_model_inherits_and_changes():
    catalogue = Catalogue({"gmm": {"params": {"max_iter": 7}}, "mine": {"extends": "gmm-random"}})
    mine = catalogue.model("mine")
    assert mine.params == {"components": 49, "init": "random", "max_iter": 7}
    assert (mine.label, mine.factory) == ("mine", "baselines.gmm:GaussianMixture")


def test_parameters_of_models_of_one_class_are_replaced_as_a_whole():
    catalogue = Catalogue({"dcgmm-f": {"one_class": {"window": 7}}, "dcgmm-g": {"one_class": {}}})
    for name, expected in (("dcgmm-e", 10_000), ("dcgmm-f-independent", None), ("dcgmm-g", None)):
        (variant,) = catalogue.variants(name)
        assert variant.params_of("only3").get("iterations") == expected
        assert variant.params_of("not3") == variant.params_of("all") == variant.params
    assert catalogue.variants("dcgmm-f-independent")[0].params_of("only3")["window"] == 7
    with pytest.raises(ConfigError, match="one_class"):
        Catalogue({"dcgmm-a": {"one_class": {"epoch": 2}}}).model("dcgmm-a")


def test_a_model_of_ones_own_needs_only_a_factory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_model.py").write_text("class Mine:\n    pass\n")
    mine = {"factory": "my_model:Mine", "params": {"anything": 1}}
    plan = Plan(changed(models__mine=mine, experiments__outliers__models=["mine"]))
    assert plan.training(plan.all_keys()[0]).factory == "my_model:Mine"


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("my_modle:Mine", "no module 'my_modle'"),
        ("my_model:Mein", "has no 'Mein'"),
        ("my_model", "package.module:Class"),
    ],
)
def test_a_class_that_does_not_exist_is_found_before_any_job(factory, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_model.py").write_text("raise SystemExit('not run')\nclass Mine:\n    pass\n")
    with pytest.raises(ConfigError, match=message):
        Plan(changed(models__mine={"factory": factory}, experiments__outliers__models=["mine"]))


# --- refused early ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 2.0}, "seeds: 2.0"),
        ({"seeds": True}, "seeds: True"),
        ({"seeds": [1, 1]}, "seeds of a list differ"),
        ({"experiments": {}}, "experiments is empty"),
        ({"experiments__outliers__models": []}, "models"),
        ({"experiments__outliers__datasets": []}, "datasets"),
        ({"experiments__outliers__datasets": ["digits", "digits"]}, "is listed twice"),
        ({"experiments__outliers__datasets": ["photos"], "experiments__outliers__outlier_classes": [8]}, "no class 8"),
        ({"models__gmm": {"params": {"max_iter": float("inf")}}}, "max_iter"),
        ({"models__gmm": {"params": {"seed": 3}}}, "'seed' is not a parameter"),
        ({"models__dcgmm-a": {"params": {"epochs": float("inf")}}}, "epochs: inf"),
        (
            {"models__dcgmm-a": {"params": {"config": "F(32,1)-G(9)"}}, "experiments__outliers__models": ["dcgmm-a"]},
            "F",
        ),
        ({"models__-x": {"extends": "gmm"}}, "-x"),
        ({"models__a b": {"extends": "gmm"}}, "a b"),
        ({"models__a/b": {"extends": "gmm"}}, "a/b"),
        ({"models__x": {"extends": "gmm", "label": "two\nlines"}}, "label"),
        ({"results": "my results"}, "results"),
        ({"results": "r; touch x"}, "results"),
        ({"results": "~/r"}, "results"),
    ],
)
def test_what_cannot_be_run_is_refused_in_the_plan(changes, message):
    with pytest.raises(ConfigError) as error:
        Plan(changed(**changes), where="my.yaml")
    assert message in str(error.value)


def test_classes_are_those_of_the_data_set():
    outliers = {"experiments__outliers__datasets": ["photos"], "experiments__outliers__all_classes": ["gmm"]}
    assert {key.subset for key in Plan(changed(**outliers)).all_keys()} == {f"not{c}" for c in range(8)}


@pytest.mark.parametrize("values", [[-1, 1], [1e20, 1e-20], ["a b", "a-b"], [1, 1.0], [[1, 2], "1-2"]])
def test_paths_keep_grid_values_apart(values):
    mine = {"factory": "baselines.gmm:GaussianMixture", "grid": {"x": values}}
    plan = Plan(changed(models__mine=mine, experiments__outliers__models=["mine"], seeds=1))
    paths = {key.path for key in plan.all_keys()}
    assert len({plan.spec(key) for key in plan.all_keys()}) == len(paths) == 2


def test_plain_grid_values_stand_in_paths_as_they_are():
    catalogue = Catalogue({"gmm": {"grid": {"min_variance": [0.05], "init": ["kmeans"]}}})
    (variant,) = catalogue.variants("gmm", grid=True)
    assert variant.name == "gmm+init=kmeans+min_variance=0.05"


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_profile_extends_another_key_by_key(tmp_path):
    (tmp_path / "base.yaml").write_text(
        "profile: base\nseeds: 3\nmodels: {gmm: {params: {max_iter: 7, components: 4}}}\n"
        "experiments: {outliers: {datasets: [digits], models: [gmm]}}\n"
    )
    (tmp_path / "own.yaml").write_text("extends: base.yaml\nprofile: own\nmodels: {gmm: {params: {components: 9}}}\n")
    plan = load_plan(tmp_path / "own.yaml")
    assert (plan.name, len(plan.all_keys())) == ("own", 3)
    assert plan.variants["gmm"].params["components"] == 9
    assert plan.variants["gmm"].params["max_iter"] == 7
    (tmp_path / "base.yaml").write_text("extends: own.yaml\n")
    with pytest.raises(ConfigError, match="cannot extend itself"):
        load_plan(tmp_path / "own.yaml")


def test_a_key_that_stands_twice_is_refused_with_its_lines(tmp_path):
    """A second `models:` at the end of a copied profile silently replaced the first."""
    (tmp_path / "two.yaml").write_text("profile: two\nmodels: {}\nseeds: 1\nmodels: {}\n")
    with pytest.raises(ConfigError, match=r"two\.yaml, line 4: duplicate key 'models', first in line 2"):
        read_profile(tmp_path / "two.yaml")


def test_the_pages_of_keys_and_models_are_up_to_date():
    from evaluation.plan import pages

    assert pages.MODELS_PAGE.read_text() == pages.models_page(), "run: python -m evaluation.plan.pages"
    text = pages.PROFILES_PAGE.read_text()
    assert text == pages.profiles_page(text), "run: python -m evaluation.plan.pages"
    for name in pages.tables():
        assert pages.MARK.format(name) in text
