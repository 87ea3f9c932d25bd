"""One training looked up."""

import pytest

from evaluation.base.errors import UserError
from evaluation.measures.tidy import tidy_row
from evaluation.plan.resolve import resolve
from evaluation.results.lookup import facts, find_training, rows_of_training, training_lines
from evaluation.results.material import Material
from evaluation.results.specs import record_of
from tests.evaluation.made_up import results
from tests.evaluation.results.test_origins import run  # noqa: F401 - a fixture


def test_a_training_is_found_by_its_name_or_its_directory(run):  # noqa: F811
    found = resolve(str(run))
    key = find_training(found, "gmm/mnist/not0/seed1")
    assert (
        key
        == find_training(found, "mnist/not0/gmm/seed1")
        == find_training(found, f"{run}/models/mnist/not0/gmm/seed1/")
    )
    with pytest.raises(UserError, match="has no training 'gnm/mnist/not0/seed1'; did you mean 'gmm/mnist/not0/seed1'"):
        find_training(found, "gnm/mnist/not0/seed1")


def test_its_directory_log_commit_date_and_versions(run):  # noqa: F811
    found = resolve(str(run))
    known = facts(found, find_training(found, "gmm/mnist/not0/seed1"))
    assert known["directory"] == f"{run}/models/mnist/not0/gmm/seed1"
    assert known["log"] == f"{run}/logs/train/gmm/mnist/not0/seed1.log"
    assert (known["model"], known["commit"], known["finished"][:10]) == ("finished", "b" * 40, "2026-02-02")
    assert known["versions"] == "numpy 2.1, jax 0.10"


def test_the_rows_that_came_from_it(run):  # noqa: F811
    found = resolve(str(run))
    key = find_training(found, "gmm/mnist/not0/seed1")
    rows = rows_of_training(Material(found).results, record_of(found.plan, found.folder, key))
    assert set(rows["model"]) == {"gmm"} and set(rows["seed"]) == {1}
    assert dict(zip(rows["metric"], rows["value"], strict=True)) == {"auroc": 88.0, "auroc_validation": 80.0}
    lines = list(training_lines(found, Material(found).results, "gmm/mnist/not0/seed1"))
    assert "rows of metrics: 2" in lines and lines[-1].startswith("  outliers auroc")


def test_rows_belong_to_the_training_of_their_classes():
    facts = {"protocol": "both", "dataset": "mnist", "model": "dcgmm-a", "seed": 0, "value": 1.0}
    kinds = [
        ("outliers", {"outlier_class": 0}, "not0"),
        ("course", {"outlier_class": 0, "step": 10}, "not0"),  # these were also of the model of all classes
        ("course", {"outlier_class": 4, "step": 10}, "not4"),
        ("dynamics", {"step": 10, "split": "test"}, "all"),
        ("inpainting", {"mask": "right", "variant": "paper"}, "all"),
        ("inpainting", {"mask": "right", "variant": "paper", "subset": "not4"}, "not4"),
        ("inpainting", {"mask": "right", "variant": "paper", "subset": "only1"}, "only1"),
        ("judge", {"judge": 0}, "only"),
        ("classification", {}, "all"),
    ]
    made = results([tidy_row(**facts, experiment=name, metric="m", params=params) for name, params, _ in kinds])
    for subset in ("all", "not0", "not4", "only1", "only2"):
        record = {**{name: facts[name] for name in ("protocol", "dataset", "model", "seed")}, "subset": subset}
        belong = [number for number, (*_, of) in enumerate(kinds) if of in (subset, subset[:4])]
        assert list(rows_of_training(made, record).index) == belong
