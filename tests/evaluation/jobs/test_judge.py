"""Judging samples of the embedded digits, from the training of a judge to the table."""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("keras")

from evaluation.base.errors import UserError
from evaluation.cli import main
from evaluation.cli.judge import _print
from evaluation.datasets import load_dataset
from evaluation.jobs.judge import (
    MEASURES,
    REAL_TEST,
    Judge,
    Source,
    images_per_class,
    judge_rows,
    judged,
    real_images,
    source_rows,
)
from evaluation.jobs.judges import finished, train_judge
from evaluation.jobs.measure import _models, _source
from evaluation.jobs.sample import read_samples, write_samples
from evaluation.plan.key import TrainingKey
from evaluation.plan.paths import Paths
from tests.evaluation.made_up import judged as row

SETTINGS = {"epochs": 3, "learning_rate": 0.002, "batch_size": 20}


@pytest.fixture(scope="module")
def judges(tmp_path_factory):
    """A judge of digits, 600 images, in DIR/digits/seed0."""
    root = tmp_path_factory.mktemp("judges")
    train_judge("digits", root / "digits" / "seed0", params=SETTINGS, limit=600, progress=False)
    return root


@pytest.fixture(scope="module")
def judge(judges):
    return Judge.load(judges / "digits" / "seed0", "digits")


def test_training_is_recorded_and_not_repeated(judges):
    directory = judges / "digits" / "seed0"
    record = finished(directory)
    assert record["accuracy"] > 50 and record["seed_used"] == 0 and record["diverged"] == []
    before = (directory / "network.safetensors").stat().st_mtime_ns
    assert train_judge("digits", directory, params=SETTINGS, limit=600, progress=False) == record
    assert (directory / "network.safetensors").stat().st_mtime_ns == before


def test_divergence_is_repeated_with_the_next_seed(tmp_path, monkeypatch):
    from baselines.cnn import Cnn, DivergedError

    def fit(self, *args, **kwargs):
        if self.seed < 200:
            raise DivergedError(f"training with seed {self.seed} diverged")

    monkeypatch.setattr(Cnn, "fit", fit)
    record = train_judge("digits", tmp_path / "judge", seed=0, limit=10, progress=False)
    assert record["seed"] == 0 and record["seed_used"] == 200
    assert len(record["diverged"]) == 2 and "seed 100 diverged" in record["diverged"][1]

    monkeypatch.setattr(Cnn, "fit", lambda self, *a, **k: (_ for _ in ()).throw(DivergedError("diverged")))
    with pytest.raises(UserError, match="5 trainings of a judge of digits diverged"):
        train_judge("digits", tmp_path / "never", limit=10, progress=False)


def test_another_training_takes_over_nothing_of_an_interrupted_one(tmp_path, monkeypatch):
    from baselines.cnn import Cnn

    whole, seen = Cnn.fit, []

    def killed(self, *args, checkpoint, **kwargs):
        seen.append(checkpoint)
        checkpoint.mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(Cnn, "fit", killed)
    for params in ({"epochs": 2}, {"epochs": 1}, {"epochs": 1, "learning_rate": 0.002}):
        with pytest.raises(KeyboardInterrupt):
            train_judge("digits", tmp_path, params=params, limit=100, progress=False)
        assert [path for path in tmp_path.iterdir() if path.is_dir()] == [seen[-1]]  # the states before are gone
    assert len(set(seen)) == 3
    monkeypatch.setattr(Cnn, "fit", lambda self, *args, checkpoint, **kwargs: checkpoint.mkdir(exist_ok=True))
    train_judge("digits", tmp_path, params={"epochs": 2}, limit=100, progress=False)
    assert not list(tmp_path.glob("state-*"))
    monkeypatch.setattr(Cnn, "fit", whole)
    assert train_judge("digits", tmp_path, params={"epochs": 2}, limit=100, progress=False)["accuracy"] < 30


def test_default_settings_may_be_named(tmp_path, monkeypatch):
    from baselines.cnn import Cnn

    monkeypatch.setattr(Cnn, "fit", lambda *args, **kwargs: None)
    record = train_judge("digits", tmp_path, limit=100, progress=False)
    monkeypatch.setattr(Cnn, "fit", None)  # another training would fail
    assert train_judge("digits", tmp_path, params={"epochs": 15}, limit=100, progress=False) == record


