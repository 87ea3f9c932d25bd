"""Calls of models whose classes anybody may have written: refusals and broken promises are sentences with a name."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from evaluation.base.errors import ModelError, UserError
from evaluation.models.interface import Layered, options_of

REQUIRED = ("fit", "score_samples", "count_params", "save", "load")  # of every model; others may be missing
ROUNDING = 1e-5  # by which a pixel may miss 0, 1 or what is known
FEW = 8  # images that are scored again without the others


@contextmanager
def refusals(name: str, *, options: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Name the model in what it refuses: a ValueError, or a training that diverged. NotImplementedError goes through.

    options: that somebody gave; a TypeError then is about one of their values.

    Raises:
        ModelError: with the error of the model as its cause.
    """
    try:
        yield
    except UserError:
        raise
    except (ValueError, FloatingPointError) as error:
        raise ModelError(f"{name}: {error}") from error
    except TypeError as error:
        if not options:
            raise
        raise ModelError(f"{name}: {error}") from error
    except (ArithmeticError, RuntimeError) as error:
        if type(error).__module__.split(".")[0] == "builtins" or isinstance(error, NotImplementedError):
            raise  # a defect, or what the model cannot do
        raise ModelError(f"{name}: {error}") from error


def check_model(model: Any, name: str) -> None:
    """Refuse a model that lacks what every one needs: before it is trained, not when it is kept.

    Raises:
        ModelError: a method or an argument of `fit` that is not there, or a number of parameters that is none.
    """
    for method in REQUIRED:
        if not callable(getattr(model, method, None)):
            raise ModelError(f"{name} has no method {method}; a model needs {', '.join(REQUIRED)}")
    taken = inspect.signature(model.fit).parameters.values()
    for argument in ("validation", "progress"):
        if not any(p.name == argument or p.kind == p.VAR_KEYWORD for p in taken):
            raise ModelError(f"{name}: fit has no argument {argument!r}; fit(x, *, validation, progress) is expected")
    try:
        count = model.count_params()
    except Exception:  # some know it only when they are trained
        return
    _check_count(count, name)


def parameters(model: Any, name: str) -> int:
    """How many numbers were trained.

    Raises:
        ModelError: it gives something else.
    """
    with refusals(name):
        return _check_count(model.count_params(), name)


def _check_count(count: Any, name: str) -> int:
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
        raise ModelError(f"{name}: count_params gives {count!r}; the number of its trainable parameters is expected")
    return int(count)


def history_rows(found: Any, name: str) -> list[tuple[int, int, str, float]]:
    """What `fit` returned, as rows (step, layer, split, log_likelihood); none for None.

    Raises:
        ModelError: something else.
    """
    try:
        return [(int(step), int(layer), str(split), float(value)) for step, layer, split, value in found or ()]
    except (TypeError, ValueError, OverflowError) as error:  # the last: a step of infinity
        raise ModelError(
            f"{name}: fit gives {type(found).__name__}; rows (step, layer, split, log_likelihood) are expected"
        ) from error


def layer_scores(model: Any, x: np.ndarray, name: str) -> np.ndarray:
    """(n, layers) float64 log-likelihoods in nats, the top layer last; one column for a model with one density.

    Raises:
        ModelError: too few of them, none, no real numbers, NaN, or infinity (minus infinity is the logarithm of 0).
    """
    method = "score_layers" if isinstance(model, Layered) else "score_samples"
    with refusals(name):
        found = getattr(model, method)(x)
    scores = _numbers(found, np.float64, method, name)
    if scores.ndim not in (1, 2) or len(scores) != len(x) or scores.shape[1:] == (0,):
        given = "None" if found is None else f"an array of shape {scores.shape}"
        raise ModelError(f"{name}: {method} gives {given} for {len(x)} images; one log-likelihood for each is expected")
    if method == "score_samples" and scores.shape[1:] not in ((), (1,)):
        raise ModelError(
            f"{name}: {method} gives an array of shape {scores.shape} for {len(x)} images; one log-likelihood for each "
            "is expected, or a method score_layers of a model with several densities"
        )
    if np.isnan(scores).any():
        wrong = int(np.isnan(scores).reshape(len(x), -1).any(1).sum())
        raise ModelError(f"{name}: {wrong} of {len(x)} scores are NaN; the model diverged")
    scores = scores.reshape(len(x), -1)
    if wrong := int(np.isposinf(scores).any(1).sum()):
        raise ModelError(
            f"{name}: {method} gives inf for {wrong} of {len(x)} images; finite log-likelihoods, or -inf, are expected"
        )
    return scores


def independent_scores(model: Any, x: np.ndarray, name: str) -> np.ndarray:
    """`layer_scores`, and a few images again without the others: an image has the same score whatever is beside it.

    A model that uses the images of the call (their mean, their ranks, batch statistics) sees the outliers that it is to
    find. Of a model with several densities, the last column is checked against `score_samples`.

    Raises:
        ModelError: as `layer_scores`; scores that differ by more than a hundredth of their standard deviation.
    """
    scores = layer_scores(model, x, name)
    finite = [column[np.isfinite(column)] for column in scores.T]
    spread = np.array([column.std() if len(column) else 0.0 for column in finite])
    allowed = 1e-4 * np.maximum(1.0, np.abs(scores)) + 0.01 * spread
    last = slice(-min(FEW, len(x)), None)
    each = sorted(set(np.linspace(0, len(x) - 1, FEW).astype(int)))
    for part in (*(slice(i, i + 1) for i in each), last):
        again = layer_scores(model, x[part].copy(), name)
        _refuse_apart(scores[part], again, allowed[part], f"{name}: an image has other scores alone than beside others")
    if isinstance(model, Layered):
        own = _numbers(getattr(model, "score_samples")(x[last].copy()), np.float64, "score_samples", name)  # noqa: B009
        what = f"{name}: score_layers ends with other scores than score_samples gives"
        _refuse_apart(scores[last, -1:], own.reshape(-1, 1), allowed[last, -1:], what)
    return scores


