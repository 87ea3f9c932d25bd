"""`bench sample`, `bench inpaint` and `bench classify` on the command line, with tiny models."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import evaluation.cli as cli
from dcgmm import DCGMM
from evaluation.datasets import load_dataset
from evaluation.jobs.classify import classification_rows
from evaluation.jobs.sample import read_samples
from evaluation.models.registry import read_record

CONFIG = "F(28,1)-G(4)"


def save(directory, subset="all", seed=0, config=CONFIG, dataset="digits"):
    """An untrained model where `bench train` would have put it."""
    path = directory / dataset / subset / "tiny" / f"seed{seed}"
    DCGMM(config, (28, 28, 1), seed=seed).save(path)
    identity = {"name": "tiny", "model": "tiny", "dataset": dataset, "subset": subset, "seed": seed}
    record = {"factory": "dcgmm:DCGMM", "params": {"config": config}, "protocol": "both", "point": {}, **identity}
    (path / "bench.json").write_text(json.dumps(record))
    return path


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """A model of all classes with two seeds, and one of class 3."""
    folder = tmp_path_factory.mktemp("pack")
    return [save(folder), save(folder, seed=1), save(folder, "only3")]


def bench(*words):
    return cli.main([str(word) for word in words])


def refused(capsys, *words):
    """The one sentence of a command that is refused."""
    assert bench(*words) == 2
    err = capsys.readouterr().err
    assert err.startswith("bench: error: ") and err.count("\n") == 1
    return err


def test_samples_say_whose_they_are(pack, tmp_path):
    assert bench("sample", pack[0], "--n", 5, "--option", "divisor=20", "--out", tmp_path / "out") == 0
    samples = read_samples(tmp_path / "out/digits/all/tiny/seed0.npz")
    assert samples.images.shape == (5, 28, 28, 1) and samples.labels is None
    assert samples.record["sampling"] == {"seed": 0, "divisor": 20}


def test_samples_are_labelled_with_the_class_of_the_model_or_the_classes_asked_for(pack, tmp_path):
    assert bench("sample", pack[2], "--n", 4, "--out", tmp_path) == 0
    assert read_samples(tmp_path / "digits/only3/tiny/seed0.npz").labels.tolist() == [3] * 4
    classifier = save(tmp_path, config=f"{CONFIG}-C(10)")
    for words, labels in (("5", [5, 5, 5]), ("[1,2,3]", [1, 2, 3])):
        out = tmp_path / f"{words}.npz"
        assert bench("sample", classifier, "--n", 3, "--option", f"labels={words}", "--out", out) == 0
        assert read_samples(out).labels.tolist() == labels


def test_options_are_pythons_or_jsons_words(pack, tmp_path):
    plain, sharpened = tmp_path / "plain.npz", tmp_path / "sharpened.npz"
    words = ["sample", pack[0], "--n", 3, "--option", "sharpen_iterations=2"]
    assert bench(*words, "--option", "sharpen=False", "--option", "top_s=None", "--out", plain) == 0
    assert bench(*words, "--option", "sharpen=true", "--option", "sharpen_step=4", "--out", sharpened) == 0
    assert read_samples(plain).record["sampling"]["sharpen"] is False
    assert not np.array_equal(read_samples(plain).images, read_samples(sharpened).images)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--option", "foo=1"], "DCGMM.{method} has no option 'foo'; choose from"),
        (["--option", "foo"], "--option 'foo' is not KEY=VALUE"),
        (["--option", "top_s=1", "--option", "top_s=2"], "top_s is given twice"),
        (["--option", "seed=1"], "give --seed"),
        (["--option", "sharpen=no"], "sharpen='no'"),
        (["--option", 'layer_options={"0": {"foo": 1}}'], "no option 'foo'"),
        (["--option", "layer_options=3"], "layer_options=3"),
        (["--grid", "grid.pdf"], "grid.pdf"),
        (["--option", "sharpen=true", "--option", "sharpen_step=1e9"], "sharpening diverged"),
    ],
)
@pytest.mark.parametrize("method", ["sample", "inpaint"])
def test_wrong_options_are_refused_in_one_sentence(method, words, message, pack, tmp_path, capsys):
    out = tmp_path / ("o.npz" if method == "sample" else "o.parquet")
    assert message.format(method=method) in refused(capsys, method, pack[0], *words, "--out", out)
    assert not out.exists()


def test_no_images_are_refused(pack, tmp_path, capsys):
    assert bench("inpaint", *pack, "--images", 0, "--out", tmp_path / "o") == 2
    assert bench("sample", *pack, "--n", 0, "--out", tmp_path) == 2
    assert capsys.readouterr().err.count("a whole number of at least 1") == 2
    assert "nothing to" in refused(capsys, "inpaint", "--out", tmp_path / "o")


@pytest.mark.parametrize("n", [10**11, 10**30])
def test_more_images_than_the_memory_holds_are_refused_before_one_is_drawn(n, pack, tmp_path, monkeypatch, capsys):
    """A model draws part by part: `bench sample --n 100000000000` filled the memory, and was killed or failed."""
    monkeypatch.setattr(DCGMM, "sample", lambda self, n, *, seed: pytest.fail("drawn"))
    error = refused(capsys, "sample", pack[0], "--n", n, "--out", tmp_path / "x.npz")
    assert "the memory does not suffice (" in error and error.endswith(f"; lower --n {n}\n")
    assert not list(tmp_path.iterdir())


def test_a_picture_of_samples(pack, tmp_path):
    words = ["sample", pack[0], "--n", 12, "--out", tmp_path / "s.npz"]
    assert bench(*words, "--grid", tmp_path / "grid.png") == 0
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.format == "PNG" and picture.size == (2 * (10 * 29 + 1), 2 * (2 * 29 + 1))


def test_completions_are_those_of_the_named_trainings(pack, tmp_path):
    kept, out = tmp_path / "kept", tmp_path / "m.parquet"
    words = ["--images", 8, "--mask", "right", "random", "--completions", kept]
    assert bench("inpaint", *pack[:2], *words, "--out", out) == 0
    metrics = pd.read_parquet(out)
    assert len(metrics) == 2 * 2 * 2 * 2 and set(metrics["seed"]) == {0, 1}
    assert not metrics.duplicated(["params", "seed", "metric"]).any()
    assert sorted(path.relative_to(kept).as_posix() for path in kept.rglob("*.npz")) == [
        f"digits/all/tiny/seed{seed}/{mask}_{variant}.npz"
        for seed in (0, 1)
        for mask in ("random", "right")
        for variant in ("conditional", "paper")
    ]


def test_a_model_of_some_classes_is_another_result_than_the_one_of_all(pack, tmp_path):
    words = ["--images", 3, "--mask", "left", "--variant", "paper", "--out", tmp_path / "m.parquet"]
    assert bench("inpaint", *pack, *words) == 0
    metrics = pd.read_parquet(tmp_path / "m.parquet")
    assert metrics["params"].str.contains('"subset":"only3"').sum() == 2
    assert not metrics.duplicated(["params", "seed", "metric"]).any()


def test_images_that_a_model_was_trained_on_are_not_completed(pack, tmp_path, capsys, monkeypatch):
    """The test images of mnist-5k are training images of MNIST: a model that remembers them had no error."""
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    x = load_dataset("digits").split("train")[0]
    np.savez(tmp_path / "mine.npz", x=x[:50], y=np.arange(50) % 3)
    words = ["--dataset", "mine", "--images", 8, "--mask", "left", "--out", tmp_path / "m.parquet"]
    said = refused(capsys, "inpaint", pack[0], *words)
    assert f"8 of 8 images of mine are training images of {pack[0]}, a model of digits; complete images" in said
    np.savez(tmp_path / "mine.npz", x=1 - x[:50], y=np.arange(50) % 3)
    assert bench("inpaint", pack[0], *words) == 0


def test_a_model_completes_other_images_where_its_own_are_not(tmp_path, monkeypatch):
    """Looking for images that it was trained on, the command wanted all of MNIST."""
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    words = ["--dataset", "digits", "--images", 3, "--mask", "left", "--out", tmp_path / "m.parquet"]
    assert bench("inpaint", save(tmp_path, dataset="mnist"), *words) == 0


def test_a_model_forgets_one_mask_before_the_next(tmp_path, monkeypatch):
    """What one mask erases another one shows: a model that kept what it saw had no error from the second mask on."""
    seen = []

    def inpaint(self, x, known, **options):
        seen.append(id(self.__dict__))
        assert not hasattr(self, "kept")
        self.kept = x
        return x

    monkeypatch.setattr(DCGMM, "inpaint", inpaint)
    model = save(tmp_path)
    words = ["--images", 5, "--mask", "left", "right", "--out", tmp_path / "m.parquet"]
    assert bench("inpaint", model, *words) == 0
    assert len(seen) == 2 and (pd.read_parquet(tmp_path / "m.parquet").query("metric == 'mse'")["value"] > 0).all()


def test_pictures_of_completions_name_their_models(pack, tmp_path):
    words = ["--images", 4, "--mask", "centre", "--variant", "paper", "--grid", tmp_path / "grid.png"]
    assert bench("inpaint", *pack, *words) == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    trained = ("all_tiny_seed0", "all_tiny_seed1", "only3_tiny_seed0")
    assert names == [f"grid_digits_{model}_centre_paper.png" for model in trained]
    with Image.open(tmp_path / names[0]) as picture:
        assert picture.size == (2 * (4 * 29 + 1), 2 * (3 * 29 + 1))


def test_any_saved_model_can_be_sampled_and_completes_images(tmp_path, capsys):
    model = tmp_path / "mine"
    DCGMM(CONFIG, (28, 28, 1), seed=4).save(model)
    assert bench("sample", model, "--n", 3, "--out", tmp_path / "out") == 0
    assert read_samples(tmp_path / "out/mine/seed4.npz").images.shape == (3, 28, 28, 1)
    assert "--dataset" in refused(capsys, "inpaint", model)
    words = ["--dataset", "digits", "--images", 2, "--mask", "left", "--variant", "paper"]
    assert bench("inpaint", model, *words) == 0
    assert "mine" in capsys.readouterr().out
    assert read_record(model)["factory"] == "dcgmm:DCGMM"
    assert "no trained model" in refused(capsys, "sample", tmp_path, "--out", tmp_path)


def test_two_models_whose_samples_would_be_one_file_are_refused(tmp_path, capsys):
    for name in ("a", "b"):
        DCGMM(CONFIG, (28, 28, 1)).save(tmp_path / name / "same")
    assert "would be one file" in refused(
        capsys, "sample", tmp_path / "a/same", tmp_path / "b/same", "--out", tmp_path / "out"
    )


def test_accuracies_of_classifiers(pack, tmp_path, capsys):
    classifier = save(tmp_path, config=f"{CONFIG}-C(10)")
    rows = classification_rows(classifier)
    assert [row["metric"] for row in rows] == ["accuracy_validation", "accuracy"]
    assert all(0 <= row["value"] <= 30 for row in rows)  # untrained: the first class for every image
    assert bench("classify", classifier) == 0
    assert f"test accuracy {rows[1]['value']:.2f} %" in capsys.readouterr().out
    assert "no classifier layer" in refused(capsys, "classify", pack[0])
    assert "nothing to measure" in refused(capsys, "classify")


def test_a_class_that_depends_on_the_other_images_is_refused(tmp_path, capsys, monkeypatch):
    """Ranks of the call: of one image alone, another class."""
    classifier = save(tmp_path, config=f"{CONFIG}-C(10)")
    monkeypatch.setattr(
        DCGMM, "predict", lambda self, x: (x.mean((1, 2, 3)) < np.median(x.mean((1, 2, 3)))).astype(int)
    )
    said = refused(capsys, "classify", classifier)
    assert f"{classifier}: predict gives " in said and "of 16 images another class alone than beside others" in said


@pytest.mark.parametrize("broken", ["nonsense", "weights"])
def test_all_classifiers_are_looked_at_before_the_first_is_measured(broken, tmp_path, capsys):
    """`bench classify GOOD nonsense` measured and printed GOOD, and then refused."""
    good, other = save(tmp_path, config=f"{CONFIG}-C(10)"), tmp_path / "nonsense"
    if broken == "weights":
        other = save(tmp_path, seed=1, config=f"{CONFIG}-C(10)")
        next(other.glob("*.safetensors")).write_bytes(b"")
    assert bench("classify", good, other) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and str(other) in printed.err
