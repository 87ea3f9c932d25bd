"""`bench check`: does a class keep the promises of the model interface?"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from evaluation.base.process import add_process_arguments, prepare
from evaluation.cli.arguments import positive, read_pairs

HELP = "check that a class of your own keeps what the interface promises"
DESCRIPTION = (
    "Train a class on a few images, and try each promise of the model interface (docs/add-a-model.md): the same seed "
    "gives the same model, scores do not depend on the other images, completions do not see the erased pixels, files "
    "hold what was trained. Exit code 2 where one is broken."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--factory", required=True, metavar="PACKAGE.MODULE:CLASS", help="import path of the class")
    parser.add_argument("--param", action="append", default=[], metavar="KEY=VALUE", help="one parameter of the model")
    parser.add_argument("--dataset", default="digits", help="what it is trained on (default: digits, embedded)")
    parser.add_argument("--images", type=positive, default=200, metavar="N", help="how many (default: 200)")
    add_process_arguments(parser)


def run(args: argparse.Namespace) -> int:
    prepare(args.threads, args.device)
    from evaluation.base.errors import UserError
    from evaluation.cli.printing import print_table
    from evaluation.datasets import load_dataset
    from evaluation.models.contract import Trial, findings
    from evaluation.models.registry import build

    params, dataset = read_pairs(args.param, "--param"), load_dataset(args.dataset)
    x, y = (part[: args.images] for part in dataset.split("train"))
    build(args.factory, params, dataset.image_shape, 0)  # what is no model, or refuses its parameters, is no finding
    held_out = dataset.split("validation")[0][:20]
    words = {True: "kept", False: "BROKEN", None: "–"}
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(
            lambda seed: build(args.factory, params, dataset.image_shape, seed),
            x, y, held_out, Path(folder, "model"), args.factory,
        )  # fmt: skip
        found = list(findings(trial))
    rows = [[f.method, f.promise, words[f.kept], f.said] for f in found]
    print_table(
        f"{args.factory} on {len(x)} images of {args.dataset}", ["method", "promise", "", "found"], rows, left=4
    )
    if broken := sum(f.kept is False for f in found):
        raise UserError(f"{args.factory} breaks {broken} of {len(found)} promises; docs/architecture.md has them all")
    return 0
