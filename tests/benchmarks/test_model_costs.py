"""The table of prices: a run's newer ones are added, the others stay."""

from benchmarks.model_costs import added


def test_newer_prices_are_added_to_a_table():
    before = {"models": {"a": {"train": 1.0, "sample": 2.0}, "b": {"train": 3.0}}}
    found = added(before, {"a": {"train": 0.5}, "c": {"train": 4.0}})
    assert found == {"a": {"train": 0.5, "sample": 2.0}, "b": {"train": 3.0}, "c": {"train": 4.0}}
    assert added({}, {"c": {"train": 4.0}}) == {"c": {"train": 4.0}}
