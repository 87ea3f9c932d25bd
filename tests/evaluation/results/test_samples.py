"""The figures of images: which pictures there are, in which rows and columns, and what stands above and below them."""

import json

import numpy as np
import pytest

from dcgmm import DCGMM
from evaluation.base.errors import UserError
from evaluation.datasets import load_dataset
from evaluation.jobs.basis import completed
from evaluation.jobs.inpaint import MEASURES_FILE, keep_in
from evaluation.jobs.sample import write_samples
from evaluation.jobs.unable import note_unable
from evaluation.measures.tidy import write_metrics
from evaluation.plan.plan import Plan
from evaluation.plan.resolve import Run
from evaluation.results.figures.grid import image_grid, write_grid
from evaluation.results.figures.samples import (
    absent,
    centroid_panel,
    completion_panel,
    not_yet,
    picture,
    sample_panel,
)
from evaluation.results.figures.style import note_of
from evaluation.results.make import draw_figure
from evaluation.results.material import Material
from evaluation.results.outputs import items
from evaluation.results.panels import pictures

CELL = 5  # pixels of an image of 4×4 with its gap
JUDGE = {"datasets": ["mnist", "fashion_mnist"], "seeds": 1}
FIVE = ["dcgmm-a", "dcgmm-b", "dcgmm-e", "gmm", "vae"]


def finish(plan, folder, key, **facts):
    """bench.json of a finished training."""
    place = plan.paths(folder).model(key)
    place.mkdir(parents=True, exist_ok=True)
    record = {**plan.training(key).record(), **facts}
    (place / "bench.json").write_text(json.dumps(record))
    return record


def made(experiments, folder, figure, sigmas=None, shape=(4, 4, 1)):
    """A run with everything that a figure shows: 60 samples of each model. sigmas: model → where its annealing was."""
    plan = Plan({"profile": "p", "title": "my title", "seeds": 1, "experiments": experiments})
    rng = np.random.default_rng(0)
    for panel in pictures(plan)[figure]:
        for key, file in zip(panel.keys, files_of(plan, folder, panel), strict=True):
            record = finish(plan, folder, key, sigmas=(sigmas or {}).get(plan.variant(key).model.name, [0.01]))
            write_samples(file, rng.random((60, *shape), np.float32), record, {})
    item = next(item for item in items(plan).values() if item.output.name == figure)
    return Material(Run(plan, folder), []), item


def files_of(plan, folder, panel):
    """The samples that a panel shows."""
    return [plan.paths(folder).samples(key, panel.stage) for key in panel.keys]


def complete(plan, folder, key, way="paper", pixel=0.0, made_from=None):
    """Completions of three images of one grey, as `bench inpaint` leaves them."""
    place = plan.paths(folder).completions(key)
    x = np.full((3, 4, 4, 1), pixel, np.float32)
    keep_in(place)(f"right_{way}", x, x[..., 0] < 0.5, x)
    write_metrics(place / MEASURES_FILE, [], made_from or completed(plan, key))


def layout(figure):
    """Rows, columns, and the titles of the panels that are in use."""
    rows, columns = figure.axes[0].get_subplotspec().get_gridspec().get_geometry()
    return rows, columns, [axis.get_title() for axis in figure.axes if axis.images]


@pytest.mark.parametrize(
    ("figure", "models", "rows", "columns"),
    [("fig_6", FIVE[:4], 1, 4), ("fig_6", FIVE, 2, 3), ("fig_12", FIVE[:4], 2, 2), ("fig_13", FIVE[:3], 2, 2)],
)
def test_panels_stand_as_in_the_paper(figure, models, rows, columns, tmp_path):
    key = "shown" if figure == "fig_6" else "instances"
    material, item = made({"judge": {**JUDGE, "models": models, key: models}}, tmp_path, figure)
    drawn, words = picture(material, item)
    labels = [material.plan.catalogue.model(model).label for model in models]
    assert layout(drawn) == (rows, columns, labels) and words == ""
    assert drawn._suptitle.get_text() == ("Fashion-MNIST" if figure == "fig_13" else "MNIST")
    (shown,) = drawn.axes[0].images
    assert shown.get_array().shape == (10 * CELL + 1, 10 * CELL + 1)


def test_samples_of_several_files_are_mixed_evenly(tmp_path):
    material, item = made({"judge": {**JUDGE, "models": ["gmm"], "shown": ["gmm"]}}, tmp_path, "fig_6")
    drawn, _ = picture(material, item)
    files = files_of(material.plan, tmp_path, pictures(material.plan)["fig_6"][0])
    parts = [np.load(file)["samples"][:10] for file in files]
    assert len(parts) == 10
    np.testing.assert_array_equal(
        drawn.axes[0].images[0].get_array(), sample_panel("", np.concatenate(parts))[1][..., 0]
    )


def test_a_panel_of_a_model_that_was_still_annealing_is_named_and_not_drawn(tmp_path):
    experiments = {"judge": {**JUDGE, "models": FIVE[:3], "shown": FIVE[:3]}}
    material, item = made(experiments, tmp_path, "fig_6", {"dcgmm-b": [0.01, 0.6]})
    drawn, words = picture(material, item)
    assert layout(drawn)[2] == ["DCGMM-A", "DCGMM-E"]
    assert words == "Left out, still annealing when training ended: DCGMM-B (σ 0.60)."


