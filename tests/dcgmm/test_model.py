"""The model as its users see it: parameters, scores, reproducibility, saving, resuming, refusing."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from benchmarks import naive_dcgmm as plain
from dcgmm import DCGMM
from dcgmm.storage import DamagedFileError

SMALL = "F(3,1)-G(4)-P(2,2)-F(2,1)-G(9,independent)"
SHAPE = (8, 8, 1)
RNG = np.random.default_rng(11)


def images(n, shape=SHAPE, seed=0):
    return np.random.default_rng(seed).uniform(size=(n, *shape)).astype(np.float32)


def random_parameters(parameters, seed=0):
    """Values anywhere in the allowed range, s up to its bound, in the layout of `parameters`."""
    rng = np.random.default_rng(seed)
    draw = {
        "mu": lambda shape: rng.uniform(-0.2, 1.0, shape),
        "s": lambda shape: rng.uniform(0.3, plain.S_MAX, shape),
        "w": lambda shape: rng.normal(size=shape),
    }
    return [{name: draw[name](v.shape).astype(np.float32) for name, v in layer.items()} for layer in parameters]


def assert_same_parameters(a, b, **tolerance):
    assert len(a) == len(b)
    for layer, (one, other) in enumerate(zip(a, b, strict=True)):
        assert set(one) == set(other)
        for name in one:
            np.testing.assert_allclose(one[name], other[name], err_msg=f"layer {layer}, {name}", **tolerance)


def test_parameters_have_the_shapes_of_the_contract():
    model = DCGMM(SMALL + "-C(10)", input_shape=SHAPE)
    shapes = [{name: np.shape(v) for name, v in layer.items()} for layer in model.get_parameters()]
    assert shapes == [
        {"mu": (1, 4, 9), "s": (1, 4, 9), "w": (1, 4)},
        {"mu": (4, 9, 16), "s": (4, 9, 16), "w": (4, 9)},
        {"W": (4 * 9, 10), "b": (10,)},
    ]


def test_initial_values():
    first = DCGMM(SMALL, input_shape=SHAPE, seed=5).get_parameters()
    for layer in first:
        k = layer["w"].shape[1]
        assert -0.1 <= layer["mu"].min() < -0.05 < 0.05 < layer["mu"].max() <= 0.1
        np.testing.assert_allclose(layer["s"], plain.S_MAX, rtol=1e-6)
        np.testing.assert_allclose(layer["w"], 1 / k, rtol=1e-6)
    assert_same_parameters(first, DCGMM(SMALL, input_shape=SHAPE, seed=5).get_parameters(), rtol=0)
    other = DCGMM(SMALL, input_shape=SHAPE, seed=6).get_parameters()
    assert not np.array_equal(first[0]["mu"], other[0]["mu"])


def test_set_parameters_round_trip_and_refusal():
    model = DCGMM(SMALL, input_shape=SHAPE)
    values = random_parameters(model.get_parameters())
    model.set_parameters(values)
    assert_same_parameters(model.get_parameters(), values, rtol=0)
    wrong = [dict(layer) for layer in values]
    wrong[1]["mu"] = wrong[1]["mu"][:1]
    with pytest.raises(ValueError, match=r"mu.*\(4, 9, 16\)"):
        model.set_parameters(wrong)
    with pytest.raises(ValueError):
        model.set_parameters(values[:1])
    assert_same_parameters(model.get_parameters(), values, rtol=0)


@pytest.mark.parametrize("mode", ["max", "exact"])
@pytest.mark.parametrize(
    ("config", "shape"),
    [
        ("F(4,1)-G(9)", (4, 4, 3)),
        ("G(4)-G(4,independent)", (3, 3, 2)),
        (SMALL, SHAPE),
        ("F(3,1)-G(4,independent)-P(2,2,valid)-F(2,1)-G(9)", (7, 9, 1)),
        ("F(3,1)-G(4)-F(2,2)-G(4)-F(3,1)-G(9)", SHAPE),
    ],
)
def test_scores_against_brute_force(config, shape, mode):
    model = DCGMM(config, input_shape=shape)
    parameters = random_parameters(model.get_parameters())
    model.set_parameters(parameters)
    x = images(7, shape)
    expected = plain.score_layers(config, parameters, x, mode)
    np.testing.assert_allclose(model.score_layers(x, mode=mode), expected, rtol=2e-4, atol=2e-3)
    top = model.score_samples(x, mode=mode)
    assert top.shape == (7,) and top.dtype == np.float64
    np.testing.assert_allclose(top, expected[:, -1], rtol=2e-4, atol=2e-3)


def test_the_batch_size_of_scoring_does_not_matter():
    model = DCGMM(SMALL, input_shape=SHAPE, seed=1)
    x = images(23)
    whole = model.score_layers(x)
    parts = np.concatenate([model.score_layers(x[:1]), model.score_layers(x[1:11]), model.score_layers(x[11:])])
    np.testing.assert_allclose(parts, whole, rtol=1e-5)


def test_same_seed_same_training():
    x = images(40)

    def trained(seed):
        model = DCGMM(SMALL, input_shape=SHAPE, seed=seed)
        model.fit(x, epochs=3, batch_size=10, progress=False)
        return model.get_parameters()

    assert_same_parameters(trained(2), trained(2), rtol=0)
    assert not np.array_equal(trained(2)[0]["mu"], trained(3)[0]["mu"])


def test_save_and_load(tmp_path):
    model = DCGMM(SMALL, input_shape=SHAPE, seed=4)
    x = images(30)
    model.fit(x, epochs=2, batch_size=10, progress=False)
    model.save(tmp_path / "model")
    loaded = DCGMM.load(tmp_path / "model")
    assert_same_parameters(loaded.get_parameters(), model.get_parameters(), rtol=0)
    np.testing.assert_array_equal(loaded.score_layers(x), model.score_layers(x))
    assert {path.suffix for path in (tmp_path / "model").rglob("*") if path.is_file()} <= {
        ".json",
        ".npz",
        ".safetensors",
    }


def test_history_has_every_layer_and_split():
    model = DCGMM(SMALL, input_shape=SHAPE, seed=4)
    history = model.fit(images(30), validation=images(20, seed=1), epochs=2, batch_size=10, progress=False)
    assert {row.layer for row in history} == {0, 1}
    assert len({row.split for row in history}) == 2
    assert all(np.isfinite(row.log_likelihood) for row in history)
    assert history[-1].step == 6


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 255.0])
def test_pixels_outside_of_0_to_1_are_refused(value):
    x = images(4)
    x[3, 2, 3, 0] = value
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        DCGMM(SMALL, input_shape=SHAPE).fit(x, epochs=1, progress=False)


@pytest.mark.parametrize("x", [images(3, (8, 8, 3)), images(3)[0], images(3)[..., 0]])
def test_images_of_the_wrong_shape_are_refused(x):
    model = DCGMM(SMALL, input_shape=SHAPE)
    with pytest.raises(ValueError, match=r"expected \(n, 8, 8, 1\)"):
        model.fit(x, epochs=1, progress=False)
    with pytest.raises(ValueError, match=r"expected \(n, 8, 8, 1\)"):
        model.score_samples(x)


def test_no_images():
    model = DCGMM(SMALL, input_shape=SHAPE)
    with pytest.raises(ValueError, match="empty"):
        model.fit(images(0), epochs=1, progress=False)
    for method in (model.score_samples, model.score_layers, model.activities):
        with pytest.raises(ValueError, match="empty"):  # as every other model of the suite
            method(images(0))


@pytest.mark.parametrize(
    ("name", "count"), zip("ABCDEFG", (38416, 293657, 243236, 40850, 186625, 50850, 16375), strict=True)
)
def test_instances(name, count):
    model = DCGMM.instance(name, input_shape=(28, 28, 1))
    centroids = sum(layer["mu"].size for layer in model.get_parameters())
    assert centroids == count


def test_unknown_instance_is_refused():
    with pytest.raises(ValueError, match=r"'?Z'?"):
        DCGMM.instance("Z", input_shape=(28, 28, 1))


@pytest.mark.parametrize("seed", [None, 1.0, -1, True, "1"])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(ValueError, match="seed"):
        DCGMM(SMALL, input_shape=SHAPE, seed=seed)


def test_numpys_scalars_are_numbers_too(tmp_path):
    options = {"seed": np.int64(3), "batch_size": np.int32(10), "epochs": np.float32(1.0), "window": np.uint8(20)}
    model = DCGMM(SMALL, input_shape=np.array(SHAPE), **options)
    model.fit(images(30), progress=False)
    model.save(tmp_path)
    loaded = DCGMM.load(tmp_path)
    assert loaded.seed == 3 and loaded.options == model.options and loaded.input_shape == SHAPE
    assert_same_parameters(loaded.get_parameters(), model.get_parameters(), rtol=0)


def test_bytes_and_integers_are_no_images():
    model = DCGMM(SMALL, input_shape=SHAPE)
    for x in (np.ones((3, *SHAPE), np.uint8), np.ones((3, *SHAPE), int)):
        with pytest.raises(ValueError, match="floats in"):
            model.fit(x, progress=False)
        with pytest.raises(ValueError, match="floats in"):
            model.score_samples(x)


def test_every_trainable_number_counts():
    model = DCGMM(SMALL + "-C(10)", input_shape=SHAPE)
    assert model.count_params() == sum(value.size for layer in model.get_parameters() for value in layer.values())
    assert model.count_params("centroids") == 4 * 9 + 4 * 9 * 16
    with pytest.raises(ValueError, match="centroids"):
        model.count_params("weights")


def test_models_can_be_copied():
    model = DCGMM(SMALL, input_shape=SHAPE, seed=4)
    model.fit(images(30), epochs=1, batch_size=10, progress=False)
    twin = copy.deepcopy(model)
    before = twin.get_parameters()
    model.fit(images(30), epochs=2, batch_size=10, progress=False)
    assert_same_parameters(twin.get_parameters(), before, rtol=0)
    twin.fit(images(30), epochs=2, batch_size=10, progress=False)
    assert_same_parameters(twin.get_parameters(), model.get_parameters(), rtol=0)


def test_a_device_that_is_not_there_or_unknown():
    with pytest.raises(ValueError, match=r"'tpu'.*'auto', 'cpu', 'gpu'"):
        DCGMM(SMALL, input_shape=SHAPE, device="tpu")
    assert DCGMM(SMALL, input_shape=SHAPE, device="cpu")._device.platform == "cpu"
    if jax.default_backend() == "cpu":
        with pytest.raises(ValueError, match=r"device='gpu'.*device=\"cpu\""):
            DCGMM(SMALL, input_shape=SHAPE, device="gpu")


def test_models_of_version_0_1_are_read():
    """tests/dcgmm/model_0_1: written by commit ac64f8d, and what it said of one image."""
    folder = Path(__file__).parent / "model_0_1"
    model = DCGMM.load(folder)
    x = np.linspace(0, 1, 25, dtype=np.float32).reshape(1, 5, 5, 1)
    expected = json.loads((folder / "scores.json").read_text())
    np.testing.assert_allclose(model.score_layers(x), expected, rtol=1e-5)
    assert model.sigmas_ and model.options.window == 20
    model.fit(np.repeat(x, 20, 0), iterations=5, batch_size=5, warm_start=True, progress=False)


def test_arguments_of_another_kind_are_said(tmp_path):
    with pytest.raises(ValueError, match=r"config=None: expected text"):
        DCGMM(None, (8, 8, 1))
    with pytest.raises(ValueError, match=r"input_shape=\(28, 28\): expected \(height"):
        DCGMM.instance("E", (28, 28))
    model = DCGMM("F(8,1)-G(2)", (8, 8, 1), iterations=1)
    x = np.zeros((3, 8, 8, 1), np.float32)
    with pytest.raises(ValueError, match=r"warm_start='no': expected True or False"):
        model.fit(x, warm_start="no", progress=False)
    model.save(tmp_path)
    DCGMM("F(8,1)-G(2)-C(2)", (8, 8, 1)).save(tmp_path / "other")
    (tmp_path / "other/model.json").write_bytes((tmp_path / "model.json").read_bytes())
    with pytest.raises(DamagedFileError, match="other holds the parameters of another model"):
        DCGMM.load(tmp_path / "other")


def test_a_platform_that_jax_does_not_have_is_a_sentence():
    code = "from dcgmm import DCGMM; DCGMM('F(8,1)-G(2)', (8, 8, 1))"
    environment = {**os.environ, "JAX_PLATFORMS": "nosuch"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "ValueError: device='auto': JAX finds no such device" in done.stderr
