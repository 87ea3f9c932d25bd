"""What every model refuses, in one sentence, before anything is computed."""

import numpy as np
import pytest

from tests.contract.families import FAMILIES, TINY, data, every, family_of, fit, make, says, trained

# --- what a model refuses --------------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("mask", ["right", None, "row", "column", "bytes", "numbers", "too many"])
def test_masks_are_booleans_for_the_images(name, mask):
    if name == "cnn":
        pytest.skip("a classifier completes nothing")
    side = TINY[name][0]
    masks = {
        "row": np.ones(side, bool),
        "column": np.ones((side, 1), bool),
        "bytes": np.full((side, side), 255, np.uint8),
        "numbers": np.ones((side, side)),
        "too many": np.ones((6, side, side), bool),
    }
    with pytest.raises(ValueError, match=r"known has shape .* expected booleans of shape"):
        trained(name)[0].inpaint(data(name)[0][:5], masks.get(mask, mask), seed=0)


WRONG_IMAGES = {
    "bytes": (lambda x: (255 * x.clip(0, 1)).astype(np.uint8), "type uint8: expected floats"),
    "0 to 255": (lambda x: 255 * x, "expected every pixel in"),
    "below 0": (lambda x: x - 0.5, "expected every pixel in"),
    "NaN": (lambda x: np.where(np.arange(x.size).reshape(x.shape) == 9, np.nan, x), "hold NaN"),
    "none": (lambda x: x[:0], "empty"),
    "masked": (lambda x: np.ma.masked_array(x, x > 0.5), "are a masked array"),
    "one alone": (lambda x: x[0], "have shape"),
    "no channel": (lambda x: x[..., 0], "have shape"),
    "cut": (lambda x: x[:, 1:], "have shape"),
}


@every
@pytest.mark.parametrize("kind", WRONG_IMAGES)
def test_other_images_are_refused(name, kind):
    wrong, said = WRONG_IMAGES[kind]
    x, labels = data(name)
    model, side = trained(name)[0], TINY[name][0]
    fresh = make(name)
    with pytest.raises(ValueError, match=said):
        fit(name, fresh, wrong(x), labels[: len(wrong(x))])
    with pytest.raises(ValueError, match=said):
        fit(name, fresh, validation=(wrong(x), labels[: len(wrong(x))]) if name == "cnn" else wrong(x))
    with pytest.raises(ValueError, match=said):
        says(name, model, wrong(x))
    if name != "cnn":
        with pytest.raises(ValueError, match=said):
            model.inpaint(wrong(x), np.ones((side, side), bool), seed=0)


@every
@pytest.mark.parametrize("seed", [None, -1, 1.0, True, "1"])
def test_seeds_are_integers(name, seed):
    with pytest.raises(ValueError, match=r"seed=.*expected an integer from 0"):
        make(name, seed=seed)
    if name != "cnn":
        model, side = trained(name)[0], TINY[name][0]
        with pytest.raises(ValueError, match=r"seed=.*expected an integer from 0"):
            model.sample(1, seed=seed)
        with pytest.raises(ValueError, match=r"seed=.*expected an integer from 0"):
            model.inpaint(data(name)[0][:1], np.ones((side, side), bool), seed=seed)


ENORMOUS = {
    "dcgmm": {"config": "F(4,2)-G(4)-F(3,1)-G(99999999999)"},
    "rat-spn": {"sums": 10**6},
    "pd-spn": {"sums": 10**7},
    "dgc-spn": {"leaves": 2000},
    "vae": {"latent": 10**10},
}  # a mixture has no more components than images, the classifier one size


@every
def test_a_model_that_cannot_fit_into_memory_is_refused_before_it_is_built(name):
    if name not in ENORMOUS:
        pytest.skip("cannot be too large")
    with pytest.raises(ValueError, match=r"needs [\d,.]+ GiB for parameters"):
        make(name, **ENORMOUS[name])


@every
def test_a_shape_is_three_integers(name):
    for shape in ((8, 8), (8.5, 8, 1), "881", (8, 8, True), None):
        with pytest.raises(ValueError, match=r"_shape=.*expected \(height, width, channels\)"):
            make(name, **{"input_shape" if name == "dcgmm" else "image_shape": shape})


@every
def test_splits_of_the_history_keep_apart(name):
    if name not in ("dcgmm", "rat-spn", "pd-spn"):
        pytest.skip("takes one array of validation images")
    with pytest.raises(ValueError, match="split 'train'"):
        fit(name, make(name), validation={"train": data(name)[0]})


KINDS = ("integer", "number", ["integer", "null"])
WRONG_TYPES = {"string": [5, True, None, ["x"], ""], "object": [5, True, "x", ["x"]], "boolean": [0, "x", None]}


def wrong_values(entry):
    """Values that the catalogue's schema of a parameter excludes."""
    kind = entry.get("type")
    if "enum" in entry:
        return ["nonsense", None, True, 1]
    if "anyOf" in entry:  # what is wrong for one kind is of no other kind, either
        return [value for one in entry["anyOf"] for value in wrong_values(one)]
    if kind == "array":
        return [[], "nonsense", None, {}, *([value] for value in wrong_values(entry["items"]))]
    if kind not in KINDS:
        return WRONG_TYPES[kind]
    values = [
        float("nan"),
        float("inf"),
        10**400,
        "x",
        True,
        entry.get("minimum", entry.get("exclusiveMinimum", 1)) - 1,
    ]
    values += [entry["exclusiveMinimum"]] if "exclusiveMinimum" in entry else []
    values += [2.5] if kind != "number" else []
    values += [entry["exclusiveMaximum"]] if "exclusiveMaximum" in entry else []
    return values + ([entry["maximum"] + 1] if "maximum" in entry else [])


def test_every_kind_of_parameter_has_wrong_values():
    for family in FAMILIES.values():
        for parameter, entry in family["parameters"].items():
            assert wrong_values(entry), parameter


@every
@pytest.mark.parametrize("models", [3, None, [3], "models"])
def test_several_models_are_a_list_of_models(name, models):
    kind = type(trained(name)[0])
    calls = [
        lambda: kind.fit_many(models, data(name)[0]),
        lambda: kind.sample_many(models, 1, seeds=[0]),
    ]
    calls = [call for call, method in zip(calls, ("fit_many", "sample_many"), strict=True) if hasattr(kind, method)]
    if not calls:
        pytest.skip("trains one by one")
    for call in calls:
        with pytest.raises(ValueError, match=f"models=.*expected a list of {kind.__name__}"):
            call()


@pytest.mark.parametrize("seeds", [3, None, [0, 1], []])
def test_sampling_several_models_takes_a_seed_for_each(seeds):
    model = trained("dcgmm")[0]
    with pytest.raises(ValueError, match=r"seeds.*give one for each"):
        type(model).sample_many([model], 1, seeds=seeds)


@every
def test_parameters_outside_their_range_are_refused_before_anything_is_computed(name):
    taken = []
    for parameter, entry in family_of(name)["parameters"].items():
        for value in wrong_values(entry):
            try:
                make(name, **{parameter: value})
            except (ValueError, TypeError) as error:
                assert parameter in str(error), f"{parameter}={value!r}: {error}"
                continue
            taken.append(f"{parameter}={value!r}")
    assert not taken, f"{name} takes {', '.join(taken)}"