def test_a_figure_of_which_nothing_is_left_says_so(tmp_path):
    from evaluation.results.figures.style import note_of

    experiments = {"judge": {**JUDGE, "models": ["dcgmm-b"], "shown": ["dcgmm-b"]}}
    material, item = made(experiments, tmp_path, "fig_6", {"dcgmm-b": [0.6]})
    drawn, words = picture(material, item)
    assert not drawn.axes and "DCGMM-B" in drawn.texts[0].get_text().replace("\n", " ")
    draw_figure(item, material, tmp_path / "f.png")
    assert note_of(tmp_path / "f.png") == words


def test_samples_of_other_settings_are_refused(tmp_path):
    """The profile has changed since, and pages are made again."""
    material, item = made({"judge": {**JUDGE, "models": ["gmm"], "shown": ["gmm"]}}, tmp_path, "fig_6")
    panel = pictures(material.plan)["fig_6"][0]
    file = files_of(material.plan, tmp_path, panel)[3]
    record = finish(material.plan, tmp_path, panel.keys[3])
    write_samples(file, np.zeros((60, 4, 4, 1), np.float32), {**record, "spec": "older"}, {})
    with pytest.raises(UserError, match=r"of other settings than the profile's: seed0\.npz of gmm/mnist/only3/seed0"):
        picture(material, item)


def test_real_images_are_those_of_the_trained_classes(tmp_path):
    svhn = {"datasets": ["digits"], "models": ["dcgmm-a"], "classes": [3], "seeds": 1}
    x, y = load_dataset("digits").split("test")
    assert (y != 3).any()
    drawn, _ = picture(*made({"svhn": svhn}, tmp_path / "a", "fig_7", shape=(28, 28, 1)))
    assert layout(drawn)[2][0] == "real images of class 3"
    np.testing.assert_array_equal(drawn.axes[0].images[0].get_array(), sample_panel("", x[y == 3])[1][..., 0])
    several, _ = picture(*made({"svhn": {**svhn, "classes": [0, 1, 7]}}, tmp_path / "b", "fig_7", shape=(28, 28, 1)))
    assert layout(several)[2][0] == "real images of classes 0, 1 and 7"


def test_completions_have_three_rows():
    x = np.random.default_rng(0).random((12, 4, 4, 3), np.float32)
    known = np.zeros((12, 4, 4), bool)
    label, shown = completion_panel("A", x, known, 1 - x)
    assert label == "A" and shown.shape == (3 * CELL + 1, 10 * CELL + 1, 3)
    np.testing.assert_array_equal(shown[1:5, 1:5], x[0])
    assert (shown[CELL + 1 : CELL + 5, 1:5] == 0.5).all()
    np.testing.assert_array_equal(shown[2 * CELL + 1 : 2 * CELL + 5, 1:5], 1 - x[0])


def test_every_centroid_is_scaled_to_its_own_range():
    model = DCGMM("F(4,2)-G(9)-F(3,1)-G(4)", (8, 8, 1))
    lower, upper = model.get_parameters()
    lower["mu"] *= np.linspace(0.01, 5, 9)[None, :, None]
    model.set_parameters([lower, upper])
    _, shown = centroid_panel("A", model)
    assert shown.shape == (3 * CELL + 1, 3 * CELL + 1, 1)
    for row in range(3):
        for column in range(3):
            patch = shown[row * CELL + 1 : (row + 1) * CELL, column * CELL + 1 : (column + 1) * CELL]
            assert patch.min() == 0 and patch.max() == pytest.approx(1)
    lower["mu"][:] = 0.3
    model.set_parameters([lower, upper])
    assert centroid_panel("A", model)[1].min() == 0  # flat patches are black, not noise


def test_a_grid_has_white_gaps_and_fills_its_last_row():
    images = np.stack([np.full((2, 3, 3), value, np.float32) for value in (0.1, 0.2, 0.3)])
    grid = image_grid(images, columns=2)
    assert grid.shape == (2 * 3 + 1, 2 * 4 + 1, 3) and grid.dtype == np.float32
    assert (grid[0] == 1).all() and (grid[:, 4] == 1).all()
    assert (grid[1:3, 1:4] == np.float32(0.1)).all() and (grid[1:3, 5:8] == np.float32(0.2)).all()
    assert (grid[4:6, 1:4] == np.float32(0.3)).all() and (grid[4:6, 5:8] == 1).all()


def test_what_is_missing_is_said(tmp_path):
    material, item = made({"judge": {**JUDGE, "models": ["gmm"], "shown": ["gmm"]}}, tmp_path, "fig_6")
    files_of(material.plan, tmp_path, pictures(material.plan)["fig_6"][0])[0].unlink()
    with pytest.raises(UserError, match="no samples in"):
        picture(material, item)
    plan = Plan({"profile": "p", "seeds": 1, "experiments": {"inpainting": {"datasets": ["mnist"], "models": ["gmm"]}}})
    with pytest.raises(UserError, match="no completions in"):
        picture(Material(Run(plan, tmp_path), []), items(plan)["fig_8_inpainting"])


