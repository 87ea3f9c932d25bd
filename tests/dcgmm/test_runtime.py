"""What importing the library does to the process: as little as possible."""

import subprocess
import sys


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_imports_without_tensorflow():
    assert run("import sys, dcgmm; dcgmm.History; print('tensorflow' in sys.modules)") == "False\n"


def test_the_model_leaves_keras_alone_and_keras_works_afterwards():
    code = (
        "import sys\nfrom dcgmm import DCGMM\nprint([m for m in sys.modules if m.split('.')[0] == 'keras'])\n"
        "import tensorflow as tf\nfrom tensorflow.keras import layers\n"
        "print(layers.Dense(3)(tf.ones((2, 2))).shape, tf.keras.layers.Dense is layers.Dense)"
    )
    assert run(code) == "[]\n(2, 3) True\n"


def test_keras_first_is_fine_too():
    code = "import keras\nfrom dcgmm import DCGMM\nprint(DCGMM('G(4)', input_shape=(2, 2, 1)).count_params())"
    assert run(code) == "4\n"
