"""Table III from what judges say, and the comparison that says the same."""

import numpy as np
import pandas as pd
import pytest

from evaluation.jobs.judge import MEASURES, REAL_TEST, summary_rows
from evaluation.measures.tidy import tidy_row
from evaluation.plan.plan import Plan
from evaluation.results.comparison import compare, comparison_frame
from evaluation.results.tables.judge import judge_table
from evaluation.results.tables.table import printed
from evaluation.results.verdicts import NOT_REPRODUCED, UNDECIDED
from tests.evaluation.made_up import results


def test_table_iii_has_every_model_protocol_and_the_real_images(tmp_path):
    def rows(model, values, protocol="both"):
        for seed, value in enumerate(values):
            for metric in MEASURES:
                yield tidy_row(
                    protocol=protocol, experiment="judge", dataset="mnist", model=model, seed=0, metric=metric,
                    value=value, params={"judge": seed},
                )  # fmt: skip

    judged = [*rows("a", [90, 92]), *rows("d", [80], "paper"), *rows("d", [70], "clean"), *rows(REAL_TEST, [99])]
    summaries = list(summary_rows(judged))
    assert [row["value"] for row in summaries if row["model"] == "a"] == [91.0] * 5
    table = judge_table(results([*judged, *summaries]), {"a": "DCGMM-A", "d": "DGC-SPN"})
    shown = printed(table)
    cells = {row[0]: row[1:] for row in shown.rows}
    assert cells["DCGMM-A"][:2] == ["98.2 ± 0.1", "91.0 ± 1.4"]  # one training: over the judges, without an interval
    assert "± is the spread over the judges" in table.caption
    assert "MNIST Fréchet (squared)" in shown.columns and "the squared Fréchet distance" in table.caption  # as FID
    assert cells["DGC-SPN (paper)"][1] == "80.0" and cells["DGC-SPN (clean)"][1] == "70.0"
    assert cells[REAL_TEST][:2] == ["–", "99.0"]
    assert len(shown.columns) == len(shown.rows[0]) == 7


def test_a_model_that_copies_training_images_is_named():
    def rows(model, share):
        place = {"protocol": "both", "experiment": "judge", "dataset": "mnist", "model": model, "seed": 0}
        yield tidy_row(**place, metric="judge_accuracy", value=99, params={"judge": 0})
        yield tidy_row(**place, metric="copies", value=share, params={})

    labels = {"a": "Parrot", "d": "DGC-SPN"}
    caption = judge_table(results([*rows("a", 97.04), *rows("d", 0.9), *rows(REAL_TEST, 3)]), labels).caption
    assert "Copies of images of the data set, which no measure here counts" in caption
    assert "against a model: Parrot, MNIST: 97.0 %." in caption
    assert "DGC-SPN, MNIST" not in caption and REAL_TEST not in caption
    assert "Copies" not in judge_table(results([*rows("a", 0.5), *rows("d", 0.9)]), labels).caption


def crossed(values, model="dcgmm-a", dataset="mnist"):
    """Rows of judged accuracies; values: (trainings, judges)."""
    return [
        tidy_row(
            protocol="both", experiment="judge", dataset=dataset, model=model, seed=seed, metric="judge_accuracy",
            value=value, params={"judge": judge},
        )
        for seed, by_judge in enumerate(values)
        for judge, value in enumerate(by_judge)
    ]  # fmt: skip


@pytest.mark.parametrize("values", [[[80, 90], [82, 92], [84, 94]], [[80, 90]], [[80], [82], [84]]])
def test_judges_are_no_independent_trials_and_the_comparison_says_the_same(values):
    """Trainings are two points apart, judges ten: averaged over judges, the spread is that of the trainings."""
    rows = crossed(values)
    settings = {"judge": {"datasets": ["mnist"], "models": ["dcgmm-a"]}}
    made = results([*rows, *summary_rows(rows)], Plan({"profile": "p", "seeds": 1, "experiments": settings}))
    table = judge_table(made, {"dcgmm-a": "DCGMM-A"})
    row = table.data.iloc[0]
    trainings, judges = np.shape(values)
    several, spread = trainings > 1, np.std(values[0], ddof=1) if judges > 1 else np.nan
    assert (row["n"], row["judges"], row["mean"]) == (trainings, judges, np.mean(values))
    assert row["std"] == pytest.approx(2.0 if several else spread)
    np.testing.assert_allclose(row["std_judges"], spread)
    assert np.isnan(row["low"]) != several
    assert ("samples", "MNIST ± over judges")[several and judges > 1] in printed(table).columns
    found = [r for r in compare(made) if r.printed.table == "table_3" and r.model == "DCGMM-A"]
    value = next(r.ours.value for r in found if r.printed.dataset == "mnist")
    names = ["mean", "std", "low", "high", "n"]
    np.testing.assert_allclose([getattr(value, name) for name in names], [float(row[name]) for name in names])
    assert len(value.source.rows(made.metrics)) == np.size(values)


