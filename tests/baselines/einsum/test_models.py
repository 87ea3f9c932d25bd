import json

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from baselines.einsum import PdSpn, RatSpn

SHAPE = (6, 8, 1)
SMALL = {"sums": 3, "depth": 2, "repetitions": 2, "epochs": 3, "batch_size": 16}


def images(n=40, shape=SHAPE, seed=0):
    rng = np.random.default_rng(seed)
    bright = rng.random((n, 1, 1, 1)) < 0.5
    ramp = np.linspace(0, 1, shape[1])[None, None, :, None]
    return np.clip(np.where(bright, ramp, 1 - ramp) + 0.1 * rng.normal(size=(n, *shape)), 0, 1).astype(np.float32)


def rat(**more):
    return RatSpn(SHAPE, **{**SMALL, **more})


VARIANTS = [
    {"leaf": "binomial", "pixels": "counts"},
    {"leaf": "binomial", "pixels": "unit"},
    {"leaf": "normal"},
    {"leaf": "categorical", "trials": 7},
    {"leaf": "normal", "learning": "full_em"},
    {"leaf": "normal", "learning": "gradient", "learning_rate": 0.05},
    {"leaf": "normal", "frequency": 2},
]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: "-".join(map(str, v.values())))
def test_the_interface(variant, tmp_path):
    x, model = images(), rat(**variant)
    history = model.fit(x, validation=x[:7], progress=False)
    assert [row.split for row in history] == ["train", "validation"] * 3
    assert history[-2].step == 9
    train = [row.log_likelihood for row in history if row.split == "train"]
    assert train[-1] > train[0]

    scores = model.score_samples(x)
    assert scores.shape == (40,)
    assert scores.dtype == np.float64
    assert history[-1].log_likelihood == pytest.approx(scores[:7].mean(), rel=1e-4, abs=1e-3)
    drawn = model.sample(5, seed=1)
    assert drawn.shape == (5, *SHAPE)
    assert drawn.dtype == np.float32
    assert drawn.min() >= 0
    assert drawn.max() <= 1

    known = np.zeros((6, 8), bool)
    known[:, :4] = True
    for mode in ("draw", "mean", "mpe"):
        filled = model.inpaint(x[:4], known, seed=2, mode=mode)
        assert np.array_equal(filled[:, :, :4], x[:4, :, :4])
        assert not np.array_equal(filled[:, :, 4:], x[:4, :, 4:])

    model.save(tmp_path / "model")
    again = RatSpn.load(tmp_path / "model")
    assert np.array_equal(again.score_samples(x), scores)
    assert again.history == history
    assert np.array_equal(again.sample(5, seed=1), drawn)
    with pytest.raises(ValueError, match="RatSpn"):
        PdSpn.load(tmp_path / "model")


def test_published_parameter_counts():
    # The paper prints 515,683 for PD-SPN: K 40, cuts every 7 pixels, normal leaves (two parameters each).
    assert PdSpn((28, 28, 1), sums=40, delta=7, leaf="normal").count_params() == 515_683
    assert PdSpn((28, 28, 1), sums=40, delta=7, leaf="binomial").count_params() == 515_683 - 784 * 40


def test_counts_are_rounded_pixels_and_unit_pixels_are_taken_as_they_are():
    x = images(5)
    counts, unit = rat(pixels="counts"), rat(pixels="unit")
    assert np.array_equal(counts._variables(x).numpy(), np.round(x * 255).reshape(5, -1))
    assert np.array_equal(unit._variables(x).numpy(), x.reshape(5, -1))
    assert counts.score_samples(x)[0] != pytest.approx(unit.score_samples(x)[0])


def test_counts_are_scored_as_probabilities():
    model = PdSpn((1, 2, 1), sums=2, delta=1, trials=3)
    states = np.array([[a, b] for a in range(4) for b in range(4)], np.float32).reshape(16, 1, 2, 1) / 3
    assert np.exp(model.score_samples(states)).sum() == pytest.approx(1, abs=1e-5)


def test_marginals_of_all_and_of_no_pixels():
    x, model = images(4), rat(leaf="normal")
    model.fit(x, progress=False)
    assert np.allclose(model.marginal_log_likelihood(x, np.ones((6, 8), bool)), model.score_samples(x), rtol=1e-5)
    assert np.allclose(model.marginal_log_likelihood(x, np.zeros((4, 6, 8), bool)), 0, atol=1e-4)


