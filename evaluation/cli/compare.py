"""`bench compare`: the paper's numbers and ours."""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluation.cli.table import add_run_arguments, material

HELP = "put the paper's numbers beside ours, with a verdict for each"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument("--out", metavar="FILE.md", help="page to write, with a .csv beside it (default: only totals)")


def run(args: argparse.Namespace) -> int:
    from evaluation.base.files import atomic_path, write_text
    from evaluation.results.comparison import PROTOCOLS, compare, comparison_frame, totals_lines
    from evaluation.results.comparison_page import comparison_page

    made = material(args)
    results = made.results
    rows = compare(results)
    if not args.metrics:
        print(f"results in {made.folder}:")
    if args.out:
        out = Path(args.out)
        with atomic_path(out.with_suffix(".csv")) as part:
            comparison_frame(rows).to_csv(part, index=False)
        write_text(out, comparison_page(results, args.title))
    for protocol in PROTOCOLS:
        print("\n".join(totals_lines(rows, protocol)))
    return 0
