"""Masks, the measures of completions, Table IV and the panels of the figures of images."""

import numpy as np
import pytest

from evaluation.base.errors import UserError
from evaluation.measures.inpainting import MASKS, completion_measures, known_pixels
from evaluation.measures.metrics import tidy_frame, tidy_row
from evaluation.plan.config import ConfigError, Plan
from evaluation.results.panels import (
    numbered,
    picture_inputs,
    picture_options,
    pictures,
    sampling_options,
    shown_dataset,
)


@pytest.mark.parametrize("mask", MASKS)
def test_masks_erase_the_part_they_name(mask):
    known = known_pixels(mask, 3, 28, 28, seed=1)
    assert known.shape == (3, 28, 28) and known.dtype == bool
    erased = {"right": 28 * 14, "left": 28 * 14, "random": 28 * 14, "centre": 14 * 14}[mask]
    assert ((~known).sum((1, 2)) == erased).all()
    rows, columns = np.nonzero(~known[0])
    low, high = {"right": (14, 27), "left": (0, 13), "random": (0, 27), "centre": (7, 20)}[mask]
    assert (columns.min(), columns.max()) == (low, high)
    assert (rows.min(), rows.max()) == ((7, 20) if mask == "centre" else (0, 27))
    assert (known[0] == known[1]).all() == (mask != "random")
    np.testing.assert_array_equal(known, known_pixels(mask, 3, 28, 28, seed=1))


def test_masks_of_odd_width_leave_the_middle_column_known():
    assert known_pixels("right", 1, 3, 5)[0].sum(1).tolist() == [3, 3, 3]
    assert known_pixels("left", 1, 3, 5)[0, 0].tolist() == [False, False, True, True, True]


def test_unknown_mask_is_refused():
    with pytest.raises(UserError, match="'top'"):
        known_pixels("top", 1, 4, 4)


def test_error_counts_unknown_pixels_only():
    x = np.random.default_rng(0).uniform(0.2, 0.8, (4, 12, 12, 3)).astype(np.float32)
    known = known_pixels("right", 4, 12, 12)
    same = completion_measures(x, x, known)
    assert same["mse"] == 0 and same["ssim"] == pytest.approx(1)
    off = x + np.where(known[..., None], 0.0, 0.1)
    measures = completion_measures(x, off, known)
    assert measures["mse"] == pytest.approx(0.01, rel=1e-5)
    assert 0.3 < measures["ssim"] < 1


def plan(**experiments):
    return Plan({"profile": "p", "results": "r", "seeds": 2, "experiments": experiments})


def test_figures_of_samples_have_the_papers_numbers():
    sampling = {
        "datasets": ["mnist", "fashion_mnist"],
        "models": ["dcgmm-a", "dcgmm-f"],
        "pooled": ["dcgmm-c"],
        "alphabet": "dcgmm-b",
        "seeds": 1,
    }
    found = pictures(plan(sampling=sampling))
    assert set(found) == {"fig_5", "fig_9", "fig_12", "fig_13", "fig_14"}
    assert [p.label for p in found["fig_5"]] == ["DCGMM-C (no sharpening)", "DCGMM-C (sharpening)"]
    assert found["fig_13"][1].files == ("grids/plain/fashion_mnist/all/dcgmm-f/seed0.npz",)
    assert [p.label for p in found["fig_14"]] == ["MNIST", "Fashion-MNIST"]
    of_mnist = plan(sampling={**sampling, "datasets": ["mnist"]})
    assert set(pictures(of_mnist)) == {"fig_5", "fig_12", "fig_14"}
    of_fashion = plan(sampling={**sampling, "datasets": ["fashion_mnist"]})
    assert set(pictures(of_fashion)) == {"fig_9", "fig_13", "fig_14"}
    assert shown_dataset(of_fashion, "fig_9") == "Fashion-MNIST"
    turned = plan(sampling={**sampling, "datasets": ["fashion_mnist", "mnist"]})
    assert [shown_dataset(turned, f"fig_{n}") for n in (5, 9, 12, 13)] == ["MNIST", "Fashion-MNIST"] * 2
    assert shown_dataset(turned, "fig_14") == "Fashion-MNIST, MNIST"
    assert picture_inputs(of_mnist, "fig_12") == [
        "r/stamps/grid_plain/mnist/dcgmm-a/all/0.json",
        "r/stamps/grid_plain/mnist/dcgmm-f/all/0.json",
    ]


