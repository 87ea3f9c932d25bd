"""Figures of images that an earlier model has made: they are refused by name, left out of what is there so far, and not
collected."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from evaluation.cli import main
from evaluation.jobs.basis import completed
from evaluation.jobs.inpaint import MEASURES_FILE
from evaluation.jobs.sample import write_samples
from evaluation.plan.plan import Plan
from evaluation.plan.resolve import Run
from evaluation.results.figures.samples import absent, not_yet, picture
from evaluation.results.figures.style import note_of
from evaluation.results.material import Material
from evaluation.results.outputs import items
from evaluation.results.panels import pictures
from tests.evaluation.results.test_collect import MODELS, plan, pooled, stopped  # noqa: F401 - a fixture
from tests.evaluation.results.test_samples import complete, finish, layout

SHOWN = {"datasets": ["digits"], "models": ["gmm", "dcgmm-a"], "seeds": 1}


def of(**changes):
    """A run of Fig. 8; changes: of the mixture."""
    models = {"gmm": changes} if changes else {}
    return Plan({"profile": "p", "seeds": 1, "models": models, "experiments": {"inpainting": SHOWN}})


def trained(a_plan, folder):
    """Every training; the folder says the plan's profile."""
    for key in a_plan.all_keys():
        finish(a_plan, folder, key)
    (folder / "profile.json").write_text(a_plan.as_json())


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run with completions of both models, and its Fig. 8; then the mixture was changed and trained again."""
    monkeypatch.chdir(tmp_path)
    folder, before, after = tmp_path / "results/p", of(params={"components": 2}), of(params={"components": 40})
    trained(before, folder)
    for key, way in zip(before.keys("inpainting"), ("own", "paper"), strict=True):
        complete(before, folder, key, way)
    assert main(["figure", "fig_8", "--profile", "results/p"]) == 0
    trained(after, folder)
    return after, folder


def test_completions_of_an_earlier_model_are_refused_or_left_out_by_name(run, capsys):
    after, folder = run
    mixture, _ = after.keys("inpainting")
    capsys.readouterr()
    assert main(["figure", "fig_8", "--profile", "results/p", "--overwrite"]) == 2
    said = capsys.readouterr().err
    assert "right_own.npz is of another model, or of other numbers or options of images, than the profile's" in said
    assert f"complete again: `bench inpaint --profile {folder} {mixture.word}`" in said and said.count("\n") == 1
    assert main(["figure", "fig_8", "--profile", "results/p", "--so-far"]) == 0
    assert not_yet(note_of(folder / "figures/fig_8_inpainting.png")) == ["GMM"]
    complete(after, folder, mixture, "own")
    assert main(["figure", "fig_8", "--profile", "results/p"]) == 0
    assert not_yet(note_of(folder / "figures/fig_8_inpainting.png")) == []


@pytest.mark.parametrize("other", [{"images": 7}, {"options": {"top_s": 1}}, {"spec": "older"}])
def test_completions_of_other_numbers_or_options_are_not_there(tmp_path, other):
    a_plan = of()
    trained(a_plan, tmp_path)
    first, second = a_plan.keys("inpainting")
    complete(a_plan, tmp_path, first, "own", made_from={**completed(a_plan, first), **other})
    complete(a_plan, tmp_path, second)
    material = Material(Run(a_plan, tmp_path), [])
    item = items(a_plan)["fig_8_inpainting"]
    assert [panel.label for panel in absent(material, item)] == ["GMM"]
    (a_plan.paths(tmp_path).completions(first) / MEASURES_FILE).write_bytes(b"PAR1 half")
    assert [panel.label for panel in absent(material, item)] == ["GMM"]
    (a_plan.paths(tmp_path).completions(first) / MEASURES_FILE).unlink()
    assert [panel.label for panel in absent(material, item)] == ["GMM"]


def test_of_two_ways_to_complete_the_earlier_one_is_not_shown(tmp_path):
    """The entry was a DCGMM's, which has two ways; now it is a mixture's."""
    a_plan = of()
    trained(a_plan, tmp_path)
    first, second = a_plan.keys("inpainting")
    complete(a_plan, tmp_path, second)
    complete(a_plan, tmp_path, first, pixel=1.0)
    old = a_plan.paths(tmp_path).completions(first) / "right_paper.npz"
    os.utime(old, (time.time() - 9, time.time() - 9))
    complete(a_plan, tmp_path, first, "own", pixel=0.25)
    drawn, _ = picture(Material(Run(a_plan, tmp_path), []), items(a_plan)["fig_8_inpainting"])
    assert layout(drawn)[2] == ["GMM", "DCGMM-A"]
    assert drawn.axes[0].images[0].get_array()[1, 1] == 0.25


def test_samples_of_an_earlier_model_are_not_there(tmp_path):
    judge = {"datasets": ["digits"], "models": ["gmm", "vae"], "shown": ["gmm", "vae"], "seeds": 1}
    a_plan = Plan({"profile": "p", "seeds": 1, "experiments": {"judge": judge}})
    for panel in pictures(a_plan)["fig_6"]:
        for key in panel.keys:
            record = finish(a_plan, tmp_path, key)
            file = a_plan.paths(tmp_path).samples(key)
            write_samples(file, np.zeros((60, 4, 4, 1), np.float32), record, {})
    material, item = Material(Run(a_plan, tmp_path), []), items(a_plan)["fig_6_comparison"]
    assert absent(material, item) == []
    write_samples(file, np.zeros((60, 4, 4, 1), np.float32), {**record, "spec": "older"}, {})
    assert [panel.label for panel in absent(material, item)] == ["VAE"]
    file.write_bytes(b"PK half")
    assert [panel.label for panel in absent(material, item)] == ["VAE"]


# --- collected -------------------------------------------------------------------------------------------------------


def stamped(a_plan, folder, file):
    """The stamps of the jobs whose files a figure shows."""
    for stamp in items(a_plan)[file].stamps(a_plan):
        (folder / stamp).parent.mkdir(parents=True, exist_ok=True)
        (folder / stamp).write_text("{}")


def collected(file):
    """Whether a collection has the very picture of the run, and what its own lacks; None without a picture."""
    ours, theirs = Path("so-far/figures", file), Path("results/p/figures", file)
    assert main(["collect", "--profile", "results/p", "--out", "so-far"]) == 0
    return (ours.read_bytes() == theirs.read_bytes(), not_yet(note_of(ours))) if ours.is_file() else None


def drawn(folder, name):
    """The run's own picture, later than what it shows."""
    time.sleep(0.02)  # of clocks of files
    assert main(["figure", name, "--profile", "results/p", "--title", "the run's own"]) == 0