def test_real_images_are_perfect_and_repetition_shows(judge):
    x, y = load_dataset("digits").split("test")
    real = judge.measure(x, y)
    assert real["frechet_distance"] == pytest.approx(0, abs=1e-3)
    assert real["precision"] == real["recall"] == 100
    by_class = [real[f"judge_accuracy_class_{c}"] for c in range(10)]
    assert real["judge_accuracy"] == pytest.approx(np.mean(by_class))
    assert real["judge_accuracy"] == pytest.approx(judge.record["accuracy"], abs=3)
    one_good_image = np.array([np.flatnonzero((y == c) & (judge.cnn.predict(x) == c))[0] for c in np.unique(y)])
    repeated = judge.measure(np.repeat(x[one_good_image], 20, axis=0), np.repeat(y[one_good_image], 20))
    assert repeated["judge_accuracy"] == 100 and repeated["nearest_neighbour_distance"] == pytest.approx(0, abs=1e-3)
    assert repeated["recall"] < 50 and repeated["frechet_distance"] > real["frechet_distance"]


def test_noise_is_far_from_everything(judge):
    noise = np.random.default_rng(0).uniform(size=(100, 28, 28, 1)).astype(np.float32)
    values = judge.measure(noise, None)
    assert not any(name.startswith("judge_accuracy") for name in values)
    x, y = load_dataset("digits").split("validation")
    assert values["frechet_distance"] > 5 * judge.measure(x, y)["frechet_distance"]


def test_wrong_labels_cost_accuracy_only(judge):
    x, y = load_dataset("digits").split("test")
    right, wrong = judge.measure(x, y), judge.measure(x, (y + 1) % 10)
    assert wrong["judge_accuracy"] < 20 < right["judge_accuracy"]
    assert wrong["frechet_distance"] == right["frechet_distance"]


def test_other_shapes_and_other_data_sets_are_refused(judge, judges):
    with pytest.raises(UserError, match="the judge sees"):
        judge.measure(np.zeros((5, 32, 32, 3), np.float32), None)
    with pytest.raises(UserError, match="a judge of digits, not of mnist"):
        Judge.load(judges / "digits" / "seed0", "mnist")
    with pytest.raises(UserError, match="bench judge --train"):
        Judge.load(judges / "nothing", "digits")


@pytest.mark.parametrize(
    ("n", "label", "message"),
    [(3, 0, "3 images given; precision and recall need at least 4"), (4, 77, "label 77 given; the classes are 0 to 9")],
)
def test_too_few_samples_and_labels_of_no_class_are_refused(judge, tmp_path, capsys, n, label, message):
    images, labels = np.zeros((n, 28, 28, 1), np.float32), np.full(n, label)
    with pytest.raises(UserError, match=message):
        judge.measure(images, labels)
    np.savez(tmp_path / "bad.npz", samples=images, labels=labels)
    command = ["judge", "--dataset", "digits", "--samples", str(tmp_path / "bad.npz"), "--judges", str(tmp_path)]
    assert main(command) != 0
    said = capsys.readouterr()
    assert message in said.err and "training" not in said.out  # before a judge is trained


def test_an_unknown_data_set_is_refused_before_a_judge_is_trained(tmp_path, capsys):
    np.savez(tmp_path / "mine.npz", samples=np.zeros((5, 28, 28, 1), np.float32))
    assert main(["judge", "--dataset", "digit", "--samples", str(tmp_path / "mine.npz")]) != 0
    said = capsys.readouterr()
    assert "'digit'" in said.err and "training" not in said.out


def own_images(path, turned=0):
    x = np.random.default_rng(0).integers(0, 255, (60, 28, 28), dtype=np.uint8)
    np.savez(path, x=x, y=(np.arange(60) + turned) % 3)
    np.savez(path.with_name("drawn.npz"), samples=x[:20], labels=(np.arange(20) + turned) % 3)


