"""`bench figure`: one figure as PNG and PDF."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "draw a figure from metrics or scores"
PICTURES = ("fig_5", "fig_6", "fig_7", "fig_8", "fig_9", "fig_11", "fig_12", "fig_13", "fig_14")
FIGURES = ("fig_4", "fig_10", "heat_map", *PICTURES)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("figure", choices=FIGURES, help="which one")
    parser.add_argument(
        "--metrics", nargs="*", default=[], metavar="FILE", help="tidy metrics (parquet); fig_4, heat_map"
    )
    parser.add_argument("--scores", metavar="DIR", help="where `bench score` wrote; fig_10")
    parser.add_argument(
        "--panel",
        action="append",
        default=[],
        metavar="LABEL=PATH[,PATH…]",
        help="a panel; fig_10: scores below DIR; heat_map: a model; fig_14: a trained one; else: samples, completions",
    )
    parser.add_argument("--dataset", help="data set named above the panels; fig_7: whose real images are shown")
    parser.add_argument("--classes", nargs="*", type=int, metavar="C", help="of the real images (default: all); fig_7")
    parser.add_argument("--title", default="", help="what marks the figure, for example the profile")
    parser.add_argument("--out", required=True, metavar="FILE.png", help="written with .pdf beside it")


def run(args: argparse.Namespace) -> int:
    from evaluation.base.errors import UserError

    if args.figure in ("fig_4", "heat_map"):
        if not args.metrics:
            raise UserError(f"{args.figure} is drawn from metrics; give --metrics FILE …")
        _from_metrics(args)
        return 0
    if args.figure in PICTURES:
        from evaluation.results.figures.samples import draw_picture

        panels = [(label, paths.split(",")) for label, _, paths in (w.rpartition("=") for w in args.panel)]
        draw_picture(args.figure, panels, Path(args.out), args.title, dataset=args.dataset, classes=args.classes)
        return 0
    if not (args.scores and args.panel):
        raise UserError("fig_10 is drawn from scores; give --scores DIR and --panel LABEL=PATH …")
    from evaluation.results.figures.outlier_curves import draw_outlier_curves

    panels = [
        (label, Path(args.scores, f"{path}.parquet")) for label, _, path in (w.partition("=") for w in args.panel)
    ]
    draw_outlier_curves(panels, Path(args.out), args.title)
    return 0


def _from_metrics(args: argparse.Namespace) -> None:
    from evaluation.base.errors import UserError
    from evaluation.results.tables.writing import read_metrics

    metrics, out = read_metrics(map(Path, args.metrics)), Path(args.out)
    if args.figure == "fig_4":
        from evaluation.results.figures.dynamics import draw_dynamics

        draw_dynamics(metrics, out, args.title)
        return
    if len(args.panel) != 1:
        raise UserError(f"heat_map shows the grid of one model; {len(args.panel)} given as --panel LABEL=MODEL")
    from evaluation.results.figures.heat_map import draw_heat_map

    label, _, model = args.panel[0].rpartition("=")
    draw_heat_map(metrics, model, label, out, args.title)
