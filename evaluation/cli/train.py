"""`bench train`: train models, for one or several seeds and subsets."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from evaluation.base.process import add_process_arguments, prepare

if TYPE_CHECKING:
    from evaluation.jobs.train import Training

HELP = "train a model on a data set, for one or several seeds and subsets of classes"
DESCRIPTION = (
    "Train a DCGMM given by its notation (--config), a model of the catalogue (--model) or any class with the model "
    "interface (--factory). What is there already, finished and with the same settings, is not trained again; what "
    "was interrupted goes on from its checkpoint."
)
BY_HAND = Path("results/by-hand/models")
LENGTHS = {"epochs", "iterations"}  # of a training; one that is given holds for models of one class too


def add_arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_argument_group("model")
    which.add_argument("--config", metavar="NOTATION", help='a DCGMM, for example "F(28,1)-G(49)"')
    which.add_argument("--model", metavar="NAME", help="name in the catalogue (docs/models.md) or in --configfile")
    which.add_argument("--factory", metavar="PACKAGE.MODULE:CLASS", help="import path of a class")
    which.add_argument("--configfile", metavar="FILE", help="profile that changes or extends the catalogue")
    which.add_argument("--param", action="append", default=[], metavar="KEY=VALUE", help="one parameter of the model")
    which.add_argument("--params", metavar="JSON", help="all parameters of the model")
    which.add_argument("--one-class", metavar="JSON", help="parameters of models of one class only (--subset onlyC)")
    which.add_argument("--epochs", type=float, help="same as --param epochs=N")
    which.add_argument("--protocol", choices=["paper", "clean", "both"], help="settings of one protocol only")
    what = parser.add_argument_group("data")
    what.add_argument("--dataset", required=True, help="mnist, fashion_mnist, svhn, mnist-5k, digits or photos")
    what.add_argument("--subset", nargs="+", default=["all"], help="all, notC (without class C), onlyC (default: all)")
    what.add_argument("--seed", nargs="+", type=int, default=[0], help="one or several seeds (default: 0)")
    what.add_argument("--train-images", type=int, metavar="N", help="train on the first N images")
    what.add_argument("--monitor", choices=["validation", "test", "none"], default="validation", help="images followed")
    where = parser.add_argument_group("output")
    where.add_argument("--out", metavar="DIR", help="directory of the model (of one seed and subset)")
    where.add_argument("--models", metavar="DIR", help=f"directory of all models (default: {BY_HAND})")
    where.add_argument("--name", help="name of the model in paths")
    where.add_argument("--point", default="{}", metavar="JSON", help="the grid point, kept with the results")
    where.add_argument("--stamp", metavar="FILE", help="write the list of the trained models, and print no table")
    where.add_argument("--quiet", action="store_true", help="no progress bar")
    add_process_arguments(where)


def run(args: argparse.Namespace) -> int:
    prepare(args.threads, args.device)
    from evaluation.datasets import load_dataset

    trainings = _trainings(args)
    places = _places(args, trainings)
    dataset = load_dataset(args.dataset)
    failures = _train_all(trainings, places, dataset, quiet=args.quiet)
    if failures:
        from evaluation.base.errors import UserError

        raise UserError(f"{len(failures)} of {len(trainings)} trainings failed; " + "; ".join(failures))
    if args.stamp:
        from evaluation.jobs.stamps import write_stamp

        write_stamp(Path(args.stamp), places)
    else:
        for training, place in zip(trainings, places, strict=True):
            _print_result(training, place, dataset)
    return 0


def _trainings(args: argparse.Namespace) -> list[Training]:
    """Every training that the command line asks for."""
    from evaluation.jobs.train import Training
    from evaluation.plan.config import load_text, params_of

    what = _what(args)
    point = load_text(args.point)

    def training(subset: str, seed: int) -> Training:
        return Training(
            name=args.name or what.name,
            model=what.model,
            factory=what.factory,
            params=params_of(subset, what.params, what.one_class),
            dataset=args.dataset,
            subset=subset,
            seed=seed,
            protocol=what.protocol,
            point=point,
            monitor=args.monitor,
            train_images=args.train_images,
        )

    return [training(subset, seed) for subset in args.subset for seed in args.seed]


def _train_all(trainings: list[Training], places: list[Path], dataset: Any, *, quiet: bool) -> list[str]:
    """Train one after the other; a failure does not stop the others, and is one sentence of the result."""
    import traceback

    from evaluation.jobs.train import forget_frameworks, train

    failures = []
    for training, place in zip(trainings, places, strict=True):
        try:
            fresh = train(training, dataset, place, progress=not quiet)
            print(f"{place}: {'trained' if fresh else 'was there already'}", flush=True)
        except Exception as error:
            if len(trainings) == 1:
                raise
            traceback.print_exc()
            failures.append(f"{place}: {error}")
        forget_frameworks()
    return failures


class _What(NamedTuple):
    """name: for paths; model: of the catalogue; one_class: parameters of a model of one class, over the others."""

    name: str
    model: str
    factory: str
    params: dict[str, Any]
    protocol: str
    one_class: dict[str, Any]


def _what(args: argparse.Namespace) -> _What:
    """What the command line asks to train.

    Raises:
        ConfigError: not exactly one way to name the model, unknown model or parameter.
    """
    from evaluation.models import registry
    from evaluation.plan.config import Catalogue, ConfigError, Variant, load, load_text

    if args.config and (args.model or args.factory):
        raise ConfigError("--config is a DCGMM by itself; leave out --model and --factory")
    if not (args.config or args.model or args.factory):
        raise ConfigError("name a model: --config NOTATION, --model NAME or --factory PACKAGE.MODULE:CLASS")
    given = _given_params(args)
    one_class = load_text(args.one_class) if args.one_class else {}
    if args.factory:
        params = {**(load_text(args.params) if args.params else {}), **given}
        model = args.model or args.factory.rpartition(":")[2].lower()
        return _What(model + _suffix(given), model, args.factory, params, args.protocol or "both", one_class)
    if args.config:
        family = registry.families()["dcgmm"]
        params = {"config": args.config, **(load_text(args.params) if args.params else {}), **given}
        registry.check_params("dcgmm", params, "the command line")
        return _What("dcgmm" + _suffix(params), "dcgmm", family["factory"], params, "both", one_class)
    config = load(args.configfile) if args.configfile else {}
    entry = Catalogue(config, args.configfile or "the catalogue").model(args.model)
    protocol = args.protocol or ("clean" if entry.protocols else "both")
    variant = Variant(entry, protocol if entry.protocols else "both", ())
    params = {**variant.params, **(load_text(args.params) if args.params else {}), **given}
    registry.check_params(entry.family, params, "the command line")
    if not args.one_class and not LENGTHS & given.keys():
        one_class = {key: value for key, value in entry.one_class.items() if key not in given}
    args.train_images = args.train_images or entry.train_images or config.get("train_images")
    return _What(variant.name + _suffix(given), entry.name, entry.factory, params, variant.protocol, one_class)


def _given_params(args: argparse.Namespace) -> dict[str, Any]:
    from evaluation.plan.config import ConfigError

    given: dict[str, Any] = {}
    for text in args.param:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--param {text!r} is not KEY=VALUE")
        try:
            given[key] = json.loads(value)
        except json.JSONDecodeError:
            given[key] = value  # a word needs no quotes
    if args.epochs is not None:
        given["epochs"] = int(args.epochs) if args.epochs.is_integer() else args.epochs
    return given


def _suffix(params: dict[str, Any]) -> str:
    from evaluation.plan.config import path_word

    return "".join(f"+{key}={path_word(value)}" for key, value in sorted(params.items()))


def _places(args: argparse.Namespace, trainings: list[Training]) -> list[Path]:
    from evaluation.plan.config import ConfigError

    if args.out is None:
        return [training.directory(Path(args.models or BY_HAND)) for training in trainings]
    if len(trainings) > 1:
        raise ConfigError(f"--out is the directory of one model, but {len(trainings)} are trained; give --models DIR")
    return [Path(args.out)]


def _print_result(training: Any, place: Path, dataset: Any) -> None:
    """The table at the end: mean test log-likelihood of each layer and, if classes were left out, AUROC."""
    from rich.console import Console
    from rich.table import Table

    from evaluation.datasets import select
    from evaluation.jobs.score import layer_scores
    from evaluation.measures.roc import auroc
    from evaluation.models.registry import load_model

    x, y = dataset.split("test")
    scores = layer_scores(load_model(place), x)
    inside = _positions(select, y, training.subset)
    table = Table(title=f"{training.name} on {training.dataset}, {training.subset}, seed {training.seed}")
    table.add_column("layer")
    table.add_column("test log-likelihood (nats)", justify="right")
    if not inside.all():
        table.add_column("AUROC (%)", justify="right")
    for layer in range(scores.shape[1]):
        top = " (top)" if layer == scores.shape[1] - 1 else ""
        row = [f"{layer}{top}", f"{scores[inside, layer].mean():.2f}"]
        if not inside.all():
            row.append(f"{auroc(scores[inside, layer], scores[~inside, layer]):.2f}")
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else int(os.environ.get("COLUMNS", "100"))).print(table)


def _positions(select: Any, y: Any, subset: str) -> Any:
    """(n,) bool: which images belong to the subset."""
    import numpy as np

    inside = np.zeros(len(y), bool)
    inside[select(np.arange(len(y)), y, subset)[0]] = True
    return inside