def test_own_images_that_changed_ask_for_another_judge(tmp_path, capsys, monkeypatch):
    """The judge of the old images judged on without a word, and `--train` left it as it was."""
    from baselines.cnn import Cnn

    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    monkeypatch.setattr(Cnn, "fit", lambda *args, **kwargs: None)
    own_images(tmp_path / "mine.npz")
    command = ["judge", "--dataset", "mine", "--judges", str(tmp_path / "judges"), "--quiet"]
    judging = [*command, "--samples", str(tmp_path / "drawn.npz"), "--no-references"]
    assert main(judging) == 0
    own_images(tmp_path / "mine.npz", turned=1)
    assert main(judging) == 2
    assert "mine holds other images than those" in capsys.readouterr().err
    assert main([*command, "--train"]) == main(judging) == 0


def test_a_judge_of_a_file_of_images_has_the_place_of_their_name(tmp_path, monkeypatch):
    """`--dataset /where/mine.npz` asked for a judge below that file."""
    from baselines.cnn import Cnn

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    monkeypatch.setattr(Cnn, "fit", lambda *args, **kwargs: None)
    own_images(tmp_path / "mine.npz")
    for name in (tmp_path / "mine.npz", "mine.npz", "mine"):
        command = ["judge", "--dataset", str(name), "--samples", "drawn.npz", "--no-references", "--quiet"]
        assert main([*command, "--judges", "judges"]) == 0
    assert [path.parent for path in Path("judges").rglob("judge.json")] == [Path("judges/mine/seed0")]
    command = ["judge", "--dataset", str(tmp_path / "mine.npz"), "--samples", "drawn.npz", "--judges", "judges"]
    assert main([*command, "--out", "rows.parquet"]) == 0
    assert set(pd.read_parquet("rows.parquet")["dataset"]) == {"mine"}


def test_a_judge_by_hand_learns_at_the_rate_that_works(tmp_path, monkeypatch):
    """The printed 0.01, the default before, gives judges of 81 to 85 % on Fashion-MNIST."""
    seen = []
    monkeypatch.setattr("evaluation.jobs.judges.train_judge", lambda *what, params, **how: seen.append(params))
    monkeypatch.setattr("evaluation.cli.judge._describe", lambda *what: None)
    command = ["judge", "--train", "--dataset", "digits", "--judges", str(tmp_path)]
    assert main(command) == main([*command, "--epochs", "2"]) == main([*command, "--learning-rate", "0.01"]) == 0
    assert seen == [{"learning_rate": 0.001}, {"learning_rate": 0.001, "epochs": 2}, {"learning_rate": 0.01}]


def test_a_finished_judge_is_used_as_it_is_and_never_replaced(judges, tmp_path, capsys):
    x, y = load_dataset("digits").split("test")
    np.savez(tmp_path / "mine.npz", samples=x[:20], labels=y[:20])
    directory = judges / "digits" / "seed0"
    before = (directory / "judge.json").read_bytes(), (directory / "network.safetensors").read_bytes()
    command = ["judge", "--dataset", "digits", "--samples", str(tmp_path / "mine.npz"), "--no-references"]
    for place in (["--judges", str(judges)], ["--judge", str(directory)]):
        assert main([*command, *place, "--epochs", "3"]) == 0
        said = capsys.readouterr().out
        assert "3 epochs of 600 images, learning rate 0.002, seed 0; test accuracy " in said
        for option, value, there in (("--epochs", "2", "3"), ("--train-images", "100", "600")):
            assert main([*command, *place, option, value]) != 0
            assert f"was trained with {option} {there}, not {value}" in capsys.readouterr().err
    assert before == ((directory / "judge.json").read_bytes(), (directory / "network.safetensors").read_bytes())


def test_rows_of_real_images_hold_as_many_as_the_samples():
    per_class = images_per_class(
        [(np.zeros((6, 1)), np.array([0, 0, 1, 1, 1, 3])), (np.zeros((15, 1)), None)], classes=10
    )
    assert per_class == [2, 2 + 1, 2, 2, 2, 2, 2, 2, 2, 2]
    per_class[9] = 10_000
    x, y = load_dataset("digits").split("test")
    found = real_images("digits", per_class)
    for name, (_, labels) in found.items():
        assert list(np.bincount(labels))[:9] == per_class[:9], name
    images, labels = found[REAL_TEST]
    assert (labels == 9).sum() == (y == 9).sum()
    np.testing.assert_array_equal(images, real_images("digits", per_class)[REAL_TEST][0])
    assert all((x == image).all(axis=(1, 2, 3)).any() for image in images)


