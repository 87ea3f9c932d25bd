"""What the library does to the JAX of the program that uses it: nothing."""

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from dcgmm import runtime

USE = """
import numpy as np
from dcgmm import DCGMM
x = np.random.default_rng(0).random((20, 6, 6, 1), np.float32)
y = np.arange(20) % 3
known = np.arange(36).reshape(6, 6) % 3 > 0
model = DCGMM("F(3,1)-G(4)-P(2,2)-F(2,1)-G(9,independent)-C(3)", (6, 6, 1), seed=1)
model.fit(x, labels=y, iterations=6, batch_size=5, window=2, measurements=1, validation=x[:3], progress=False)
results = [value for layer in model.get_parameters() for value in layer.values()]
results += [model.score_layers(x), model.score_samples(x, mode="exact"), model.predict_proba(x), model.activities(x, 0)]
results += [model.sample(5, seed=3, top_s=2, divisor=5.0, power=2.0, labels=1, sharpen=True, sharpen_iterations=3)]
results += [model.inpaint(x[:4], known, seed=3, variant="conditional")]
"""
PROGRAM = f"""
import jax, json, os
forks = []
os.register_at_fork(before=lambda: forks.append(1))
def settings():
    return {{name: holder.value for name, holder in jax.config._value_holders.items()}}
before, environment = settings(), dict(os.environ)
{USE}
plain = results
changed = [name for name, value in settings().items() if before.get(name, value) != value]
other = {{name for name in os.environ.keys() | environment if os.environ.get(name) != environment.get(name)}}
jax.config.update("jax_enable_x64", True)
{USE}
same = [a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(plain, results, strict=True)]
print(json.dumps(dict(settings=len(before), changed=changed, other=sorted(other), same=same, forks=forks)))
"""


def run(code, **environment):
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_and_the_notation_need_no_jax():
    code = """
    import sys, dcgmm
    from dcgmm.notation import place
    assert dcgmm.History and place("F(3,1)-G(25)", (28, 28, 1)).centroid_parameters == 225
    print([name for name in ("jax", "jaxlib", "tensorflow") if name in sys.modules])
    """
    assert run(code) == "[]\n"


@pytest.fixture(scope="module")
def found():
    """What a program finds that trains, scores and samples, and does so again with 64 bits switched on."""
    return json.loads(run(PROGRAM, XLA_FLAGS="--xla_cpu_enable_fast_math=false"))


@pytest.mark.slow
def test_using_the_model_changes_no_setting_of_jax_and_no_variable_of_the_environment(found):
    assert found["settings"] > 50
    assert found["changed"] == [] and found["other"] == []


@pytest.mark.slow
def test_with_64_bits_switched_on_the_results_are_the_same_bits(found):
    assert found["same"] == [True] * 14


@pytest.mark.slow
def test_nothing_forks_after_jax_has_started(found):
    assert found["forks"] == []


def test_the_library_names_no_setting_of_jax():
    """Precision is asked for in each product; nothing of the process is touched but in `runtime`."""
    forbidden = re.compile(r"jax\.config|config\.update|ctypes|mallopt|meta_path|os\.environ|os\.fork|multiprocessing")
    package = Path(runtime.__file__).parent
    found = {
        (path.name, hit)
        for path in package.rglob("*.py")
        for hit in forbidden.findall(path.read_text(encoding="utf-8"))
    }
    assert found == {("runtime.py", "os.environ")}


@pytest.mark.parametrize(("own", "seen"), [(None, "false"), ("true", "true")])
def test_jax_is_started_without_taking_the_cards_memory_unless_the_caller_wants_it(own, seen, monkeypatch):
    heard = []
    monkeypatch.setattr(runtime.jax, "devices", lambda: heard.append(os.environ.get(runtime.PREALLOCATE)))
    monkeypatch.delenv(runtime.PREALLOCATE, raising=False)
    if own is not None:
        monkeypatch.setenv(runtime.PREALLOCATE, own)
    runtime.start.__wrapped__()
    assert heard == [seen]
    assert os.environ.get(runtime.PREALLOCATE) == own
