"""Rules that every page keeps: length, tables, a question on top, and names of files that exist."""

import re
import shlex
from pathlib import Path

import pytest

from evaluation.cli import COMMANDS, build_parser

ROOT = Path(__file__).resolve().parents[2]
# Tables of a reference run are no pages; CHANGELOG.md is a list.
OUTSIDE = ("README.md", "CONTRIBUTING.md", "config/README.md", "envs/README.md", "judges/README.md")
WITHIN = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "tables")
PAGES = (*OUTSIDE, *WITHIN)
TABLES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs/reference").glob("*/tables/*.md"))
LONG = 1200  # words; a longer page has a summary
TOP = 150  # words within which the summary begins
CELL = 200  # characters
FENCED = re.compile(r"^```.*?^```$", flags=re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
NAMED = re.compile(
    r"(?<![\w./-])((?:dcgmm|baselines|evaluation|workflow|benchmarks|tests|docs|config|envs)/[\w./-]*[\w/])(?:::(\w+))?"
)
SHOWN = re.compile(r"^\s*(bench [a-z]+ .*?)(?<!\\)$|`(bench [a-z]+[^`]*)`", flags=re.MULTILINE | re.DOTALL)
MADE = ("docs/images", "site")  # folders that commands write
MODULE = re.compile(r"python -m ((?:benchmarks|evaluation)[\w.]*\w)([^`\n]*)")


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def cells(text):
    """The visible text of every cell of the page's tables."""
    for line in FENCED.sub("", text).splitlines():
        if line.lstrip().startswith("|"):
            yield from (LINK.sub(r"\1", cell.strip()) for cell in re.split(r"(?<!\\)\|", line.strip().strip("|")))


def test_readme_is_short():
    text = text_of("README.md")
    assert len(text.split()) <= 700
    assert text.count("![") <= 3
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_first_what_it_answers(page):
    title, blank, rest = text_of(page).split("\n", 2)
    assert title.startswith("# ") and not blank
    first = rest.split("\n\n", 1)[0]
    assert re.match(r"[A-Z*`]", first), f"no paragraph, but: {first[:60]}"
    assert len(first.split()) <= 60
    if page != "README.md":
        assert "?" in first, f"no question: {first}"


@pytest.mark.parametrize("page", PAGES)
def test_a_long_page_has_a_summary_on_top(page):
    text = text_of(page)
    if len(text.split()) > LONG:
        before, heading, _ = re.split(r"^(\*\*Summary\*\*|## Summary)$", text, maxsplit=1, flags=re.MULTILINE)
        assert len(before.split()) <= TOP, f"{heading} comes too late"


@pytest.mark.parametrize("page", [*PAGES, *TABLES])
def test_cells_of_tables_are_short(page):
    assert [cell for cell in cells(text_of(page)) if len(cell) > CELL] == []


@pytest.mark.parametrize("page", PAGES)
def test_files_tests_modules_and_their_options_that_a_page_names_exist(page):
    text = text_of(page)
    for name, test in NAMED.findall(LINK.sub(r"\1", text)):
        if name.startswith(MADE) or "NAME" in name:
            continue
        path = ROOT / name.rstrip("/")
        assert path.exists(), f"{page} names {name}"
        assert not test or f"def {test}(" in path.read_text(encoding="utf-8"), f"{page} names {name}::{test}"
    for module, rest in MODULE.findall(text):
        source = (ROOT / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
        lacking = [option for option in re.findall(r"--\w[\w-]*", rest) if f'"{option}"' not in source]
        assert not lacking, f"{page} names {lacking} of {module}"


def options_of(command):
    """The options of a subcommand, as its parser has them."""
    (subparsers,) = (action for action in build_parser([command])._actions if action.dest == "command")
    return set(subparsers.choices[command]._option_string_actions)


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_of_bench_that_a_page_names_exist(page):
    for line, inline in SHOWN.findall(text_of(page)):
        words = shlex.split((line or inline).replace("\\\n", " ").partition(" -- ")[0], comments=True)
        assert words[1] in COMMANDS, f"{page}: {words}"
        options = {word.partition("=")[0] for word in words if re.match(r"--\w", word)}
        assert options <= options_of(words[1]), f"{page}: {words}"
