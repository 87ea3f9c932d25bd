"""`bench train`: train models, for one or several seeds and subsets."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from evaluation.base.process import on_gpu, prepare
from evaluation.cli.arguments import (
    Several,
    add_run,
    distinct,
    finite,
    natural,
    positive,
    read_pairs,
    refuse_by_hand,
    work,
)

if TYPE_CHECKING:
    from evaluation.cli.arguments import Work
    from evaluation.datasets import Dataset
    from evaluation.jobs.train import Place
    from evaluation.plan.jobs import Job
    from evaluation.plan.training import Training

HELP = "train a model on a data set, for one or several seeds and subsets of classes"
DESCRIPTION = (
    "Train a DCGMM given by its notation (--config), a model of the catalogue (--model), any class with the model "
    "interface (--factory), or jobs of a run (--profile RUN JOB …). Finished models of the same settings are kept "
    "(--again retrains them); interrupted trainings resume from their checkpoints."
)
BY_HAND = Path("results/by-hand/models")
LENGTHS = {"epochs", "iterations"}  # of a training; one that is given holds for models of one class too
DCGMM = "dcgmm:DCGMM"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="with --profile: dcgmm-e/digits/not0/seed0, or a job")
    add_run(parser)
    which = parser.add_argument_group("model, without --profile")
    which.add_argument("--config", metavar="NOTATION", help='a DCGMM, for example "F(28,1)-G(49)"')
    which.add_argument("--model", metavar="NAME", help="name in the catalogue (docs/models.md) or in --configfile")
    which.add_argument("--factory", metavar="PACKAGE.MODULE:CLASS", help="import path of a class")
    which.add_argument("--configfile", metavar="FILE", help="profile that changes or extends the catalogue")
    which.add_argument("--param", action="append", default=[], metavar="KEY=VALUE", help="one parameter of the model")
    which.add_argument("--params", metavar="JSON", help="all parameters of the model")
    which.add_argument("--epochs", type=finite, help="same as --param epochs=N")
    which.add_argument("--protocol", choices=["paper", "clean", "both"], help="settings of one protocol only")
    what = parser.add_argument_group("data, without --profile")
    what.add_argument("--dataset", help="mnist, fashion_mnist, svhn, mnist-5k, digits or photos")
    what.add_argument(
        "--subset", nargs="+", action=Several, default=["all"], help="all, notC (without class C), onlyC (default: all)"
    )
    what.add_argument(
        "--seed", nargs="+", action=Several, type=natural, default=[0], help="one or several seeds (default: 0)"
    )
    what.add_argument("--train-images", type=positive, metavar="N", help="train on the first N images")
    what.add_argument("--monitor", choices=["validation", "test", "none"], help="images followed (default: validation)")
    where = parser.add_argument_group("output")
    where.add_argument(
        "--out", metavar="DIR", help="directory of the model (of one seed and subset), in place of --models"
    )
    where.add_argument("--models", metavar="DIR", help=f"directory of all models (default: {BY_HAND})")
    where.add_argument("--name", help="name of the model in paths")
    where.add_argument("--again", action="store_true", help="retrain existing models")
    where.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> int:
    prepare(args.threads, args.device)
    if args.profile:
        _of_run(args)
        return 0
    from evaluation.base.errors import UserError
    from evaluation.datasets import load_dataset
    from evaluation.jobs.train import by_hand, train_all

    if args.jobs:
        raise UserError(
            f"{args.jobs[0]!r} is a job of a run; say which, with --profile RUN. The notation of a DCGMM is given with "
            "--config, a model of the catalogue with --model"
        )
    if not args.dataset:
        raise UserError("name a data set: --dataset mnist, fashion_mnist, svhn, mnist-5k, digits or photos")
    places = _places(args, _trainings(args))
    by_hand(places, again=args.again)
    dataset = load_dataset(args.dataset)
    for training in {place.training.configuration: place.training for place in places}.values():
        _check_fit(training, dataset)
    train_all(places, dataset, again=args.again, together=on_gpu(args.device), progress=not args.quiet)
    for place in places:
        _print_result(place, dataset)
    return 0


# --- jobs of a run ---------------------------------------------------------------------------------------------------


def _of_run(args: argparse.Namespace) -> None:
    from evaluation.datasets import load_dataset
    from evaluation.jobs.stamps import write_stamp
    from evaluation.jobs.store import is_complete
    from evaluation.jobs.train import Place, train_all

    nothing = dict.fromkeys(["config", "model", "factory", "configfile", "params", "epochs", "protocol", "dataset"])
    nothing |= dict.fromkeys(["train_images", "out", "models", "name"])
    refuse_by_hand(args, param=[], subset=["all"], seed=[0], monitor=None, **nothing)
    doing = work(args, args.jobs)
    for job in doing.chosen:
        _check_sampling(doing, job)
        places = [Place(doing.plan.training(key), doing.paths.model(key)) for key in job.keys]
        together = on_gpu(args.device)
        shown = sys.stderr.isatty() and not args.quiet  # nobody looks at a log
        train_all(places, load_dataset(job.dataset), again=args.again, together=together, progress=shown)
        for whole in doing.jobs.of(job.keys):  # a single training may complete its job
            models = [doing.paths.model(key) for key in whole.keys]
            if all(is_complete(doing.plan.training(key), doing.paths.model(key)) for key in whole.keys):
                write_stamp(doing.paths.stamp("train", whole.name), models)


def _check_sampling(doing: Work, job: Job) -> None:
    """Refuse options that what is made of the trained models does not have: before hours of training, not after.

    Raises:
        UserError: such an option, by name.
    """
    from evaluation.models.calling import check_options
    from evaluation.models.importing import import_object

    model = import_object(doing.plan.training(job.keys[0]).factory)
    for stage in doing.jobs.stages(job):
        name, own = ("inpaint", ("seed", "variant")) if stage == "inpaint" else ("sample", ("n", "seed"))
        method = getattr(model, name, None)
        if stage != "score" and method is not None:
            check_options(method, doing.plan.sampled(stage, job.variant)["options"], own)


# --- by hand ---------------------------------------------------------------------------------------------------------


class _What(NamedTuple):
    """name: for paths; model: of the catalogue; one_class: parameters of a model of one class, `params` where None;
    monitor: the images that are followed, unless the command line says which."""

    name: str
    model: str
    factory: str
    params: dict[str, Any]
    protocol: str = "both"
    one_class: dict[str, Any] | None = None
    monitor: str = "validation"


def _trainings(args: argparse.Namespace) -> list[Training]:
    """Every training that the command line asks for."""
    from evaluation.base.words import path_word
    from evaluation.datasets.subsets import subset_class
    from evaluation.plan.training import Training

    what = _what(args)
    name = args.name or what.name + (f"+train_images={args.train_images}" if args.train_images else "")
    if args.name:
        name = path_word(args.name)

    def training(subset: str, seed: int) -> Training:
        of_one = what.one_class if subset_class(subset) is not None else None
        return Training(
            name=name,
            model=what.model,
            factory=what.factory,
            params=what.params if of_one is None else of_one,
            dataset=args.dataset,
            subset=subset,
            seed=seed,
            protocol=what.protocol,
            monitor=args.monitor or what.monitor,
            train_images=args.train_images,
        )

    subsets, seeds = distinct(args.subset, "--subset"), distinct(args.seed, "--seed")
    return [training(subset, seed) for subset in subsets for seed in seeds]


def _what(args: argparse.Namespace) -> _What:
    """What the command line asks to train.

    Raises:
        UserError: not exactly one way to name the model, unknown model or parameter.
    """
    from evaluation.base.errors import UserError
    from evaluation.plan.merging import parameters_over

    if args.config and (args.model or args.factory):
        raise UserError("--config is a DCGMM by itself; leave out --model and --factory")
    if not (args.config or args.model or args.factory):
        raise UserError("name a model: --config NOTATION, --model NAME or --factory PACKAGE.MODULE:CLASS")
    if args.configfile and (args.factory or not args.model):
        raise UserError(
            "--configfile changes the catalogue, of which --model names a model; give --model, or leave it out"
        )
    given, all_params = _given_params(args), _all_params(args)
    if args.factory:
        params = {**all_params, **given}
        model = args.model or args.factory.rpartition(":")[2].lower()
        return _What(model + _suffix(given), model, args.factory, params, args.protocol or "both")
    if args.config:
        own = parameters_over(all_params, given, "dcgmm")
        if "config" in own:
            raise UserError("--config is the same as --param config; give one of them")
        if args.protocol:
            raise UserError(f"--protocol {args.protocol} has no effect on --config; leave it out")
        from dcgmm.notation import ConfigurationError, parse

        try:
            parse(args.config)
        except ConfigurationError as error:
            raise UserError(f"--config: {error}") from error
        params = {"config": args.config, **own}
        return _What("dcgmm" + _suffix(params), "dcgmm", DCGMM, params)
    return _of_catalogue(args, given, all_params)


def _of_catalogue(args: argparse.Namespace, given: dict[str, Any], all_params: dict[str, Any]) -> _What:
    from evaluation.base.errors import UserError
    from evaluation.models.catalogue import check_params
    from evaluation.plan.catalogue import BOTH, Catalogue, Variant
    from evaluation.plan.merging import parameters_over

    if "(" in args.model:
        raise UserError(f"--model {args.model!r} is no name in the catalogue; give a notation with --config")
    config = _config(args.configfile) if args.configfile else {}
    entry = Catalogue(config.get("models"), where=args.configfile or "the catalogue").model(args.model)
    protocol = (args.protocol or "clean") if entry.in_protocols else BOTH
    variant = Variant(entry, protocol, ())
    own = parameters_over(all_params, given, entry.family)
    params = parameters_over(variant.params, own, entry.family)
    check_params(entry.family, params, "the command line")
    of_one = {} if LENGTHS & own.keys() else {k: v for k, v in entry.one_class.items() if k not in own}
    one_class = parameters_over(params, of_one, entry.family)
    args.train_images = args.train_images or entry.train_images or config.get("train_images")
    return _What(variant.name + _suffix(given), entry.name, entry.factory, params, protocol, one_class, entry.monitor)


def _config(path: str) -> dict[str, Any]:
    """A profile's file, checked as far as a training by hand takes it."""
    from evaluation.plan.profile import check_models
    from evaluation.plan.reading import read_profile

    config = read_profile(path)
    check_models(config, path)
    return config


