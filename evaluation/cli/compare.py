"""`bench compare`: the paper's numbers and ours."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "put the paper's numbers beside ours, with a verdict for each"
PLACES = ("results", "docs/reference")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument("--out", metavar="FILE.md", help="page to write, with a .csv beside it (default: only totals)")


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say which run; see `inputs`."""
    parser.add_argument("--profile", help=f"name of a run, looked for in {' and '.join(PLACES)}")
    parser.add_argument("--metrics", nargs="*", metavar="FILE", help="tidy metrics (parquet), in place of --profile")
    parser.add_argument("--configfile", metavar="FILE", help="the run's configuration (default: the profile's own)")


def run(args: argparse.Namespace) -> int:
    from evaluation.base.files import atomic_path, write_text
    from evaluation.plan.config import load_plan
    from evaluation.results.claims import claims
    from evaluation.results.compare import PROTOCOLS, compare, compare_variants, page, totals_lines
    from evaluation.results.tables.writing import read_metrics

    metrics_files, configfile, folder = inputs(args)
    if args.metrics is None or not args.configfile:
        print(f"results in {folder}:")
    plan = load_plan(configfile)
    metrics = read_metrics(metrics_files)
    rows = compare(metrics, plan)
    if args.out:
        out = Path(args.out)
        with atomic_path(out.with_suffix(".csv")) as part:
            rows.drop(columns="source").to_csv(part, index=False)
        write_text(out, page(rows, compare_variants(metrics, plan), claims(metrics, plan), plan.title))
    for protocol in PROTOCOLS:
        print("\n".join(totals_lines(rows, protocol)))
    return 0


def inputs(args: argparse.Namespace) -> tuple[list[Path], Path, Path]:
    """The metrics, the configuration, and the folder of results, from the options or from the name of a profile."""
    from evaluation.plan.config import ROOT, ConfigError

    if args.metrics is not None and args.configfile:
        return [Path(name) for name in args.metrics], Path(args.configfile), Path(args.configfile).parent
    if not args.profile:
        raise ConfigError("say which run: --profile NAME, or --metrics FILE … --configfile FILE")
    folders = [Path(place, args.profile) for place in PLACES] + [ROOT / place / args.profile for place in PLACES]
    folder = next((f for f in folders if (f / "metrics").is_dir()), None)
    if folder is None:
        raise ConfigError(
            f"there is no run {args.profile!r}: no folder {' or '.join(map(str, folders[:2]))} with metrics"
        )
    own = folder / "profile.json"
    configfile = args.configfile or (own if own.is_file() else ROOT / "config" / f"{args.profile}.yaml")
    return sorted(folder.glob("metrics/*.parquet")), Path(configfile), folder
