from itertools import accumulate

import numpy as np
import pytest
from torch.profiler import ProfilerActivity, profile

from baselines.einsum import EinsumSpn, PdSpn, RatSpn, fitting, random_binary_trees
from dcgmm.storage import read_json, write_json

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


@pytest.mark.parametrize("leaf", ["binomial", "categorical"])
@pytest.mark.parametrize("trials", [1, 3])
def test_pixels_between_two_counts_are_rounded_once_everywhere(trials, leaf):
    x = images(20)
    rounded = (np.round(x * trials) / trials).astype(np.float32)
    assert not np.array_equal(x, rounded)
    mine, other = (rat(leaf=leaf, trials=trials, epochs=2) for _ in range(2))
    assert mine.fit(x, validation=x[:5], progress=False) == other.fit(rounded, validation=rounded[:5], progress=False)
    assert np.array_equal(mine.score_samples(x), other.score_samples(rounded))
    assert mine.score_samples(x).max() <= 0  # of probabilities
    known = np.zeros((6, 8), bool)
    known[:, :4] = True
    assert np.array_equal(mine.marginal_log_likelihood(x, known), other.marginal_log_likelihood(rounded, known))
    drawn, filled = mine.sample(5, seed=1), mine.inpaint(x, known, seed=2)
    assert np.array_equal(filled[:, ~known], other.inpaint(rounded, known, seed=2)[:, ~known])
    assert np.array_equal(filled[:, known], x[:, known])
    for values in (drawn, filled[:, ~known]):
        assert np.isin(np.float32(values), np.arange(trials + 1, dtype=np.float32) / np.float32(trials)).all()


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


def test_a_memory_limit_changes_no_numbers():
    x = images()
    free, limited = rat(leaf="normal"), rat(leaf="normal", memory_limit=40_000)
    assert 1 < limited._piece(16, "train") < 16
    a, b = (model.fit(x, progress=False)[-1].log_likelihood for model in (free, limited))
    assert a == pytest.approx(b, rel=1e-4)
    assert np.allclose(free.score_samples(x), limited.score_samples(x), rtol=1e-4)
    known = np.zeros((6, 8), bool)
    known[:, :4] = True
    explained = [model.inpaint(x[:9], known, seed=0, mode="mpe") for model in (free, limited)]
    assert np.allclose(*explained, atol=1e-3)


