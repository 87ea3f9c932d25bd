"""`bench figure`: one figure as PNG and PDF."""

from __future__ import annotations

import argparse

from evaluation.cli.outputs import add_overwrite, check_free, named
from evaluation.cli.table import add_run_arguments, material, names

HELP = "draw a figure of a run's results"
DESCRIPTION = (
    "Draw a figure of a run's results as PNG, with PDF beside it. Without --out it is written where the run has it, "
    "below figures/."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    which = f"which one: its file (fig_4_dynamics, heat_map_rat-spn) or its name: {names('figure')}"
    parser.add_argument("figure", help=which)
    add_run_arguments(parser)
    parser.add_argument("--out", metavar="FILE.png", help="written with .pdf beside it")
    parser.add_argument(
        "--so-far", action="store_true", help="of a run that goes on: figures of images show the panels that are there"
    )
    add_overwrite(parser)


def run(args: argparse.Namespace) -> int:
    from evaluation.results.make import draw_figure
    from evaluation.results.outputs import FIGURE, find

    made = material(args)
    item = find(made.plan, FIGURE, args.figure)
    part = made.only(item)
    part.so_far = args.so_far
    own = made.folder / "figures" / f"{item.file}.png"
    path = named(args.out, "--out", ".png") if args.out else own
    check_free([path, path.with_suffix(".pdf")], args.overwrite, own=[own, own.with_suffix(".pdf")])
    draw_figure(item, part, path, made.title if args.title is None else args.title)
    print(path)
    return 0
