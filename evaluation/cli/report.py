"""`bench report`: everything of a run on one page."""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluation.cli.arguments import Several
from evaluation.cli.outputs import add_overwrite, check_free, named
from evaluation.cli.table import add_run_arguments, material

PNG = b"\x89PNG\r\n\x1a\n"  # how every file of this kind begins
HELP = "make one self-contained page of a run: verdicts, tables, figures, provenance"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument(
        "--figures", nargs="*", action=Several, metavar="FILE.png", help="the run's figures (default: all it has)"
    )
    parser.add_argument("--provenance", metavar="FILE", help="what `bench provenance` wrote (default: the run's)")
    parser.add_argument("--out", metavar="FILE.html", help="page to write (default: the run's report.html)")
    add_overwrite(parser)


def run(args: argparse.Namespace) -> int:
    from evaluation.base.errors import UserError
    from evaluation.base.files import write_text
    from evaluation.base.reading import read_json
    from evaluation.results.report import report_page

    made = material(args)
    own = made.folder / "report.html"
    out = named(args.out, "--out", ".html") if args.out else own
    check_free([out], args.overwrite, own=[own])
    pictures = sorted(made.folder.glob("figures/*.png")) if args.figures is None else map(Path, args.figures)
    provenance = Path(args.provenance or made.folder / "provenance.json")
    cure = "make it with `bench provenance`, or give --provenance FILE"
    facts = read_json(provenance, cure, "versions", "git", "machine")
    for picture in args.figures or ():
        if not Path(picture).is_file() or Path(picture).read_bytes()[:8] != PNG:
            raise UserError(f"--figures {picture}: there is no such PNG file; make it with `bench figure`")
    write_text(out, report_page(made, pictures, facts, args.title or made.title, made.lacking))
    print(out)
    return 0
