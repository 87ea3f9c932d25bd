"""Figures of metrics and scores: the data behind the axes."""

import re

import numpy as np
import pytest

from evaluation.base.errors import UserError
from evaluation.jobs.score import write_scores
from evaluation.measures.outliers import inliers_and_outliers
from evaluation.measures.roc import auroc
from evaluation.measures.tidy import tidy_row
from evaluation.plan.plan import Plan
from evaluation.plan.resolve import Run
from evaluation.results.figures.course import draw_course
from evaluation.results.figures.dynamics import draw_dynamics
from evaluation.results.figures.heat_map import draw_heat_map
from evaluation.results.figures.outlier_curves import outlier_curves
from evaluation.results.figures.style import COLUMN_WIDTH, PAGE_WIDTH, note_of, plotting, save
from evaluation.results.material import Material
from tests.evaluation.made_up import grid, plan, results, scores, two_models


@pytest.fixture(autouse=True)
def closed():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


# --- the areas during training ---------------------------------------------------------------------------------------


def test_the_course_shows_the_top_layer_of_each_model_over_the_training():
    facts = {"protocol": "both", "experiment": "course", "seed": 0}
    rows = [
        tidy_row(
            **facts | {"seed": seed}, dataset=dataset, model=model, params={"outlier_class": 0, "step": step},
            metric=f"auroc_layer_{layer}", value=value + seed,
        )
        for dataset in ("mnist", "fashion_mnist")
        for model in ("dcgmm-b", "dcgmm-b-independent")
        for layer, value in ((0, 50.0), (1, 90.0))
        for seed in (0, 1)
        for step in (0, 30, 60)
    ]  # fmt: skip
    figure, words = draw_course(results(rows))
    assert words == "" and [axis.get_title() for axis in figure.axes] == [
        "MNIST, shared layers", "MNIST, independent layers",
        "Fashion-MNIST, shared layers", "Fashion-MNIST, independent layers",
    ]  # fmt: skip
    for axis in figure.axes:
        (line,) = axis.lines
        np.testing.assert_array_equal(line.get_xdata(), [0, 50, 100])
        np.testing.assert_array_equal(line.get_ydata(), [90.5, 90.5, 90.5])
    assert len({axis.lines[0].get_color() for axis in figure.axes}) == 1  # an instance has one colour everywhere
    scored = [
        tidy_row(
            **facts | {"experiment": "outliers", "seed": seed}, dataset="mnist", model=model,
            params={"outlier_class": 0}, metric="auroc", value=90.0,
        )
        for model in ("dcgmm-b", "dcgmm-c", "gmm")
        for seed in (0, 1, 2, 3)
    ]  # fmt: skip
    _, words = draw_course(results([*rows, *scored]))  # nothing said that a line has two of four seeds
    assert words == "Not followed in training: DCGMM-B on MNIST, seeds 2, 3; DCGMM-C on MNIST, seeds 0, 1, 2, 3."
    with pytest.raises(UserError, match="course: true"):
        draw_course(results([row | {"experiment": "dynamics"} for row in rows]))
    later = plan(models=["gmm", "dcgmm-a"], course=True)  # the cure was to set what is set
    with pytest.raises(UserError, match=f"bench train --profile {later.name} --again dcgmm-a/mnist/not0/seed0"):
        draw_course(results([row | {"experiment": "dynamics"} for row in rows], later))


def test_an_instance_has_its_colour_in_every_panel_and_lines_of_a_panel_have_several():
    """Blue was A among shared layers and B among independent ones."""
    own = {"mine": {"extends": "dcgmm-b", "label": "Mine"}}
    rows = [
        tidy_row(
            protocol="both", experiment="course", seed=0, dataset="mnist", model=model,
            params={"outlier_class": 0, "step": 10}, metric="auroc_layer_0", value=70.0,
        )
        for model in ("dcgmm-a", "dcgmm-b", "dcgmm-c", "mine", "dcgmm-b-independent", "dcgmm-c-independent")
    ]  # fmt: skip
    figure, _ = draw_course(results(rows, plan(own, models=["dcgmm-a", "mine"])))
    shared, independent = ({line.get_label(): line.get_color() for line in axis.lines} for axis in figure.axes)
    assert len(set(shared.values())) == 4
    assert independent == {f"DCGMM-{letter}, independent": shared[f"DCGMM-{letter}"] for letter in "BC"}