def _all_params(args: argparse.Namespace) -> dict[str, Any]:
    from evaluation.base.documents import parse_json
    from evaluation.base.errors import UserError

    if not args.params:
        return {}
    params = parse_json(args.params, "--params")
    if not isinstance(params, dict):
        raise UserError(f'--params {args.params} is no JSON object; write {{"KEY": VALUE, …}}')
    return params


def _given_params(args: argparse.Namespace) -> dict[str, Any]:
    from evaluation.base.errors import UserError

    given = read_pairs(args.param, "--param")
    if args.epochs is not None:
        if "epochs" in given:
            raise UserError("--epochs is the same as --param epochs; give one of them")
        given["epochs"] = int(args.epochs) if args.epochs.is_integer() else args.epochs
    return given


def _suffix(params: dict[str, Any]) -> str:
    from evaluation.base.words import path_word

    return "".join(f"+{key}={path_word(value)}" for key, value in sorted(params.items()))


def _check_fit(training: Training, dataset: Dataset) -> None:
    """Refuse a model that cannot take the images, as far as its family's cost model tells, before its folder is made;
    and a DCGMM with parameters that it refuses, which is quickly built.

    Raises:
        UserError: says why.
    """
    from evaluation.base.errors import UserError
    from evaluation.models.catalogue import cost, families
    from evaluation.models.registry import build

    family = {described.factory: name for name, described in families().items()}
    try:
        if training.factory == DCGMM:
            build(DCGMM, training.params, dataset.image_shape, training.seed)
        cost(family.get(training.factory), dataset.image_shape, training.params)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{training.name} on {training.dataset}: {error}") from error