def test_copies_of_training_images_are_counted(judges, tmp_path, capsys, monkeypatch):
    """A model that gives its training images back had the numbers of real images."""
    monkeypatch.setenv("COLUMNS", "160")
    x, y = load_dataset("digits").split("train")
    new, classes = load_dataset("digits").split("test")
    np.savez(tmp_path / "mine.npz", samples=np.concatenate([x[:60], new[:60]]), labels=[*y[:60], *classes[:60]])
    command = ["judge", "--dataset", "digits", "--samples", str(tmp_path / "mine.npz"), "--judges", str(judges)]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "copies (%)" in said
    assert main([*command, "--out", str(tmp_path / "rows.parquet")]) == 0
    rows = pd.read_parquet(tmp_path / "rows.parquet")
    found = rows[rows["metric"] == "copies"].set_index("model")["value"]
    assert list(found.index) == ["mine", REAL_TEST, "real validation images"]
    assert found["mine"] >= 50 > 10 > found[REAL_TEST]
    assert not rows.duplicated(["model", "metric", "params"]).any()


def test_copies_of_followed_images_are_counted_too(judge):
    """`fit` is given validation images, with `monitor: test` test images: neither were training images."""
    data = load_dataset("digits")
    for split in ("train", "validation", "test"):
        x, y = data.split(split)
        rows = source_rows("digits", [judge], [Source(x[:50], y[:50], "mine")])
        found = {row["model"]: row["value"] for row in rows if row["metric"] == "copies"}
        assert found["mine"] == 100 and found[REAL_TEST] < 10


def test_samples_of_a_model_of_other_images_are_named(judges, tmp_path, capsys):
    x = load_dataset("digits").split("test")[0]
    record = {"model": "m", "seed": 0, "protocol": "both", "point": {}, "dataset": "mnist-5k", "subset": "all"}
    write_samples(tmp_path / "drawn.npz", x[:20], record, {"seed": 0})
    command = ["judge", "--dataset", "digits", "--judges", str(judges), "--no-references"]
    assert main([*command, "--samples", str(tmp_path / "drawn.npz")]) == 0
    assert "drawn.npz: samples of a model of mnist-5k, judged beside images of digits" in capsys.readouterr().out


def test_rows_name_the_judge_and_the_model(judge):
    x, y = load_dataset("digits").split("test")
    rows = pd.DataFrame(judge_rows([judge], x, y, dataset="digits", model="toy", seed=4, point={"sums": 2}))
    assert set(rows["metric"]) == {*MEASURES, *(f"judge_accuracy_class_{c}" for c in range(10))}
    assert set(rows["params"]) == {'{"judge":0,"sums":2}'} and set(rows["seed"]) == {4}


def test_command_judges_anybodys_samples(judges, tmp_path, capsys):
    x, y = load_dataset("digits").split("test")
    np.savez(tmp_path / "mine.npz", samples=(x[:100] * 255).astype(np.uint8)[..., 0], labels=y[:100])
    command = ["judge", "--dataset", "digits", "--judge", str(judges / "digits" / "seed0")]
    assert main([*command, "--samples", str(tmp_path / "mine.npz")]) == 0
    printed = capsys.readouterr().out
    assert "mine" in printed and "real test images" in printed and "Fréchet" in printed
    out = tmp_path / "metrics.parquet"
    assert main([*command, "--samples", str(tmp_path / "mine.npz"), "--no-references", "--out", str(out)]) == 0
    assert set(pd.read_parquet(out)["model"]) == {"mine", "CNN"}


