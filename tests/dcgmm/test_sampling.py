"""Sampling: exact for one layer, the options, and independence of mini-batches."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dcgmm import DCGMM, randomness, sampling
from dcgmm.backwards import choose_components
from dcgmm.batches import MINI_BATCHES
from dcgmm.layers.cgmm import S_MAX
from dcgmm.network import stages

ONE = "F(3,1)-G(4)"
SHAPE = (3, 3, 1)
DEEP = "F(3,1)-G(4)-P(2,2)-F(2,1)-G(9,independent)-F(2,1)-G(4)"


def one_layer(seed=0):
    """A mixture of four Gaussians whose samples, with divisor 4, stay within [0, 1]."""
    rng = np.random.default_rng(seed)
    model = DCGMM(ONE, SHAPE)
    (own,) = model.get_parameters()
    own["mu"] = rng.uniform(0.4, 0.6, own["mu"].shape)
    own["s"] = rng.uniform(3.0, 4.2, own["s"].shape)
    own["w"] = rng.normal(size=own["w"].shape)
    model.set_parameters([own])
    return model, own


def random_model(config=DEEP, shape=(8, 8, 2), seed=0):
    rng = np.random.default_rng(seed)
    model = DCGMM(config, shape)
    layers = model.get_parameters()
    for layer in layers:
        for name, value in layer.items():
            low, high = {"mu": (0.0, 1.0), "s": (2.0, 4.4)}.get(name, (-1.0, 1.0))
            layer[name] = rng.uniform(low, high, value.shape)
    model.set_parameters(layers)
    return model


@pytest.mark.parametrize("use_weights", [False, True])
def test_mean_and_covariance_of_one_layer_are_the_mixtures(use_weights):
    model, own = one_layer()
    n, divisor = 40_000, 4.0
    x = model.sample(n, seed=3, divisor=divisor, use_weights=use_weights).reshape(n, 9).astype(np.float64)
    mu, var = own["mu"][0], (own["s"][0] * divisor) ** -2.0
    weights = np.exp(own["w"][0]) / np.exp(own["w"][0]).sum() if use_weights else np.full(4, 0.25)
    mean = weights @ mu
    covariance = np.diag(weights @ var) + (weights[:, None] * (mu - mean)).T @ (mu - mean)
    scale = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(x.mean(0), mean, atol=5 * scale.max() / np.sqrt(n))
    np.testing.assert_allclose(np.cov(x.T), covariance, atol=8 * scale.max() ** 2 / np.sqrt(n))


def test_no_noise_where_s_is_at_its_bound():
    model, own = one_layer()
    own["s"][0, 1, :5] = S_MAX
    model.set_parameters([own])
    x = model.sample(50, seed=0, divisor=4.0, layer_options={0: {"component": 1}}).reshape(50, 9)
    np.testing.assert_array_equal(x[:, :5], np.broadcast_to(own["mu"][0, 1, :5].astype(np.float32), (50, 5)))
    assert (x[:, 5:].std(0) > 0.03).all()


def test_a_mixture_with_small_variances_samples_what_it_scores():
    """A user's own mixture may have s above the bound of training: its samples had no noise at all."""
    model, own = one_layer()
    own["s"][0, 1] = np.linspace(1.001 * S_MAX, 100.0, 9)
    model.set_parameters([own])
    x = model.sample(4000, seed=0, divisor=4.0, layer_options={0: {"component": 1}}).reshape(4000, 9)
    deviation = 1 / (4.0 * own["s"][0, 1])
    np.testing.assert_allclose(x.std(0), deviation, rtol=0.05)
    np.testing.assert_allclose((x.mean(0) - own["mu"][0, 1]) / deviation, 0, atol=5 / np.sqrt(4000))


def test_component_of_the_start_layer_is_fixed_or_cycled():
    model, own = one_layer()
    centroids = own["mu"][0].astype(np.float32)
    fixed = model.sample(7, seed=0, divisor=1e6, layer_options={-1: {"component": 2}}).reshape(7, 9)
    np.testing.assert_allclose(fixed, centroids[[2] * 7], atol=1e-5)
    cycled = model.sample(7, seed=0, divisor=1e6, layer_options={0: {"component": "cycle"}}).reshape(7, 9)
    np.testing.assert_allclose(cycled, centroids[np.arange(7) % 4], atol=1e-5)


