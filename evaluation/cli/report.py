"""`bench report`: everything of a run on one page."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "make one self-contained page of a run: verdicts, tables, figures, provenance"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from evaluation.cli.compare import add_run_arguments

    add_run_arguments(parser)
    parser.add_argument("--figures", nargs="*", metavar="FILE.png", help="the run's figures (default: the profile's)")
    parser.add_argument("--provenance", metavar="FILE", help="what `bench provenance` wrote (default: the profile's)")
    parser.add_argument("--out", required=True, metavar="FILE.html", help="page to write")


def run(args: argparse.Namespace) -> int:
    import json

    from evaluation.base.files import write_text
    from evaluation.cli.compare import inputs
    from evaluation.plan.config import load_plan
    from evaluation.results.report import page
    from evaluation.results.tables.writing import read_metrics

    metrics_files, configfile, folder = inputs(args)
    pictures = sorted(folder.glob("figures/*.png")) if args.figures is None else map(Path, args.figures)
    provenance = Path(args.provenance or folder / "provenance.json")
    facts = json.loads(provenance.read_text(encoding="utf-8"))
    names = [path.name for path in metrics_files]
    write_text(Path(args.out), page(read_metrics(metrics_files), load_plan(configfile), pictures, facts, names))
    return 0
