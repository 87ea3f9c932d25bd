"""The promises of the model interface, tried on a model that anybody may have written: `bench check`.

A broken one gives numbers that look right: a completion that saw what it is to find, a score that depends on the other
images of the call, a file that does not hold what was trained.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.base.errors import UserError
from evaluation.models.calling import check_model, classes, completions, history_rows, layer_scores, parameters, samples
from evaluation.models.interface import Classifier, Layered, takes

CLOSE = 1e-4  # by which numbers that should be equal may differ, relative to those above 1
DRAWN = 6  # images
PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth")

Build = Callable[[int], Any]  # a seed → an untrained model
Images = np.ndarray


class Broken(Exception):
    """A promise that is not kept: what was found."""


@dataclass(frozen=True)
class Finding:
    """One promise of a method: kept, broken (`said` is what was found), or None of a method that is not there."""

    method: str
    promise: str
    kept: bool | None
    said: str = ""


@dataclass
class Trial:
    """A model on trial.

    build: makes an untrained model of a seed; x (n, H, W, C) and y (n,): what it is trained on; held_out: other images
    (m, H, W, C), at least two; folder: an empty directory.
    """

    build: Build
    x: Images
    y: np.ndarray
    held_out: Images
    folder: Path
    name: str
    model: Any = None

    def trained(self, seed: int) -> Any:
        """A model of a seed, trained. Raises what the model raises; Broken where `fit` changes its images."""
        model = self.build(seed)
        check_model(model, self.name)
        given, followed = self.x.copy(), self.held_out.copy()
        options: dict[str, Any] = {"labels": self.y.copy()} if takes(model.fit, "labels") else {}
        history_rows(model.fit(given, validation=followed, progress=False, **options), self.name)
        if not (np.array_equal(given, self.x) and np.array_equal(followed, self.held_out)):
            raise Broken("fit changes the images that it is given; later models see others")
        return model

    def scores(self, x: Images, model: Any = None) -> np.ndarray:
        return layer_scores(model or self.model, x, self.name)

    def drawn(self, seed: int, model: Any = None) -> Images:
        return samples(model or self.model, DRAWN, seed, {}, self.name)

    def _pair(self, value: float) -> tuple[Images, np.ndarray]:
        """Images whose left half is known, `value` elsewhere, and the mask."""
        x = self.held_out[:DRAWN].copy()
        known = np.zeros(x.shape[:3], bool)
        known[:, :, : x.shape[2] // 2] = True
        x[~known] = value
        return x, known

    # --- promises, in the order in which they are tried ---------------------------------------------------------------

    def trains(self) -> None:
        self.model = self.trained(0)

    def repeats(self) -> None:
        _same(self.scores(self.held_out), self.scores(self.held_out, self.trained(0)), "the scores of two trainings")

    def counts(self) -> None:
        parameters(self.model, self.name)

    def scores_each(self) -> None:
        given = self.held_out.copy()
        found = self.scores(given)
        if not np.array_equal(given, self.held_out):
            raise Broken("it changes the images that it is given")
        _same(found, self.scores(self.held_out), "the scores of a second call")

    def scores_alone(self) -> None:
        together = self.scores(self.held_out)
        alone = np.concatenate([self.scores(self.held_out[i : i + 1]) for i in range(min(DRAWN, len(together)))])
        _same(together[: len(alone)], alone, "the scores of an image beside others and alone")
        _same(together, self.scores(self.held_out[::-1])[::-1], "the scores of the images in another order")

    def scores_layers(self) -> None:
        own = np.asarray(self.model.score_samples(self.held_out), np.float64)
        _same(self.scores(self.held_out)[:, -1], own, "the last column of score_layers and score_samples")

    def draws(self) -> None:
        _same(self.drawn(0), self.drawn(0), "the samples of one seed")
        if np.array_equal(self.drawn(0), self.drawn(1)):
            raise Broken("seeds 0 and 1 give the same samples")

    def completes(self) -> None:
        x, known = self._pair(0.0)
        found = completions(self.model, x, known, 0, {}, self.name)
        _same(found, completions(self.model, x, known, 0, {}, self.name), "the completions of one seed")

    def completes_blindly(self) -> None:
        dark, known = self._pair(0.0)
        light, _ = self._pair(1.0)
        of_dark, of_light = (np.asarray(self.model.inpaint(x.copy(), known, seed=0)) for x in (dark, light))
        _same(of_dark[~known], of_light[~known], "completions of images whose unknown pixels are 0 and 1")

    def predicts(self) -> None:
        found = classes(self.model, self.held_out, self.name)
        alone = np.concatenate([classes(self.model, image[None], self.name) for image in self.held_out[:DRAWN]])
        if not np.array_equal(found[: len(alone)], alone):
            raise Broken("an image beside others and alone has another class")

    def keeps(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.model.save(self.folder)
        again = type(self.model).load(self.folder)
        _same(self.scores(self.held_out), self.scores(self.held_out, again), "the scores before and after")
        if parameters(again, self.name) != parameters(self.model, self.name):
            raise Broken("the number of parameters is another one")
        if callable(getattr(again, "sample", None)):
            with contextlib.suppress(NotImplementedError):
                _same(self.drawn(0), self.drawn(0, again), "the samples before and after")

    def keeps_safely(self) -> None:
        for path in sorted(file for file in self.folder.rglob("*") if file.is_file()):
            if path.suffix in PICKLES or path.read_bytes()[:1] == b"\x80":
                raise Broken(f"{path.name} is a pickle, which runs code when it is read; dcgmm.storage writes tensors")


PROMISES: tuple[tuple[str, str, Callable[[Trial], None], type | None], ...] = (
    ("fit", "trains, gives rows of a history, leaves the images as they are", Trial.trains, None),
    ("fit", "the same seed gives the same model", Trial.repeats, None),
    ("count_params", "gives a whole number", Trial.counts, None),
    ("score_samples", "one finite number for each image, the same again", Trial.scores_each, None),
    ("score_samples", "does not depend on the other images of the call", Trial.scores_alone, None),
    ("score_layers", "its last column is that of score_samples", Trial.scores_layers, Layered),
    ("sample", "images in [0, 1], the same of one seed, others of another", Trial.draws, None),
    ("inpaint", "known pixels come back untouched, the same of one seed", Trial.completes, None),
    ("inpaint", "values of unknown pixels have no influence", Trial.completes_blindly, None),
    ("predict", "one class for each image, whatever is beside it", Trial.predicts, Classifier),
    ("save, load", "scores, samples and parameters as before", Trial.keeps, None),
    ("save, load", "no pickle", Trial.keeps_safely, None),
)


def _same(first: np.ndarray, second: np.ndarray, what: str) -> None:
    if first.shape != second.shape:
        raise Broken(f"{what} have shapes {first.shape} and {second.shape}")
    equal = first == second  # -inf is equal to itself
    with np.errstate(invalid="ignore"):
        apart = np.where(equal, 0.0, np.abs(first - second) / np.maximum(1.0, np.abs(first)))
    if not (largest := float(np.max(apart, initial=0.0))) <= CLOSE:
        raise Broken(f"{what} differ, by up to {largest:.2g} (relative to those above 1)")


def findings(trial: Trial) -> Iterator[Finding]:
    """Each promise of the interface, in turn; the first alone where there is nothing trained to try the others on."""
    for method, promise, keep, kind in PROMISES:
        there = kind is None or isinstance(trial.model, kind)
        needed = method.partition(",")[0]
        if trial.model is not None and not (there and callable(getattr(trial.model, needed, None))):
            yield Finding(method, promise, None, "not there")
            continue
        try:
            keep(trial)
        except NotImplementedError as error:
            yield Finding(method, promise, None, str(error))
        except (Broken, UserError) as error:
            yield Finding(method, promise, False, str(error))
        except Exception as error:  # whatever a class does: said, and the others are tried
            yield Finding(method, promise, False, f"{type(error).__name__}: {error}")
        else:
            yield Finding(method, promise, True)
        if trial.model is None:
            return