def peak_bytes(call):
    """Most bytes of tensors that exist at a time during the call, beyond those before it."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        call()
    events = [(e.start_ns(), e.nbytes()) for e in record.profiler.kineto_results.events() if e.name() == "[memory]"]
    return max(accumulate(size for _, size in sorted(events)))


WAYS = {
    "fit": lambda model, x, known: model.fit(x, progress=False),
    "score": lambda model, x, known: model.score_samples(x),
    "marginal": lambda model, x, known: model.marginal_log_likelihood(x, known),
    "sample": lambda model, x, known: model.sample(len(x), seed=0),
    "draw": lambda model, x, known: model.inpaint(x, known, seed=0),
    "mean": lambda model, x, known: model.inpaint(x, known, seed=0, mode="mean"),
    "mpe": lambda model, x, known: model.inpaint(x, known, seed=0, mode="mpe"),
}


LIMITED = {"sums": 6, "depth": 4, "repetitions": 4, "trials": 7, "epochs": 1, "batch_size": 300}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("leaf", ["binomial", "normal", "categorical"])
def test_a_memory_limit_is_kept(way, leaf):
    shape, limit = (10, 10, 1), 1_200_000
    x, known = images(300, shape), np.arange(100).reshape(10, 10) % 2 == 0
    peaks = []
    for memory_limit in (None, limit):
        model = RatSpn(shape, memory_limit=memory_limit, leaf=leaf, **LIMITED)
        peaks.append(peak_bytes(lambda model=model: WAYS[way](model, x, known)))
    copies = 3 * x.nbytes  # images and masks are not counted
    assert peaks[1] < limit + copies
    assert peaks[0] > 1.5 * peaks[1]


@pytest.mark.parametrize("leaf", ["normal", "categorical"])
def test_circuits_that_train_side_by_side_keep_a_memory_limit_together(leaf):
    """Images of a batch are split where one circuit needs it; where it does not, few circuits are taken at a time."""
    shape = (10, 10, 1)
    x = images(300, shape)
    params = {**LIMITED, "leaf": leaf, "frequency": 2}
    arguments = {"validation": None, "progress": False, "checkpoint": None, "joint": True}
    peaks, scores = [], []
    for number, limit, batch_size in ((1, 1_200_000, 300), (4, 1_200_000, 300), (4, 4_000_000, 50), (4, None, 300)):
        models = [
            RatSpn(shape, seed=s, **params | {"memory_limit": limit, "batch_size": batch_size}) for s in range(number)
        ]
        peaks.append(peak_bytes(lambda models=models: fitting.fit_models(models, x, None, **arguments)))
        scores.append(models[0].score_samples(x))
    copies = 3 * x.nbytes
    assert max(peaks[:2]) < 1_200_000 + copies < peaks[3]
    assert peaks[2] < 4_000_000 + copies
    assert np.allclose(scores[0], scores[3], rtol=1e-4) and np.allclose(scores[1], scores[3], rtol=1e-4)


def test_a_model_keeps_the_graph_it_was_made_with(tmp_path, monkeypatch):
    x, model = images(), rat(leaf="normal", optimizer_options={"betas": [0.8, 0.9]})
    model.save(tmp_path)
    monkeypatch.setattr("baselines.einsum.models.rat_graph", None)  # as if the trees came out otherwise
    again = RatSpn.load(tmp_path)
    assert again.graph == model.graph
    assert again.params == {**model.params, "device": "auto"}
    assert np.array_equal(again.score_samples(x), model.score_samples(x))


@pytest.mark.parametrize(("made", "loaded"), [("cpu", "cpu"), ("auto", "auto")])
def test_a_model_of_the_cpu_stays_there(made, loaded, tmp_path):
    rat(device=made).save(tmp_path)
    assert RatSpn.load(tmp_path).params["device"] == loaded
    assert RatSpn.load(tmp_path, device="auto").params["device"] == "auto"


def test_a_class_of_the_same_name_in_another_module_is_another_class(tmp_path):
    rat().save(tmp_path)
    content = read_json(tmp_path / "model.json")
    write_json(tmp_path / "model.json", content | {"class": "RatSpn"})  # as earlier versions wrote it
    assert RatSpn.load(tmp_path).params == rat().params
    write_json(tmp_path / "model.json", content | {"class": "my.module:RatSpn"})
    with pytest.raises(ValueError, match=r"holds a my\.module:RatSpn, not a baselines\.einsum\.models:RatSpn"):
        RatSpn.load(tmp_path)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("variables", ["pixels", "all"])
def test_any_region_graph_makes_a_model(channels, variables, tmp_path):
    shape = (4, 5, channels)
    graph = random_binary_trees(20 * (channels if variables == "all" else 1), 2, 3, seed=7)
    model = EinsumSpn(shape, graph, sums=2, leaf="normal", epochs=2)
    x = images(20, shape)
    model.fit(x, progress=False)
    model.save(tmp_path)
    again = EinsumSpn.load(tmp_path)
    assert np.array_equal(again.score_samples(x), model.score_samples(x))
    assert again.inpaint(x, np.zeros((4, 5), bool), seed=0).shape == x.shape


def test_gradient_ascent_that_diverges_says_so(monkeypatch):
    monkeypatch.setattr("baselines.einsum.training.GradientAscent.step", lambda *_, **__: float("nan"))
    with pytest.raises(ValueError, match=r"NaN after epoch 1.*learning_rate"):
        rat(learning="gradient").fit(images(), progress=False)


@pytest.mark.parametrize("make", [rat, lambda **more: PdSpn(SHAPE, sums=3, delta=4, epochs=1, **more)])
def test_seeds_of_64_bits_are_seeds(make):
    """PyTorch's generators on a CPU look at 32 bits of a seed: 1 and 2^32 + 1 were one."""
    x, seeds = images(), (1, 2**32 + 1, 2**62 + 1)
    assert len({make(seed=seed).score_samples(x).tobytes() for seed in seeds}) == 3
    model = make(seed=1)
    assert len({model.sample(5, seed=seed).tobytes() for seed in seeds}) == 3
    known = np.arange(8) < 4
    assert len({model.inpaint(x, np.tile(known, (6, 1)), seed=seed).tobytes() for seed in seeds}) == 3
