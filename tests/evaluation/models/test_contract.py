"""`bench check`: a class that keeps its promises, and one broken class for each of them."""

import numpy as np
import pytest

from evaluation.cli import main
from evaluation.models.contract import PROMISES, Trial, findings

X = np.random.default_rng(0).random((30, 6, 6, 1), dtype=np.float32)


class Mean:
    """A normal distribution around the mean image; it keeps every promise."""

    def __init__(self, image_shape=(6, 6, 1), seed=0):
        self.shape, self.seed, self.mean = image_shape, seed, np.zeros(image_shape, np.float32)

    def fit(self, x, *, validation=None, progress=True):
        self.mean = x.mean(0)
        return [(0, 0, "train", 0.0)]

    def score_samples(self, x):
        return -((np.asarray(x, np.float64) - self.mean) ** 2).sum((1, 2, 3))

    def score_layers(self, x):
        return np.stack([self.score_samples(x) * 2, self.score_samples(x)], 1)

    def sample(self, n, *, seed):
        noise = np.random.default_rng(seed).normal(0, 0.1, (n, *self.shape))
        return (self.mean + noise).clip(0, 1).astype(np.float32)

    def inpaint(self, x, known, *, seed):
        return np.where(known[..., None], x, self.sample(len(x), seed=seed))

    def predict(self, x):
        return (x.mean((1, 2, 3)) > 0.5).astype(int)

    def count_params(self):
        return self.mean.size

    def save(self, path):
        np.save(path / "mean.npy", self.mean)

    @classmethod
    def load(cls, path):
        model = cls()
        model.mean = np.load(path / "mean.npy")
        return model


def wrong(model, tmp_path):
    """The promises that are broken, with what was found, and those that were not tried."""
    trial = Trial(lambda seed: model(seed=seed), X, np.arange(30) % 2, X[::-1][:9], tmp_path / "model", "mine")
    found = list(findings(trial))
    return {f.promise: f.said for f in found if f.kept is False}, {f.promise for f in found if f.kept is None}


def test_a_class_that_keeps_its_promises(tmp_path):
    assert wrong(Mean, tmp_path) == ({}, set())


def test_what_a_class_does_not_have_is_not_broken(tmp_path):
    def cannot(self, n, *, seed):
        raise NotImplementedError("it cannot draw")

    flat = type("Flat", (Mean,), {"score_layers": None, "predict": None, "inpaint": None, "sample": cannot})
    broken, missing = wrong(flat, tmp_path)
    assert not broken and len(missing) == 5


def in_place(self, x, **options):
    x -= 0.5
    return []


def random_scores(self, x):
    return Mean.score_samples(self, x) + np.random.default_rng().random(len(x))


def by_rank(self, x):
    return np.argsort(np.argsort(Mean.score_samples(self, x))).astype(float)


def own_seed(self, n, *, seed):
    return Mean.sample(self, n, seed=0)


def changes(self, x, known, *, seed):
    return self.sample(len(x), seed=seed)


def sees(self, x, known, *, seed):
    return np.where(known[..., None], x, (0.5 * x.mean((1, 2, 3), keepdims=True)).astype(np.float32))


def pickled(self, path):
    Mean.save(self, path)
    np.save(path / "more.npy", np.array([{}], object))
    (path / "model.pkl").write_bytes(b"\x80\x04.")


def luck(self, x, *, validation=None, progress=True):
    self.mean = x[np.random.default_rng().permutation(30)[:3]].mean(0)
    return []


def inner(self, x):
    return np.stack([self.score_samples(x), self.score_samples(x) * 2], 1)


@pytest.mark.parametrize(
    ("methods", "promise", "said"),
    [
        ({"fit": in_place}, "trains, gives rows", "fit changes the images"),
        ({"fit": lambda self, x, **options: 3}, "trains, gives rows", "int"),
        ({"fit": luck}, "the same seed gives the same model", "the scores of two trainings differ"),
        ({"count_params": lambda self: None}, "trains, gives rows", "count_params gives None"),
        ({"score_layers": None, "score_samples": random_scores}, "one finite number", "the scores of a second call"),
        ({"score_layers": None, "score_samples": by_rank}, "does not depend", "beside others and alone differ"),
        ({"score_layers": inner}, "its last column", "the last column of score_layers and score_samples differ"),
        ({"sample": own_seed}, "images in [0, 1]", "seeds 0 and 1 give the same samples"),
        ({"sample": lambda self, n, *, seed: self.mean[None]}, "images in [0, 1]", "(6, H, W, C) is expected"),
        ({"inpaint": changes}, "known pixels come back", "inpaint changes pixels that are known"),
        ({"inpaint": sees}, "values of unknown pixels", "unknown pixels are 0 and 1 differ, by up to 0.25"),
        ({"predict": lambda self, x: (x > x.mean()).mean((1, 2, 3)).round().astype(int)}, "one class", "another class"),
        ({"predict": lambda self, x: x.mean((1, 2, 3))}, "one class for each image", "an integer for each image"),
        ({"load": classmethod(lambda cls, path: cls())}, "as before", "the scores before and after differ"),
        ({"save": pickled}, "no pickle", "model.pkl is a pickle, which runs code when it is read"),
        ({"score_samples": lambda self, x: 1 / 0}, "one finite number", "ZeroDivisionError: division by zero"),
    ],
)
def test_each_broken_promise_is_found(methods, promise, said, tmp_path):
    broken, _ = wrong(type("Mine", (Mean,), methods), tmp_path)
    (found,) = [words for name, words in broken.items() if promise in name]
    assert said in found
    assert len(broken) == 1 or {"fit", "score_samples", "score_layers", "sample"} & methods.keys()  # others need them


def test_every_promise_has_a_class_that_breaks_it():
    marks = test_each_broken_promise_is_found.pytestmark[0].args[1]
    untried = {promise for _, promise, _, _ in PROMISES if not any(case[1] in promise for case in marks)}
    assert untried == {"gives a whole number"}  # which is refused before it is trained


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    command = ["check", "--images", "40", "--factory"]
    assert main([*command, "baselines.gmm:GaussianMixture", "--param", "components=2"]) == 0
    said = capsys.readouterr().out
    assert "on 40 images of digits" in said and said.count(" kept ") == 10 and "BROKEN" not in said
    (tmp_path / "mine_sees.py").write_text(
        "from baselines.gmm import GaussianMixture\n\n\n"
        "class Sees(GaussianMixture):\n    def inpaint(self, x, known, *, seed):\n"
        "        return x if known.any() else super().inpaint(x, known, seed=seed)\n"
    )
    assert main([*command, "mine_sees:Sees", "--param", "components=2"]) == 2
    said = capsys.readouterr()
    assert said.out.count("BROKEN") == 1 and "mine_sees:Sees breaks 1 of 12 promises" in said.err
    assert main([*command, "baselines.gmm:GaussianMixture", "--param", "parts=2"]) == 2
    assert "parts" in capsys.readouterr().err
    assert not list(tmp_path.glob("*/model"))