def test_a_model_that_cannot_draw_is_named_below_the_figure(tmp_path):
    """Fig. 6 failed, and with it the run, although tables show "–" for such a model."""
    models = ["gmm", "vae"]
    material, item = made({"judge": {**JUDGE, "models": models, "shown": models}}, tmp_path, "fig_6")
    for file in files_of(material.plan, tmp_path, pictures(material.plan)["fig_6"][0]):
        note_unable(file, "this model draws no images")
    figure, words = picture(material, item)
    assert layout(figure)[2] == ["VAE"]
    assert words == "Not shown, since they cannot: GMM."


def test_completions_of_a_model_with_one_way_to_complete_are_shown(tmp_path):
    """Fig. 8 asked every model for the DCGMM's two variants: a run with a mixture or an SPN there ended in an error."""
    shown = {"datasets": ["mnist"], "models": ["gmm", "vae"]}
    plan = Plan({"profile": "p", "seeds": 1, "experiments": {"inpainting": shown}})
    one, other = plan.keys("inpainting")
    for key in (one, other):
        finish(plan, tmp_path, key)
    complete(plan, tmp_path, one, "own")
    note_unable(plan.paths(tmp_path).completions(other) / MEASURES_FILE, "this model completes no images")
    figure, words = picture(Material(Run(plan, tmp_path), []), items(plan)["fig_8_inpainting"])
    assert layout(figure)[2] == ["GMM"]
    assert words == "Not shown, since they cannot: VAE."


@pytest.mark.parametrize("channels", [2, 4])
def test_channels_that_are_no_colours_stand_side_by_side(channels, tmp_path):
    from PIL import Image

    images = np.random.default_rng(0).random((4, 5, 5, channels), np.float32)
    canvas = image_grid(images, columns=2)
    assert canvas.shape == (13, 2 * (5 * channels + 1) + 1, 1)
    for channel in range(channels):
        left = 5 * channels + 2 + 5 * channel  # of the second image
        assert np.array_equal(canvas[1:6, left : left + 5, 0], images[1, :, :, channel])
    write_grid(tmp_path / "grid.png", images, columns=2, zoom=1)
    with Image.open(tmp_path / "grid.png") as picture:
        assert (picture.mode, picture.size) == ("L", canvas.shape[1::-1])
    _, seen = completion_panel("x", images, np.ones((4, 5, 5), bool), images)
    assert seen.shape[-1] == 1


def test_a_figure_of_a_run_that_goes_on_shows_what_is_there_and_names_the_rest(tmp_path):
    experiments = {"judge": {**JUDGE, "models": FIVE, "shown": FIVE}}
    material, item = made(experiments, tmp_path, "fig_6")
    panels = pictures(material.plan)["fig_6"]
    material.so_far = True
    assert picture(material, item)[1] == ""
    for panel in panels[1:3]:
        files_of(material.plan, tmp_path, panel)[4].unlink()  # of one class
    assert absent(material, item) == panels[1:3]
    drawn, words = picture(material, item)
    assert layout(drawn)[2] == [panel.label for panel in (panels[0], *panels[3:])]
    assert words == "Not there yet: DCGMM-B; DCGMM-E." and not_yet(f"Other words. {words}") == ["DCGMM-B", "DCGMM-E"]
    assert not_yet("Left out, still annealing: A.") == []
    draw_figure(item, material, tmp_path / "x.png")
    assert not_yet(note_of(tmp_path / "x.png")) == ["DCGMM-B", "DCGMM-E"]
    material.so_far = False
    with pytest.raises(UserError, match="only4"):
        picture(material, item)
    material.so_far = True
    for panel in panels:
        files_of(material.plan, tmp_path, panel)[0].unlink(missing_ok=True)
    with pytest.raises(UserError, match=r"nothing that Fig\. 6 shows is there yet"):
        picture(material, item)


def test_completions_and_centroids_so_far(tmp_path):
    plan = Plan({"profile": "p", "seeds": 1, "experiments": {
        "inpainting": {"datasets": ["mnist"], "models": ["dcgmm-a", "gmm"]},
        "sampling": {"datasets": ["mnist", "fashion_mnist"], "pooled": ["dcgmm-a"], "alphabet": "dcgmm-a"},
    }})  # fmt: skip
    material = Material(Run(plan, tmp_path), [])
    by_name = {item.output.name: item for item in items(plan).values()}
    first, second = pictures(plan)["fig_8"]
    assert absent(material, by_name["fig_8"]) == [first, second]
    complete(plan, tmp_path, first.keys[0])
    assert absent(material, by_name["fig_8"]) == [second]
    note_unable(plan.paths(tmp_path).completions(second.keys[0]) / MEASURES_FILE, "cannot")
    assert absent(material, by_name["fig_8"]) == []
    first, second = pictures(plan)["fig_14"]
    finish(plan, tmp_path, second.keys[0])
    assert absent(material, by_name["fig_14"]) == [first]
