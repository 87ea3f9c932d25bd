"""Which jobs of a run have failed, in one line each."""

import logging

import pytest

from evaluation.results.failures import LONGEST, Failures, last_words


def failure(tmp_path, name, text, rule="train", outputs=()):
    """A record of a failed job, with its log."""
    log = tmp_path / "logs" / name
    log.parent.mkdir(parents=True, exist_ok=True)
    if text is not None:
        log.write_text(text)
    made = logging.LogRecord("snakemake", logging.ERROR, __file__, 1, "", None, None)
    made.__dict__.update(event="job_error", rule_name=rule, output=[str(path) for path in outputs], log=[str(log)])
    return made


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("x\nbench: error: 1 of 2 trainings failed\n", "1 of 2 trainings failed"),
        ("bench: error: no data\nI0000 00:00:17.3 11577 cudart_stub.cc:31] Could not find cuda\n", "no data"),
        ("Traceback\nKeyError: 'x'\n\nW0000 00:00:17.3 x.cc:31] note\n", "KeyError: 'x'"),
        ("2026-11-27 19:00:00.1: I tensorflow/core/x.cc:210] note\n", "stopped without a message"),
        ("", "stopped without a message"),
    ],
)
def test_last_words(log, words):
    assert last_words(log) == words


def test_a_line_names_job_reason_and_log(tmp_path):
    failures = Failures()
    failures.handle(failure(tmp_path, "train/mnist/gmm/all/0.log", "bench: error: out of memory"))
    failures.handle(failure(tmp_path, "report.log", None, rule="report_page", outputs=["r"]))
    log = tmp_path / "logs/train/mnist/gmm/all/0.log"
    assert failures.lines(tmp_path) == [
        f"train mnist gmm all 0 failed: out of memory (log: {log})",
        "report_page failed",
    ]


def test_long_messages_are_cut(tmp_path):
    failures = Failures()
    failures.handle(failure(tmp_path, "a.log", "x" * 1000))
    assert f" {'x' * LONGEST}… (log:" in failures.lines(tmp_path)[0]


def test_a_job_that_succeeds_in_its_second_attempt_has_not_failed(tmp_path):
    failures = Failures()
    made = tmp_path / "made.json"
    failures.handle(failure(tmp_path, "a.log", "bench: error: no memory", outputs=[made]))
    assert len(failures.lines(tmp_path)) == 1
    made.touch()
    assert failures.lines(tmp_path) == []


def test_other_records_are_ignored(tmp_path):
    failures = Failures()
    failures.handle(logging.LogRecord("snakemake", logging.ERROR, __file__, 1, "an error", None, None))
    assert failures.lines(tmp_path) == []
