"""VAE and classifier on each backend of Keras 3, in a process of its own: the same start, the same training."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("keras")

from baselines import keras_backend

BACKENDS = ("tensorflow", "jax", "torch")
# The CNN is small (8×8 pixels), the VAE thin: what counts is that the numbers are the same.
PROGRAM = """
import copy, json, sys, tempfile
import numpy as np
from baselines.cnn import Cnn
from baselines.vae import Vae

x = np.full((40, 28, 28, 1), 0.05, np.float32)
for index, image in enumerate(x):
    image[7 * (index % 4) : 7 * (index % 4) + 5] = 0.95
labels = np.arange(40) % 4
small = np.ascontiguousarray(x[:, ::3, ::3][:, :8, :8])
vae = Vae((28, 28, 1), seed=2, latent=3, width=0.03, epochs=2, batch_size=20, learning_rate=3e-3, draws=3)
cnn = Cnn((8, 8, 1), seed=2, classes=4, epochs=2, batch_size=20, learning_rate=1e-3, dropout=0.0)
found = {"vae_params": vae.count_params(), "cnn_params": cnn.count_params()}
found["vae_start"], found["cnn_start"] = vae.score_samples(x[:4]).tolist(), cnn.predict_proba(small[:4]).tolist()
found["vae"] = list(vae.fit(x, validation=x[:8], progress=False))
found["cnn"] = list(cnn.fit(small, labels=labels, validation=(small, labels), progress=False))
found["scores"], found["proba"] = vae.score_samples(x[:4]).tolist(), cnn.predict_proba(small[:4]).tolist()
found["samples"] = vae.sample(2, seed=1)[:, ::9, ::9].tolist()
dropping = Cnn((8, 8, 1), seed=2, classes=4, epochs=2, batch_size=20, learning_rate=1e-3, dropout=0.5)
twice = [list(dropping.fit(small, labels=labels, progress=False)) for _ in range(2)]
np.testing.assert_allclose(twice[0][-1][3], twice[1][-1][3], rtol=1e-5)
assert not np.isclose(twice[0][-1][3], found["cnn"][-1][3], rtol=1e-3)
with tempfile.TemporaryDirectory() as folder:
    cnn.save(folder)
    np.testing.assert_allclose(Cnn.load(folder).predict_proba(small), cnn.predict_proba(small), rtol=1e-5)
np.testing.assert_allclose(copy.deepcopy(vae).score_samples(x[:2]), vae.score_samples(x[:2]), rtol=1e-5)
import keras
found["backend"] = keras.backend.backend()
found["others"] = [name for name in ("tensorflow", "jax", "torch", "tf_keras") if name in sys.modules]
print(json.dumps(found))
"""


def run(backend, program=PROGRAM):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    environment.pop("TF_USE_LEGACY_KERAS", None)
    environment.pop("KERAS_BACKEND", None)
    if backend:
        environment["KERAS_BACKEND"] = backend
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def found():
    results = {}
    for backend in BACKENDS:
        done = run(backend)
        assert done.returncode == 0, done.stderr[-3000:]
        results[backend] = json.loads(done.stdout.splitlines()[-1])
    return results


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_runs_on_the_backend_asked_for_and_without_another(found, backend):
    assert found[backend]["backend"] == backend
    allowed = {"tensorflow": {"tensorflow"}, "jax": {"jax"}, "torch": {"torch"}}[backend]
    assert set(found[backend]["others"]) - {"jax"} <= allowed  # TensorFlow may import JAX where it finds it


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_starts_and_learns_as_on_tensorflow(found, backend):
    here, there = found[backend], found["tensorflow"]
    assert (here["vae_params"], here["cnn_params"]) == (there["vae_params"], there["cnn_params"])
    for name in ("vae_start", "cnn_start", "scores", "proba", "samples"):
        np.testing.assert_allclose(here[name], there[name], rtol=2e-3, atol=1e-4, err_msg=name)
    for name in ("vae", "cnn"):
        assert [row[:3] for row in here[name]] == [row[:3] for row in there[name]]
        values = [[row[3] for row in rows[name]] for rows in (here, there)]
        np.testing.assert_allclose(*values, rtol=1e-3, err_msg=name)
        assert values[0][-1] > values[0][0]


def test_a_backend_that_cannot_train_is_refused():
    program = "from baselines.vae import Vae; Vae((28, 28, 1))"
    done = run("numpy", program)
    assert done.returncode != 0
    assert "'numpy', which cannot train: set KERAS_BACKEND to one of tensorflow, jax, torch" in done.stderr


@pytest.mark.parametrize(
    ("gpu", "plugins", "cuda", "expected"),
    [
        (False, {"jax_cuda13_plugin", "torch"}, True, "tensorflow"),
        (True, {"jax_cuda13_plugin", "torch"}, True, "jax"),
        (True, {"jax_cuda12_plugin"}, False, "jax"),
        (True, {"torch"}, True, "torch"),
        (True, {"torch"}, False, "tensorflow"),
        (True, set(), False, "tensorflow"),
    ],
)
def test_the_backend_goes_where_the_gpu_is(monkeypatch, gpu, plugins, cuda, expected):
    class Torch:
        class cuda:
            is_available = staticmethod(lambda: cuda)

    Torch.cuda.is_available = staticmethod(lambda: cuda)
    monkeypatch.setattr(keras_backend, "gpu_present", lambda: gpu)
    monkeypatch.setattr(keras_backend.importlib.util, "find_spec", lambda name: name in plugins or None)
    monkeypatch.setitem(sys.modules, "torch", Torch)
    assert keras_backend.suitable_backend() == expected


def test_hidden_gpus_are_none(monkeypatch):
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert not keras_backend.gpu_present()
