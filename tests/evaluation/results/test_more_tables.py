"""Tables of runs that are unlike the paper's: more seeds."""

import numpy as np

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