def test_the_course_of_each_grid_point_is_a_line_of_its_own():
    facts = {"protocol": "both", "seed": 0, "dataset": "mnist"}
    ends = [
        ("dcgmm-b", {"epochs": 3}, 60.0), ("dcgmm-b", {"epochs": 9}, 96.0), ("dcgmm-c", {"epochs": 3}, 70.0),
        ("dcgmm-b-independent", {"config": "F(28,1)-G(4)"}, 80.0),
    ]  # fmt: skip
    rows = [
        tidy_row(
            **facts, experiment="course", model=model, params={"outlier_class": 0, "step": 10, **point},
            metric="auroc_layer_0", value=value,
        )
        for model, point, value in ends
    ]  # fmt: skip
    params = {"outlier_class": 0, "epochs": 20}
    late = tidy_row(**facts, experiment="outliers", model="dcgmm-b", params=params, metric="auroc", value=90.0)
    figure, words = draw_course(results([*rows, late]))
    (axis,) = figure.axes  # at this point the layers of the last model are shared
    shown = {line.get_label(): line.get_ydata()[-1] for line in axis.lines}
    independent = "DCGMM-B, independent"
    assert shown == {"DCGMM-B (epochs 3)": 60.0, "DCGMM-B (epochs 9)": 96.0, "DCGMM-C": 70.0, independent: 80.0}
    assert words == "Not followed in training: DCGMM-B (epochs 20) on MNIST, seed 0."


# --- Fig. 4 ----------------------------------------------------------------------------------------------------------

CURVES = {0: [-900.0, -100.0, -50.0], 1: [3.0, 5.0, 5.5]}


def course(model="dcgmm-f-dynamics", dataset="mnist", sigma=None, protocol="both", more=0, **point):
    """Two layers, two seeds one nat apart, of test and of validation images; more: nats on top."""
    facts = {"protocol": protocol, "experiment": "dynamics", "dataset": dataset, "model": model}
    found = [
        tidy_row(
            **facts, seed=seed, params={"step": 10 * step, "split": split, **point},
            metric=f"log_likelihood_layer_{layer}",
            value=value + seed + more + (1000 if split == "validation" else 0),
        )
        for layer, curve in CURVES.items()
        for step, value in enumerate(curve)
        for seed in (0, 1)
        for split in ("test", "validation")
    ]  # fmt: skip
    end = tidy_row(**facts, seed=0, params=point, metric="sigma_layer_0", value=0.0 if sigma is None else sigma)
    return found if sigma is None else [*found, end]


def test_fig_4_has_a_panel_of_its_own_for_each_layer_in_nats():
    figure, words = draw_dynamics(results(course()))
    assert words == "" and [axis.get_title() for axis in figure.axes] == ["layer 0", "layer 1"]
    for axis, curve in zip(figure.axes, CURVES.values(), strict=True):
        (line,) = axis.lines
        np.testing.assert_array_equal(line.get_xdata(), [0, 10, 20])
        np.testing.assert_allclose(line.get_ydata(), np.array(curve) + 0.5)  # mean over seeds, test images
        low, high = axis.get_ylim()
        assert low <= min(curve) and high >= max(curve) + 1
    assert "nats" in figure.axes[0].get_ylabel()
    assert not [axis for axis in figure.axes if axis.get_legend()]


def test_fig_4_names_models_that_were_still_annealing():
    both = [*course(sigma=0.5), *course(dataset="fashion_mnist", sigma=0.01)]
    shorter = plan({"dcgmm-f-dynamics": {"params": {"epochs": 1}}}, datasets=["mnist", "fashion_mnist"])
    figure, words = draw_dynamics(results(both, shorter))
    assert "Left out" in words and "MNIST (σ 0.50)" in words and len(figure.axes) == 2
    assert "Fashion-MNIST" in figure.axes[0].get_ylabel()
    with pytest.raises(UserError, match="monitor: test"):
        draw_dynamics(results(two_models()))


def test_fig_4_shows_a_training_of_the_papers_length_though_it_was_still_annealing():
    figure, words = draw_dynamics(results(course(sigma=0.5)))
    assert len(figure.axes) == 2 and words.startswith("Still annealing at the end, as the paper's training: DCGMM-F on")
    assert "(σ 0.50)" in words


def test_fig_4_says_of_no_model_of_ones_own_that_it_is_trained_as_the_papers():
    own = plan({"mine": {"extends": "dcgmm-f-dynamics", "label": "Mine"}})
    figure, words = draw_dynamics(results([*course("mine", sigma=0.5), *course(sigma=0.5)], own))
    assert words == (
        "Left out, still annealing when training ended: Mine on MNIST (σ 0.50). "
        "Still annealing at the end, as the paper's training: DCGMM-F on MNIST (σ 0.50)."
    )
    assert len(figure.axes) == 2


