"""Substitutes of data that are not available."""

from __future__ import annotations

import copy
import itertools

import pytest
import yaml

from evaluation.base.files import CHECKOUT as ROOT
from evaluation.datasets import CATALOGUE
from evaluation.datasets.settle import settle
from evaluation.datasets.substitutes import SUBSTITUTES, choose, datasets_of, substituted
from evaluation.plan.plan import Plan

PROFILE = {
    "profile": "p",
    "title": "a title",
    "seeds": 1,
    "substitutes": True,
    "experiments": {
        "outliers": {
            "datasets": ["mnist", "fashion_mnist"],
            "models": ["gmm"],
            "grid": False,
            "curves": [["gmm", "mnist"], ["gmm", "fashion_mnist"]],
        },
        "dynamics": {"datasets": ["digits"], "models": ["dcgmm-f-dynamics"]},
    },
}


@pytest.mark.parametrize(
    ("wanted", "missing", "expected"),
    [
        (["mnist", "fashion_mnist"], [], {}),
        (["mnist", "fashion_mnist"], ["mnist"], {"mnist": "mnist-5k"}),
        (["mnist", "fashion_mnist"], ["fashion_mnist"], {"fashion_mnist": "mnist-5k"}),
        (["fashion_mnist", "mnist"], ["fashion_mnist", "mnist"], {"mnist": "mnist-5k", "fashion_mnist": "digits"}),
        (["mnist-5k", "fashion_mnist"], ["fashion_mnist"], {"fashion_mnist": "digits"}),
        (["mnist", "mnist-5k"], ["mnist"], {"mnist": "mnist-5k"}),  # nothing else is left: the two become one
        (["svhn"], ["svhn"], {"svhn": "photos"}),
    ],
)
def test_choice(wanted, missing, expected):
    assert choose(wanted, missing) == expected


def test_an_experiment_that_is_switched_off_has_no_data():
    """`judge: null` in a profile that extends another one ended in a traceback."""
    profile = {**PROFILE, "experiments": {**PROFILE["experiments"], "judge": None}}
    assert datasets_of(profile) == datasets_of(PROFILE)
    assert substituted(profile, {"mnist": "mnist-5k"})["experiments"]["judge"] is None


def test_substitutes_are_embedded_and_have_the_same_shape():
    for name, other in itertools.chain.from_iterable(((n, o) for o in some) for n, some in SUBSTITUTES.items()):
        assert CATALOGUE[other].embedded
        assert CATALOGUE[other].image_shape == CATALOGUE[name].image_shape


def test_the_profile_names_what_is_used_and_stays_a_profile():
    before = copy.deepcopy(PROFILE)
    profile = substituted(PROFILE, {"mnist": "mnist-5k", "fashion_mnist": "digits"})
    assert before == PROFILE
    assert profile["title"] == "a title; MNIST (5,000 digits) for MNIST, Digits for Fashion-MNIST"
    assert profile["stands_in"] == {"mnist": "mnist-5k", "fashion_mnist": "digits"}
    assert Plan(profile).datasets("outliers") == ["mnist-5k", "digits"]
    assert [key.dataset for key in Plan(profile).curves()] == ["mnist-5k", "digits"]
    assert profile["experiments"]["dynamics"] == PROFILE["experiments"]["dynamics"]


def test_what_becomes_the_same_is_run_once():
    profile = substituted(PROFILE, {"mnist": "mnist-5k", "fashion_mnist": "mnist-5k"})
    outliers = profile["experiments"]["outliers"]
    assert outliers["datasets"] == ["mnist-5k"] and outliers["curves"] == [["gmm", "mnist-5k"]]
    keys = Plan(profile).keys("outliers")
    assert len(keys) == len(set(keys))


def test_without_substitutes_the_profile_is_as_it_was():
    assert substituted(PROFILE, {}) == PROFILE


@pytest.mark.parametrize("missing", [["mnist"], ["fashion_mnist"], ["mnist", "fashion_mnist"]])
def test_quick_runs_with_whatever_is_missing(missing):
    quick = yaml.safe_load((ROOT / "config/quick.yaml").read_text(encoding="utf-8"))
    profile = substituted(quick, choose(datasets_of(quick), missing))
    assert not set(Plan(profile).datasets()) & set(missing)
    assert {*Plan(profile).experiments} == {*Plan(quick).experiments}


def test_only_quick_has_substitutes():
    for path in (ROOT / "config").glob("*.yaml"):
        assert bool(yaml.safe_load(path.read_text(encoding="utf-8")).get("substitutes")) == (path.stem == "quick")


# --- settled before a run: the toy data set takes the place of MNIST, and has no mirrors


def only_mnist(**changes):
    outliers = {**PROFILE["experiments"]["outliers"], "datasets": ["mnist"], "curves": []}
    return {**PROFILE, "experiments": {"outliers": outliers}, **changes}


def test_missing_data_are_replaced_and_named(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    settled = settle(only_mnist())
    assert settled.profile["experiments"]["outliers"]["datasets"] == ["mnist-5k"]
    (notice,) = settled.notices
    assert notice.startswith("MNIST is not available here; MNIST (5,000 digits) is used instead.")
    assert str(tmp_path / "data" / "mnist") in notice


def test_real_data_are_used_as_soon_as_they_are_there(toy_root, monkeypatch):
    monkeypatch.setenv("BENCH_DATA", str(toy_root))
    settled = settle(only_mnist())
    assert settled.notices == [] and settled.profile == only_mnist()


def test_a_profile_without_substitutes_is_left_as_it_is(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "data"))
    profile = only_mnist(substitutes=False)
    assert settle(profile) == (profile, [])


def test_a_title_that_is_left_out_is_that_of_the_profile():
    """The title was "None; MNIST (5,000 digits) for MNIST"."""
    for untitled in ({"title": None}, {"title": ""}, {}):
        profile = {**{key: value for key, value in PROFILE.items() if key != "title"}, **untitled}
        title = substituted(profile, {"mnist": "mnist-5k"})["title"]
        assert title == f"{PROFILE['profile']} profile; MNIST (5,000 digits) for MNIST"
