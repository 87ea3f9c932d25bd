"""Where other data were used than the paper's, nothing is compared with the paper's numbers."""

import pytest

from evaluation.datasets.substitutes import substituted
from evaluation.plan.plan import Plan
from evaluation.results.claims import NOT_RUN as NOT_SAID
from evaluation.results.claims import UNDECIDED, claims
from evaluation.results.comparison import compare, compare_variants, comparison_frame
from evaluation.results.comparison_page import comparison_page
from evaluation.results.make import make_table
from evaluation.results.outputs import TABLE, items
from evaluation.results.results import Results
from evaluation.results.tables.table import printed
from evaluation.results.verdicts import NOT_RUN
from tests.evaluation.made_up import SETTINGS, made_up_metrics

STANDS_IN = {"mnist": "mnist-5k", "fashion_mnist": "digits"}
LABELS = ("MNIST (5,000 digits)", "Digits")


@pytest.fixture(scope="module")
def plan():
    return Plan(substituted(SETTINGS, STANDS_IN))


@pytest.fixture(scope="module")
def metrics():
    frame = made_up_metrics()
    return frame.assign(dataset=frame["dataset"].map(STANDS_IN))


def test_no_printed_number_has_ours_beside_it(metrics, plan):
    rows = comparison_frame(compare(Results(metrics, plan)))
    rows = rows[rows["dataset"].isin(STANDS_IN) & (rows["unit"] == "percent")]
    assert len(rows) > 50 and set(rows["verdict"]) == {NOT_RUN} and rows["ours"].isna().all()
    experiments = rows["remark"].str.contains(
        "is not in this profile|from the literature; not run|not among the models"
    )
    others = rows[~experiments]
    assert len(others) > 50 and others["remark"].str.startswith("other data: ").all()
    assert not compare_variants(Results(metrics, plan))


def test_no_claim_is_decided(metrics, plan):
    verdicts = {claim.words: claim for claim in claims(Results(metrics, plan))}
    assert {claim.verdict for claim in verdicts.values()} == {f"{UNDECIDED} (other data)"}
    (claim, *_) = verdicts.values()
    assert claim.evidence == "the run used MNIST (5,000 digits) in place of MNIST, Digits in place of Fashion-MNIST"


def test_what_was_not_run_is_not_a_matter_of_data(plan, metrics):
    without = Plan({key: value for key, value in plan.config.items() if key != "stands_in"})
    said = [claim.verdict for claim in claims(Results(metrics, without))]
    assert NOT_SAID in said and f"{UNDECIDED} (other data)" not in said


def test_tables_name_the_data_and_print_no_published_number(metrics, plan):
    for item in items(plan, TABLE).values():
        if item.output.experiment is None or item.output.name == "table_inpainting":
            continue
        table = printed(make_table(item.output, Results(metrics, plan)))
        text = " ".join([*table.columns, *(cell for row in table.rows for cell in row)])
        assert any(label in text for label in LABELS), item.output.name
        for number, column in enumerate(table.columns):
            cells = {row[number] for row in table.rows}
            if column in [f"{label} published" for label in LABELS]:
                assert cells == {"–"}, (item.output.name, column)
            elif column.startswith(("MNIST ", "Fashion-MNIST ")) and not column.startswith(LABELS):
                # Table IV shows what is printed of other models, in columns of its own.
                assert column.endswith("published") or cells == {"–"}, (item.output.name, column)


def test_the_page_says_so(metrics, plan):
    text = comparison_page(Results(metrics, plan))
    assert text.startswith(
        "# The paper's numbers and ours: made-up profile (50 % & more\\_); MNIST (5,000 digits) for MNIST"
    )