def test_fig_4_has_a_row_for_each_protocol_and_grid_point():
    rows = [*course(protocol="paper"), *course(protocol="clean", more=20, epochs=3)]
    rows += [
        *course(protocol="clean", more=40, epochs=5, sigma=0.5),
        *course(dataset="fashion_mnist", protocol="clean"),
    ]
    figure, words = draw_dynamics(results(rows))
    assert words == "Left out, still annealing when training ended: DCGMM-F on MNIST (clean, epochs 5) (σ 0.50)."
    shown = {axis.get_ylabel(): axis.lines[0].get_ydata()[0] for axis in figure.axes if axis.get_ylabel()}
    assert shown == {
        "DCGMM-F on MNIST (clean, epochs 3)\nnats": -879.5, "DCGMM-F on MNIST (paper)\nnats": -899.5,
        "DCGMM-F on Fashion-MNIST\nnats": -899.5,
    }  # fmt: skip


# --- Fig. 10 ---------------------------------------------------------------------------------------------------------


def curves(folder, sigmas=(0.01,), missing=False):
    of = plan(curves=[["dcgmm-a", "mnist"], ["gmm", "mnist"]], models=["dcgmm-a", "gmm"])
    for number, key in enumerate(of.curves()[: 1 if missing else None]):
        record = {"spec": of.spec(key), "sigmas": sigmas if key.variant == "dcgmm-a" else ()}
        write_scores(of.paths(folder).scores(key), scores(number, shift=1 + number), record)
    return Material(Run(of, folder), []), None


def test_fig_10_has_the_curve_of_each_model_and_its_area(tmp_path):
    figure, words = outlier_curves(*curves(tmp_path))
    assert words == "" and [axis.get_title() for axis in figure.axes] == ["DCGMM-A (MNIST)", "GMM (MNIST)"]
    for number, axis in enumerate(figure.axes):
        (line,) = axis.lines
        kept, rejected = line.get_xdata(), line.get_ydata()
        area = auroc(*inliers_and_outliers(scores(number, shift=1 + number), "test", "not0"))
        assert abs(np.trapezoid(rejected[::-1], kept[::-1]) / 100 - area) < 1e-6
        assert axis.texts[0].get_text() == f"area {area:.1f} %"
        assert (kept.max(), rejected.max(), kept.min(), rejected.min()) == (100, 100, 0, 0)


def test_fig_10_says_which_of_two_forms_it_shows_and_of_which_seed(tmp_path):
    """ "DCGMM-E" was the one with shared layers, beside a table about independent ones."""
    for models, title in (
        (["dcgmm-e", "dcgmm-e-independent"], "DCGMM-E, shared (MNIST)"),
        (["dcgmm-e"], "DCGMM-E (MNIST)"),
    ):
        of = plan(curves=[["dcgmm-e", "mnist"]], models=models)
        (key,) = of.curves()
        write_scores(of.paths(tmp_path).scores(key), scores(), {"spec": of.spec(key)})
        figure, _ = outlier_curves(Material(Run(of, tmp_path), []), None)
        (axis,) = figure.axes
        assert (axis.get_title(), axis.texts[1].get_text()) == (title, "seed 0")


def test_fig_10_names_what_it_does_not_show(tmp_path):
    figure, words = outlier_curves(*curves(tmp_path / "a", sigmas=(0.01, 0.4)))
    assert len(figure.axes) == 1 and "DCGMM-A (MNIST) (σ 0.40)" in words
    figure, words = outlier_curves(*curves(tmp_path / "b", missing=True))
    assert len(figure.axes) == 1 and words == "No scores yet: GMM (MNIST)."
    with pytest.raises(UserError, match=r"no scores of DCGMM-A \(MNIST\), GMM"):
        outlier_curves(Material(Run(curves(tmp_path / "c")[0].plan, tmp_path / "d"), []), None)


