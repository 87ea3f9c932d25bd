"""What is refused, in one sentence and before anything is computed; what NumPy's numbers do; damaged files."""

import json
import stat
import subprocess
import sys

import numpy as np
import pytest

from baselines.einsum import EinsumSpn, PdSpn, RatSpn, random_binary_trees
from dcgmm.storage import DamagedFileError

SHAPE = (6, 8, 1)
SMALL = {"sums": 3, "depth": 2, "repetitions": 2, "epochs": 1, "batch_size": 16, "device": "cpu"}


def rat(**more):
    return RatSpn(SHAPE, **{**SMALL, **more})


def ones(n=2, **more):
    return np.ones((n, *SHAPE), **{"dtype": np.float32, **more})


KNOWN = np.ones(SHAPE[:2], bool)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RatSpn((28, 28)), "image_shape"),
        (lambda: rat(leaf="poisson"), "'poisson'"),
        (lambda: rat(pixels="bytes"), "'bytes'"),
        (lambda: rat(learning="adam"), "'adam'"),
        (lambda: rat(step_size=0), "step_size=0"),
        (lambda: rat(step_size=float("nan")), "step_size=nan"),
        (lambda: rat(learning_rate=float("inf")), "learning_rate=inf"),
        (lambda: rat(min_variance=float("nan")), "min_variance=nan"),
        (lambda: rat(leaf="normal", min_variance=0.2), "min < max"),
        (lambda: rat(trials=0), "trials=0"),
        (lambda: rat(trials=2**24 + 1), "trials=16777217: expected an integer from 1 to 16777216"),
        (lambda: rat(trials=25.5), r"trials=25\.5"),
        (lambda: rat(sums=0), "sums=0"),
        (lambda: rat(sums=3.5), r"sums=3\.5"),
        (lambda: rat(sums=True), "sums=True"),
        (lambda: rat(seed=-1), "seed=-1"),
        (lambda: rat(seed=None), "seed=None"),
        (lambda: rat(seed=2.0), r"seed=2\.0"),
        (lambda: rat(depth=0), "depth=0"),
        (lambda: rat(batch_size=0), "batch_size=0"),
        (lambda: rat(epochs=-1), "epochs=-1"),
        (lambda: rat(memory_limit=0), "memory_limit=0"),
        (lambda: rat(device="tpu"), "device='tpu'"),
        (lambda: rat(optimizer="Newton"), "'Newton'"),
        (lambda: rat(optimizer="LBFGS"), "'LBFGS'"),
        (lambda: rat(optimizer=None), "optimizer is None"),
        (lambda: rat(optimizer_options="lr"), "optimizer_options='lr'"),
        (lambda: PdSpn(SHAPE, delta=2, axes=None), r"axes is \(\)"),
        (lambda: rat(optimizer_options={"colour": 1}), "colour"),
        (lambda: rat(optimizer_options={"maximize": True}), "has maximize=True: the loss is the negative"),
        (lambda: rat(optimizer_options={"differentiable": True}), "has differentiable=True: a step here is never"),
        (lambda: PdSpn(SHAPE, delta=(1, 2)), "descend"),
        (lambda: EinsumSpn(SHAPE, random_binary_trees(40, 1, 1, 0)), "40 variables"),
        (lambda: EinsumSpn(SHAPE, 5), "graph is int: expected a RegionGraph"),
        (lambda: rat().sample(-1, seed=0), "n=-1"),
        (lambda: rat().sample(2.0, seed=0), r"n=2\.0"),
        (lambda: rat().sample(2, seed=None), "seed=None"),
        (lambda: rat().sample(2, seed=-3), "seed=-3"),
        (lambda: rat().sample(2, seed=0, leaves="mode"), "'mode'"),
        (lambda: rat().inpaint(ones(), KNOWN, seed=0, mode="best"), "'best'"),
        (lambda: rat().inpaint(ones(), KNOWN, seed=0.5), r"seed=0\.5"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_em_loads_no_optimiser():
    """The first optimiser of a process imports 800 modules and takes a CPU second, in every job of a circuit."""
    code = (
        "import sys, numpy as np; from baselines.einsum import RatSpn\n"
        "model = RatSpn((4, 4, 1), sums=2, depth=2, repetitions=1, epochs=1)\n"
        "model.fit(np.ones((4, 4, 4, 1), np.float32), progress=False)\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


BAD_IMAGES = {
    "bytes": (ones(dtype=np.uint8) * 200, "uint8"),
    "integers": (ones(dtype=np.int64), "int64"),
    "NaN": (ones() * np.nan, "NaN"),
    "infinite": (ones() * np.inf, "inf"),
    "0 to 255": (ones() * 255, "255"),
    "negative": (ones() - 1.5, r"-0\.5"),
    "another shape": (np.ones((2, 8, 6, 1), np.float32), "shape"),
    "no channels": (np.ones((2, 6, 8), np.float32), "shape"),
    "empty": (ones(0), "empty"),
    "nothing": (None, "None|shape|array"),
}
USES = {
    "fit": lambda model, x: model.fit(x, progress=False),
    "validate": lambda model, x: model.fit(ones(), validation=x, progress=False),
    "score": lambda model, x: model.score_samples(x),
    "marginal": lambda model, x: model.marginal_log_likelihood(x, KNOWN),
    "inpaint": lambda model, x: model.inpaint(x, KNOWN, seed=0),
}


@pytest.mark.parametrize("leaf", ["binomial", "normal", "categorical"])
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("bad", BAD_IMAGES)
def test_bad_images_are_refused_everywhere(bad, use, leaf):
    if bad == "nothing" and use == "validate":
        return
    x, message = BAD_IMAGES[bad]
    model = rat(leaf=leaf)
    before = model.score_samples(ones())
    with pytest.raises(ValueError, match=message):
        USES[use](model, x)
    assert np.array_equal(model.score_samples(ones()), before)  # refused before anything was done


@pytest.mark.parametrize(
    "known",
    [
        "right",
        None,
        np.ones((6, 8)),
        np.ones((6, 8), np.uint8),
        np.ones(6, bool),
        np.ones((6, 1), bool),
        KNOWN[None][:0],
    ],
    ids=["a word", "none", "floats", "bytes", "a row", "a column", "empty"],
)
def test_bad_masks_are_refused(known):
    model = rat()
    for call in (lambda: model.inpaint(ones(), known, seed=0), lambda: model.marginal_log_likelihood(ones(), known)):
        with pytest.raises(ValueError, match="known"):
            call()


def test_double_precision_images_are_fine():
    model = rat(leaf="normal")
    assert np.allclose(model.score_samples(ones(dtype=np.float64)), model.score_samples(ones()))
    frozen = ones()
    frozen.flags.writeable = False
    assert np.isfinite(model.score_samples(frozen)).all()


def test_no_samples_are_an_empty_array():
    assert rat().sample(0, seed=0).shape == (0, *SHAPE)


def test_what_does_not_fit_into_memory_is_refused_before_it_is_made():
    with pytest.raises(ValueError, match=r"sums=20000 .* needs .* GiB .* the device has"):
        rat(sums=20_000)
    with pytest.raises(ValueError, match="raise the limit"):
        rat(memory_limit=10).fit(ones(), progress=False)


def test_numbers_of_numpy_are_fine(tmp_path):
    i = np.int64
    model = RatSpn(
        SHAPE,
        sums=i(3),
        depth=np.int32(2),
        repetitions=np.uint8(2),
        trials=i(7),
        seed=i(1),
        epochs=i(1),
        batch_size=i(9),
        step_size=np.float32(0.5),
        min_variance=np.float64(1e-5),
    )
    model.fit(ones(9), progress=False, checkpoint=tmp_path / "state")
    model.save(tmp_path / "rat")
    again = RatSpn.load(tmp_path / "rat")
    assert again.params == model.params
    assert np.array_equal(again.sample(i(2), seed=i(4)), model.sample(2, seed=4))
    assert np.array_equal(again.inpaint(ones(), ~KNOWN, seed=np.int32(4)), model.inpaint(ones(), ~KNOWN, seed=4))
    pd = PdSpn(SHAPE, delta=np.int64(2), axes="horizontal")
    pd.save(tmp_path / "pd")
    assert PdSpn.load(tmp_path / "pd").params["axes"] == ["horizontal"]


FILES = ("model.json", "graph.json", "weights.safetensors")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "gone"])
def test_damaged_files_are_named(name, damage, tmp_path):
    rat(leaf="normal").save(tmp_path)
    path = tmp_path / name
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "flipped":
        where = content.index(b'"sums": 3') + 8 if name == "model.json" else len(content) - 200
        content[where] ^= 1
        path.write_bytes(content)
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    expected = FileNotFoundError if damage == "gone" else DamagedFileError
    with pytest.raises(expected, match=name.replace(".", r"\.")):
        RatSpn.load(tmp_path)


def test_weights_of_another_model_are_refused(tmp_path):
    rat().save(tmp_path / "a")
    rat(sums=4).save(tmp_path / "b")
    (tmp_path / "b" / "weights.safetensors").replace(tmp_path / "a" / "weights.safetensors")
    with pytest.raises(DamagedFileError, match=r"weights\.safetensors is of another model"):
        RatSpn.load(tmp_path / "a")


def test_files_are_plain_and_readable_by_others(tmp_path):
    rat().save(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(FILES)
    assert json.loads((tmp_path / "model.json").read_text())["params"]["sums"] == 3
    (tmp_path / "usual").touch()
    usual = stat.S_IMODE((tmp_path / "usual").stat().st_mode)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in FILES} == {usual}
