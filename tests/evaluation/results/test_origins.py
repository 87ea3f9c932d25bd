"""Where a number comes from: directory, log, commit and date of its models, and mixtures of them."""

import json

import pytest

from evaluation.cli import main
from evaluation.jobs.basis import basis
from evaluation.jobs.provenance import write_provenance
from evaluation.measures.tidy import write_metrics
from evaluation.plan.plan import Plan
from evaluation.results.origins import UNKNOWN, Origins
from evaluation.results.results import TidySource
from tests.evaluation.made_up import plan, two_models
from tests.evaluation.results.test_samples import finish

FACTS = {
    "machine": "here",
    "commit": "a" * 40,
    "finished": "2026-01-02T03:04:05+00:00",
    "versions": {"numpy": "2.0", "jax": "0.10"},
}


@pytest.fixture
def run(tmp_path):
    """Finished trainings of two models; one of the mixture's is of another commit, date and version."""
    for key in plan().keys("outliers"):
        other = key.variant == "gmm" and key.seed == 1
        new = {"commit": "b" * 40, "finished": "2026-02-02T03:04:05+00:00", "versions": {"numpy": "2.1", "jax": "0.10"}}
        finish(plan(), tmp_path, key, **{**FACTS, **(new if other else {})})
    write_metrics(tmp_path / "metrics/outliers_mnist.parquet", two_models(), basis(plan(), "outliers", "mnist"))
    (tmp_path / "profile.json").write_text(plan().as_json())
    write_provenance(tmp_path / "provenance.json", plan().config, plan().paths(tmp_path))
    return tmp_path


def origins(run):
    return Origins(plan(), json.loads((run / "provenance.json").read_text()))


def source(model, experiment="outliers", params='{"outlier_class":0}'):
    return TidySource(experiment, "mnist", model, "both", "auroc", (params,))


def test_a_number_has_directory_log_commit_and_date(run):
    found = origins(run).of(source("gmm"), [0, 1])
    assert found.directories == "models/mnist/not0/gmm/seed{0,1}"
    assert found.logs == "logs/train/gmm/mnist/not0/seed0.log, logs/train/gmm/mnist/not0/seed1.log"
    assert found.commits == f"{'a' * 10}, {'b' * 10}"
    assert found.dates == "2026-01-02 to 2026-02-02"
    one = origins(run).of(source("gmm"), [1])
    assert (one.directories, one.commits) == ("models/mnist/not0/gmm/seed1", "b" * 10)
    assert origins(run).of(source("gmm", params='{"outlier_class":3}'), [0]).directories == UNKNOWN


def test_samples_of_each_class_come_from_ten_models():
    judge = {"judge": {"datasets": ["mnist"], "models": ["gmm"], "seeds": 1}}
    of = Plan({"profile": "p", "seeds": 1, "experiments": judge})
    found = Origins(of, {}).of(source("gmm", "judge", '{"judge":0}'), [0])
    assert found.directories == f"models/mnist/{{{','.join(f'only{c}' for c in range(10))}}}/gmm/seed0"
    assert found.commits == UNKNOWN
    assert Origins(of, {}).of(source("CNN", "judge", "{}"), [0, 1]).directories == "judges/mnist/seed{0,1}"


def test_a_mixture_is_counted_and_flagged(run):
    found = origins(run)
    total = len(list(plan().keys("outliers")))
    assert found.words()["models' commits"] == f"{'a' * 10} ({total - 1}), {'b' * 10} (1)"
    commits, numpy = found.mixtures()
    assert commits == f"The models were trained at different commits: {'a' * 10} ({total - 1}), {'b' * 10} (1)."
    assert numpy == f"The models were trained with different versions of numpy: 2.0 ({total - 1}), 2.1 (1)."


def test_models_of_one_commit_are_no_mixture(tmp_path):
    for key in plan().keys("outliers"):
        finish(plan(), tmp_path, key, **FACTS)
    facts = write_provenance(tmp_path / "provenance.json", {}, plan().paths(tmp_path))
    assert Origins(plan(), facts).mixtures() == []
    assert facts["version_sets"] == [FACTS["versions"]]


def test_the_report_flags_the_mixture_and_every_row_has_its_origin(run):
    assert main(["report", "--profile", str(run)]) == 0
    text = (run / "report.html").read_text()
    assert '<p class="flag">⚠ The models were trained at different commits: ' in text
    rows = [row for row in text.split("<tr id=")[1:]]
    assert rows
    for row in rows:
        for words in ("models/mnist/not0/", "logs/train/", "a" * 10, "2026-01-02"):
            assert words in row