@pytest.mark.parametrize(("classes", "subset", "word"), [([4, 0], "not0", ""), ([4], "not4", ", class 4 left out")])
def test_fig_10_names_protocol_grid_point_and_class_where_there_are_several(tmp_path, classes, subset, word):
    grids = {"rat-spn": {"grid": {"depth": [1, 5]}}, "gmm": {"grid": {"components": [7]}}}
    shown = [["rat-spn", "mnist"], ["gmm", "mnist"]]
    of = plan(grids, curves=shown, models=["rat-spn", "gmm"], outlier_classes=classes)
    variants = ["rat-spn@paper+depth=1", "gmm+components=7"]
    assert [key.word for key in of.curves()] == [f"{name}/mnist/{subset}/seed0" for name in variants]
    for key in of.curves():
        write_scores(of.paths(tmp_path).scores(key), scores(), {"spec": of.spec(key)})
    figure, words = outlier_curves(Material(Run(of, tmp_path), []), None)
    titles = [" ".join(axis.get_title().split("\n")) for axis in figure.axes]
    assert words == "" and titles == [f"RAT-SPN (paper, depth 1) (MNIST{word})", f"GMM (MNIST{word})"]


# --- heat maps -------------------------------------------------------------------------------------------------------


def test_the_heat_map_has_every_point_and_frames_the_chosen_one():
    paper, clean = draw_heat_map(results(grid()), "gmm", "GMM").axes
    assert [text.get_text() for text in paper.texts] == ["81.0", "71.0", "54.5"]
    assert [text.get_text() for text in clean.texts] == ["60.0", "65.0", "1.0"]
    assert [int(axis.patches[0].get_x()) for axis in (paper, clean)] == [0, 1]
    with pytest.raises(UserError, match="no grid"):
        draw_heat_map(results(two_models()), "gmm", "GMM")


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_figure_is_as_wide_as_the_paper_and_keeps_its_note(tmp_path):
    for panels, width in ((1, COLUMN_WIDTH), (2, PAGE_WIDTH)):
        path = tmp_path / f"{panels}.png"
        plt, _ = plotting()
        figure, _ = plt.subplots(1, panels, figsize=(width, 2))
        save(figure, path, "my title", "Left out: " + "a long list of models, " * panels * 6)
        (found,) = re.findall(rb"MediaBox \[ ?0 0 ([\d.]+)", path.with_suffix(".pdf").read_bytes())
        assert float(found) == pytest.approx(width * 72, abs=0.1)
        assert note_of(path).startswith("Left out: a long list")
    assert path.read_bytes() != b""


@pytest.mark.parametrize(("colour", "mode"), [("0.3", "L"), ("red", "RGB")])
def test_files_are_small_and_have_every_pixel(tmp_path, monkeypatch, colour, mode):
    """Four channels where one says all: reports were a third larger."""
    from PIL import Image

    def drawn(name):
        figure = plotting()[0].figure(figsize=(2, 1))
        figure.text(0.1, 0.5, "words", color=colour)
        save(figure, tmp_path / name, "title", "a note")
        with Image.open(tmp_path / name) as image:
            return image.mode, np.asarray(image.convert("RGBA")), image.info["dpi"], note_of(tmp_path / name)

    small = drawn("small.png")
    monkeypatch.setattr("evaluation.results.figures.style._pack", lambda path: None)
    large = drawn("large.png")
    assert (small[0], large[0]) == (mode, "RGBA")
    np.testing.assert_array_equal(small[1], large[1])
    assert small[2:] == large[2:] and small[3] == "a note"
    assert (tmp_path / "small.png").stat().st_size < (tmp_path / "large.png").stat().st_size


def test_equal_results_give_equal_files(tmp_path):
    for name in ("a", "b"):
        save(draw_heat_map(results(grid()), "gmm", "GMM"), tmp_path / f"{name}.png", "t")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


def test_words_mean_themselves_and_a_matplotlibrc_changes_nothing(tmp_path, monkeypatch):
    """A label with $ would be taken for a formula, or be an error."""
    (tmp_path / "matplotlibrc").write_text("axes.facecolor: red\nfigure.dpi: 7\n")
    monkeypatch.chdir(tmp_path)
    label = r"$\frac{1 ^_ {3,1}$ <b> 50 %"
    figure = draw_heat_map(results(grid()), "gmm", label)
    assert figure._suptitle.get_text().startswith(label)
    save(figure, tmp_path / "f.png", label)
    import matplotlib

    assert matplotlib.rcParams["figure.dpi"] == 150


def test_figures_of_a_hostile_label_are_drawn(tmp_path):
    models = {"x": {"extends": "dcgmm-a", "label": r"a$b^_{c}", "monitor": "test"}}
    of = Plan(
        {
            "profile": "p",
            "seeds": 1,
            "models": models,
            "experiments": {"dynamics": {"datasets": ["mnist"], "models": ["x"]}},
        }
    )
    figure, _ = draw_dynamics(results(course(model="x"), of))
    save(figure, tmp_path / "f.png", "t")
    assert (tmp_path / "f.png").is_file()
