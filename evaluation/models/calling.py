"""Calls of models whose classes anybody may have written: refusals and broken promises are sentences with a name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from evaluation.base.errors import ModelError, UserError
from evaluation.models.interface import Layered, options_of


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


def layer_scores(model: Any, x: np.ndarray, name: str) -> np.ndarray:
    """(n, layers) float64 log-likelihoods in nats, the top layer last; one column for a model with one density.

    Raises:
        ModelError: too few of them, none, or NaN.
    """
    method = "score_layers" if isinstance(model, Layered) else "score_samples"
    with refusals(name):
        found = getattr(model, method)(x)
    scores = np.asarray(found if found is not None else np.nan, np.float64)
    if scores.ndim not in (1, 2) or len(scores) != len(x):
        given = "None" if found is None else f"an array of shape {scores.shape}"
        raise ModelError(f"{name}: {method} gives {given} for {len(x)} images; one log-likelihood for each is expected")
    if np.isnan(scores).any():
        wrong = int(np.isnan(scores).reshape(len(x), -1).any(1).sum())
        raise ModelError(f"{name}: {wrong} of {len(x)} scores are NaN; the model diverged")
    return scores.reshape(len(x), -1)


def samples(model: Any, n: int, seed: int, options: Mapping[str, Any], name: str) -> np.ndarray:
    """(n, H, W, C) float32 drawn images.

    Raises:
        NotImplementedError: the model cannot draw.
        ModelError: an option that it refuses, or images of another number or with NaN.
    """
    with refusals(name, options=options):
        found = model.sample(n, seed=seed, **options)
    return _images(found, n, "sample", name)


def completions(
    model: Any, x: np.ndarray, known: np.ndarray, seed: int, options: Mapping[str, Any], name: str
) -> np.ndarray:
    """x (n, H, W, C) completed where `known` (n, H, W) is False; errors as of `samples`."""
    with refusals(name, options=options):
        found = model.inpaint(x, known, seed=seed, **options)
    completed = _images(found, len(x), "inpaint", name)
    if completed.shape != x.shape:
        raise ModelError(f"{name}: inpaint gives images of shape {completed.shape[1:]}; {x.shape[1:]} is expected")
    return completed


def _images(found: Any, n: int, method: str, name: str) -> np.ndarray:
    images = np.asarray(found if found is not None else np.nan, np.float32)
    if images.ndim != 4 or len(images) != n:
        given = "None" if found is None else f"an array of shape {images.shape}"
        raise ModelError(f"{name}: {method} gives {given}; ({n}, H, W, C) is expected")
    if not np.isfinite(images).all():
        raise ModelError(f"{name}: {method} gives pixels that are no numbers; the model diverged")
    return images


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
