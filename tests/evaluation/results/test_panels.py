"""Which panels the figures of images have."""

import pytest

from evaluation.base.errors import UserError
from evaluation.plan.jobs import Jobs
from evaluation.plan.plan import Plan
from evaluation.results.outputs import items
from evaluation.results.panels import numbered, pictures, real_classes, shown_datasets


def plan(**experiments):
    return Plan({"profile": "p", "results": "r", "seeds": 2, "experiments": experiments})


def words(panel):
    """The trainings of a panel."""
    return [key.word for key in panel.keys]


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
    assert words(found["fig_13"][1]) == ["dcgmm-f/fashion_mnist/all/seed0"]
    assert [p.label for p in found["fig_14"]] == ["MNIST", "Fashion-MNIST"]
    of_mnist = plan(sampling={**sampling, "datasets": ["mnist"]})
    assert set(pictures(of_mnist)) == {"fig_5", "fig_12", "fig_14"}
    of_fashion = plan(sampling={**sampling, "datasets": ["fashion_mnist"]})
    assert set(pictures(of_fashion)) == {"fig_9", "fig_13", "fig_14"}
    assert shown_datasets(of_fashion, "fig_9") == ["fashion_mnist"]
    turned = plan(sampling={**sampling, "datasets": ["fashion_mnist", "mnist"]})
    assert [shown_datasets(turned, f"fig_{n}") for n in (5, 9, 12, 13)] == [["mnist"], ["fashion_mnist"]] * 2
    assert shown_datasets(turned, "fig_14") == ["fashion_mnist", "mnist"]
    assert items(of_mnist)["fig_12_samples"].stamps(of_mnist) == [
        "stamps/grid_plain/dcgmm-a/mnist/all/seed0.json",
        "stamps/grid_plain/dcgmm-f/mnist/all/seed0.json",
    ]


def test_figure_7_mixes_a_model_of_each_class_and_names_the_data_set():
    svhn = plan(svhn={"datasets": ["photos"], "models": ["dcgmm-a-svhn", "vae"], "classes": [0, 1], "seeds": 1})
    first, second = pictures(svhn)["fig_7"]
    assert [key.subset for key in first.keys] == ["only0", "only1"]
    assert [key.subset for key in second.keys] == ["all"]
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
    assert words(found["fig_6"][2]) == [f"rat-spn@clean/mnist/only{c}/seed0" for c in range(10)]
    with pytest.raises(UserError, match="vae is not judged"):
        pictures(plan(judge={**judge, "shown": ["vae"]}))


def test_figures_12_and_13_show_models_of_each_class_and_then_those_of_all():
    judge = {"datasets": ["mnist", "fashion_mnist"], "models": ["dcgmm-f", "rat-spn"], "instances": ["dcgmm-f"]}
    found = pictures(plan(judge=judge))
    assert set(found) == {"fig_12", "fig_13"}
    assert words(found["fig_13"][0]) == [f"dcgmm-f/fashion_mnist/only{c}/seed0" for c in range(10)]
    both = pictures(plan(judge=judge, sampling={"datasets": ["mnist"], "models": ["dcgmm-a"]}))
    assert [p.label for p in both["fig_12"]] == ["DCGMM-F", "DCGMM-A"]
    assert words(both["fig_12"][1]) == ["dcgmm-a/mnist/all/seed0"]
    with pytest.raises(UserError, match=r"judge\.instances: dcgmm-e is not judged"):
        pictures(plan(judge={**judge, "instances": ["dcgmm-e"]}))


def test_a_job_is_sampled_and_completed_for_the_trainings_of_the_experiment_only():
    models = {"models": ["dcgmm-a"], "datasets": ["mnist"]}
    experiments = {"judge": models, "dynamics": {**models, "seeds": 2}, "inpainting": {**models, "seeds": 1}}
    config = {"profile": "p", "seeds": 2, "packing": {"subsets_per_job": 11, "seeds_per_job": 5}}
    config["models"] = {"dcgmm-a": {"monitor": "test"}}
    both = Plan({**config, "experiments": {**experiments, "sampling": {**models, "seeds": [1]}}})
    jobs = Jobs(both)
    (job,) = jobs.of(both.keys("inpainting"))
    assert len(job.subsets) == 11 and len(job.keys) == 22

    def made(stage):
        return [key.word for key in jobs.keys(stage, job)]

    assert made("inpaint") == ["dcgmm-a/mnist/all/seed0"]
    assert made("grid_plain") == ["dcgmm-a/mnist/all/seed1"]
    assert made("sample") == [f"dcgmm-a/mnist/only{c}/seed{seed}" for c in range(10) for seed in (0, 1)]
    assert made("score") == [] and jobs.stages(job) == ["sample", "inpaint", "grid_plain"]


def test_sampling_options_come_from_the_catalogue():
    sampling = plan(sampling={"datasets": ["mnist"], "pooled": ["dcgmm-c"], "images": 7})
    plain, sharpened = (sampling.sampled(stage, "dcgmm-c") for stage in ("grid_plain", "grid_sharpened"))
    assert plain["images"] == sharpened["images"] == 7
    assert plain["options"]["divisor"] == 20 and "sharpen" not in plain["options"]
    assert sharpened["options"]["sharpen"] is True
