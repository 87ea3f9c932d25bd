"""Several trainings at once against each by itself, and what ends or continues a training."""

import _thread
import signal
import threading

import numpy as np
import pytest

from dcgmm import DCGMM, checkpoint, fit_many, fitting, score_many, training
from dcgmm.training import Alone, Stacked

SHAPE = (6, 6, 1)
CONFIGS = {
    "shared": "F(2,1)-G(4)-F(3,2)-G(9)",
    "independent": "F(2,1)-G(4,independent)-F(3,2)-G(9,independent)",
    "pooled": "F(2,1)-G(4)-P(2,2)-F(3,1)-G(9)",
    "classifier": "F(2,1)-G(4)-F(3,2)-G(9)-C(3,2)",
}
RNG = np.random.default_rng(5)
X = np.clip(RNG.uniform(size=(3, *SHAPE))[RNG.integers(0, 3, 60)] + 0.1 * RNG.normal(size=(60, *SHAPE)), 0, 1)
X = X.astype(np.float32)
Y = np.arange(60) % 3
ROWS = [np.arange(60), np.flatnonzero(Y != 0), np.flatnonzero(Y != 1)]
OPTIONS = {"iterations": 90, "batch_size": 8, "window": 10, "measurements": 3, "rate_w": 0.1, "classifier_rate": 0.05}
OPTIONS |= {"progress": False}


def new(config, count=3):
    return [DCGMM(config, SHAPE, seed=seed) for seed in range(count)]