def test_colour_images_keep_the_channels_of_a_pixel_together():
    shape = (4, 4, 3)
    model = PdSpn(shape, sums=2, delta=2, leaf="normal", epochs=1)
    x = images(10, shape)
    model.fit(x, progress=False)
    known = np.zeros((10, 4, 4), bool)
    known[:, :2] = True
    filled = model.inpaint(x, known, seed=0)
    assert np.array_equal(filled[:, :2], x[:, :2])
    assert model.count_params() == 4 * 4 * 3 * 2 * 2 + 2 * 2 * 1 + 0


@pytest.mark.parametrize("learning", ["em", "full_em", "gradient"])
def test_resuming_gives_the_same_numbers(learning, tmp_path):
    x = images()
    straight = rat(leaf="normal", learning=learning, epochs=4)
    history = straight.fit(x, progress=False)

    rat(leaf="normal", learning=learning, epochs=2).fit(x, progress=False, checkpoint=tmp_path)
    resumed = rat(leaf="normal", learning=learning, epochs=4)
    assert resumed.fit(x, progress=False, checkpoint=tmp_path) == history
    assert np.array_equal(resumed.score_samples(x), straight.score_samples(x))
    assert [p.name for p in tmp_path.iterdir()] == ["state.safetensors"]


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    rat(epochs=1).fit(images(), progress=False, checkpoint=tmp_path)
    with pytest.raises(ValueError, match="other parameters"):
        rat(epochs=1, seed=5).fit(images(), progress=False, checkpoint=tmp_path)


def test_a_memory_limit_changes_no_numbers():
    x = images()
    free, limited = rat(leaf="normal"), rat(leaf="normal", memory_limit=30_000)
    assert 0 < limited._micro_batch(16) < 16
    a, b = (model.fit(x, progress=False)[-1].log_likelihood for model in (free, limited))
    assert a == pytest.approx(b, rel=1e-4)
    with pytest.raises(ValueError, match="raise the limit"):
        rat(memory_limit=10).fit(x, progress=False)


def test_saved_files_are_json_and_safetensors(tmp_path):
    rat().save(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.json", "weights.safetensors"]
    assert json.loads((tmp_path / "model.json").read_text())["params"]["sums"] == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RatSpn((28, 28)), "image_shape"),
        (lambda: rat(leaf="poisson"), "'poisson'"),
        (lambda: rat(pixels="bytes"), "'bytes'"),
        (lambda: rat(learning="adam"), "'adam'"),
        (lambda: rat(step_size=0), "step_size is 0"),
        (lambda: rat(trials=0), "trials is 0"),
        (lambda: rat(batch_size=0), "batch_size 0"),
        (lambda: rat().fit(np.zeros((3, 8, 6, 1), np.float32)), "expected"),
        (lambda: rat().fit(np.zeros((0, *SHAPE), np.float32)), "no images"),
        (lambda: rat().inpaint(images(2), np.ones((6, 8)), seed=0), "expected bool"),
        (lambda: rat().sample(2, seed=0, leaves="mode"), "'mode'"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_no_images_have_no_scores():
    assert rat().score_samples(np.zeros((0, *SHAPE), np.float32)).shape == (0,)
    assert rat().sample(0, seed=0).shape == (0, *SHAPE)


def constant_borders(n=200):
    """Images whose first column is 0, whose last column is 1, and whose left half is 0 more often than not."""
    x = images(n)
    x[:, :, :4] *= np.random.default_rng(1).random((n, 6, 4, 1)) < 0.3
    x[:, :, 0], x[:, :, -1] = 0, 1
    return x


@pytest.mark.parametrize("model", [RatSpn, PdSpn])
def test_normal_leaves_of_constant_pixels_are_accurate_in_single_precision(model):
    more = {"depth": 2, "repetitions": 2} if model is RatSpn else {"delta": 2}
    spn = model(SHAPE, sums=3, leaf="normal", min_variance=1e-6, learning="full_em", epochs=12, **more)
    x = constant_borders()
    train = np.array([row.log_likelihood for row in spn.fit(x, progress=False)])
    assert (np.diff(train) > -1e-3).all()
    assert train[-1] > train[0] + 50
    assert {0.0, 1.0} <= set(spn.circuit.centre.tolist())
    scores = spn.score_samples(x)
    exact = spn.circuit.double()(spn._variables(x))[:, 0].numpy()
    assert np.abs(scores - exact).max() < 0.5


def test_models_without_a_centre_are_loaded(tmp_path):
    x, model = images(), rat(leaf="normal")
    model.save(tmp_path)
    tensors = load_file(tmp_path / "weights.safetensors")
    del tensors["centre"]
    save_file(tensors, tmp_path / "weights.safetensors")
    again = RatSpn.load(tmp_path)
    assert (again.circuit.centre == 0.5).all()
    assert np.array_equal(again.score_samples(x), model.score_samples(x))
