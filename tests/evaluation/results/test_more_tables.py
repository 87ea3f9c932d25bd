"""Tables of runs that are unlike the paper's: more seeds, a classifier in two protocols."""

import numpy as np
import pytest

from evaluation.measures.tidy import tidy_row
from evaluation.plan.plan import Plan
from evaluation.results.tables.classification import classification_table
from evaluation.results.tables.paired import paired_table
from evaluation.results.tables.table import printed
from tests.evaluation.made_up import results, rows, validated

A = {"dcgmm-a": "DCGMM-A"}


def test_pairs_of_25_seeds_have_a_p_value():
    """All sign patterns of 20 pairs are counted, and more were refused: the run failed after its trainings."""
    ours, theirs = 90 + np.random.default_rng(0).random((2, 25))
    found = validated([*rows("dcgmm-a", ours + 0.2), *rows("gmm", theirs)])
    ((name, dataset, cell),) = printed(paired_table(results(found), {**A, "gmm": "GMM"})).rows
    assert (name, dataset) == ("GMM", "MNIST") and "(n 25, p 0.18)" in cell


def accuracy(protocol, values, model="mine", dataset="mnist"):
    facts = {"experiment": "classification", "dataset": dataset, "model": model, "metric": "accuracy"}
    return [tidy_row(**facts, protocol=protocol, seed=seed, value=value) for seed, value in enumerate(values)]


@pytest.mark.parametrize("protocols", [["paper", "clean"], ["clean", "paper"], ["clean"]])
def test_a_classifier_in_two_protocols_has_a_line_for_each(protocols):
    """It was trained in both, and Table IV printed a dash."""
    epochs = {"paper": {"epochs": 2}, "clean": {"epochs": 3}}
    models = {"mine": {"extends": "dcgmm-b-classifier", "label": "Mine", "protocols": epochs}}
    classification = {"datasets": ["mnist"], "models": ["mine", "dcgmm-b-classifier"]}
    plan = Plan({
        "profile": "p", "seeds": 2, "models": models, "protocols": protocols,
        "experiments": {"classification": classification},
    })  # fmt: skip
    found = [*accuracy("clean", [90.0, 91.0]), *accuracy("both", [97.0], "dcgmm-b-classifier")]
    found += accuracy("paper", [80.0, 82.0]) if "paper" in protocols else []
    table = classification_table(results(found, plan), {"mine": "Mine", "dcgmm-b-classifier": "DCGMM-B"})
    lines = [tuple(row[:3]) for row in printed(table).rows if "literature" not in row[0]]
    both = [
        ("Mine (paper)", "–", "81.0 ± 1.4 [80.0, 82.0]"),
        ("Mine (clean)", "–", "90.5 ± 0.7 [90.0, 91.0]"),
        ("DCGMM-B", "98.0 ± 0.1", "97.0"),
    ]
    assert lines == both[-1 - len(protocols) :]
    data = table.data.query("model == 'mine' and dataset == 'mnist'")
    assert list(data["protocol"]) == (["paper", "clean"] if len(protocols) == 2 else ["clean"])