def _refuse_apart(first: np.ndarray, second: np.ndarray, allowed: np.ndarray, what: str) -> None:
    if first.shape != second.shape:
        raise ModelError(f"{what}: arrays of shape {first.shape} and {second.shape}")
    with np.errstate(invalid="ignore"):
        wrong = ~((first == second) | (np.abs(first - second) <= allowed))
    if wrong.any():
        row = tuple(np.argwhere(wrong)[0])
        raise ModelError(f"{what}: {second[row]:.6g} and {first[row]:.6g}; `bench check` tries what a model promises")


def classes(model: Any, x: np.ndarray, name: str) -> np.ndarray:
    """(n,) integers, the classes that a model gives images x (n, H, W, C).

    Raises:
        ModelError: something else, or what the model refuses.
    """
    with refusals(name):
        found = np.asarray(model.predict(x))
    if found.shape != (len(x),) or found.dtype.kind not in "iu":
        raise ModelError(
            f"{name}: predict gives an array of shape {found.shape} and type {found.dtype} for {len(x)} images; an "
            "integer for each image is expected"
        )
    return found


def samples(model: Any, n: int, seed: int, options: Mapping[str, Any], name: str) -> np.ndarray:
    """(n, H, W, C) float32 drawn images; pixels that miss [0, 1] by rounding are put there.

    Raises:
        NotImplementedError: the model cannot draw.
        ModelError: an option that it refuses, or images of another number, with NaN, or with pixels outside [0, 1].
    """
    with refusals(name, options=options):
        found = model.sample(n, seed=seed, **options)
    return _images(found, n, "sample", name)


def completions(
    model: Any, x: np.ndarray, known: np.ndarray, seed: int, options: Mapping[str, Any], name: str
) -> np.ndarray:
    """x (n, H, W, C) completed where `known` (n, H, W) is False; errors as of `samples`.

    The model does not see what it is to find: unknown pixels are 0 in the images that it gets.
    """
    seen = np.where(known[..., None], x, np.zeros((), x.dtype))
    with refusals(name, options=options):
        found = model.inpaint(seen, known.copy(), seed=seed, **options)  # it may complete them in place
    completed = _images(found, len(x), "inpaint", name)
    if completed.shape != x.shape:
        raise ModelError(f"{name}: inpaint gives images of shape {completed.shape[1:]}; {x.shape[1:]} is expected")
    if not np.allclose(completed[known], x[known], rtol=0, atol=ROUNDING):
        raise ModelError(f"{name}: inpaint changes pixels that are known; they come back untouched")
    return completed


def _images(found: Any, n: int, method: str, name: str) -> np.ndarray:
    images = _numbers(found, np.float32, method, name)
    if images.ndim != 4 or len(images) != n:
        given = "None" if found is None else f"an array of shape {images.shape}"
        raise ModelError(f"{name}: {method} gives {given}; ({n}, H, W, C) is expected")
    if not np.isfinite(images).all():
        raise ModelError(f"{name}: {method} gives pixels that are no numbers; the model diverged")
    if images.size and not (images.min() >= -ROUNDING and images.max() <= 1 + ROUNDING):
        raise ModelError(f"{name}: {method} gives pixels from {images.min():g} to {images.max():g}; 0 to 1 is expected")
    return images.clip(0, 1)


def _numbers(found: Any, kind: Any, method: str, name: str) -> np.ndarray:
    wrong = f"{name}: {method} gives {type(found).__name__}, which is no array of numbers"
    try:
        array = np.asarray(found if found is not None else np.nan)
    except (TypeError, ValueError, RuntimeError) as error:  # the last: a tensor with gradients
        raise ModelError(wrong) from error
    if array.dtype.kind == "c":  # NumPy would drop the imaginary parts
        raise ModelError(f"{name}: {method} gives {array.dtype}; real numbers are expected")
    if array.dtype.kind in "SUMm" or isinstance(found, np.ma.MaskedArray):  # NumPy would make numbers of these, too
        raise ModelError(wrong)
    try:
        with np.errstate(over="ignore"):  # what is infinite is named later
            return array.astype(kind, copy=False)
    except (TypeError, ValueError) as error:
        raise ModelError(wrong) from error


def check_options(method: Any, options: Mapping[str, Any], flags: Collection[str]) -> None:
    """Refuse options that the method does not have, and those that have flags of their own on the command line.

    Raises:
        UserError: such an option, by name.
    """
    named: Sequence[str] | None = options_of(method)
    known = None if named is None else [name for name in named if name not in flags]
    for name in options:
        if name in flags:
            raise UserError(f"--option {name} has a flag of its own; give --{name}")
        if known is not None and name not in known:
            choice = f"choose from {', '.join(known)}" if known else "it has none"
            owner = getattr(method, "__self__", None)  # whose class may have the method from another one
            whose = method.__qualname__ if owner is None else f"{type(owner).__name__}.{method.__name__}"
            raise UserError(f"{whose} has no option {name!r}; {choice}")
