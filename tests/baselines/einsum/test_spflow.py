"""One circuit, two programs: an Einet of SPFlow 1.1 and ours, with the same parameters.

`spflow_einet.json` holds an Einet's structure, parameters and log-likelihoods. Where SPFlow is installed, others are
made and compared; there `python tests/baselines/einsum/test_spflow.py` prints the file.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

STORED = Path(__file__).with_name("spflow_einet.json")
VARIABLES, UNITS, DEPTH, REPETITIONS = 9, 3, 2, 2


def of_spflow(seed):
    """An Einet with random parameters, described in lists, and its log-likelihoods of some data."""
    import torch
    from spflow.meta.data.scope import Scope
    from spflow.modules.leaves.normal import Normal
    from spflow.zoo.einet import Einet

    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (SPFlow draws its groups from it)
    leaves = Normal(Scope(list(range(VARIABLES))), out_channels=UNITS, num_repetitions=REPETITIONS)
    leaves.scale = 0.2 + 0.5 * torch.rand(leaves.scale.shape)
    sizes = {"num_sums": UNITS, "num_leaves": UNITS, "depth": DEPTH, "num_repetitions": REPETITIONS}
    model = Einet([leaves], layer_type="einsum", **sizes)
    layers, below = [], model.root_node.inputs
    while type(below).__name__ == "EinsumLayer":
        layers.append(below)
        below = below.inputs.inputs  # behind the split of its groups
    x = torch.rand(20, VARIABLES)
    found = {
        "groups": model.factorize.indices,  # (variables, groups, repetitions)
        "means": leaves.loc,  # (variables, units, repetitions)
        "scales": leaves.scale,
        "sums": [layer.weights for layer in layers[::-1]],  # lowest first, (groups, sums, repetitions, left, right)
        "mixing": model.root_node.weights,
        "x": x,
        "log_likelihood": model.log_likelihood(x).flatten(),
    }
    return {k: [w.tolist() for w in v] if isinstance(v, list) else v.tolist() for k, v in found.items()}


def ours(described):
    """Our circuit with these parameters."""
    import torch

    from baselines.einsum import Circuit, NormalLeaf, Partition, RegionGraph

    groups = np.array(described["groups"]) > 0
    regions, partitions, home = [tuple(range(VARIABLES))], [], {}  # home: (level, group, repetition) of a region
    for r in range(REPETITIONS):
        names = {}
        for level in range(DEPTH + 1):
            for g in range(2 ** (DEPTH - level)):
                if level == DEPTH:
                    names[level, g] = 0
                else:
                    width = 2**level
                    scope = np.flatnonzero(groups[:, g * width : (g + 1) * width, r].any(axis=1))
                    names[level, g] = len(regions)
                    home[len(regions)] = (level, g, r)
                    regions.append(tuple(int(v) for v in scope))
                if level:
                    partitions.append(Partition(names[level, g], names[level - 1, 2 * g], names[level - 1, 2 * g + 1]))
    circuit = Circuit(RegionGraph(VARIABLES, tuple(regions), tuple(partitions)), UNITS, NormalLeaf())
    means, scales = np.array(described["means"]), np.array(described["scales"])
    for group in circuit.leaf_groups:
        lowest = [number_of(region) for region in circuit.plan.order[0]]
        members = [k for k in lowest if len(regions[k]) == group.scopes.shape[1]]
        for index, k in enumerate(members):
            scope, r = list(regions[k]), home[k][2]
            moments = np.stack([means[scope, :, r], scales[scope, :, r] ** 2])  # (2, variables, units)
            group.moments[index] = torch.tensor(moments.transpose(2, 0, 1))
    for number, (level, plan) in enumerate(zip(circuit.sum_levels, circuit.plan.levels, strict=True)):
        weights = np.array(described["sums"][number])
        row = 0
        for region in map(number_of, plan.regions):
            places = [home[region][1:]] if region else [(0, r) for r in range(REPETITIONS)]
            for g, r in places:
                level.weight[row] = torch.tensor(weights[g, :, r].reshape(len(level.weight[row]), -1))
                row += 1
    circuit.sum_levels[-1].mixing[0, :, 0] = torch.tensor(described["mixing"]).flatten()
    return circuit


def number_of(region):
    """A plan names a region by its number, or, for several circuits at once, by the circuit's and its own."""
    return region[1] if isinstance(region, tuple) else region


def assert_equal(described):
    import torch

    x = torch.tensor(described["x"])
    found = ours(described)(x)[:, 0]
    np.testing.assert_allclose(found.detach().numpy(), described["log_likelihood"], rtol=1e-4)


def test_stored_einet_of_spflow_has_our_log_likelihoods():
    assert_equal(json.loads(STORED.read_text()))


@pytest.mark.parametrize("seed", [1, 2])
def test_installed_spflow_has_our_log_likelihoods(seed):
    pytest.importorskip("spflow")
    assert_equal(of_spflow(seed))


if __name__ == "__main__":
    json.dump(of_spflow(0), sys.stdout)
