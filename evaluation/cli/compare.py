"""`bench compare`: the paper's numbers and ours."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.cli.outputs import add_overwrite, check_free, named
from evaluation.cli.table import add_run_arguments, material

if TYPE_CHECKING:
    from evaluation.results.material import Material

HELP = "compare our numbers with the paper's, with a verdict for each"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument("--against", metavar="RUN", help="another run, in place of the paper")
    parser.add_argument("--out", metavar="FILE.md", help="page to write, with a .csv beside it (default: only totals)")
    add_overwrite(parser)


def run(args: argparse.Namespace) -> int:
    from evaluation.base.errors import UserError
    from evaluation.base.files import atomic_path, write_text
    from evaluation.results.comparison import compare, comparison_frame, totals_lines
    from evaluation.results.comparison_page import comparison_page
    from evaluation.results.selection import protocols_of

    if args.title is not None and not (args.out or args.against):
        raise UserError("--title is the heading of a page, and only totals are printed: give --out FILE.md, or none")
    made = material(args)
    out = named(args.out, "--out", ".md") if args.out else None
    if out:
        own = made.folder / "compare.md"
        check_free([out, out.with_suffix(".csv")], args.overwrite, own=[own, own.with_suffix(".csv")])
    if args.against:
        return _against(args, made, out)
    results = made.results
    rows = compare(results)
    if not args.metrics:
        print(f"results in {made.folder}:")
    if out:
        with atomic_path(out.with_suffix(".csv")) as part:
            comparison_frame(rows).to_csv(part, index=False)
        write_text(out, comparison_page(results, args.title or made.title, made.lacking))
    for protocol in protocols_of(made.plan):
        print("\n".join(totals_lines(rows, protocol)))
    return 0


def _against(args: argparse.Namespace, made: Material, out: Path | None) -> int:
    """The run beside another one."""
    from evaluation.base.files import atomic_path, write_text
    from evaluation.plan.resolve import resolve
    from evaluation.results.against import against, against_frame, against_page, summary, unfinished
    from evaluation.results.material import Material

    other = Material(resolve(args.against, reference=not Path(args.against).exists()))
    cells = against(made.results, other.results)
    note = unfinished(made.results, other.results)
    page = against_page(cells, (args.title or made.title, other.title), note)
    print(f"first: {made.folder}\nsecond: {other.folder}")
    if out:
        with atomic_path(out.with_suffix(".csv")) as part:
            against_frame(cells).to_csv(part, index=False)
        write_text(out, page)
        print(*filter(None, [summary(cells), note]), sep="\n")
    else:
        print(page)
    return 0
