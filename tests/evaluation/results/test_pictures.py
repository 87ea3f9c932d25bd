"""The figures of images: how many pictures there are, in which rows and columns, and what stands above them."""

import numpy as np
import pytest

import evaluation.results.figures.samples as samples
from dcgmm import DCGMM
from evaluation.base.errors import UserError
from evaluation.datasets import load_dataset
from evaluation.results.figures.samples import centroid_panel, completion_panel, draw_picture, sample_panel

CELL = 5  # pixels of an image of 4×4 with its gap


@pytest.fixture
def drawn(monkeypatch):
    """The figure that is about to be saved."""
    kept = []
    monkeypatch.setattr(samples, "save", lambda figure, path, title: kept.append(figure))
    yield kept
    import matplotlib.pyplot as plt

    for figure in kept:
        plt.close(figure)


@pytest.fixture
def sources(tmp_path):
    """Six panels, each of two files of 60 samples."""
    rng = np.random.default_rng(0)
    found = []
    for name in "ABCDEF":
        files = [tmp_path / f"{name}{part}.npz" for part in (0, 1)]
        for file in files:
            np.savez(file, samples=rng.random((60, 4, 4, 1), np.float32))
        found.append((name, [str(file) for file in files]))
    return found


def layout(figure):
    """Rows, columns, and the titles of the panels that are in use."""
    rows, columns = figure.axes[0].get_subplotspec().get_gridspec().get_geometry()
    return rows, columns, [axis.get_title() for axis in figure.axes if axis.images]


@pytest.mark.parametrize(
    ("figure", "panels", "rows", "columns"),
    [("fig_5", 4, 1, 4), ("fig_12", 4, 2, 2), ("fig_6", 6, 2, 3), ("fig_6", 5, 2, 3), ("fig_13", 3, 2, 2)],
)
def test_panels_stand_as_in_the_paper(figure, panels, rows, columns, sources, drawn, tmp_path):
    draw_picture(figure, sources[:panels], tmp_path / "x.png", "title", dataset="fashion_mnist")
    assert layout(drawn[0]) == (rows, columns, list("ABCDEF")[:panels])
    assert drawn[0]._suptitle.get_text() == "Fashion-MNIST"
    (picture,) = drawn[0].axes[0].images
    assert picture.get_array().shape == (10 * CELL + 1, 10 * CELL + 1)


def test_samples_of_several_files_are_mixed_evenly(sources, drawn, tmp_path):
    draw_picture("fig_6", sources[:1], tmp_path / "x.png", "title")
    first, second = (np.load(file)["samples"] for file in sources[0][1])
    expected = sample_panel("A", np.concatenate([first[:50], second[:50]]))[1]
    np.testing.assert_array_equal(drawn[0].axes[0].images[0].get_array(), expected[..., 0])
    assert drawn[0]._suptitle is None


def test_real_images_are_those_of_the_trained_classes(drawn, tmp_path):
    x, y = load_dataset("digits").split("test")
    assert (y != 3).any()
    draw_picture("fig_7", [], tmp_path / "x.png", "title", dataset="digits", classes=[3])
    expected = sample_panel("", x[y == 3])[1]
    np.testing.assert_array_equal(drawn[0].axes[0].images[0].get_array(), expected[..., 0])
    draw_picture("fig_7", [], tmp_path / "x.png", "title", dataset="digits", classes=[0, 1, 7])
    assert layout(drawn[1])[2] == ["real images of classes 0, 1 and 7"]
    with pytest.raises(UserError, match="no test images of the classes 11; choose from 0, 1"):
        draw_picture("fig_7", [], tmp_path / "x.png", "title", dataset="digits", classes=[11])


def test_completions_have_three_rows():
    x = np.random.default_rng(0).random((12, 4, 4, 3), np.float32)
    known = np.zeros((12, 4, 4), bool)
    label, picture = completion_panel("A", x, known, 1 - x)
    assert label == "A" and picture.shape == (3 * CELL + 1, 10 * CELL + 1, 3)
    np.testing.assert_array_equal(picture[1:5, 1:5], x[0])
    assert (picture[CELL + 1 : CELL + 5, 1:5] == 0.5).all()
    np.testing.assert_array_equal(picture[2 * CELL + 1 : 2 * CELL + 5, 1:5], 1 - x[0])


def test_every_centroid_is_scaled_to_its_own_range():
    model = DCGMM("F(4,2)-G(9)-F(3,1)-G(4)", (8, 8, 1))
    lower, upper = model.get_parameters()
    lower["mu"] *= np.linspace(0.01, 5, 9)[None, :, None]
    model.set_parameters([lower, upper])
    _, picture = centroid_panel("A", model)
    assert picture.shape == (3 * CELL + 1, 3 * CELL + 1, 1)
    for row in range(3):
        for column in range(3):
            patch = picture[row * CELL + 1 : (row + 1) * CELL, column * CELL + 1 : (column + 1) * CELL]
            assert patch.min() == 0 and patch.max() == pytest.approx(1)
    lower["mu"][:] = 0.3
    model.set_parameters([lower, upper])
    assert centroid_panel("A", model)[1].min() == 0  # flat patches are black, not noise


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(UserError, match="nothing to draw"):
        draw_picture("fig_5", [], tmp_path / "x.png", "title")
    with pytest.raises(UserError, match="no completions"):
        draw_picture("fig_8", [("A", [str(tmp_path / "a.npz")])], tmp_path / "x.png", "title")
