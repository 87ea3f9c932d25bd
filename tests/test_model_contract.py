"""One contract for every model of the catalogue, at tiny sizes (docs/architecture.md, the model interface).

libspn-keras needs TensorFlow's Keras 2 in its process, so its part runs in a process of its own.
"""

import copy
import importlib
import inspect
import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

import dcgmm.checkpoint

ROOT = Path(__file__).parents[1]
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


# --- the process of libspn-keras -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(ALONE in os.environ, reason="this is the process")
def test_libspn_keras_in_a_process_of_its_own():
    command = [sys.executable, "-m", "pytest", __file__, "-p", "no:cacheprovider", "-m", "slow or not slow"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
    environment |= {ALONE: "dgc-spn-libspn", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    assert " passed" in done.stdout


def test_every_family_is_tried():
    assert set(TINY) == {*FAMILIES, *OTHERS}


# --- training --------------------------------------------------------------------------------------------------------


@every
def test_fit_starts_from_the_initial_parameters_whatever_was_trained_before(name):
    model, history = trained(name)
    x, _ = data(name)
    expected = says(name, model, x)
    again = make(name)
    fit(name, again, x[::-1].copy())
    second = fit(name, again)
    same(name, says(name, again, x), expected)
    same(name, [row.log_likelihood for row in second], [row.log_likelihood for row in history])


@every
def test_history_is_tidy(name):
    _, history = trained(name)
    assert history and all(row.split == "train" and row.layer >= 0 for row in history)
    assert all(np.isfinite(row.log_likelihood) for row in history)
    steps = [row.step for row in history if row.layer == 0]
    assert steps == sorted(steps)


@every
def test_validation_is_recorded_and_changes_nothing(name):
    x, labels = data(name)
    model = make(name)
    history = fit(name, model, validation=(x[:8], labels[:8]) if name == "cnn" else x[:8])
    assert {row.split for row in history} == {"train", "validation"}
    same(name, says(name, model, x), says(name, trained(name)[0], x))


@every
def test_seeds_matter(name):
    other = make(name, seed=4)
    fit(name, other)
    x, _ = data(name)
    assert not np.allclose(says(name, other, x), says(name, trained(name)[0], x), rtol=1e-6)


@every
def test_parameters_are_counted_alike_before_and_after_training(name):
    count = make(name).count_params()
    assert type(count) is int and count > 0
    assert trained(name)[0].count_params() == count


DIVERGING = {
    "dcgmm": {"learning_rate": 1e30},
    "pd-spn": {"learning": "gradient", "learning_rate": 1e30},
    "vae": {"learning_rate": 1e6},
    "cnn": {"learning_rate": 1e20},
}  # the others have no rate that could be too large; RAT-SPN's binomial leaves stay finite at any


@every
def test_a_training_that_diverges_is_an_error(name):
    if name not in DIVERGING:
        pytest.skip("cannot diverge")
    with pytest.raises((ArithmeticError, ValueError), match=r"learning_rate|seed 3"):
        fit(name, make(name, **DIVERGING[name]))


# --- what a model says -----------------------------------------------------------------------------------------------


@every
def test_an_image_has_the_same_score_alone_and_in_a_batch(name):
    x, _ = data(name)
    model, _ = trained(name)
    together = says(name, model, x)
    assert together.shape[0] == len(x) and together.dtype == np.float64 and np.isfinite(together).all()
    for i in (0, 7, 59):
        same(name, says(name, model, x[i : i + 1]), together[i : i + 1])
    same(name, says(name, model, x[::-1]), together[::-1])
    same(name, says(name, model, x.astype(np.float64)), together)


@every
def test_samples(name):
    model, _ = trained(name)
    side = TINY[name][0]
    if name == "cnn":
        with pytest.raises(NotImplementedError, match="cannot sample"):
            model.sample(1, seed=0)
        return
    drawn = model.sample(3, seed=0)
    assert drawn.shape == (3, side, side, 1) and drawn.dtype == np.float32
    assert drawn.min() >= 0 and drawn.max() <= 1
    np.testing.assert_array_equal(drawn, model.sample(np.int64(3), seed=np.int64(0)))
    assert not np.array_equal(drawn, model.sample(3, seed=1))
    assert model.sample(0, seed=0).shape == (0, side, side, 1)
    for n in (-1, 2.5, True, None):
        with pytest.raises(ValueError, match="expected an integer of at least 0"):
            model.sample(n, seed=0)


@every
def test_completions(name):
    model, _ = trained(name)
    x, side = data(name)[0][:5], TINY[name][0]
    half = np.zeros((side, side), bool)
    half[:, : side // 2] = True
    if name == "cnn":
        with pytest.raises(NotImplementedError, match="cannot complete"):
            model.inpaint(x, half, seed=0)
        return
    whole = np.ones((side, side), bool)
    each = np.stack([half, ~half, whole, ~whole, half.T])
    for mask in (half, each):
        filled = model.inpaint(x, mask, seed=0)
        known = np.broadcast_to(mask, x.shape[:3])
        assert filled.shape == x.shape and filled.dtype == np.float32
        assert filled.min() >= 0 and filled.max() <= 1
        np.testing.assert_array_equal(filled[known], x[known])
    np.testing.assert_array_equal(filled, model.inpaint(x, each, seed=np.int64(0)))
    before = x.copy()
    model.inpaint(x, half, seed=0)
    np.testing.assert_array_equal(x, before)


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


def wrong_values(entry):
    """Values that the catalogue's schema of a parameter excludes."""
    kind = entry.get("type")
    if "enum" in entry:
        return ["nonsense", None]
    if kind not in ("integer", "number", ["integer", "null"]):
        return []
    values = [float("nan"), float("inf"), "x", True, entry.get("minimum", entry.get("exclusiveMinimum", 1)) - 1]
    values += [entry["exclusiveMinimum"]] if "exclusiveMinimum" in entry else []
    values += [2.5] if kind != "number" else []
    values += [entry["exclusiveMaximum"]] if "exclusiveMaximum" in entry else []
    return values + ([entry["maximum"] + 1] if "maximum" in entry else [])


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


# --- files, copies, NumPy's numbers ----------------------------------------------------------------------------------


@every
def test_a_saved_model_comes_back(name, tmp_path):
    model, _ = trained(name)
    x, side = data(name)[0], TINY[name][0]
    before = os.umask(0o022)
    try:
        model.save(tmp_path / "deep" / "model")
    finally:
        os.umask(before)
    files = [file for file in (tmp_path / "deep" / "model").rglob("*") if file.is_file()]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o644}
    loaded = type(model).load(tmp_path / "deep" / "model")
    np.testing.assert_allclose(says(name, loaded, x), says(name, model, x), rtol=1e-6)
    assert loaded.count_params() == model.count_params()
    if name != "cnn":
        known = np.arange(side * side).reshape(side, side) % 2 == 0
        np.testing.assert_allclose(loaded.sample(2, seed=1), model.sample(2, seed=1), atol=1e-6)
        np.testing.assert_allclose(loaded.inpaint(x[:2], known, seed=1), model.inpaint(x[:2], known, seed=1), atol=1e-6)
    fit(name, loaded)  # what is loaded can be trained again
    same(name, says(name, loaded, x), says(name, model, x))


@every
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damaged_files_are_named(name, damage, tmp_path):
    trained(name)[0].save(tmp_path)
    for file in [file for file in tmp_path.rglob("*") if file.is_file()]:
        content = bytearray(file.read_bytes())
        middle = len(content) * 3 // 4
        content[middle] ^= 1
        file.write_bytes(content if damage == "flipped" else content[:middle])
        with pytest.raises(ValueError, match=file.name):
            type(trained(name)[0]).load(tmp_path)
        content[middle] ^= 1
        file.write_bytes(content)
    type(trained(name)[0]).load(tmp_path)


@every
def test_no_model_there_is_said(name, tmp_path):
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        type(trained(name)[0]).load(tmp_path)


@every
def test_the_directory_of_another_class_is_refused(name, tmp_path):
    from dcgmm.storage import write_json

    trained(name)[0].save(tmp_path)
    if not (tmp_path / "model.json").is_file():
        pytest.skip("keeps its description with its tensors")
    write_json(tmp_path / "model.json", {"class": "my.module:Model", "seed": 0})
    with pytest.raises(ValueError, match=r"my\.module:Model"):
        type(trained(name)[0]).load(tmp_path)


@every
def test_a_deep_copy_is_a_model_of_its_own(name):
    model, _ = trained(name)
    x, _ = data(name)
    expected = says(name, model, x)
    twin = copy.deepcopy(model)
    same(name, says(name, twin, x), expected)
    fit(name, twin, 1 - x)
    assert not np.allclose(says(name, twin, x), expected, rtol=1e-3)
    np.testing.assert_array_equal(says(name, model, x), expected)


@every
def test_numbers_of_numpy_are_numbers(name, tmp_path):
    kinds = {int: np.int64, float: np.float64}
    params = {k: kinds.get(type(v), lambda v: v)(v) for k, v in TINY[name][1].items()}
    model = make(name, **params, **{"seed": np.int64(3)})
    fit(name, model)
    model.save(tmp_path)
    loaded, x = type(model).load(tmp_path), data(name)[0]
    same(name, says(name, loaded, x), says(name, trained(name)[0], x))


# --- checkpoints -----------------------------------------------------------------------------------------------------


def interrupted(name, monkeypatch, folder):
    """A model whose training was ended by Ctrl-C after its first step."""
    model, asked = make(name), []

    def clock():
        asked.append(1)  # by the checkpoint when it is made, then after each step
        if len(asked) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return 0.0

    with monkeypatch.context() as patch:
        patch.setattr(dcgmm.checkpoint, "time", SimpleNamespace(monotonic=clock))
        with pytest.raises(KeyboardInterrupt):
            fit(name, model, checkpoint=folder)
    return model


def needs_checkpoint(name):
    if "checkpoint" not in inspect.signature(make(name).fit).parameters:
        pytest.skip("trains in seconds, without a checkpoint")


@every
def test_ctrl_c_keeps_what_was_learnt(name, monkeypatch, tmp_path):
    needs_checkpoint(name)
    x, _ = data(name)
    stopped = interrupted(name, monkeypatch, tmp_path / "state")
    assert np.isfinite(says(name, stopped, x)).all()
    assert list((tmp_path / "state").glob("*.safetensors"))
    resumed = make(name)
    history = fit(name, resumed, checkpoint=tmp_path / "state")
    same(name, says(name, resumed, x), says(name, trained(name)[0], x))
    assert [row[:3] for row in history] == [row[:3] for row in trained(name)[1]]


@every
def test_the_checkpoint_of_another_training_is_refused(name, monkeypatch, tmp_path):
    needs_checkpoint(name)
    x, labels = data(name)
    interrupted(name, monkeypatch, tmp_path)
    file = next(tmp_path.glob("*.safetensors"))
    before = file.read_bytes()
    for said, other, changed in [
        ("other images", make(name), {"x": x[::-1].copy()}),
        ("other images", make(name), {"x": x[:-1], "labels": labels[:-1]}),
        ("seed 3, not 4", make(name, seed=4), {}),
        *([("batch_size 20, not 19", make(name, batch_size=19), {})] if name != "dcgmm" else []),
        *([("other labels", make(name), {"labels": labels[::-1].copy()})] if name == "cnn" else []),
    ]:
        with pytest.raises(ValueError, match=rf"belongs to another training \({said}.*remove it, or train"):
            fit(name, other, checkpoint=tmp_path, **changed)
    assert file.read_bytes() == before
