import math

import numpy as np
import pytest
from hypothesis import given, settings

from baselines.einsum import Partition, RegionGraph, poon_domingos, random_binary_trees
from baselines.einsum.plan import make_plan
from tests.baselines.einsum.oracle import graphs


def test_random_trees_have_the_size_of_the_paper():
    graph = random_binary_trees(784, depth=4, repetitions=10, seed=0)
    assert len(graph.partitions) == 10 * (1 + 2 + 4 + 8)
    assert {len(graph.regions[r]) for r in graph.leaves} == {49}
    assert graph.level_of[0] == 4


def test_random_trees_stop_at_single_variables():
    graph = random_binary_trees(5, depth=9, repetitions=2, seed=3)
    assert all(len(graph.regions[r]) == 1 for r in graph.leaves)
    assert len(graph.leaves) == 10


def test_random_trees_depend_on_the_seed_alone():
    assert random_binary_trees(20, 3, 2, seed=1) == random_binary_trees(20, 3, 2, seed=1)
    assert random_binary_trees(20, 3, 2, seed=1) != random_binary_trees(20, 3, 2, seed=2)


def test_poon_domingos_strips():
    graph = poon_domingos(28, 28, 7, ("horizontal",))
    # intervals of four strips: 4 + 3 + 2 + 1 regions, and for n strips n - 1 ways to cut
    assert len(graph.regions) == 10
    assert len(graph.partitions) == 3 * 1 + 2 * 2 + 1 * 3
    assert all(len(graph.regions[r]) == 28 * 7 for r in graph.leaves)


def test_poon_domingos_counts_all_rectangles_of_a_grid():
    graph = poon_domingos(3, 3, 1)
    assert len(graph.regions) == math.comb(4, 2) ** 2


def test_poon_domingos_uses_the_fine_step_inside_the_coarse_one():
    graph = poon_domingos(1, 8, (4, 2), ("horizontal",))
    assert set(graph.regions) == {
        (0, 1, 2, 3, 4, 5, 6, 7), (0, 1, 2, 3), (4, 5, 6, 7), (0, 1), (2, 3), (4, 5), (6, 7),
    }  # fmt: skip


@given(graphs(12))
@settings(max_examples=40, deadline=None)
def test_json_round_trip_and_plan(graph):
    assert RegionGraph.from_json(graph.to_json()) == graph
    plan = make_plan([graph])
    assert sorted(r for level in plan.order for _, r in level) == list(range(len(graph.regions)))
    assert sum(len(level.left) for level in plan.levels) == len(graph.partitions)


def test_trees_read_their_children_without_copies():
    plan = make_plan([random_binary_trees(64, 3, 5, seed=0)])
    for level in plan.levels:
        n = len(level.left)
        assert level.left == tuple(range(n))
        assert level.right == tuple(range(n, 2 * n))


def test_several_graphs_share_their_levels():
    own = [random_binary_trees(64, 3, 5, seed=k) for k in range(3)]
    plan, alone = make_plan(own), [make_plan([graph]) for graph in own]
    assert plan.order[-1] == ((0, 0), (1, 0), (2, 0))
    for number, level in enumerate(plan.levels):
        assert level.left + level.right == tuple(range(2 * len(level.left)))
        for circuit, single in enumerate(alone):
            regions = tuple((0, r) for c, r in level.regions if c == circuit)
            assert regions == single.levels[number].regions
    with pytest.raises(ValueError, match="equally many levels"):
        make_plan([own[0], random_binary_trees(64, 2, 5, seed=0)])


@pytest.mark.parametrize(
    ("regions", "partitions", "message"),
    [
        (((0, 1), (0, 1), (1,)), (Partition(0, 1, 2),), "not decomposable"),
        (((0, 1, 2), (0,), (1,)), (Partition(0, 1, 2),), "not smooth"),
        (((0, 1), (0,), (1,), (1,)), (Partition(0, 1, 2),), "cannot be reached"),
        (((0,), (0,)), (), "root"),
        (((0, 1), (1, 0)), (), "ascending"),
        (((0, 1), (0,)), (Partition(0, 1, 7),), "does not exist"),
    ],
)
def test_what_is_no_circuit_is_refused(regions, partitions, message):
    with pytest.raises(ValueError, match=message):
        RegionGraph(3 if regions[0] == (0, 1, 2) else 2, regions, partitions)


@pytest.mark.parametrize(
    "make",
    [
        lambda: random_binary_trees(1, 1, 1, 0),
        lambda: random_binary_trees(4, 0, 1, 0),
        lambda: poon_domingos(4, 4, 8),
        lambda: poon_domingos(4, 4, 0),
        lambda: poon_domingos(4, 4, 1.5),
        lambda: poon_domingos(4, 4, ()),
        lambda: poon_domingos(4, 4, (1, 2)),
        lambda: poon_domingos(4, 4, (2, 2)),
        lambda: poon_domingos(4, 4, 2, ("diagonal",)),
    ],
)
def test_impossible_graphs_say_so(make):
    with pytest.raises(ValueError, match=r"is|cuts|descend"):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: poon_domingos(4, 4, True), "delta is True: expected one or several step sizes"),
        (lambda: poon_domingos(4, 4, (2, True)), r"delta is \(2, True\): expected one or several step sizes"),
        (lambda: poon_domingos(4, 4, 2.0), r"delta is 2\.0: expected one or several step sizes"),
    ],
)
def test_booleans_and_fractions_are_no_numbers(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_small_graphs_can_be_drawn():
    import matplotlib

    matplotlib.use("Agg")
    axes = poon_domingos(1, 4, 1, ("horizontal",)).draw()
    assert len(axes.texts) == 10
    with pytest.raises(ValueError, match="legible"):
        poon_domingos(8, 8, 1).draw()


def test_step_sizes_and_axes_as_they_come():
    assert poon_domingos(4, 4, np.int64(2), "horizontal") == poon_domingos(4, 4, [2], ["horizontal"])
    assert poon_domingos(4, 4, np.array([2, 1])) == poon_domingos(4, 4, (2, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "keys"),
        ('{"num_variables": 2, "regions": [[0, 1]]}', "keys"),
        ('{"num_variables": 2, "regions": [[0, 1], [0], [1]], "partitions": [[0, 1]]}', "lists of three"),
        ('{"num_variables": 2, "regions": [[0, 1], [0], [1]], "partitions": [7]}', "lists of three"),
        ('{"num_variables": 2, "regions": [1], "partitions": []}', "whole numbers"),
        ('{"num_variables": 2.9, "regions": [[0, 1.7], [0], [1]], "partitions": [[0, 1, 2]]}', "whole numbers"),
        ("{", "Expecting"),
    ],
)
def test_malformed_json_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        RegionGraph.from_json(text)
