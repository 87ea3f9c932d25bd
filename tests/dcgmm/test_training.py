"""Training against the straightforward implementation, and what happens when it is interrupted or fails."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from benchmarks import naive_dcgmm as plain
from benchmarks.speed.cases import CONFIGS
from dcgmm import DCGMM, checkpoint, programs, training
from dcgmm.batches import Batches

TINY = "F(2,1)-G(4)-F(2,2)-G(4,independent)"
SHAPE = (5, 5, 1)


def images(n):
    """(n, 28, 28, 1) digits of scikit-learn, enlarged."""
    digits = load_digits().images[:n].astype(np.float32) / 16.0
    return np.pad(digits.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2)))[..., None]


def noise(n, seed=0):
    """Images with some structure: one of three patterns, and noise."""
    rng = np.random.default_rng(seed)
    patterns = rng.uniform(size=(3, *SHAPE))
    return np.clip(patterns[rng.integers(0, 3, n)] + 0.1 * rng.normal(size=(n, *SHAPE)), 0, 1).astype(np.float32)


def naive_training(config, shape, start, x, steps, *, waits=0, **options):
    """`steps` steps on the one batch x; cGMM layer L waits for the first `waits` of them, times L."""
    model = plain.NaiveDCGMM(config, shape, **options)
    model.set_parameters(start)
    for step in range(steps):
        model.train_step(x, learning=[step >= waits * layer for layer in range(len(model.cgmms))])
    return model


def distance(ours, theirs):
    """Largest difference of each parameter, one dict per layer."""
    return [{n: float(np.abs(a[n] - b[n]).max()) for n in a} for a, b in zip(ours, theirs, strict=True)]


@pytest.mark.parametrize("name", "ABCDEFG")
def test_instances_train_like_the_straightforward_implementation(name):
    config, x = CONFIGS[name], images(3)
    ours = DCGMM(config, input_shape=(28, 28, 1), seed=1)
    start = ours.get_parameters()
    theirs = naive_training(config, (28, 28, 1), start, x, steps=6).get_parameters()
    ours.fit(x, epochs=6, batch_size=3, delay=0.0, measurements=0, progress=False)
    for apart, moved in zip(
        distance(ours.get_parameters(), theirs), distance(ours.get_parameters(), start), strict=True
    ):
        assert apart["mu"] < 1e-4 < 0.01 < moved["mu"]  # float32 against float32, in another order
        assert apart["s"] < 0.02 * moved["s"]  # most of s stays at its bound
        assert apart["w"] == moved["w"] == 0  # its factor is 0


def test_every_rate_delays_and_independent_layers():
    x = noise(8)
    factors = {"rate_mu": 0.7, "rate_s": 0.5, "rate_w": 0.2}
    ours = DCGMM(TINY, input_shape=SHAPE, seed=1, **factors)
    start = ours.get_parameters()
    theirs = naive_training(TINY, SHAPE, start, x, steps=30, waits=3, factors=tuple(factors.values()))
    ours.fit(x, epochs=30, batch_size=8, measurements=0, progress=False)
    for apart, moved in zip(
        distance(ours.get_parameters(), theirs.get_parameters()), distance(ours.get_parameters(), start), strict=True
    ):
        assert max(apart.values()) < 2e-5 < 1e-3 < min(moved.values())


@pytest.mark.parametrize("config", ["F(2,1)-G(4)-F(2,2)-G(4)", "F(2,1)-G(4)-P(2,2)-F(2,1)-G(9)"])
def test_a_batch_in_chunks_gives_the_same_step(config, monkeypatch):
    """Large batches go through shared layers a part at a time."""
    x = noise(40)
    whole, chunked = (DCGMM(config, input_shape=SHAPE, seed=1, rate_w=0.2) for _ in range(2))
    start = whole.get_parameters()
    options = {"iterations": 20, "batch_size": 40, "measurements": 0, "delay": 0.0, "progress": False}
    whole.fit(x, **options)
    programs.compiled.cache_clear()
    monkeypatch.setattr(programs, "LARGE", 1)
    parts, in_chunks = [], programs.in_chunks
    monkeypatch.setattr(programs, "in_chunks", lambda f, x, size: parts.append(size) or in_chunks(f, x, size))
    chunked.fit(x, **options)
    programs.compiled.cache_clear()
    assert set(parts) == {20}
    for apart, moved in zip(
        distance(chunked.get_parameters(), whole.get_parameters()), distance(whole.get_parameters(), start), strict=True
    ):
        assert max(apart.values()) < 2e-6 < 1e-3 < min(moved.values())


@pytest.mark.parametrize("name", ["D", "E"])
@pytest.mark.parametrize("independent", [False, True])
def test_one_step_and_200_against_float64(name, independent):
    """A batch of 100 goes through shared layers in chunks, and through independent ones row by row."""
    from dcgmm.instances import independent_below_top

    config = {"D": "F(3,1)-G(9)-P(2,2)-F(3,1)-G(9)", "E": "F(3,1)-G(9)-F(4,2)-G(9)-F(2,1)-G(4)"}[name]
    config = independent_below_top(config) if independent else config
    rng = np.random.default_rng(0)
    x = np.clip(rng.uniform(size=(5, 10, 10, 1))[rng.integers(0, 5, 20)] + 0.1 * rng.normal(size=(20, 10, 10, 1)), 0, 1)
    x = x.astype(np.float32)
    for steps, tolerance in ((1, 1e-5), (200, 2e-3)):
        ours = DCGMM(config, input_shape=(10, 10, 1), seed=1)
        start = ours.get_parameters()
        theirs = naive_training(config, (10, 10, 1), start, x, steps=steps, dtype="float64")
        ours.fit(x, iterations=steps, batch_size=20, delay=0.0, measurements=0, progress=False)
        moved = distance(ours.get_parameters(), start)
        for apart, far in zip(distance(ours.get_parameters(), theirs.get_parameters()), moved, strict=True):
            assert apart["mu"] < tolerance and apart["s"] < tolerance and far["mu"] > 5 * apart["mu"]


def test_a_layer_waits_for_its_turn():
    ours = DCGMM(TINY, input_shape=SHAPE, delay=0.5)
    start = ours.get_parameters()
    ours.fit(noise(8), iterations=20, batch_size=8, delay=1.0, progress=False)
    first, second = distance(ours.get_parameters(), start)
    assert first["mu"] > 0 and max(second.values()) == 0


def test_sigma_and_rate_follow_the_control(monkeypatch):
    """Through a whole annealing, on one batch: the smoothing ends, and both implementations end alike."""
    x, controls = noise(8), []
    original = training.Annealing._control

    def observed(self, now):
        original(self, now)
        controls.append((self.sigma, self.learning_rate))

    monkeypatch.setattr(training.Annealing, "_control", observed)
    config, steps, options = "F(2,1)-G(4)", 1200, {"window": 20}
    ours = DCGMM(config, input_shape=SHAPE, seed=1, **options)
    theirs = plain.NaiveDCGMM(config, SHAPE)
    theirs.set_parameters(ours.get_parameters())
    theirs.cgmms[0]["annealing"].window = 20
    for _ in range(steps):
        theirs.train_step(x)
    ours.fit(x, epochs=steps, batch_size=8, measurements=0, progress=False, sigma_end=0.01)
    expected = theirs.cgmms[0]["annealing"]
    assert expected.sigma < 0.1 * 0.25 * np.sqrt(8)  # it did shrink
    sigma, learning_rate = controls[-1]
    assert sigma == pytest.approx(expected.sigma) and learning_rate == pytest.approx(expected.learning_rate)
    (apart,) = distance(ours.get_parameters(), theirs.get_parameters())
    assert max(apart.values()) < 1e-3


def test_classifier_trains_like_the_straightforward_implementation():
    config = TINY + "-C(3,2)"
    x, y = noise(8), np.arange(8) % 3
    ours = DCGMM(config, input_shape=SHAPE, seed=1, delay=0.0)
    parameters = ours.get_parameters()
    theirs = plain.NaiveDCGMM(config, SHAPE, classifier_rate=0.05)
    theirs.set_parameters(parameters)
    for _ in range(20):
        theirs.train_step(x, y)
    order = Batches(np.arange(8, dtype=np.int32), 8, 1)
    assert sorted(order.indices(0)) == list(range(8))
    ours.fit(x, labels=y, epochs=20, batch_size=8, classifier_rate=0.05, measurements=0, progress=False)
    *_, apart = distance(ours.get_parameters(), theirs.get_parameters())
    *_, moved = distance(ours.get_parameters(), parameters)
    assert apart["W"] < 1e-4 < 1e-2 < moved["W"] and apart["b"] < 1e-4
    probabilities = ours.predict_proba(x)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(ours.predict(x), probabilities.argmax(1))


def test_a_classifier_changes_nothing_below():
    x, y = noise(40), np.arange(40) % 3
    with_classifier = DCGMM(TINY + "-C(3)", input_shape=SHAPE, seed=1)
    without = DCGMM(TINY, input_shape=SHAPE, seed=1)
    with_classifier.fit(x, labels=y, epochs=5, batch_size=8, progress=False)
    without.fit(x, epochs=5, batch_size=8, progress=False)
    for a, b in zip(with_classifier.get_parameters()[:-1], without.get_parameters(), strict=True):
        for name in b:
            np.testing.assert_array_equal(a[name], b[name])


@pytest.mark.parametrize("labels", [None, np.arange(5), np.arange(40), -np.ones(40, int), np.full(40, 0.5)])
def test_labels_that_do_not_fit_are_refused(labels):
    with pytest.raises(ValueError, match="label"):
        DCGMM(TINY + "-C(3)", input_shape=SHAPE).fit(noise(40), labels=labels, epochs=1, progress=False)


def test_a_model_without_classifier_predicts_nothing():
    with pytest.raises((ValueError, NotImplementedError), match="classifier"):
        DCGMM(TINY, input_shape=SHAPE).predict(noise(2))


# ------------------------------------------------------------------------------------------------- interruptions


class Killed(BaseException):
    pass


@pytest.mark.parametrize("config", [TINY, TINY + "-C(3)"])
def test_a_resumed_training_gives_the_same_bits(config, tmp_path, monkeypatch):
    x, y = noise(40), np.arange(40) % 3
    options = {
        "epochs": 60,
        "batch_size": 8,
        "window": 25,
        "measurements": 7,
        "progress": False,
        "validation": noise(40, 1),
    }

    def fit(**extra):
        model = DCGMM(config, input_shape=SHAPE, seed=3)
        return model, model.fit(x, labels=y, **options, **extra)

    expected, expected_history = fit()
    monkeypatch.setattr(checkpoint, "SECONDS", -1.0)
    write, written = checkpoint.Checkpoint.write, []

    def write_and_die(self, state):
        write(self, state)
        written.append(state[1]["models"][0]["iteration"])
        if len(written) in (3, 9):
            raise Killed

    monkeypatch.setattr(checkpoint.Checkpoint, "write", write_and_die)
    for _ in range(2):
        with pytest.raises(Killed):
            fit(checkpoint=tmp_path / "state")
    assert 0 < written[2] < written[3] < written[8] < 300  # it did go on where it was killed
    resumed, history = fit(checkpoint=tmp_path / "state")
    assert history == expected_history
    for a, b in zip(resumed.get_parameters(), expected.get_parameters(), strict=True):
        for name in b:
            np.testing.assert_array_equal(a[name], b[name])
    assert not list((tmp_path / "state").iterdir())


def interrupted(path, monkeypatch, **options):
    """A training that dies right after its first checkpoint."""
    monkeypatch.setattr(checkpoint, "SECONDS", -1.0)
    with monkeypatch.context() as patch:
        patch.setattr(training.Trainer, "_check", lambda self, losses: list(path.glob("*")) and die())
        with pytest.raises(Killed):
            DCGMM(TINY, input_shape=SHAPE).fit(noise(40), batch_size=8, progress=False, checkpoint=path, **options)
    (state,) = path.iterdir()
    return state


def die():
    raise Killed


def test_a_checkpoint_of_another_training_is_refused(tmp_path, monkeypatch):
    interrupted(tmp_path, monkeypatch, epochs=20)
    model = DCGMM(TINY, input_shape=SHAPE)
    with pytest.raises(ValueError, match="epochs"):
        model.fit(noise(40), batch_size=8, epochs=30, progress=False, checkpoint=tmp_path)


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b[:-9] + bytes([b[-9] ^ 1]) + b[-8:]])
def test_a_damaged_checkpoint_is_not_believed(damage, tmp_path, monkeypatch):
    state = interrupted(tmp_path, monkeypatch, epochs=20)
    state.write_bytes(damage(state.read_bytes()))
    resumed, fresh = DCGMM(TINY, input_shape=SHAPE), DCGMM(TINY, input_shape=SHAPE)
    with pytest.warns(UserWarning, match=r"state\.safetensors .*training starts from the beginning"):
        resumed.fit(noise(40), batch_size=8, epochs=20, progress=False, checkpoint=tmp_path)
    fresh.fit(noise(40), batch_size=8, epochs=20, progress=False)
    for a, b in zip(resumed.get_parameters(), fresh.get_parameters(), strict=True):
        np.testing.assert_array_equal(a["mu"], b["mu"])


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b[:-9] + bytes([b[-9] ^ 1]) + b[-8:]])
def test_a_damaged_model_is_named(damage, tmp_path):
    DCGMM(TINY, input_shape=SHAPE).save(tmp_path)
    file = tmp_path / "parameters.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match=r"parameters\.safetensors"):
        DCGMM.load(tmp_path)


def test_no_model_to_load(tmp_path):
    with pytest.raises(FileNotFoundError, match="no saved DCGMM"):
        DCGMM.load(tmp_path / "nothing")
