"""`bench provenance`: versions, commit, machines and configuration of a run."""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluation.cli.outputs import add_overwrite, check_free

HELP = "record where a run's numbers come from, or print it for one training"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "training",
        nargs="?",
        metavar="TRAINING",
        help="only print the provenance of this training: dcgmm-e/digits/not0/seed0",
    )
    parser.add_argument("--profile", required=True, metavar="RUN", help="a run: its name, or its folder of results")
    parser.add_argument("--out", metavar="FILE", help="JSON file to write (default: the run's provenance.json)")
    add_overwrite(parser)


def run(args: argparse.Namespace) -> int:
    from evaluation.jobs.provenance import write_provenance
    from evaluation.plan.resolve import resolve
    from evaluation.results.material import Material, no_metrics

    found = resolve(args.profile)
    paths = found.plan.paths(found.folder)
    if args.training:
        from evaluation.results.lookup import training_lines

        made = Material(found)
        print("\n".join(training_lines(found, made.results if made.files else None, args.training)))
        return 0
    if not (paths.profile.is_file() or found.metrics_files()):  # the first thing that a run writes
        raise no_metrics(found.folder)
    out = Path(args.out or paths.provenance)
    check_free([out], args.overwrite, own=[paths.provenance])
    write_provenance(out, found.plan.config, paths)
    return 0