def test_component_is_an_option_of_the_start_layer_alone():
    model = random_model()
    cycled = {"seed": 0, "layer_options": {-1: {"component": "cycle"}}}
    np.testing.assert_array_equal(model.sample_traced(5, **cycled)[0], model.sample(5, **cycled))
    with pytest.raises(ValueError, match="only the layer where sampling starts, 2, has no control signal"):
        model.sample_traced(5, seed=0, component="cycle")


def test_the_sizes_of_mini_batches_are_those_of_the_documentation():
    text = " ".join((Path(__file__).parents[2] / "docs" / "sampling.md").read_text(encoding="utf-8").split())
    small, large = MINI_BATCHES
    assert f"mini-batches of {small} images (up to {small}) or {large}, padded with zeros" in text


def test_images_depend_on_the_seed_and_their_number_only():
    model = random_model()
    few, many = model.sample(7, seed=5, divisor=5.0, top_s=2), model.sample(120, seed=5, divisor=5.0, top_s=2)
    np.testing.assert_array_equal(few, many[:7])
    assert len(np.unique(many.reshape(120, -1), axis=0)) == 120
    assert many.shape == (120, 8, 8, 2) and many.dtype == np.float32 and many.min() >= 0 and many.max() <= 1
    assert not np.array_equal(few, model.sample(7, seed=6, divisor=5.0, top_s=2))
    assert model.sample(0, seed=1, divisor=5.0, top_s=2).shape == (0, 8, 8, 2)


def test_from_a_lower_layer_equals_the_model_without_the_layers_above():
    model = random_model()
    lower = DCGMM("F(3,1)-G(4)-P(2,2)-F(2,1)-G(9,independent)", (8, 8, 2))
    lower.set_parameters(model.get_parameters()[:2])
    np.testing.assert_array_equal(
        model.sample(5, seed=1, divisor=9.0, from_layer=1), lower.sample(5, seed=1, divisor=9.0)
    )
    np.testing.assert_array_equal(
        model.sample(5, seed=1, divisor=9.0, from_layer=-2), lower.sample(5, seed=1, divisor=9.0)
    )


@pytest.mark.parametrize("top_s", [1, 2, None])
def test_choice_by_the_control_signal(top_s):
    control = np.array([0.0, 0.5, -3.0, 0.2, 0.3], np.float32)
    n = 20_000
    u = (np.arange(n) + 0.5) / n * (1 - 2**-20)
    drawn = np.asarray(
        choose_components(
            jnp.asarray(np.tile(control, (n, 1, 1, 1))), jnp.asarray(u.reshape(n, 1, 1), jnp.float32), top_s
        )
    )
    kept = np.zeros(5)
    order = np.argsort(-control)[: top_s or 5]
    kept[order] = np.maximum(control[order], 0)
    np.testing.assert_allclose(np.bincount(drawn.ravel(), minlength=5) / n, kept / kept.sum(), atol=1e-3)


def test_power_sharpens_the_choice_and_ties_keep_exactly_s():
    n = 20_000
    u = jnp.asarray(((np.arange(n) + 0.5) / n).reshape(n, 1, 1), jnp.float32)
    control = jnp.asarray(np.tile(np.array([1, 2, 1], np.float32), (n, 1, 1, 1)))
    squared = np.asarray(choose_components(control, u, None, 2.0)).ravel()
    np.testing.assert_allclose(np.bincount(squared) / n, np.array([1, 4, 1]) / 6, atol=1e-3)
    tied = np.asarray(choose_components(jnp.ones((n, 1, 1, 4)), u, 2)).ravel()
    assert len(np.unique(tied)) == 2


