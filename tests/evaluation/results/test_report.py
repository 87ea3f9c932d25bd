"""The report: one file, every number linked to its rows, and shown by a real browser."""

import base64
import html.parser
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from evaluation.cli import main
from evaluation.measures.tidy import write_metrics
from evaluation.plan.resolve import Run
from evaluation.results.comparison import compare, totals_line
from evaluation.results.material import Material
from evaluation.results.report import report_page
from evaluation.results.results import Results
from tests.evaluation.made_up import made_up_metrics, made_up_plan

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
BLUE = (20, 40, 200)


class Page(html.parser.HTMLParser):
    """What the tests look for in a page: ids, links, images, and the text of every table cell."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.images, self.loaded = set(), [], [], []
        self.link, self.linked = None, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids |= {attrs["id"]} if "id" in attrs else set()
        self.loaded += [value for key, value in attrs.items() if key in ("src", "srcset", "data") or tag == "link"]
        if tag == "a":
            self.link = attrs["href"]
            self.links.append(self.link)
        if tag == "img":
            self.images.append(attrs["src"])

    def handle_endtag(self, tag):
        self.link = None if tag == "a" else self.link

    def handle_data(self, data):
        if self.link and data.strip():
            self.linked.append((data.strip(), self.link))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run's folder, with one figure that is a blue rectangle."""
    folder = tmp_path_factory.mktemp("results")
    metrics = made_up_metrics()
    for part in ("metrics", "figures"):
        (folder / part).mkdir()
    for (experiment, dataset), rows in metrics.groupby(["experiment", "dataset"]):
        rows.to_parquet(folder / f"metrics/{experiment}_{dataset}.parquet")
    Image.new("RGB", (600, 300), BLUE).save(folder / "figures/heat_map_rat-spn.png")
    Image.new("RGB", (600, 300), BLUE).save(folder / "figures/of_another_run.png")
    (folder / "profile.json").write_text(made_up_plan().as_json())
    facts = {
        "git": {"commit": "abc123", "modified": True},
        "machine": {"name": "<the lab's>"},
        "versions": {"numpy": "2"},
    }
    (folder / "provenance.json").write_text(json.dumps(facts))
    return folder


@pytest.fixture(scope="module")
def written(folder):
    assert main(["report", "--profile", str(folder)]) == 0
    return folder / "report.html"


def test_nothing_is_loaded_from_elsewhere(written):
    found = Page(written.read_text())
    assert found.loaded and all(source.startswith(("data:", "icon")) for source in found.loaded)
    assert all(link.startswith("#") for link in found.links)
    assert not re.search(r"@import|url\(|<script", written.read_text())


def test_every_link_leads_somewhere(written):
    found = Page(written.read_text())
    assert {link.removeprefix("#") for link in found.links} <= found.ids


def test_a_number_leads_to_the_rows_it_was_computed_from(written):
    text, metrics = written.read_text(), made_up_metrics()
    rows = metrics.query(
        "experiment == 'outliers' and dataset == 'mnist' and model == 'dcgmm-c' and metric == 'auroc'"
    )["value"]
    number = f"{rows.mean():.1f} ± {rows.std():.1f}"
    (link,) = {link for words, link in Page(text).linked if words.startswith(number)}
    (line,) = re.findall(rf'<tr id="{re.escape(link[1:])}">.*?</tr>', text)
    assert ", ".join(f"{seed}: {value:.6g}" for seed, value in enumerate(rows)) in line


def test_verdicts_figures_provenance_and_profile_are_there(written):
    text = written.read_text()
    counts = totals_line(compare(Results(made_up_metrics(), made_up_plan())), "paper").removeprefix("paper: ")
    assert counts in text
    assert "abc123, with changes" in text and "&lt;the lab&#39;s&gt;" in text
    (image,) = Page(text).images
    assert Image.open(io.BytesIO(base64.b64decode(image.partition(",")[2]))).getpixel((5, 5)) == BLUE
    captions = re.findall(r'class="caption">(.*?)</', text)
    assert len(captions) == 14 and sum("made-up profile" in caption for caption in captions) == 12


def test_tables_of_unfinished_experiments_are_left_out(folder, tmp_path):
    run = Run(made_up_plan(), folder)
    text = report_page(Material(run, sorted(folder.glob("metrics/outliers*"))), [], {})
    assert "V-B Outlier detection" in text and "V-F Sample quality" not in text
    # Every class is left out in turn, but for one class there are results only: no table of nothing.
    few = made_up_metrics().query("experiment == 'outliers' and params.str.contains('\"outlier_class\":0')")
    write_metrics(tmp_path / "m.parquet", few)
    short = report_page(Material(run, [tmp_path / "m.parquet"]), [], {})
    assert "Every class left out in turn" in text and "Every class left out in turn" not in short


def test_a_browser_shows_it(written, tmp_path):
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no Chromium is installed")
    shot = tmp_path / "shot.png"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-sync", "--hide-scrollbars", *QUIET]
    options += [f"--user-data-dir={tmp_path / 'user'}", "--window-size=1300,12000", f"--screenshot={shot}"]
    command = [browser, *options, written.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 and shot.is_file(), done.stderr
    shown = Image.open(shot).convert("RGB")
    colours = {colour: count for count, colour in shown.getcolors(maxcolors=2**24)}
    assert colours[BLUE] > 50_000  # the embedded figure
    assert colours[(29, 127, 78)] > 1_000  # "reproduced", of the style sheet


def test_a_run_without_provenance_is_refused_in_one_sentence(folder, tmp_path, capsys):
    (tmp_path / "profile.json").write_text(made_up_plan().as_json())
    words = ["--metrics", *map(str, folder.glob("metrics/*")), "--configfile", str(tmp_path / "profile.json")]
    assert main(["report", *words, "--out", str(tmp_path / "r.html")]) == 2
    assert "provenance.json" in capsys.readouterr().err
    assert not Path(tmp_path / "r.html").exists()
