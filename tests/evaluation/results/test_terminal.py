"""What a run shows on a terminal, from records as Snakemake logs them."""

import io
import logging
import re
from pathlib import Path

import pytest
from rich.console import Console

from evaluation.results import terminal
from evaluation.results.terminal import STAGE_OF, TARGETS, TOLD, Board, Display, clock, job_name

RULES = Path(__file__).resolve().parents[3] / "workflow/rules"


def record(event=None, level=logging.INFO, message="", **facts):
    made = logging.LogRecord("snakemake", level, __file__, 1, message, None, None)
    made.__dict__.update(facts, **({"event": event} if event else {}))
    return made


def started(job, rule="train", variant="dcgmm-e"):
    log = [f"results/p/logs/{rule}/mnist/{variant}/not0/0-1.log"]
    return record("job_info", jobid=job, rule_name=rule, log=log)


def failed(job, rule="train", variant="dcgmm-e"):
    return record("job_error", logging.ERROR, jobid=job, rule_name=rule, log=started(job, rule, variant).log)


def finished(job):
    return record("job_finished", job_id=job)


RUN = record("run_info", stats={"train": 2, "figure": 3, "all": 1, "mine": 1, "total": 7})


def shown(*records, terminal=False, left=None):
    """The text of a display that is given these records, then closed."""
    out = io.StringIO()
    display = Display(Console(file=out, force_terminal=terminal, width=100, highlight=False))
    display.left = left
    for one in records:
        display.handle(one)
    display.close()
    return out.getvalue()


def test_every_rule_belongs_to_a_stage():
    text = "".join(path.read_text() for path in RULES.glob("*.smk"))
    rules = re.findall(r"^ *(?:use rule \w+ as|rule) (\w+)(?: with)?:", text, flags=re.MULTILINE)
    assert len(rules) > 5 and {*rules} - {*TARGETS} == {*STAGE_OF}


def test_the_board_counts():
    board = Board()
    assert board.take(RUN.__dict__) == "" and board.stages() == ["train", "figures", "mine"]
    assert board.total == {"train": 2, "figures": 3, "mine": 1}
    assert [board.take(one.__dict__) for one in (started(3), started(4, variant="gmm"))] == ["train", "train"]
    assert board.now("train") == "mnist dcgmm-e not0 0-1, mnist gmm not0 0-1"
    assert board.take(finished(3).__dict__) == "train"
    assert board.take(failed(4, variant="gmm").__dict__) == "train"
    assert board.done == {"train": 1} and board.failed == {4: "train"} and board.now("train") == ""
    board.take(started(4, variant="gmm").__dict__)
    board.take(finished(4).__dict__)  # the second attempt
    assert board.done == {"train": 2} and not board.failed


def test_targets_are_no_jobs():
    board = Board()
    board.take(RUN.__dict__)
    assert board.take(record("job_info", jobid=0, rule_name="all", log=[]).__dict__) == ""
    assert board.take(finished(0).__dict__) == "" and not board.done


@pytest.mark.parametrize(
    ("log", "name"),
    [
        (["results/p/logs/train/mnist/gmm/all/0.log"], "mnist gmm all 0"),
        (["logs/train/dcgmm-a/mnist/only0-only1-only2-all/seed0-1-2.log"], "dcgmm-a mnist only0…all seed0…2"),
        (["logs/sample/my-own-model/mnist/not0-all/seed0-1.log"], "my-own-model mnist not0-all seed0-1"),
        (["/abs/logs/figures/fig_4.log"], "fig_4"),
        (["results/p/logs/compare.log"], "compare"),
        ([], "rule"),
    ],
)
def test_job_names(log, name):
    assert job_name("rule", log) == name


@pytest.mark.parametrize(("seconds", "words"), [(0, "0:00"), (61.4, "1:01"), (3600, "1:00:00"), (3723, "1:02:03")])
def test_clock(seconds, words):
    assert clock(seconds) == words


def test_lines_where_there_is_no_terminal():
    text = shown(RUN, started(3), started(4), finished(3), finished(4), left=lambda: "about 3 min left")
    first, *others = text.splitlines()
    assert first == "jobs: train 2, figures 3, mine 1"
    assert others == ["0:00 train 2/2, figures 0/3, mine 0/1; about 3 min left"]
    assert "\x1b" not in text


def test_bars_on_a_terminal_and_the_result_below_them():
    told = record(message="report: results/p/report.html", **{TOLD: True})
    text = shown(RUN, started(3), finished(3), started(4), told, terminal=True)
    last = text[text.rindex("train") :]
    assert re.search(r"1/2.*mnist dcgmm-e not0 0-1", re.sub(r"\x1b\[[\d;]*m", "", last))
    assert last.index("elapsed") < last.index("report: results/p/report.html")


@pytest.mark.parametrize("on_terminal", [False, True])
def test_warnings_and_failures_are_said_and_snakemakes_own_words_are_not(on_terminal):
    text = shown(
        RUN,
        record(level=logging.WARNING, message="MNIST is not available"),
        record(message="Building DAG of jobs..."),
        record(message="Nothing to be done (all requested files are present and up to date)."),
        record("shellcmd", cmd="bench train"),
        started(3),
        failed(3),
        record("error", logging.ERROR, "CalledProcessError in file x"),
        record(level=logging.ERROR, message="Exiting because a job execution failed. Look above"),
        terminal=on_terminal,
    )
    plain = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", text)
    assert "MNIST is not available" in plain and "train: mnist dcgmm-e not0 0-1 failed" in plain
    assert "Nothing to be done" in plain
    assert not any(words in plain for words in ("Building", "bench train", "CalledProcess", "Exiting"))


def test_a_dry_run_counts():
    out = io.StringIO()
    display = Display(Console(file=out, width=100), dry_run=True)
    display.handle(RUN)
    display.handle(RUN)
    assert out.getvalue() == "would run: train 2, figures 3, mine 1\n"


def test_the_time_left_is_told_to_the_display_of_the_process(monkeypatch, tmp_path):
    from tests.evaluation.made_up import made_up_plan

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(terminal, "ACTIVE", [])
    assert not terminal.estimate_from(made_up_plan())
    display = terminal.show(dry_run=False, stdout=False)
    assert terminal.estimate_from(made_up_plan())
    assert display.left().endswith(" left")
    assert terminal.estimate_from(made_up_plan(), files=set())
    assert display.left() == ""  # nothing that this run makes has a price
