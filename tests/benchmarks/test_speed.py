"""The benchmark of a training step: what it counts, what it starts from, and that it runs with JAX and NumPy alone."""

import subprocess
import sys

import numpy as np
import pytest

from benchmarks.speed.cases import EPOCHS, SHARINGS, STATES, Case, images, needs
from dcgmm import DCGMM
from evaluation.plan.catalogue import Catalogue


def test_needs_of_a_by_hand():
    """A: 100 patches of 784 pixels, 49 components, one set of parameters."""
    moved, operations = needs(Case("A", "shared", "trained"))
    assert moved == 4 * (100 * 784 + 2 * (2 * 49 * 784 + 49))
    assert operations == 100 * (4 * 784 * 49 + 3 * 784)
    assert needs(Case("A", "shared", "initial"))[1] == operations + 2 * 100 * 49 * 49


def test_independent_layers_move_more_and_compute_the_same():
    shared, independent = (needs(Case("E", sharing, "trained")) for sharing in SHARINGS)
    assert independent[0] > shared[0] and independent[1] == shared[1]


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("state", STATES)
def test_a_case_starts_from_parameters_of_the_model(sharing, state):
    arrays = Case("D", sharing, state).arrays()
    model = DCGMM.instance("D", sharing=sharing)
    for i, layer in enumerate(model.get_parameters()):
        assert {name: arrays[f"{name}_{i}"].shape for name in layer} == {n: v.shape for n, v in layer.items()}
        np.testing.assert_allclose(arrays[f"G_{i}"].sum(1), 1.0, rtol=1e-5)
    model.set_parameters([{n: arrays[f"{n}_{i}"] for n in ("mu", "s", "w")} for i in range(3)])
    assert np.isfinite(model.score_samples(arrays["x"][:5])).all()


def test_trainings_are_as_long_as_in_the_catalogue():
    """Written again, since a machine that has only what `dcgmm` imports cannot read the catalogue."""
    models = Catalogue()
    assert {name: models.model(f"dcgmm-{name.lower()}").params["epochs"] for name in EPOCHS} == EPOCHS


def test_images_are_strokes_on_black():
    x = images(30)
    assert x.shape == (30, 28, 28, 1) and x.dtype == np.float32
    assert x.min() == 0.0 and x.max() == 1.0 and 0.5 < (x == 0).mean() < 0.95
    np.testing.assert_array_equal(images(30)[:7], x[:7])


def test_it_runs_without_the_suites_packages_and_says_so_where_there_is_no_gpu():
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'torch', 'pandas', 'sklearn', 'numba', 'matplotlib', 'yaml', 'rich', 'filelock'):\n"
        "    sys.modules[name] = None\n"
        "from benchmarks.speed import train_step\n"
        "train_step.rates = lambda device: (1e10, 1e11)\n"
        "train_step.main(['--instances', 'A', '--sharing', 'shared', '--turns', '1', '--models', '1', '2'])\n"
        "train_step.main(['--device', 'gpu'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=None)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("| A | shared | trained |") == 2
    assert "not measured" in done.stdout