def test_each_file_is_a_row_and_only_judges_are_averaged(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    names = "paper, depth 1, seed 0", "clean, depth 1, seed 0", "clean, depth 1, seed 1", "clean, depth 2, seed 0"
    files = dict(zip(names, (99, 80, 70, 60), strict=True))
    rows = [row("real test images", 97), row("other", 90, protocol="clean", depth=1)]
    for (name, value), judge, end in itertools.product(files.items(), (0, 1), ("", "_class_3")):
        protocol, depth, seed = name.split(", ")
        of = {"protocol": protocol, "depth": depth[-1], "seed": int(seed[-1])}
        rows.append(row("rat-spn", value + judge, judge=judge, metric=f"judge_accuracy{end}", **of))
    for shown, names in ((rows, list(files)), (rows[:10], ["paper", "clean"])):
        _print(shown, "mnist", 2)
        assert "real test images " in (printed := capsys.readouterr().out) and "other (" not in printed
        for name, value in zip(names, files.values(), strict=False):
            assert re.search(rf"rat-spn \({name}\) .* {value}.50 ", printed)
            assert f"rat-spn ({name}), accuracy of 1 of 10 classes alone: 3: {value}.5" in printed


def test_classes_of_a_model_are_judged_together(judge, tmp_path):
    x, y = load_dataset("digits").split("test")
    paths = Paths(tmp_path)
    keys = [TrainingKey("digits", f"only{label}", "toy+x", 3) for label in (0, 1)]
    for label, key in enumerate(keys):
        record = {"subset": key.subset, "seed": 3, "model": "toy", "protocol": "clean", "point": {}}
        write_samples(paths.samples(key), x[y == label], record, {"seed": 0})
    (together,) = _models(keys)
    source = _source([read_samples(paths.samples(key)) for key in together], together[0].variant)
    assert len(source.images) == np.isin(y, (0, 1)).sum()
    frame = pd.DataFrame(judged("digits", [judge], [source], references=False))
    judges_own = frame[frame["model"] == "CNN"]
    assert judges_own["value"][judges_own["metric"] == "cnn_test_accuracy"].item() > 50
    frame = frame[frame["model"] != "CNN"]
    assert set(frame["model"]) == {"toy"} and set(frame["seed"]) == {3} and set(frame["protocol"]) == {"clean"}
    assert {"judge_accuracy_class_0", "judge_accuracy_class_1"} <= set(frame["metric"])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": np.zeros((3, 28, 28, 1))}, "expected an array `samples`"),
        ({"samples": np.zeros((3, 28))}, "expected \\(n, H, W, C\\)"),
        ({"samples": np.full((3, 28, 28, 1), 7.0)}, "expected 0 to 1"),
        ({"samples": np.zeros((3, 28, 28, 1)), "labels": np.zeros(2, int)}, "one integer for each"),
    ],
)
def test_bad_sample_files_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(UserError, match=message):
        read_samples(tmp_path / "bad.npz")


def test_files_that_are_no_npz_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text(json.dumps({"samples": []}))
    with pytest.raises(UserError, match=r"is not an \.npz file"):
        read_samples(tmp_path / "text.npz")
    np.savez(tmp_path / "objects.npz", samples=np.array([{}, None], dtype=object))
    with pytest.raises(UserError, match="of plain arrays"):
        read_samples(tmp_path / "objects.npz")


def test_what_is_no_judge_stays_where_it_is(tmp_path, capsys):
    """A judge was written over a model of the same directory, and every state-… folder beside it removed."""
    model, folder = tmp_path / "a/digits/seed0", tmp_path / "b/digits/seed0"
    for place in (model / "model.json", folder / "state-of-the-art/notes.txt"):
        place.parent.mkdir(parents=True)
        place.write_text("mine")
        judges = str(tmp_path / ("a" if place.parent == model else "b"))
        assert main(["judge", "--dataset", "digits", "--train", "--epochs", "1", "--judges", judges]) == 2
        assert "holds something else than a judge" in capsys.readouterr().err
        assert place.read_text() == "mine"


@pytest.mark.parametrize("rate", ["nan", "-1"])
def test_a_wrong_rate_is_one_sentence(rate, tmp_path, capsys):
    words = ["judge", "--dataset", "digits", "--train", "--judges", str(tmp_path), f"--learning-rate={rate}"]
    assert main(words) == 2
    assert "learning_rate" in capsys.readouterr().err
