"""One training looked up: where its model is, who made it when, and the tidy rows that came from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from evaluation.base.errors import UserError
from evaluation.base.words import nearest
from evaluation.measures.tidy import canonical_params
from evaluation.plan.jobs import Jobs
from evaluation.results.specs import finished, keys_of, log_of, record_of

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.plan.key import TrainingKey
    from evaluation.plan.resolve import Run
    from evaluation.results.results import Results

PACKAGES = ("python", "numpy", "jax", "torch", "keras", "tensorflow", "numba")  # whose versions are printed


def find_training(run: Run, word: str) -> TrainingKey:
    """The training that `word` names: MODEL/DATASET/SUBSET/seedN, or its directory below models/.

    Raises:
        UserError: the plan has none of this name.
    """
    names = {name: key for key in keys_of(run.plan) for name in (key.word, key.path)}
    wanted = word.strip("/").rpartition("models/")[2]
    if wanted not in names:
        raise UserError(f"{run.plan.title} has no training {word!r}; {nearest(wanted, names)}")
    return names[wanted]


def facts(run: Run, key: TrainingKey) -> dict[str, str]:
    """What is known of a training: state, directory, log, commit, date, machine, versions, specification."""
    record = record_of(run.plan, run.folder, key)
    state = "not there" if record is None else "finished" if finished(run.plan, run.folder, key) else "other settings"
    found = {
        "model": state,
        "directory": str(run.plan.paths(run.folder).model(key)),
        "log": str(run.folder / log_of(run.plan, Jobs(run.plan), key)),
    }
    if record is None:
        return found
    versions = record.get("versions", {})
    used = ", ".join(f"{name} {versions[name]}" for name in PACKAGES if name in versions)
    more = {"commit": record.get("commit"), "finished": record.get("finished"), "machine": record.get("machine")}
    more |= {"seconds": record.get("seconds"), "versions": used, "specification": record["spec"]}
    return found | {name: str(value) if value not in (None, "") else "not recorded" for name, value in more.items()}


def rows_of_training(results: Results, record: Mapping[str, Any]) -> pd.DataFrame:
    """The tidy rows that came from the model of a bench.json; of judged samples those of all its classes together."""
    rows, subset = results.rows, str(record["subset"])
    point = canonical_params(dict(record.get("point") or {}))
    wanted = (rows["seed"] == record["seed"]) & (rows["point"] == point)
    for name in ("dataset", "model", "protocol"):
        wanted &= rows[name] == record[name]
    together = ["only"] if subset.startswith("only") else []
    return results.metrics[wanted & _trained_on(rows).isin([subset, *together])]


def _trained_on(rows: pd.DataFrame) -> pd.Series:
    """The subset that the model of each row was trained on; "only" of judged samples, whose models of one class each
    share their rows."""
    found = rows["subset"].where(rows["subset"].notna(), "all")  # completions say it, where it is not all classes
    left_out = rows["outlier_class"]
    found = found.where(left_out.isna(), left_out.map("not{}".format))
    return found.where(rows["experiment"] != "judge", "only")


def training_lines(run: Run, results: Results | None, word: str) -> Iterator[str]:
    """What `bench provenance` prints of one training."""
    key = find_training(run, word)
    for name, value in facts(run, key).items():
        yield f"{name}: {value}"
    record = record_of(run.plan, run.folder, key)
    if results is None or record is None:
        return
    rows = rows_of_training(results, record)
    yield f"rows of metrics: {len(rows)}"
    for row in rows.itertuples(index=False):
        yield f"  {row.experiment} {row.metric} {row.params}: {row.value:.6g}"
