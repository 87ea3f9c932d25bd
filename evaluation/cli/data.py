"""`bench data`: fill the data directory."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.cli.outputs import add_overwrite, check_free

if TYPE_CHECKING:
    from evaluation.datasets.sources import ProgressFor

HELP = "fetch data sets, each from the first source that has it"
DESCRIPTION = (
    "Check the files of each data set and fetch what is missing or altered: from a system package's copy, the "
    "official mirrors (resumed, checked), or the distribution's package. Intact files are only read."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="mnist, fashion_mnist, svhn, mnist-5k, digits or photos"
    )
    parser.add_argument("--root", metavar="DIR", help="directory of all data sets (default: $BENCH_DATA, else data/)")
    parser.add_argument(
        "--mirror",
        action="append",
        default=[],
        metavar="URL",
        help="an address that holds the files, tried before the official ones (may be repeated)",
    )
    parser.add_argument("--manifest", metavar="FILE", help="write what is where, with checksums, as JSON")
    add_overwrite(parser)


def run(args: argparse.Namespace) -> int:
    from evaluation.base.files import write_text
    from evaluation.datasets.contents import data_root, specification
    from evaluation.datasets.sources import Mirror, ensure

    if args.manifest:
        check_free([Path(args.manifest)], args.overwrite)
    for address in args.mirror:
        Mirror(address)  # a wrong one is refused, also where nothing has to be fetched
    manifest = {}
    specs = {name: specification(name, args.root) for name in args.names}
    for name, spec in specs.items():
        with _progress_bars() as progress_for:
            origin = ensure(name, args.root, mirrors=args.mirror, say=_say, progress_for=progress_for)
        directory = data_root(args.root) / name
        for file, source in origin.items():
            print(f"{directory / file}: {source}")
        if not origin:
            print(f"{name}: comes with {spec.origin}")
        manifest[name] = {file.name: {"sha256": file.sha256, "size": file.size} for file in spec.files}
    if args.manifest:
        write_text(args.manifest, json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    return 0


def _say(message: str) -> None:
    print(f"bench: {message}", file=sys.stderr)


@contextmanager
def _progress_bars() -> Iterator[ProgressFor]:
    """One bar per file on standard error; none when that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:

        def progress_for(label: str):
            task = bars.add_task(label, total=None)
            return lambda done, total: bars.update(task, completed=done, total=total)

        yield progress_for
