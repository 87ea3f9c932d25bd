"""`bench plan`: what a profile will cost, before it is started."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from evaluation.cli.arguments import Several, positive, refuse_beside

HELP = "estimate the jobs, CPU hours, memory, disk and time of a profile"
DESCRIPTION = (
    "Estimate what a profile costs, from measured prices and a simple cost model (evaluation/cost). Nothing is run. "
    "GPUs were not measured: the column says how many of the CPU hours belong to models that gain from one."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", metavar="RUN", help="a run: its name, its folder, or a configuration")
    parser.add_argument("--configfile", metavar="FILE", help="a configuration")
    parser.add_argument(
        "--workers", type=positive, nargs="+", action=Several, default=[1], metavar="N", help="jobs at a time (1)"
    )
    parser.add_argument(
        "--measured",
        nargs="*",
        action=Several,
        metavar="DIR",
        help="results whose trainings give prices (default: results/*)",
    )
    parser.add_argument(
        "--missing",
        metavar="DIR",
        help="list the trainings that a collection (docs/reference/paper) lacks, cheapest first, with their command",
    )


def run(args: argparse.Namespace) -> int:
    from evaluation.base.errors import UserError
    from evaluation.cost.estimate import Estimate
    from evaluation.cost.prices import Prices, result_folders
    from evaluation.plan.resolve import resolve

    if not (args.profile or args.configfile):
        raise UserError("say of what: --profile RUN, or --configfile FILE")
    if args.missing:
        refuse_beside(args, "--missing, which lists trainings", workers=[1])
    folders = result_folders() if args.measured is None else [Path(d) for d in args.measured]
    for folder in folders if args.measured else ():
        if not folder.is_dir():
            raise UserError(f"--measured {folder}: there is no such folder; give folders of results")
    prices = Prices(folders)
    found = resolve(args.profile or args.configfile, args.configfile if args.profile else None)
    estimate = Estimate(found.plan, prices)
    if args.missing:
        _print_missing(estimate, Path(args.missing), found.source)
    else:
        _print(estimate, args.workers)
    where = ", ".join(map(str, folders)) or "no folder"
    print(f"\nprices: {prices.source}; {len(prices.trained)} of trainings in {where}")
    if estimate.unknown:
        print(f"not in the estimate, since nothing comparable was measured: {', '.join(estimate.unknown)}")
    return 0


def _print_missing(estimate: Any, folder: Path, source: Path | None) -> None:
    from evaluation.cost.missing import collected, missing

    plan = estimate.plan
    there = collected(folder, plan)
    rows = missing(estimate, there)
    hours = sum(row.hours or 0.0 for row in rows)
    print(f"{len(there)} of {len(plan.all_keys())} trainings are collected; the rest takes {hours:.1f} core hours")
    print("each line: model, data set, trainings, core hours, files for Snakemake to make:")
    print(f"snakemake FILES --cores N --configfile {source}\n")
    for row in rows:
        price = "?" if row.hours is None else f"{row.hours:.2f}"
        files = " ".join(f"{plan.root}/{target}" for target in row.targets.split())
        print(f"{row.variant} {row.dataset} {row.trainings} {price} {files}")


def _print(estimate: Any, workers: list[int]) -> None:
    head = ("stage", "jobs", "CPU hours", "of it GPU", "memory (GB)", "disk (GB)")
    print("{:<16}{:>7}{:>12}{:>12}{:>13}{:>11}".format(*head))
    for row in estimate.stages():
        print(
            f"{row['stage']:<16}{row['jobs']:>7}{row['cpu_hours']:>12.2f}{row['gpu_hours_of_them']:>12.2f}"
            f"{row['memory_mb'] / 1024:>13.1f}{row['disk_mb'] / 1024:>11.2f}"
        )
    print(
        f"\n{len(estimate.chains)} submissions; the scheduler takes {100 * estimate.overhead_share():.2f} % of the work"
    )
    for n in workers:
        print(f"{n} worker{'s' if n > 1 else ''}: {estimate.wall_hours(n):.2f} hours")