@pytest.mark.parametrize(("judges", "verdict"), [(0.1, NOT_REPRODUCED), (4.0, UNDECIDED)])
def test_the_spread_over_judges_counts_as_the_printed_one_does(judges, verdict):
    """Trainings 0.1 apart under judges that differ by points had an interval of 0.4 points."""
    apart = np.add.outer([-0.1, 0.0, 0.1, 0.0, 0.0], judges * np.array([-1.0, -0.5, 0.0, 0.5, 1.0]))
    settings = {"judge": {"datasets": ["fashion_mnist"], "models": ["dcgmm-e"]}}
    rows = crossed(91.0 + apart, "dcgmm-e", "fashion_mnist")
    made = results([*rows, *summary_rows(rows)], Plan({"profile": "p", "seeds": 1, "experiments": settings}))
    (row,) = [
        r for r in compare(made) if r.printed.metric == "judge_accuracy" and r.ours.value and r.protocol == "paper"
    ]
    assert (row.printed.mean, round(row.ours.mean, 6), row.verdict) == (94.5, 91.0, verdict)


def test_a_weak_judge_is_named_beside_what_it_judged():
    judges = {"epochs": 3, "learning_rate": 0.01, "train_images": 6000}
    settings = {"judge": {"datasets": ["mnist"], "models": ["dcgmm-a"], "judges": judges}}
    plan = Plan({"profile": "p", "seeds": 1, "experiments": settings})
    for accuracies, said in (
        ([99.2, 96.0], ""),
        ([99.2, 95.9], "the weakest of 2 judges has a test accuracy of 95.9 %"),
    ):
        own = [
            tidy_row(
                protocol="both", experiment="judge", dataset="mnist", model="CNN", seed=seed,
                metric="cnn_test_accuracy", value=value,
            )
            for seed, value in enumerate(accuracies)
        ]  # fmt: skip
        rows = comparison_frame(compare(results([*crossed([[98, 98]]), *own], plan))).query("dataset == 'mnist'")
        remark = rows.query("metric == 'judge_accuracy' and model == 'DCGMM-A'").iloc[0]["remark"]
        assert remark.startswith(said) and bool(remark) == bool(said)
        (judge,) = rows.query("model == 'CNN'").query("protocol == 'paper'")["remark"]
        assert judge == 'printed as "> 99 %"; epochs 3 instead of 15, trained on 6,000 images'
        unjudged = rows.query("metric == 'judge_accuracy' and model == 'DCGMM-B'").iloc[0]["remark"]
        assert "weakest" not in unjudged


def test_the_order_of_the_rows_changes_no_digit():
    """A collection keeps rows of several runs, in the order in which they came."""
    generator = np.random.default_rng(0)
    rows = crossed(90 + 10 * generator.random((5, 5)))
    settings = {"judge": {"datasets": ["mnist"], "models": ["dcgmm-a"]}}
    plan = Plan({"profile": "p", "seeds": 1, "experiments": settings})
    tables = []
    for _ in range(4):
        tables.append(judge_table(results(rows, plan), {"dcgmm-a": "DCGMM-A"}).data)
        rows = [rows[i] for i in generator.permutation(len(rows))]
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table, tables[0], check_exact=True)


def sigma(experiment, value):
    return tidy_row(
        protocol="both", experiment=experiment, dataset="mnist", model="dcgmm-a", seed=0, metric="sigma_layer_0",
        value=value,
    )  # fmt: skip


@pytest.mark.parametrize(("where", "judged", "others"), [("one_class", "", "σ 0.30"), ("params", "σ 0.30", "")])
def test_an_annealing_of_models_of_one_class_ends_where_theirs_does(where, judged, others):
    """The end was that of models of all classes: Table III left out models that were at their own."""
    changes = {"dcgmm-a": {"params": {"sigma_end": 0.01}, "one_class": {"sigma_end": 0.02}}}
    changes["dcgmm-a"][where] = {"sigma_end": 0.3}
    experiments = {name: {"datasets": ["mnist"], "models": ["dcgmm-a"]} for name in ("judge", "inpainting")}
    plan = Plan({"profile": "p", "seeds": 1, "models": changes, "experiments": experiments})
    made = results([*crossed([[98, 98]]), sigma("judge", 0.3), sigma("inpainting", 0.3)], plan)
    assert made.annealing("judge", "mnist", "dcgmm-a") == judged
    assert made.annealing("inpainting", "mnist", "dcgmm-a") == others
    shown = printed(judge_table(made, {"dcgmm-a": "DCGMM-A"}))
    assert ("DCGMM-A" in [row[0] for row in shown.rows]) == (not judged)