def _places(args: argparse.Namespace, trainings: list[Training]) -> list[Place]:
    from evaluation.base.errors import UserError
    from evaluation.jobs.train import Place

    if args.out is None:
        models = Path(args.models or BY_HAND)
        return [Place(training, models / training.key.path) for training in trainings]
    if len(trainings) > 1:
        raise UserError(f"--out is the directory of one model, but {len(trainings)} are trained; give --models DIR")
    return [Place(trainings[0], Path(args.out))]


def _print_result(place: Place, dataset: Any) -> None:
    """The table at the end: mean test log-likelihood of each layer and, if classes were left out, AUROC."""
    import numpy as np

    from evaluation.cli.printing import print_table
    from evaluation.datasets import select
    from evaluation.models.calling import independent_scores
    from evaluation.models.registry import load_model

    training = place.training
    x, y = dataset.split("test")
    scores = independent_scores(load_model(place.directory), x, str(place.directory))
    inside = np.isin(np.arange(len(y)), select(np.arange(len(y)), y, training.subset)[0])
    columns = ["layer", "test log-likelihood (nats)", *([] if inside.all() else ["AUROC (%)"])]
    rows = []
    for layer in range(scores.shape[1]):
        top = " (top)" if layer == scores.shape[1] - 1 else ""
        row = [f"{layer}{top}", f"{scores[inside, layer].mean():.2f}"]
        if not inside.all():
            from evaluation.measures.roc import auroc

            row.append(f"{auroc(scores[inside, layer], scores[~inside, layer]):.2f}")
        rows.append(row)
    title = f"{training.name} on {training.dataset}, {training.subset}, seed {training.seed}"
    print_table(title, columns, rows)