def test_figure_7_mixes_a_model_of_each_class_and_names_the_data_set():
    svhn = plan(svhn={"datasets": ["photos"], "models": ["dcgmm-a-svhn", "vae"], "classes": [0, 1], "seeds": 1})
    first, second = pictures(svhn)["fig_7"]
    assert [f.split("/")[3] for f in first.files] == ["only0", "only1"] and len(second.files) == 1
    assert "all" in second.files[0]
    assert picture_options(svhn, "fig_7").endswith("--dataset photos")  # the VAE has learnt all classes
    of_classes = plan(svhn={"datasets": ["photos"], "models": ["dcgmm-a-svhn"], "classes": [1, 0], "seeds": 1})
    assert picture_options(of_classes, "fig_7").endswith("--dataset photos --classes 0 1")


@pytest.mark.parametrize(
    ("datasets", "shown"),
    [
        (["mnist", "fashion_mnist"], {"fig_6": "mnist", "fig_11": "fashion_mnist"}),
        (["fashion_mnist"], {"fig_11": "fashion_mnist"}),
        (["digits"], {"fig_6": "digits"}),
        (["digits", "mnist"], {"fig_6": "mnist", "fig_11": "digits"}),
        (["digits", "photos", "svhn"], {"fig_6": "digits", "fig_11": "photos"}),
        (["photos", "mnist", "fashion_mnist"], {"fig_6": "mnist", "fig_11": "fashion_mnist"}),
        ([], {}),
    ],
)
def test_a_data_set_has_the_papers_figure_or_the_first_free_one(datasets, shown):
    assert numbered(datasets, ("fig_6", "fig_11")) == shown


def test_figure_8_shows_mnist_where_there_is_mnist():
    inpainting = {"datasets": ["fashion_mnist", "mnist"], "models": ["dcgmm-a"]}
    assert shown_dataset(plan(inpainting=inpainting), "fig_8") == "MNIST"
    assert shown_dataset(plan(inpainting={**inpainting, "datasets": ["digits"]}), "fig_8") == "Digits"
    assert "--dataset digits" in picture_options(plan(inpainting={**inpainting, "datasets": ["digits"]}), "fig_8")


def test_figures_6_and_11_show_what_the_judge_sees():
    judge = {"datasets": ["mnist", "fashion_mnist"], "models": ["dcgmm-f", "rat-spn", "gmm"], "seeds": 2}
    assert not pictures(plan(judge=judge))
    found = pictures(plan(judge={**judge, "shown": ["dcgmm-f", "rat-spn"]}))
    assert [p.label for p in found["fig_6"]] == ["DCGMM-F", "RAT-SPN (paper)", "RAT-SPN (clean)"]
    assert [p.label for p in found["fig_11"]] == ["RAT-SPN (paper)", "RAT-SPN (clean)"]
    assert found["fig_6"][2].files == tuple(f"samples/mnist/only{c}/rat-spn@clean/seed0.npz" for c in range(10))
    with pytest.raises(UserError, match="vae is not judged"):
        pictures(plan(judge={**judge, "shown": ["vae"]}))


def test_figures_12_and_13_show_models_of_each_class_and_then_those_of_all():
    judge = {"datasets": ["mnist", "fashion_mnist"], "models": ["dcgmm-f", "rat-spn"], "instances": ["dcgmm-f"]}
    found = pictures(plan(judge=judge))
    assert set(found) == {"fig_12", "fig_13"}
    assert found["fig_13"][0].files == tuple(f"samples/fashion_mnist/only{c}/dcgmm-f/seed0.npz" for c in range(10))
    both = pictures(plan(judge=judge, sampling={"datasets": ["mnist"], "models": ["dcgmm-a"]}))
    assert [p.label for p in both["fig_12"]] == ["DCGMM-F", "DCGMM-A"]
    assert both["fig_12"][1].files == ("grids/plain/mnist/all/dcgmm-a/seed0.npz",)
    with pytest.raises(UserError, match=r"judge\.instances: dcgmm-e is not judged"):
        pictures(plan(judge={**judge, "instances": ["dcgmm-e"]}))


def test_a_job_is_sampled_and_completed_for_the_trainings_of_the_experiment_only():
    models = {"models": ["dcgmm-a"], "datasets": ["mnist"]}
    experiments = {"judge": models, "dynamics": {**models, "seeds": 2}, "inpainting": {**models, "seeds": 1}}
    config = {"profile": "p", "seeds": 2, "packing": {"subsets_per_job": 11, "seeds_per_job": 5}}
    both = Plan({**config, "experiments": {**experiments, "sampling": {**models, "seeds": [1]}}})
    (pack,) = both.packs("inpainting")
    assert len(pack.subsets) == 11 and pack.seeds == (0, 1)
    assert both.own_options("inpaint", pack) == "--run dcgmm-a:all:0"
    assert both.own_options("grid_plain", pack) == "--run dcgmm-a:all:1"
    assert both.own_runs("sample", pack) == [("dcgmm-a", f"only{c}", seed) for c in range(10) for seed in (0, 1)]
    with pytest.raises(ConfigError, match="outliers"):
        both.own_options("score", pack)


