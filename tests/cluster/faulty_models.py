"""Models that meet with an accident on their first attempt and are as good as new on the next."""

import time
from pathlib import Path

import numpy as np
from toy_models import Brightness


class FailsOnce(Brightness):
    """Raises an error unless the file `marker` is there, and makes it."""

    def __init__(self, image_shape, *, seed=0, marker="failed", **settings):
        super().__init__(image_shape, seed=seed, **settings)
        self.settings["marker"] = marker

    def fit(self, x, *, labels=None, checkpoint=None, **options):
        if not Path(self.settings["marker"]).exists():
            Path(self.settings["marker"]).touch()
            raise RuntimeError("failed as told, this once")
        return super().fit(x, labels=labels, checkpoint=checkpoint, **options)


class Hungry(Brightness):
    """Holds `megabytes` of memory for `seconds` before it trains."""

    def __init__(self, image_shape, *, seed=0, megabytes=0, seconds=0.0, **settings):
        super().__init__(image_shape, seed=seed, **settings)
        self.settings.update(megabytes=megabytes, seconds=seconds)

    def fit(self, x, *, labels=None, checkpoint=None, **options):
        ballast = np.ones(self.settings["megabytes"] * 2**17)
        time.sleep(self.settings["seconds"])
        assert ballast.all()
        return super().fit(x, labels=labels, checkpoint=checkpoint, **options)
