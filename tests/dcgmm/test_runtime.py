"""What importing the library does to the process: as little as possible."""

import subprocess
import sys


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_imports_without_a_framework():
    code = "import sys, dcgmm, dcgmm.notation; dcgmm.History; print({'jax', 'tensorflow', 'pandas'} & set(sys.modules))"
    assert run(code) == "set()\n"


def test_the_model_needs_jax_alone():
    code = (
        "import sys\nfrom dcgmm import DCGMM\nprint(DCGMM('G(4)', input_shape=(2, 2, 1)).count_params())\n"
        "print({'tensorflow', 'keras', 'torch', 'pandas', 'scipy.stats', 'matplotlib'} & set(sys.modules))"
    )
    assert run(code) == "12\nset()\n"