def test_sampling_options_come_from_the_catalogue():
    sampling = plan(sampling={"datasets": ["mnist"], "pooled": ["dcgmm-c"]})
    assert "divisor=20" in sampling_options(sampling, "dcgmm-c")
    assert "sharpen=true" not in sampling_options(sampling, "dcgmm-c")
    assert "sharpen=true" in sampling_options(sampling, "dcgmm-c", "sharpened")


def completion_row(model, seed, metric, value, dataset="mnist", protocol="both", **params):
    return tidy_row(
        protocol=protocol, experiment="inpainting", dataset=dataset, model=model, seed=seed, metric=metric, value=value,
        params=params,
    )  # fmt: skip


def test_table_of_completions_has_a_row_for_each_model_mask_and_variant():
    from evaluation.results.tables.inpainting import inpainting_table

    rows = [
        completion_row("dcgmm-a", seed, metric, value + 0.01 * seed, mask=mask, variant=variant)
        for seed in (0, 1)
        for mask in ("left", "right")
        for variant, values in (("paper", (0.071, 0.588)), ("conditional", (0.053, 0.725)))
        for metric, value in zip(("mse", "ssim"), values, strict=True)
    ]
    rows += [
        completion_row("gmm", 0, "mse", 0.5, mask="right", protocol="clean"),
        completion_row("dcgmm-a", 0, "mse", 0.2, "digits", mask="right", variant="paper"),
        completion_row("dcgmm-a", 0, "mse", 9.0, mask="right", variant="paper", subset="only3"),
        completion_row("vae", 0, "mse", 9.0, mask="right"),
    ]
    table = inpainting_table(tidy_frame(rows), {"gmm": "GMM", "dcgmm-a": "DCGMM-A"})
    assert table.columns == ["model", "erased", "variant", "MNIST MSE", "MNIST SSIM", "Digits MSE", "Digits SSIM"]
    assert [row[:3] for row in table.rows] == [
        ["GMM (clean)", "right half", "–"],
        ["DCGMM-A", "right half", "paper"],
        ["DCGMM-A", "right half", "conditional"],
        ["DCGMM-A", "left half", "paper"],
        ["DCGMM-A", "left half", "conditional"],
    ]
    assert table.rows[0][3:] == ["0.500", "–", "–", "–"]
    assert table.rows[1][3:] == ["0.076 ± 0.007 [0.071, 0.081]", "0.593 ± 0.007 [0.588, 0.598]", "0.200", "–"]
    assert len(table.data) == 10 and set(table.data["metric"]) == {"mse", "ssim"}
    assert table.rows[1][3].sources[0].by_seed(tidy_frame(rows)) == pytest.approx({0: 0.071, 1: 0.081})


def test_the_table_of_completions_on_the_command_line(tmp_path):
    from evaluation.cli import main

    tidy_frame([completion_row("gmm", 0, "mse", 0.5, mask="right")]).to_parquet(tmp_path / "m.parquet")
    words = ["--metrics", str(tmp_path / "m.parquet"), "--row", "gmm=GMM", "--out", str(tmp_path / "t.csv")]
    assert main(["table", "table_inpainting", *words]) == 0
    assert "| GMM" in (tmp_path / "t.md").read_text() and (tmp_path / "t.tex").is_file()


def test_table_4_marks_the_literature():
    from evaluation.results.tables.classification import classification_table

    rows = [
        tidy_row(
            protocol="both", experiment="classification", dataset="mnist", model="dcgmm-b-classifier", seed=seed,
            metric="accuracy", value=value, params={},
        )
        for seed, value in enumerate((97.0, 98.0))
    ]  # fmt: skip
    table = classification_table(tidy_frame(rows), {"dcgmm-b-classifier": "DCGMM-B"})
    assert table.rows[0] == ["DCGMM-B", "98.0 ± 0.1", "97.5 ± 0.7 [97.0, 98.0]", "89.6 ± 0.2", "–"]
    assert table.rows[1][:3] == ["RAT-SPN (literature)", "98.19", "–"]
    assert [row[0] for row in table.rows[1:]] == ["RAT-SPN (literature)", "DGC-SPN (literature)"]
    assert list(table.data["source"]) == ["run"] * 2 + ["literature"] * 4
