"""Profiles: what is refused and how it is said, and what a profile expands to."""

import copy
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.base.errors import UserError
from evaluation.plan.config import Catalogue, ConfigError, Pack, Plan, chunks, grid_points, load, load_plan

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
    assert Plan(changed(models=models, experiments__outliers__models=["x"])).all_packs()


def test_a_missing_file_lists_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match=r"quick\.yaml"):
        load(tmp_path / "quikc.yaml")


@pytest.mark.parametrize("name", ["smoke", "quick", "cpu", "paper"])
def test_the_profiles_of_this_repository_are_valid(name):
    plan = load_plan(ROOT / "config" / f"{name}.yaml")
    assert plan.profile == name
    assert plan.root == f"results/{name}"
    assert plan.all_packs()


# --- expansion -------------------------------------------------------------------------------------------------------


def runs(plan, experiment):
    return set(plan.runs(experiment))


def test_one_training_for_each_dataset_class_model_and_seed():
    plan = Plan(
        changed(
            experiments__outliers__datasets=["mnist", "digits"],
            experiments__outliers__models=["gmm", "gmm-random"],
            experiments__outliers__outlier_classes=[0, 4],
        )
    )
    expected = {
        (dataset, subset, model, seed)
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
    subsets = {model: {r[1] for r in runs(plan, "outliers") if r[2] == model} for model in ("gmm", "gmm-random")}
    assert subsets == {"gmm": {f"not{c}" for c in range(10)}, "gmm-random": {"not0"}}


def test_a_model_may_have_fewer_seeds_than_its_experiment():
    plan = Plan(changed(models__gmm={"seeds": 1}, experiments__outliers__models=["gmm", "dcgmm-a"]))
    seeds = [(variant, seed) for *_, variant, seed in plan.runs("outliers")]
    assert seeds == [("gmm", 0), ("dcgmm-a", 0), ("dcgmm-a", 1), ("dcgmm-a", 2)]


def test_seeds_by_number_or_by_list_and_per_experiment():
    assert Plan(changed(seeds=[4, 7])).seeds("outliers") == (4, 7)
    assert Plan(changed(experiments__outliers__seeds=2)).seeds("outliers") == (0, 1)


GRID = {"components": [5, 9], "max_iter": [1, 2, 3]}


def test_a_grid_gives_every_combination_with_its_parameters():
    plan = Plan(changed(models__gmm={"grid": GRID}))
    names = {variant for _, _, variant, _ in plan.runs("outliers")}
    assert names == {f"gmm+components={c}+max_iter={i}" for c in (5, 9) for i in (1, 2, 3)}
    variant = plan.variants["gmm+components=9+max_iter=2"]
    assert variant.params == {"components": 9, "init": "kmeans", "max_iter": 2}
    assert {
        v
        for _, _, v, _ in Plan(changed(models__gmm={"grid": GRID}, experiments__outliers__grid=False)).runs("outliers")
    } == {"gmm"}


def rat_grid(**limits):
    """Four grid points of RAT-SPN, of which the largest has 1.3e9 parameters and 8.0 GFLOP per image, within limits."""
    sizes = {"grid": {"sums": [5, 40], "depth": [1, 9], "repetitions": [40]}}
    settings = {"datasets": ["mnist"], "models": ["rat-spn-normal"]}
    config = {"models": {"rat-spn-normal": sizes}, "experiments": {"outliers": settings}}
    return Plan({**BASE, **config, **({"grid_limits": limits} if limits else {})})


def test_points_that_cost_too_much_are_left_out_and_named():
    assert len({variant for _, _, variant, _ in rat_grid().runs("outliers")}) == 4
    plan = rat_grid(gflop_per_image=1)
    assert len({variant for _, _, variant, _ in plan.runs("outliers")}) == 3
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
    code = (
        "import sys; from evaluation.plan.config import load_plan; load_plan('config/paper.yaml'); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert not {"torch", "tensorflow", "keras", "pandas"} & set(loaded.split())


def test_protocols_that_differ_are_trained_apart():
    entry = {"protocols": {"paper": {"components": 5}, "clean": {"components": 6}}}
    plan = Plan(changed(models__gmm=entry, models__other={"extends": "gmm-random", "label": "O", "protocols": {}}))
    assert {v for _, _, v, _ in plan.runs("outliers")} == {"gmm@paper", "gmm@clean"}
    assert plan.variants["gmm@paper"].params["components"] == 5
    assert plan.variants["gmm@clean"].params["components"] == 6
    only = Plan(changed(models__gmm=entry, protocols=["clean"]))
    assert {v for _, _, v, _ in only.runs("outliers")} == {"gmm@clean"}


def test_a_model_inherits_and_changes():
    catalogue = Catalogue({"models": {"gmm": {"params": {"max_iter": 7}}, "mine": {"extends": "gmm-random"}}}, "c")
    mine = catalogue.model("mine")
    assert mine.params == {"components": 49, "init": "random", "max_iter": 7}
    assert (mine.label, mine.factory) == ("mine", "baselines.gmm:GaussianMixture")


def test_parameters_of_models_of_one_class_are_replaced_as_a_whole():
    catalogue = Catalogue({"models": {"dcgmm-f": {"one_class": {"window": 7}}, "dcgmm-g": {"one_class": {}}}}, "c")
    for name, expected in (("dcgmm-e", 10_000), ("dcgmm-f-independent", None), ("dcgmm-g", None)):
        (variant,) = catalogue.variants(name)
        assert variant.params_of("only3").get("iterations") == expected
        assert variant.params_of("not3") == variant.params_of("all") == variant.params
    assert catalogue.variants("dcgmm-f-independent")[0].params_of("only3")["window"] == 7
    with pytest.raises(ConfigError, match="one_class"):
        Catalogue({"models": {"dcgmm-a": {"one_class": {"epoch": 2}}}}, "c").model("dcgmm-a")


def test_a_model_of_ones_own_needs_only_a_factory():
    plan = Plan(
        changed(
            models__mine={"factory": "my_model:Mine", "params": {"anything": 1}}, experiments__outliers__models=["mine"]
        )
    )
    assert "--factory my_model:Mine" in plan.train_options("mine")


# --- packing ---------------------------------------------------------------------------------------------------------


def packed(seeds_per_job, subsets_per_job, **changes):
    return Plan(
        changed(
            packing={"seeds_per_job": seeds_per_job, "subsets_per_job": subsets_per_job},
            experiments__outliers__outlier_classes=[0, 1, 2],
            seeds=5,
            **changes,
        )
    )


@pytest.mark.parametrize(("seeds", "subsets", "jobs"), [(1, 1, 15), (2, 1, 9), (5, 1, 3), (5, 3, 1), (2, 2, 6)])
def test_every_training_is_in_exactly_one_job(seeds, subsets, jobs):
    plan = packed(seeds, subsets)
    packs = plan.packs("outliers")
    assert len(packs) == jobs
    trainings = [(p.dataset, s, p.variant, seed) for p in packs for s in p.subsets for seed in p.seeds]
    assert len(trainings) == len(set(trainings))
    assert set(trainings) == runs(plan, "outliers")
    assert max(len(p.seeds) for p in packs) <= seeds
    assert max(len(p.subsets) for p in packs) <= subsets


def test_a_model_may_be_packed_in_its_own_way():
    plan = packed(1, 1, models__gmm={"packing": {"seeds_per_job": 5}})
    assert [len(pack.seeds) for pack in plan.packs("outliers")] == [5, 5, 5]


def test_what_two_experiments_need_is_trained_once():
    config = changed(experiments__dynamics={"datasets": ["digits"], "models": ["gmm"], "seeds": [0]})
    config["experiments"]["outliers"]["seeds"] = [0, 1]
    plan = Plan(config)
    paths = [pack.path for pack in plan.all_packs()]
    assert len(paths) == len(set(paths)) == 3
    assert plan.stamps("train", "dynamics") == ["results/test/stamps/train/digits/gmm/all/0.json"]


def test_a_command_line_repeats_by_hand_and_changes_with_its_own_model_only():
    before, after = Plan(changed()), Plan(changed(models__gmm={"params": {"max_iter": 3}}))
    assert before.train_options("gmm") != after.train_options("gmm")
    other = {"experiments__outliers__models": ["gmm", "dcgmm-a"]}
    changed_gmm = Plan(changed(**other, models__gmm={"params": {"max_iter": 3}}))
    assert changed_gmm.train_options("dcgmm-a") == Plan(changed(**other)).train_options("dcgmm-a")


def test_what_a_profile_says_about_resources_is_told_from_the_catalogue():
    inherited = {"gmm-random": {"resources": {"mem_mb": 5}}, "mine": {"extends": "gmm-random", "label": "M"}}
    plan = Plan(changed(models={"gmm": {"resources": {"minutes": 7, "mem_mb": 8}}, **inherited}))
    stated = {name: plan.stated_resources(plan.catalogue.model(name)) for name in ("gmm", "gmm-random", "mine", "vae")}
    assert stated == {
        "gmm": {"minutes": 7, "mem_mb": 8},
        "gmm-random": {"minutes": 7, "mem_mb": 5},  # it extends gmm
        "mine": {"minutes": 7, "mem_mb": 5},
        "vae": {},
    }


def test_small_pieces():
    assert chunks([1, 2, 3], 2) == [(1, 2), (3,)]
    assert grid_points({}) == [()]
    assert Pack("digits", "gmm", ("not0", "not1"), (0, 2)).path == "digits/gmm/not0-not1/0-2"