@pytest.mark.parametrize("top_s", [None, 1, 2, 3])
def test_a_position_without_positive_entries_is_uniform_whatever_s(top_s):
    u = jnp.asarray(((np.arange(3000) + 0.5) / 3000).reshape(-1, 1, 1), jnp.float32)
    control = jnp.asarray(np.tile(np.array([-1, 0, -2], np.float32), (3000, 1, 1, 1)))
    drawn = np.asarray(choose_components(control, u, top_s)).ravel()
    np.testing.assert_array_equal(np.bincount(drawn, minlength=3), 1000)


def compiled():
    """How many ways down have been compiled."""
    return sampling._compiled.cache_info().misses


def test_numbers_do_not_compile_anew_nor_do_options_of_layers_that_are_not_used():
    model = random_model()
    common = dict(seed=0, divisor=5.0, top_s=2)
    model.sample(4, **common, power=2.0, layer_options={2: {"component": 1}})
    before = compiled()
    other = model.sample(9, **common, power=3.0, layer_options={2: {"component": 3}})
    assert compiled() == before
    assert not np.array_equal(other, model.sample(9, **common, power=2.0, layer_options={2: {"component": 1}}))
    model.sample(4, **common, from_layer=0)
    before = compiled()
    model.sample(4, **common, from_layer=0, layer_options={1: {"top_s": 1, "sharpen": True}})
    assert compiled() == before


def test_scores_do_not_compile_anew_for_every_number_of_images():
    from dcgmm import scoring as module

    model = random_model()
    x = np.random.default_rng(0).uniform(size=(105, 8, 8, 2)).astype(np.float32)
    every = model.score_layers(x)
    model.score_layers(x[:3])
    before = module._compiled.cache_info().misses
    for n in (1, 7, 10, 11, 60, 99, 101):
        np.testing.assert_allclose(model.score_layers(x[:n]), every[:n], rtol=2e-6)
    assert module._compiled.cache_info().misses == before


def test_layer_options_override_the_common_ones():
    model = random_model()
    common = model.sample(3, seed=2, divisor=7.0, top_s=1)
    alike = model.sample(3, seed=2, layer_options={i: {"divisor": 7.0, "top_s": 1} for i in range(3)})
    np.testing.assert_array_equal(common, alike)
    lowest = model.sample(3, seed=2, divisor=7.0, top_s=1, layer_options={0: {"divisor": 1e6}})
    assert not np.array_equal(common, lowest)


def test_random_numbers_belong_to_seed_stream_and_image_and_are_well_spread():
    key, other = randomness.stream_keys(0, 2)
    images = np.arange(50, dtype=np.int32)
    z = np.asarray(randomness.normal(key, images, (999,)))
    assert abs(z.mean()) < 0.02 and abs(z.std() - 1) < 0.02 and abs((z**4).mean() - 3) < 0.15
    u = np.asarray(randomness.uniform(key, images, (999,)))
    assert u.min() >= 0 and u.max() < 1
    assert abs(np.corrcoef(u[:, 0::2][:, :499].ravel(), u[:, 1::2].ravel())[0, 1]) < 0.03
    assert abs(np.corrcoef(u[1:].ravel(), u[:-1].ravel())[0, 1]) < 0.03
    np.testing.assert_array_equal(u[7:9], randomness.uniform(key, images[7:9], (999,)))
    assert abs(np.corrcoef(u.ravel(), np.asarray(randomness.uniform(other, images, (999,))).ravel())[0, 1]) < 0.03


def test_the_callers_default_generator_has_no_influence():
    key, images = randomness.stream_keys(3, 1)[0], np.arange(4, dtype=np.int32)
    plain = np.asarray(randomness.normal(key, images, (5,)))
    for other in (jax.default_prng_impl("rbg"), jax.threefry_partitionable(False), jax.threefry_partitionable(True)):
        with other:
            np.testing.assert_array_equal(randomness.normal(key, images, (5,)), plain)


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_several_models_at_once_give_what_each_gives_alone(platform, monkeypatch):
    """On a GPU in one program with an axis of models, which runs here on the CPU."""
    models = [random_model(seed=seed) for seed in range(3)]
    options = dict(divisor=5.0, top_s=2, sharpen=True, sharpen_iterations=3, layer_options={1: {"divisor": 8.0}})
    alone = [model.sample(12, seed=seed, **options) for model, seed in zip(models, (4, 5, 4), strict=True)]
    chain = stages(models[0].architecture, platform)
    for model in models:
        monkeypatch.setattr(model, "_chain", chain)
    together = DCGMM.sample_many(models, 12, seeds=[4, 5, 4], **options)
    for one, same in zip(together, alone, strict=True):
        np.testing.assert_allclose(one, same, atol=0 if platform == "cpu" else 1e-5)