def assert_same_bits(a, b):
    for one, other in zip(a.get_parameters(), b.get_parameters(), strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def assert_close(a, b, tolerance=2e-4):
    for one, other in zip(a.get_parameters(), b.get_parameters(), strict=True):
        for name in one:
            np.testing.assert_allclose(one[name], other[name], atol=tolerance, err_msg=name)


def single_fits(config, **options):
    models = new(config)
    return models, [
        model.fit(X[rows], labels=Y[rows], validation=X, **(OPTIONS | options))
        for model, rows in zip(models, ROWS, strict=True)
    ]


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_three_at_once_are_three_fits_to_the_bit(config):
    alone, histories = single_fits(config)
    together = new(config)
    assert fit_many(together, X, ROWS, labels=Y, validation=X, **OPTIONS) == histories
    for a, b in zip(together, alone, strict=True):
        assert_same_bits(a, b)
        assert a.sigmas_ == b.sigmas_ and a.sigmas_[0] < 0.25 * np.sqrt(8)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_program_for_many_models_agrees_up_to_rounding(config):
    """What GPUs run, here on the CPU."""
    alone, histories = single_fits(config)
    together = new(config)
    many = fitting.fit_models(
        together, X, ROWS, labels=Y, validation=X, training={k: v for k, v in OPTIONS.items() if k != "progress"},
        progress=False, runner=Stacked,
    )  # fmt: skip
    for a, b in zip(together, alone, strict=True):
        assert_close(a, b)
        np.testing.assert_allclose(a.sigmas_, b.sigmas_)
    for one, other in zip(many, histories, strict=True):
        np.testing.assert_allclose(
            [row.log_likelihood for row in one], [row.log_likelihood for row in other], rtol=1e-4, atol=1e-3
        )


@pytest.mark.parametrize("runner", [Alone, Stacked])
def test_models_with_other_numbers_of_batches(runner):
    """Epochs of 60, 40 and 5 images: the last has smaller batches, too."""
    rows = [np.arange(60), np.arange(40), np.arange(5)]
    options = {"epochs": 3, "batch_size": 8, "measurements": 2}
    alone, together = new(CONFIGS["shared"]), new(CONFIGS["shared"])
    expected = [m.fit(X[own], progress=False, **options) for m, own in zip(alone, rows, strict=True)]
    histories = fitting.fit_models(together, X, rows, progress=False, training=options, runner=runner)
    assert [h[-1].step for h in histories] == [h[-1].step for h in expected] == [21, 15, 3]
    for a, b in zip(together, alone, strict=True):
        assert_close(a, b)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("runner", [Alone, Stacked])
@pytest.mark.parametrize("config", [CONFIGS["independent"], CONFIGS["classifier"]])
def test_a_killed_fit_many_is_resumed_with_the_same_numbers(config, runner, tmp_path, monkeypatch):
    training_options = {name: value for name, value in OPTIONS.items() if name != "progress"}

    def fit(models, path):
        return fitting.fit_models(
            models, X, ROWS, labels=Y, progress=False, checkpoint=path, training=training_options, runner=runner
        )

    expected = new(config)
    histories = fit(expected, None)
    monkeypatch.setattr(checkpoint, "SECONDS", -1.0)
    write, written = checkpoint.Checkpoint.write, []

    def write_and_die(self, state):
        write(self, state)
        written.append([own["iteration"] for own in state[1]["models"]])
        if len(written) in (4, 9):
            raise Killed

    monkeypatch.setattr(checkpoint.Checkpoint, "write", write_and_die)
    for _ in range(2):
        with pytest.raises(Killed):
            fit(new(config), tmp_path)
    assert sum(written[8]) > sum(written[4]) > sum(written[3]) > 0  # the second run goes on where the first was killed
    resumed = new(config)
    assert fit(resumed, tmp_path) == histories
    for a, b in zip(resumed, expected, strict=True):
        assert_same_bits(a, b)
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_of_other_rows_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SECONDS", -1.0)
    monkeypatch.setattr(training.Trainer, "_check", lambda self, losses: list(tmp_path.iterdir()) and die())
    with pytest.raises(Killed):
        fit_many(new(CONFIGS["shared"]), X, ROWS, checkpoint=tmp_path, **OPTIONS)
    monkeypatch.undo()
    for changed in ({"rows": ROWS[::-1]}, {"x": X[::-1]}, {"models": new(CONFIGS["shared"], 2)}):
        arguments = {"models": new(CONFIGS["shared"]), "x": X, "rows": ROWS} | changed
        arguments["rows"] = arguments["rows"][: len(arguments["models"])]
        with pytest.raises(ValueError, match="belongs to another training"):
            fit_many(**arguments, checkpoint=tmp_path, **OPTIONS)


def die():
    raise Killed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"models": []}, "no models"),
        ({"models": [DCGMM(CONFIGS["shared"], SHAPE)] * 3}, "twice"),
        ({"models": [*new(CONFIGS["shared"], 2), DCGMM(CONFIGS["pooled"], SHAPE)]}, "model 2"),
        (
            {"models": [*new(CONFIGS["shared"], 2), DCGMM(CONFIGS["shared"], SHAPE, rate_s=0.5)]},
            "constants of training",
        ),
        ({"rows": ROWS[:2]}, "2 entries for 3 models"),
        ({"rows": [ROWS[0], ROWS[1], np.array([60])]}, "from 60 to 60"),
        ({"rows": [ROWS[0], ROWS[1], np.array([], int)]}, "no training images"),
        ({"rows": [ROWS[0], ROWS[1], np.array([0.5])]}, "float64"),
        ({"rows": [ROWS[0], ROWS[1], np.ma.array([1, 2], mask=[False, True])]}, r"rows\[2\] are a masked array"),
        ({"rows": [ROWS[0], ROWS[1], [1, [2]]]}, r"rows\[2\] are no array"),
        ({"rows": 5}, r"rows=5: expected for each model its images, as indices or 60 booleans"),
        ({"validation": [X]}, "validation has 1 entries"),
    ],
)
def test_what_does_not_fit_together_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        fit_many(**({"models": new(CONFIGS["shared"]), "x": X, "rows": ROWS} | arguments), progress=False)


def test_booleans_choose_rows_too():
    a, b = new(CONFIGS["shared"], 1), new(CONFIGS["shared"], 1)
    fit_many(a, X, [Y != 0], **OPTIONS)
    fit_many(b, X, [np.flatnonzero(Y != 0)], **OPTIONS)
    assert_same_bits(a[0], b[0])


@pytest.mark.parametrize("runner", [Alone, Stacked])
@pytest.mark.parametrize("unlabelled", [-1, 3, 2**40])
def test_labels_of_images_that_no_model_sees_do_not_matter(runner, unlabelled):
    """As `fit(X[rows])` with their labels, the way "no label" may be written."""
    rows = [np.flatnonzero(Y == 1), np.flatnonzero(Y != 0)]
    given, options = np.where(Y == 0, unlabelled, Y), {"iterations": 20, "batch_size": 8, "delay": 0.0}
    assert given[0] == unlabelled  # rows of indices are filled up with 0
    alone, together = new(CONFIGS["classifier"], 2), new(CONFIGS["classifier"], 2)
    for model, own in zip(alone, rows, strict=True):
        model.fit(X[own], labels=given[own], progress=False, **options)
    fitting.fit_models(together, X, rows, labels=given, progress=False, training=options, runner=runner)
    for a, b in zip(together, alone, strict=True):
        (assert_same_bits if runner is Alone else assert_close)(a, b)


