"""Small models with the model interface, for tests: deterministic, quick, and able to fail, be killed and go on."""

import json
import time
from pathlib import Path

import numpy as np

from dcgmm.history import History


class Brightness:
    """Scores an image by its distance to the mean image; training adds noise of its seed step by step."""

    steps = 3

    def __init__(self, image_shape, *, seed=0, offset=0.0, fail=False, pause=0.0):
        self.settings = {
            "image_shape": list(image_shape),
            "seed": seed,
            "offset": offset,
            "fail": fail,
            "pause": pause,
        }
        self.mean = np.zeros(image_shape)

    def fit(self, x, *, validation=None, progress=True, labels=None, checkpoint=None):
        if self.settings["fail"] and self.settings["seed"] == 1:
            raise ValueError("seed 1 is told to fail")
        assert len(labels) == len(x)
        state = Path(checkpoint, "state.json")
        done, total = json.loads(state.read_text()) if state.exists() else (0, 0.0)
        if done:
            print(f"resumed after step {done}", flush=True)
        for step in range(done, self.steps if not self.settings["pause"] else 25):
            time.sleep(self.settings["pause"])
            total += np.random.default_rng([self.settings["seed"], step]).normal()
            state.parent.mkdir(parents=True, exist_ok=True)
            part = state.with_suffix(".part")
            part.write_text(json.dumps([step + 1, total]))
            part.replace(state)
        self.mean = x.mean(0) + self.settings["offset"] + 0.01 * total
        history = History()
        history.add(1, 0, "train", self.score_samples(x).mean())
        if validation is not None:
            history.add(1, 0, "validation", self.score_samples(validation).mean())
        return history

    def score_samples(self, x):
        return -((x.astype(np.float64) - self.mean) ** 2).sum(axis=(1, 2, 3))

    def score_layers(self, x):
        return np.stack([x.mean(axis=(1, 2, 3)).astype(np.float64), self.score_samples(x)], axis=1)

    def count_params(self):
        return self.mean.size

    def save(self, path):
        Path(path).mkdir(parents=True, exist_ok=True)
        np.save(Path(path, "mean.npy"), self.mean)
        Path(path, "settings.json").write_text(json.dumps(self.settings))

    @classmethod
    def load(cls, path):
        model = cls(**json.loads(Path(path, "settings.json").read_text()))
        model.mean = np.load(Path(path, "mean.npy"))
        return model


class InputShape(Brightness):
    """Names the shape as DCGMM does, and has one density only."""

    score_layers = None

    def __init__(self, input_shape, *, seed=0):
        super().__init__(input_shape, seed=seed)


class Diverging(Brightness):
    """A model that trains and then scores NaN."""

    def score_layers(self, x):
        return np.full((len(x), 1), np.nan)


class Forgetful(Brightness):
    """Gives nothing."""

    def score_layers(self, x):
        return None


class Short(Brightness):
    """Gives too few scores."""

    score_layers = None

    def score_samples(self, x):
        return super().score_samples(x)[:3]


class Scalar(Brightness):
    """Gives one score for all images."""

    score_layers = None

    def score_samples(self, x):
        return super().score_samples(x).mean()


class Drawer(Brightness):
    """Can draw, and complete images, only as far as the parameters say."""

    def __init__(self, image_shape, *, seed=0, draws=True, completes=True):
        super().__init__(image_shape, seed=seed)
        self.settings = {"image_shape": list(image_shape), "seed": seed, "draws": draws, "completes": completes}
        self.settings |= {"offset": 0.0, "fail": False, "pause": 0.0}

    def sample(self, n, *, seed):
        if not self.settings["draws"]:
            raise NotImplementedError("this model draws no images")
        return np.random.default_rng(seed).random((n, *self.mean.shape), dtype=np.float32)

    def inpaint(self, x, known, *, seed):
        if not self.settings["completes"]:
            raise NotImplementedError("this model completes no images")
        return np.where(known[..., None], x, self.mean.clip(0, 1)).astype(np.float32)

    @classmethod
    def load(cls, path):
        kept = json.loads(Path(path, "settings.json").read_text())
        model = cls(**{key: kept[key] for key in ("image_shape", "seed", "draws", "completes")})
        model.mean = np.load(Path(path, "mean.npy"))
        return model
