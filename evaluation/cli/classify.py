"""`bench classify`: accuracy of trained models with a classifier on the test images."""

from __future__ import annotations

import argparse

from evaluation.base.process import prepare
from evaluation.cli.arguments import add_models, directories, work

HELP = "measure the accuracy of trained classifiers on the validation and test images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_models(parser, "measure")


def run(args: argparse.Namespace) -> int:
    prepare(args.threads, args.device)
    from evaluation.jobs.classify import accuracies, classifier

    if args.profile:
        doing = work(args, args.what)
        models = [doing.paths.model(key) for job in doing.chosen for key in job.keys]
    else:
        models = directories(args, "measure")
    for directory in models:
        classifier(directory)  # a wrong one is refused before the first is measured
    for directory in models:
        for split, accuracy in accuracies(directory).items():
            print(f"{directory}: {split} accuracy {accuracy:.2f} %", flush=True)
    return 0
