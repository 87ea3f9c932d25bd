"""Measured beside requested resources."""

import pytest

from evaluation.cli import main

HEAD = (
    "s\th:m:s\tmax_rss\tcpu_time\tjobid\trule_name\twildcards\tparams\tthreads\tcpu_usage\tresources\tinput_size_mb\n"
)


def job(results, name, seconds, rss, rule, variant, mem_mb, runtime):
    file = results / f"benchmarks/{name}.tsv"
    file.parent.mkdir(parents=True, exist_ok=True)
    asked = {"_cores": 1, "mem_mb": mem_mb, "runtime": runtime, "mem": "1 GB"}
    params = {"variant": variant, "spec": "a'b"} if variant else {}
    row = [seconds, "0:00:01", rss, 1.0, 3, rule, {"job": "x"}, params, 1, 50.0, asked, {}]
    file.write_text(HEAD + "\t".join(map(str, row)) + "\n")


def test_the_largest_of_each_rule_beside_what_was_asked_for(tmp_path, capsys):
    job(tmp_path, "train/a/1", 60.0, 500.0, "train", "a", 2000, 30)
    job(tmp_path, "train/b/1", 120.0, 900.0, "train", "b", 1500, 60)
    job(tmp_path, "compare", 0.1, "NA", "compare", "", 1000, 10)
    assert main(["resources", str(tmp_path)]) == 0
    (line,) = capsys.readouterr().out.splitlines()[1:]
    assert line.split() == ["train", "2", "2.00", "30", "900", "1500", "60%"]
    assert main(["resources", str(tmp_path), "--by-variant"]) == 0
    first, second = capsys.readouterr().out.splitlines()[1:]
    assert first.split() == ["train", "a", "1", "1.00", "30", "500", "2000", "25%"]
    assert second.split() == ["train", "b", "1", "2.00", "60", "900", "1500", "60%"]


@pytest.mark.parametrize(("text", "message"), [(None, "no benchmarks"), ("s\tmax_rss\n1\t2\n", "--benchmark-extended")])
def test_what_cannot_be_read_is_said(text, message, tmp_path, capsys):
    if text:
        (tmp_path / "benchmarks").mkdir()
        (tmp_path / "benchmarks/x.tsv").write_text(text)
    assert main(["resources", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_a_resource_that_a_job_did_not_ask_for_is_named(tmp_path, capsys):
    """KeyError: 'runtime', after --default-resources had replaced those of the profile."""
    job(tmp_path, "table", 60.0, 500.0, "table", "", 1000, 10)
    file = tmp_path / "benchmarks/table.tsv"
    file.write_text(file.read_text().replace("'runtime': 10, ", ""))
    assert main(["resources", str(tmp_path)]) == 2
    assert "table.tsv: the job asked for no runtime; add it to --default-resources" in capsys.readouterr().err