def test_several_models_must_be_alike_and_have_a_seed_each():
    models = [random_model(), random_model("F(3,1)-G(4)")]
    with pytest.raises(ValueError, match="the models differ"):
        DCGMM.sample_many(models, 2, seeds=[0, 1])
    with pytest.raises(ValueError, match="one for each"):
        DCGMM.sample_many(models[:1], 2, seeds=[0, 1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"from_layer": 3}, "from_layer=3"),
        ({"top_s": 0}, "top_s=0"),
        ({"divisor": 0.0}, "divisor=0.0"),
        ({"power": -1.0}, "power=-1.0"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 0.5}, "seed=0.5"),
        ({"labels": 3}, "no classifier layer"),
        ({"layer_options": {7: {}}}, "layer 7"),
        ({"layer_options": {0: {"component": 1}}}, "component=1"),
        ({"layer_options": {2: {"component": 4}}}, "component=4"),
        ({"layer_options": {2: {"sharpen_target": 1}}}, "sharpen_target=1"),
        ({"layer_options": {2: {}, -1: {}}}, "2 and -1"),
        ({"divisor": float("inf")}, "divisor=inf"),
        ({"power": float("nan")}, "power=nan"),
        ({"sharpen_step": float("nan")}, "sharpen_step=nan"),
        ({"sharpen_iterations": -1}, "sharpen_iterations=-1"),
    ],
)
def test_wrong_options_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        random_model().sample(2, **{"seed": 0, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sharpen": "False"}, "sharpen='False'"),
        ({"sharpen": 1}, "sharpen=1"),
        ({"use_weights": "no"}, "use_weights='no'"),
        ({"top_s": 2.0}, r"top_s=2\.0"),
        ({"top_s": True}, "top_s=True"),
        ({"sharpen_iterations": 3.0}, r"sharpen_iterations=3\.0"),
        ({"sharpen_step": "1"}, "sharpen_step='1'"),
        ({"divisor": True}, "divisor=True"),
        ({"power": None}, "power=None"),
        ({"from_layer": 1.0}, r"from_layer=1\.0"),
        ({"layer_options": [{}]}, "layer_options="),
        ({"layer_options": {0: 3}}, r"layer_options\[0\]=3"),
        ({"layer_options": {"0": {}}}, "'0'"),
        ({"layer_options": {2: {"component": 1.0}}}, r"component=1\.0"),
        ({"layer_options": {2: {"sharpen_target": 2.0}}}, r"sharpen_target=2\.0"),
    ],
)
def test_options_of_another_type_are_refused_by_name(options, message):
    with pytest.raises(TypeError, match=message):
        random_model().sample(2, **{"seed": 0, **options})


def test_numbers_of_numpy_are_numbers():
    model = random_model()
    options = dict(divisor=np.float32(5), top_s=np.int64(2), sharpen=np.bool_(True), sharpen_iterations=np.int32(3))
    plain = dict(divisor=5.0, top_s=2, sharpen=True, sharpen_iterations=3)
    np.testing.assert_array_equal(model.sample(2, seed=0, **options), model.sample(2, seed=0, **plain))


def test_unknown_option_is_refused():
    with pytest.raises(TypeError, match="divisior"):
        random_model().sample_traced(2, seed=0, divisior=3.0)


def test_unknown_layer_option_is_refused():
    with pytest.raises(TypeError, match="divisior"):
        random_model().sample(2, seed=0, layer_options={0: {"divisior": 3.0}})