def test_a_label_that_one_of_the_models_sees_counts():
    given = np.where(Y == 0, -1, Y)
    with pytest.raises(ValueError, match="labels have values from -1 to 2: expected classes from 0 to 2"):
        fit_many(new(CONFIGS["classifier"]), X, ROWS, labels=given, **OPTIONS)
    with pytest.raises(ValueError, match="labels have type float64"):
        fit_many(new(CONFIGS["classifier"]), X, [ROWS[1]] * 3, labels=np.where(Y == 0, np.nan, Y), **OPTIONS)


def test_scores_of_many():
    models = new(CONFIGS["shared"])
    scores = score_many(models, X)
    assert scores.shape == (3, 60, 2)
    np.testing.assert_array_equal(scores[1], models[1].score_layers(X))


# ------------------------------------------------------------------------------------------------- from where to where


def test_fit_starts_from_the_initial_parameters_each_time():
    once, twice = new(CONFIGS["shared"], 2)[:1][0], DCGMM(CONFIGS["shared"], SHAPE, seed=0)
    first = once.fit(X, **OPTIONS)
    twice.fit(X[::-1].copy(), **OPTIONS)
    assert twice.fit(X, **OPTIONS) == first
    assert_same_bits(once, twice)


@pytest.mark.parametrize("config", [CONFIGS["independent"], CONFIGS["classifier"]])
def test_a_warm_start_goes_on_where_training_ended(config, tmp_path):
    """Annealing, order of images and all: 40 and 50 steps more are 90 steps, also through a saved model."""
    options = OPTIONS | {"delay": 0.0, "measurements": 0}
    whole, parts = DCGMM(config, SHAPE, seed=3), DCGMM(config, SHAPE, seed=3)
    whole.fit(X, labels=Y, **options)
    parts.fit(X, labels=Y, **(options | {"iterations": 40}))
    parts.save(tmp_path)
    loaded = DCGMM.load(tmp_path)
    for model in (parts, loaded):
        history = model.fit(X, labels=Y, warm_start=True, **(options | {"iterations": 50, "measurements": 2}))
        assert sorted({row.step for row in history}) == [40, 65, 90]
        assert_same_bits(model, whole)
        assert model.sigmas_ == whole.sigmas_


def test_ctrl_c_leaves_the_model_as_far_as_it_came(tmp_path, monkeypatch):
    model, whole = DCGMM(CONFIGS["shared"], SHAPE, seed=3), DCGMM(CONFIGS["shared"], SHAPE, seed=3)
    start = model.get_parameters()
    history = whole.fit(X, **OPTIONS)
    run, calls = Alone.run, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 4:
            _thread.interrupt_main(signal.SIGINT)
        return run(*arguments)

    monkeypatch.setattr(Alone, "run", staticmethod(interrupted))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, checkpoint=tmp_path, **OPTIONS)
    assert len(calls) == 4
    assert np.abs(model.get_parameters()[0]["mu"] - start[0]["mu"]).max() > 0
    assert np.isfinite(model.score_samples(X)).all()
    monkeypatch.undo()
    resumed = DCGMM(CONFIGS["shared"], SHAPE, seed=3)
    assert resumed.fit(X, checkpoint=tmp_path, **OPTIONS) == history
    assert_same_bits(resumed, whole)
    # Without a checkpoint, a warm start takes up what the model has kept.
    model.fit(X, warm_start=True, **(OPTIONS | {"iterations": OPTIONS["iterations"] - model._iteration}))
    assert_same_bits(model, whole)


def test_fit_works_outside_of_the_main_thread():
    model, expected = DCGMM(CONFIGS["shared"], SHAPE), DCGMM(CONFIGS["shared"], SHAPE)
    thread = threading.Thread(target=lambda: model.fit(X, **OPTIONS))
    thread.start()
    thread.join()
    expected.fit(X, **OPTIONS)
    assert_same_bits(model, expected)
