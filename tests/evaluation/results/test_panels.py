"""Which panels the figures of images have."""

import pytest

from evaluation.base.errors import UserError
from evaluation.plan.config import ConfigError, Plan
from evaluation.results.panels import (
    numbered,
    picture_inputs,
    pictures,
    real_classes,
    sampling_options,
    shown_datasets,
)


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
    assert shown_datasets(of_fashion, "fig_9") == ["fashion_mnist"]
    turned = plan(sampling={**sampling, "datasets": ["fashion_mnist", "mnist"]})
    assert [shown_datasets(turned, f"fig_{n}") for n in (5, 9, 12, 13)] == [["mnist"], ["fashion_mnist"]] * 2
    assert shown_datasets(turned, "fig_14") == ["fashion_mnist", "mnist"]
    assert picture_inputs(of_mnist, "fig_12") == [
        "r/stamps/grid_plain/mnist/dcgmm-a/all/0.json",
        "r/stamps/grid_plain/mnist/dcgmm-f/all/0.json",
    ]


def test_figure_7_mixes_a_model_of_each_class_and_names_the_data_set():
    svhn = plan(svhn={"datasets": ["photos"], "models": ["dcgmm-a-svhn", "vae"], "classes": [0, 1], "seeds": 1})
    first, second = pictures(svhn)["fig_7"]
    assert [f.split("/")[3] for f in first.files] == ["only0", "only1"] and len(second.files) == 1
    assert "all" in second.files[0]
    assert shown_datasets(svhn, "fig_7") == ["photos"]
    assert real_classes(svhn) == []  # the VAE has learnt all classes
    of_classes = plan(svhn={"datasets": ["photos"], "models": ["dcgmm-a-svhn"], "classes": [1, 0], "seeds": 1})
    assert real_classes(of_classes) == [0, 1]


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
    assert shown_datasets(plan(inpainting=inpainting), "fig_8") == ["mnist"]
    assert shown_datasets(plan(inpainting={**inpainting, "datasets": ["digits"]}), "fig_8") == ["digits"]


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