def test_a_picture_of_earlier_completions_is_not_collected(stopped):  # noqa: F811
    """It was copied byte for byte, though the numbers of the same completions were left out."""
    both = {**plan().config["experiments"], "inpainting": {"datasets": ["digits"], "models": ["mine"], "seeds": 1}}
    a_plan, file = Plan({**plan().config, "experiments": both}), "fig_8_inpainting"
    (stopped / "profile.json").write_text(a_plan.as_json())
    (key,) = a_plan.keys("inpainting")
    complete(a_plan, stopped, key, "own")
    stamped(a_plan, stopped, file)
    drawn(stopped, "fig_8")
    assert collected(f"{file}.png") == (True, [])
    changed = Plan({**a_plan.config, "models": {"mine": {**MODELS["mine"], "params": {"height": 3}}}})
    profile = stopped / "profile.json"
    before = profile.stat()
    profile.write_text(changed.as_json())
    os.utime(profile, ns=(before.st_atime_ns, before.st_mtime_ns))  # the picture is not known by its age alone
    finish(changed, stopped, key)
    assert collected(f"{file}.png") is None
    assert "Fig. 8" in Path("so-far/compare.md").read_text().partition("not made: ")[2]


def test_a_picture_that_is_older_than_what_it_shows_is_drawn_again(stopped):  # noqa: F811
    a_plan, _, sample = pooled(stopped)
    for stage in ("grid_plain", "grid_sharpened"):
        sample(stage)
    file = "fig_5_sharpening"
    stamped(a_plan, stopped, file)
    drawn(stopped, "fig_5")
    assert collected(f"{file}.png") == (True, [])
    time.sleep(0.02)
    stamped(a_plan, stopped, file)  # a job has made samples anew
    assert collected(f"{file}.png") == (False, [])
    drawn(stopped, "fig_5")
    assert collected(f"{file}.png") == (True, [])
    (stopped / items(a_plan)[file].stamps(a_plan)[0]).unlink()
    assert collected(f"{file}.png") == (False, [])
